"""What a Python developer would write to receive Pico's webhooks durably: FastAPI and sqlite3, with the same promise as
ours: the row is synced (WAL, synchronous=FULL) before the post is answered.

Usage: fastapi_receiver.py DATABASE. Prints its port.
"""

import contextlib
import socket
import sqlite3
import sys

import fastapi
import uvicorn

database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute(
    "CREATE TABLE inbox (order_id TEXT, operation_id TEXT, order_index INT, at TEXT, body TEXT,"
    " UNIQUE (order_id, operation_id, order_index, at))"
)
app = fastapi.FastAPI()


@app.post("/pico")
async def receive(request: fastapi.Request) -> dict:
    if request.headers.get("x-pico-secret") != "s3cret":
        raise fastapi.HTTPException(401)
    done = await request.json()
    key = (done["externalOrderId"], done["operation"]["id"], done["orderIndex"], done["at"])
    # One statement is one transaction, synced before it returns.
    database.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, ?, ?)", (*key, (await request.body()).decode()))
    return {}


with contextlib.closing(socket.socket()) as listener:
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
