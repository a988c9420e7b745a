"""Books every completed order once, whatever happens to this program, the network or the disk.

Usage: durable_completions.py STORE BOOKS
STORE is the file in which completions wait until they are booked; BOOKS is an SQLite file that stands for the ERP.
Kill the program whenever you like and start it again: nothing is missing, and nothing is booked twice. Ctrl-C ends it.
Reads PICO_API_ENDPOINT and PICO_API_TOKEN.
"""

import sqlite3
import sys

from pico_erp import Client, Error, FeedNotice, OrderComplete


def open_books(path: str) -> sqlite3.Connection:
    books = sqlite3.connect(path)
    # The key is what makes booking safe to repeat: the program may die after booking and before acknowledging.
    books.execute("CREATE TABLE IF NOT EXISTS booked (key TEXT PRIMARY KEY, order_id TEXT, serial TEXT, at TEXT)")
    return books


def book(books: sqlite3.Connection, key: str, done: OrderComplete) -> bool:
    """Books a completion; False when it was booked before."""
    row = (key, done.external_order_id, done.produced_serial, done.at.isoformat())
    with books:
        return books.execute("INSERT OR IGNORE INTO booked VALUES (?, ?, ?, ?)", row).rowcount == 1


def tell(notice: FeedNotice) -> None:
    if notice.name not in ("stream", "caught_up"):
        print(f"durable_completions: {notice}", file=sys.stderr)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    store, books = sys.argv[1], open_books(sys.argv[2])
    with Client() as client, client.feed(store, on_notice=tell) as feed:
        for delivery in feed:
            try:
                with delivery as done:  # acknowledged at the end of the block
                    booked = book(books, delivery.key, done)
                    print(f"{'booked' if booked else 'known'} {done.external_order_id} {done.produced_serial}", flush=True)
            except sqlite3.Error as error:
                # It is handed out again, after a while that grows with each attempt.
                print(f"durable_completions: not booked: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        print(f"durable_completions: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)
