"""Saves an order and waits until Pico reports that it is built.

Usage: first_order.py [order id] [operation id]
The order id is ERP-ORDER-1 and the operation the first one listed, unless given.
Reads PICO_API_ENDPOINT and PICO_API_TOKEN.
"""

import sys
import threading
from typing import List

from pico_erp import Client, Error, OrderComplete

SECONDS_TO_CONNECT = 30
SECONDS_TO_BUILD = 60


def main() -> int:
    order_id = sys.argv[1] if len(sys.argv) > 1 else "ERP-ORDER-1"
    with Client() as client:
        operations = client.operations()
        print(f"{len(operations)} operations")
        operation_id = sys.argv[2] if len(sys.argv) > 2 else operations[0].id
        if operation_id is None:
            print("first_order: the first operation has no id, give one", file=sys.stderr)
            return 1

        built = threading.Event()
        found: List[OrderComplete] = []

        def on_completion(completion: OrderComplete) -> None:
            found.append(completion)
            built.set()

        # Pico sends a completion once, to whoever is connected: listen first, then order.
        with client.completions(operation_id, order_id, callback=on_completion) as stream:
            stream.wait_open(SECONDS_TO_CONNECT)
            print(f"order {order_id} {client.save_order(operation_id, order_id)}")
            if not built.wait(SECONDS_TO_BUILD):
                # The connection may have been down at the wrong moment; the query knows.
                found.extend(client.order_completes(operation_id, order_id))
        if not found:
            print(f"first_order: {order_id} was not built in {SECONDS_TO_BUILD} s", file=sys.stderr)
            return 1
        print(f"completed {found[0].external_order_id} {found[0].produced_serial}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        print(f"first_order: {error}", file=sys.stderr)
        sys.exit(1)
