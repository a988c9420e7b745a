"""What a Python developer would write to order what a CSV file lists: requests, one call for each order, in one loop or in
a pool of threads. Nothing is remembered on disk.

Usage: import_orders.py FILE ENDPOINT THREADS. Prints the seconds it took.
"""

import concurrent.futures
import csv
import sys
import threading
import time

import requests

SAVE = "mutation Save($input: OperationOrderSaveInput!) { operationOrderSave(input: $input) { message } }"

path, endpoint, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
local = threading.local()


def save(row: dict) -> None:
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.trust_env = False
    order = {
        "externalOrderId": row["externalOrderId"],
        "operationId": row["operationId"],
        "orderIndex": int(row["orderIndex"]),
    }
    reply = local.session.post(endpoint, json={"query": SAVE, "variables": {"input": order}}, timeout=30)
    reply.raise_for_status()
    reply.json()["data"]["operationOrderSave"]["message"]


begin = time.perf_counter()
with open(path, newline="") as file:
    rows = csv.DictReader(file)
    if threads == 1:
        for row in rows:
            save(row)
    else:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(save, row) for row in rows]:
                done.result()
print(time.perf_counter() - begin)
