"""What the process does around orders: Ctrl-C, the end of the interpreter, fork, and death at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from pico_erp import Client, Sandbox, Store

from conftest import EXAMPLES, TOKEN, SilentServer
from test_feed_process import said
from test_process import PROLOGUE, Start, interrupted, unix
from test_streams import WAIT

# The path of the store comes after the endpoint and the token.
SENDER = PROLOGUE + "sender = client.outbox(sys.argv[3], on_settled=lambda entry: None)\n"


@unix
@pytest.mark.parametrize("wait", ["sender.drained()", "sender.outbox.wait(1)", "client.catalogue(store).ready()"])
def test_ctrl_c_ends_a_wait_at_once_and_the_order_stays(
    start: Start, silent_server: SilentServer, tmp_path: Path, wait: str
) -> None:
    process = start(
        SENDER
        + f"""
store = pico_erp.Store(sys.argv[3])
sender.outbox.save("op", "E-1")
try:
    print("waiting", flush=True)
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
sender.close(0)
print(store.outbox.get(1).attempts)
""",
        silent_server.url,
        TOKEN,
        str(tmp_path / "erp.pico"),
    )
    assert said(process) == "waiting"
    silent_server.accept()
    assert interrupted(process) < 1
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("1\n", "", 0)


def test_the_interpreter_ends_with_a_sender_a_catalogue_and_their_threads_open(
    start: Start, sandbox: Sandbox, tmp_path: Path
) -> None:
    process = start(
        SENDER
        + """
settled = threading.Event()
sender.close()
sender = client.outbox(sys.argv[3], on_settled=lambda entry: settled.set())
catalogue = client.catalogue(sys.argv[3])
catalogue.ready(30)
changes, outbox = catalogue.changes(), sender.outbox
def follow():
    for change in changes:
        pass
def wait():
    try:
        outbox.wait(2)
    except pico_erp.Error:
        pass
outbox.save("op-abc-123", "E-1")
assert settled.wait(30)
for target in (follow, wait):
    threading.Thread(target=target, daemon=True).start()
print("ending", flush=True)
""",
        sandbox.endpoint,
        TOKEN,
        str(tmp_path / "erp.pico"),
    )
    assert said(process) == "ending"
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)


@unix
def test_after_a_fork_everything_raises_and_nothing_hangs(start: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    process = start(
        SENDER
        + """
import warnings
warnings.simplefilter("ignore")
store = pico_erp.Store(sys.argv[3])
outbox, entries = sender.outbox, sender.outbox.entries()
catalogue = client.catalogue(store)
catalogue.ready(30)
changes, listed = catalogue.changes(), iter(catalogue)
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert outbox.wait(outbox.save("op-abc-123", "E-1").id, 30).state == "sent", "the parent goes on"
    sender.close()
    sys.exit(0)
for name, use in {
    "outbox": lambda: sender.outbox,
    "drained": sender.drained,
    "status": sender.status,
    "save": lambda: outbox.save("op", "E-1"),
    "save_all": lambda: outbox.save_all([]),
    "counts": outbox.counts,
    "wait": lambda: outbox.wait(1),
    "entries": lambda: next(entries),
    "import": lambda: outbox.import_orders(__import__("os").devnull),
    "sender": lambda: client.outbox(store),
    "ready": catalogue.ready,
    "by_id": lambda: catalogue.by_id("op"),
    "len": lambda: len(catalogue),
    "listed": lambda: next(listed),
    "changes": changes.next,
    "catalogue": lambda: client.catalogue(sys.argv[3] + "-new"),
    "offline": lambda: pico_erp.Catalogue.offline(sys.argv[3]),
}.items():
    try:
        use()
    except pico_erp.ForkedError:
        print(name, end=" ")
print(flush=True)
sender.close(); catalogue.close(); store.close(); client.close()
del sender, outbox, entries, catalogue, changes, listed, store, client
""",
        sandbox.endpoint,
        TOKEN,
        str(tmp_path / "erp.pico"),
    )
    out, err = process.communicate(timeout=30)
    expected = (
        "outbox drained status save save_all counts wait entries import sender ready by_id len listed changes catalogue offline "
    )
    assert (out, err, process.returncode) == (expected + "\n", "", 0)


def test_an_import_that_is_killed_in_the_middle_queues_every_line_once_when_it_is_run_again(
    start: Start, sandbox: Sandbox, tmp_path: Path
) -> None:
    path, file = tmp_path / "erp.pico", tmp_path / "orders.csv"
    lines = [f"E-{number},op-abc-123" for number in range(1200)]
    file.write_text("\n".join(["externalOrderId,operationId", *lines]))
    process = start(
        PROLOGUE
        + """
def stop(progress):
    print(progress.counts.queued, flush=True)
    threading.Event().wait(60)
pico_erp.Store(sys.argv[3]).outbox.import_orders(sys.argv[4], on_progress=stop)
""",
        sandbox.endpoint,
        TOKEN,
        str(path),
        str(file),
    )
    begun = int(said(process))
    process.kill()
    process.wait(WAIT)
    with Store(path, must_exist=True) as store:
        counts = store.outbox.import_orders(file).counts
        # What was told was on disk, and so may be the next chunk.
        assert 0 < begun <= counts.known < 1200 and counts.known + counts.queued == 1200
        assert [entry.external_order_id for entry in store.outbox.entries()] == [f"E-{number}" for number in range(1200)]


class Erp:
    """The example program, with its files, as a process that can be killed."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._environment: Dict[str, str] = {
            **os.environ,
            "PICO_API_ENDPOINT": sandbox.endpoint,
            "PICO_API_TOKEN": TOKEN,
            "NO_PROXY": "127.0.0.1",
        }
        self.store, self.books = folder / "erp.pico", folder / "books.sqlite"
        self._processes: List["subprocess.Popen[str]"] = []

    def start(self, count: int) -> "subprocess.Popen[str]":
        program = [sys.executable, str(EXAMPLES / "durable_orders.py"), str(self.store), str(self.books), str(count)]
        process = subprocess.Popen(
            program, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        return process

    def booked(self) -> List[Tuple[str, str]]:
        """Orders and what Pico answered."""
        books = sqlite3.connect(self.books)
        try:
            return list(books.execute("SELECT id, answer FROM orders ORDER BY id"))
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


def test_an_erp_that_is_killed_again_and_again_has_every_order_made_once(sandbox: Sandbox, erp: Erp) -> None:
    count = 0
    # While the first are queued, while they are sent, and while answers are booked.
    for more, last in ((40, "queued ERP-3"), (40, "queued ERP-60"), (20, "sent ERP-2"), (20, "sent ERP-70")):
        count += more
        sandbox.add_fault("cut_after", times=1)
        process = erp.start(count)
        while (line := said(process)) != last:
            assert line, process.communicate()
        process.kill()
        process.wait(WAIT)
    out, err = erp.start(count).communicate(timeout=60)
    made = sandbox.orders()
    assert all(order["creations"] == 1 for order in made)
    expected = sorted(f"ERP-{number}" for number in range(1, count + 1))
    assert sorted(order["externalOrderId"] for order in made) == expected and err == ""
    assert [order for order, _ in erp.booked()] == expected
    assert {answer for _, answer in erp.booked()} <= {"created", "updated"}
    assert out.splitlines()[-1] == f"sent ERP-{count}"


@unix
def test_an_erp_ends_quietly_on_ctrl_c_and_says_what_is_wrong_with_its_store(
    client: Client, sandbox: Sandbox, erp: Erp, request: pytest.FixtureRequest
) -> None:
    # Whoever started the tests may have had Ctrl-C ignored, and a program inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    sandbox.revoke_token()
    process = erp.start(1)
    assert said(process) == "queued ERP-1"
    out, err = erp.start(1).communicate(timeout=30)
    assert out == "" and "outbox" in err and "Traceback" not in err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)
