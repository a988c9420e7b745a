"""What the process does around a feed: Ctrl-C, the end of the interpreter, fork, and death at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from pico_erp import Client, Sandbox, Store

from conftest import EXAMPLES, TOKEN
from test_process import PROLOGUE, Start, interrupted, unix
from test_streams import WAIT, order_and_complete

# The path of the store comes after the endpoint and the token.
FEED = PROLOGUE + "feed = client.feed(sys.argv[3])\nfeed.opened(30)\n"


def said(process: "subprocess.Popen[str]") -> str:
    """The next line that the process prints; empty when it has ended, as it must within a while."""
    assert process.stdout is not None
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        return process.stdout.readline().rstrip("\n")
    finally:
        late.cancel()


@pytest.fixture
def arguments(sandbox: Sandbox, tmp_path: Path) -> Tuple[str, str, str]:
    return sandbox.endpoint, TOKEN, str(tmp_path / "erp.pico")


@unix
@pytest.mark.parametrize("wait", ["next(feed)", "feed.next()", "next(feed.notices())", "feed.next(3600)"])
def test_ctrl_c_ends_a_wait_at_once_and_takes_no_completion_with_it(
    start: Start, client: Client, sandbox: Sandbox, arguments: Tuple[str, str, str], wait: str
) -> None:
    process = start(
        FEED
        + f"""
try:
    print("waiting", flush=True)
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
print(feed.next(30).attempt)
""",
        *arguments,
        stdin=subprocess.PIPE,
    )
    assert said(process) == "waiting"
    assert interrupted(process) < 1
    order_and_complete(client, sandbox, "E-1")
    out, err = process.communicate("\n", timeout=20)
    assert (out, err, process.returncode) == ("1\n", "", 0)


@unix
def test_ctrl_c_in_a_block_hands_the_completion_out_again_at_once(
    start: Start, client: Client, sandbox: Sandbox, arguments: Tuple[str, str, str]
) -> None:
    process = start(
        FEED
        + """
print("opened", flush=True)
try:
    with feed.next(30):
        print("booking", flush=True)
        threading.Event().wait(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
again = feed.next(30)
print(again.attempt, feed.inbox.entry(again.id).reason)
""",
        *arguments,
    )
    assert said(process) == "opened"
    order_and_complete(client, sandbox, "E-1")
    assert said(process) == "booking"
    assert interrupted(process) < 1
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("2 KeyboardInterrupt\n", "", 0)


def test_the_interpreter_ends_with_a_feed_its_threads_and_deliveries_open(
    start: Start, client: Client, sandbox: Sandbox, arguments: Tuple[str, str, str]
) -> None:
    process = start(
        PROLOGUE
        + """
heard = threading.Event()
feed = client.feed(sys.argv[3], on_notice=lambda notice: heard.set())
feed.opened(30)
receiver = feed.receiver()
keeper = feed.keep_webhook("erp", f"http://{receiver.address}/pico")
keeper.check_now(30)
notices = feed.notices()
def consume():
    for delivery in feed:
        pass
def listen():
    for notice in notices:
        pass
def answer(delivery):
    while True:
        try:
            feed.status()
        except pico_erp.Error:
            return
in_hand = feed.next(30)
threads = [threading.Thread(target=target, args=args, daemon=True) for target, args in (
    (consume, ()), (consume, ()), (listen, ()), (answer, (in_hand,)))]
for thread in threads:
    thread.start()
assert heard.wait(30)
print("ending", flush=True)
""",
        *arguments,
    )
    order_and_complete(client, sandbox, "E-1")
    assert said(process) == "ending"
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)
    with Store(arguments[2], must_exist=True) as store, client.feed(store) as feed:
        assert feed.next(WAIT).attempt == 2


@unix
def test_after_a_fork_everything_raises_and_nothing_hangs(
    start: Start, client: Client, sandbox: Sandbox, arguments: Tuple[str, str, str]
) -> None:
    process = start(
        FEED
        + """
import warnings
warnings.simplefilter("ignore")
store = pico_erp.Store(sys.argv[3] + "-other")
inbox, entries = store.inbox, store.inbox.entries()
receiver = feed.receiver()
keeper = feed.keep_webhook("erp", f"http://{receiver.address}/pico")
keeper.check_now(30)
notices = feed.notices()
print("opened", flush=True)
delivery = feed.next(30)
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    delivery.ack()
    assert feed.status().inbox.acked == 1, "the parent goes on"
    sys.exit(0)
def block():
    with delivery:
        pass
for name, use in {
    "iterate": lambda: list(feed),
    "next": feed.next,
    "opened": feed.opened,
    "catch_up": feed.catch_up,
    "status": feed.status,
    "notices": feed.notices,
    "notice": notices.next,
    "feed": lambda: client.feed(store),
    "path": lambda: client.feed(sys.argv[3] + "-new"),
    "store": lambda: pico_erp.Store(sys.argv[3] + "-new"),
    "inbox": lambda: store.inbox,
    "counts": inbox.counts,
    "entries": lambda: next(entries),
    "ack": delivery.ack,
    "block": block,
    "receiver": receiver.counts,
    "listen": feed.receiver,
    "keeper": keeper.check_now,
    "keep": lambda: feed.keep_webhook("b", "http://erp.example/"),
}.items():
    try:
        use()
    except pico_erp.ForkedError:
        print(name, end=" ")
print(flush=True)
feed.close(); store.close(); receiver.close(); keeper.close(); client.close()
del feed, store, inbox, entries, receiver, keeper, notices, delivery, client
""",
        *arguments,
    )
    assert said(process) == "opened"
    order_and_complete(client, sandbox, "E-1")
    out, err = process.communicate(timeout=30)
    expected = "iterate next opened catch_up status notices notice feed path store inbox counts entries ack block receiver listen keeper keep "
    assert (out, err, process.returncode) == (expected + "\n", "", 0)


@unix
def test_a_child_that_lives_on_does_not_keep_the_store_from_the_next_feed(
    start: Start, arguments: Tuple[str, str, str]
) -> None:
    process = start(
        FEED
        + """
import warnings
warnings.simplefilter("ignore")
told, tell = os.pipe()
child = os.fork()
if not child:
    os.close(tell)
    os.read(told, 1)
    os._exit(0)
feed.close()
client.feed(sys.argv[3]).close()
os.close(tell)
os.waitpid(child, 0)
""",
        *arguments,
    )
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("", "", 0)


class Erp:
    """The example program, with its files, as a process that can be killed."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "PICO_API_ENDPOINT": sandbox.endpoint,
            "PICO_API_TOKEN": TOKEN,
            "NO_PROXY": "127.0.0.1",
        }
        self.store, self.books = folder / "erp.pico", folder / "books.sqlite"
        self._processes: List["subprocess.Popen[str]"] = []

    def start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "durable_completions.py"), str(self.store), str(self.books)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def booked(self) -> List[Tuple[str, str]]:
        """Orders and serials."""
        books = sqlite3.connect(self.books)
        try:
            return list(books.execute("SELECT order_id, serial FROM booked ORDER BY order_id"))
        finally:
            books.close()

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def erp(sandbox: Sandbox, tmp_path: Path) -> Iterator[Erp]:
    erp = Erp(sandbox, tmp_path)
    yield erp
    erp.end()


def test_an_erp_that_is_killed_again_and_again_books_every_completion_once(
    client: Client, sandbox: Sandbox, erp: Erp
) -> None:
    made = 0
    lines: List[str] = []

    def complete(count: int) -> None:
        nonlocal made
        for number in range(made, made + count):
            order_and_complete(client, sandbox, f"E-{number:03}")
        made += count

    for _ in range(4):
        complete(10)  # while it is down
        process = erp.start()
        lines.extend(said(process) for _ in range(3))
        complete(5)  # while it is booking
        lines.append(said(process))
        process.kill()  # after this line was booked, and perhaps before it was acknowledged
        process.wait(WAIT)
        assert process.stdout is not None
        lines.extend(process.stdout.read().splitlines())

    process = erp.start()
    while len(erp.booked()) < made:
        lines.append(said(process))
        assert lines[-1], process.communicate()
    expected = sorted((done.external_order_id, done.produced_serial) for done in sandbox.completions())
    assert len(expected) == made and erp.booked() == expected
    # It has one at a time in hand, so at most one for each death was booked and not acknowledged.
    assert {line.split()[0] for line in lines} <= {"booked", "known"}
    assert sum(line.startswith("known") for line in lines) <= 4


@unix
def test_an_erp_ends_quietly_on_ctrl_c_and_says_what_is_wrong_with_its_store(
    client: Client, sandbox: Sandbox, erp: Erp, request: pytest.FixtureRequest
) -> None:
    # Whoever started the tests may have had Ctrl-C ignored, and a program inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    process = erp.start()
    order_and_complete(client, sandbox, "E-1")
    assert said(process) == "booked E-1 SN-E-1"
    second = erp.start()
    out, err = second.communicate(timeout=30)
    assert (out, second.returncode) == ("", 1)
    assert "another feed runs on this store" in err and "Traceback" not in err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)
    erp.store.write_bytes(b"this is no store" * 1000)
    out, err = erp.start().communicate(timeout=30)
    assert "erp.pico" in err and "Traceback" not in err
