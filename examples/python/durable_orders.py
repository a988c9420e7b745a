"""Sends every order of an ERP to Pico once, whatever happens to this program, the network or the disk.

Usage: durable_orders.py STORE BOOKS [COUNT]
BOOKS is an SQLite file that stands for the ERP, with orders ERP-1 to ERP-COUNT (100); STORE is the file in which orders wait
until Pico has them. Kill the program whenever you like and start it again: none is missing, and none is made twice. It ends
when Pico has answered all of them. Reads PICO_API_ENDPOINT and PICO_API_TOKEN.
"""

import sqlite3
import sys
from typing import List, Tuple

from pico_erp import Client, Error, OutboxEntry


def open_books(path: str, count: int) -> sqlite3.Connection:
    books = sqlite3.connect(path)
    with books:
        books.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, operation_id TEXT, answer TEXT)")
        orders = ((f"ERP-{number}", "op-abc-123") for number in range(1, count + 1))
        books.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, NULL)", orders)
    return books


def unanswered(books: sqlite3.Connection) -> List[Tuple[str, str]]:
    return books.execute("SELECT id, operation_id FROM orders WHERE answer IS NULL ORDER BY rowid").fetchall()


def book(books: sqlite3.Connection, entry: OutboxEntry) -> None:
    """Writes down what became of an order."""
    answer = entry.message if entry.error is None else f"{entry.state}: {entry.error.message}"
    with books:
        books.execute("UPDATE orders SET answer = ? WHERE id = ?", (answer, entry.external_order_id))
    print(f"{entry.state} {entry.external_order_id}", flush=True)


def main() -> int:
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    books = open_books(sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 100)
    with Client() as client, client.outbox(sys.argv[1]) as sender:
        waiting = []
        for order_id, operation_id in unanswered(books):
            # The request id is what makes queueing safe to repeat: the program may have died after it, also after Pico
            # had answered and before that was booked.
            queued = sender.outbox.save(operation_id, order_id, request_id=order_id)
            print(f"{'known' if queued.known else 'queued'} {order_id}", flush=True)
            waiting.append(queued.id)
        for id in waiting:
            book(books, sender.outbox.wait(id))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        print(f"durable_orders: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)
