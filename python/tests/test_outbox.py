"""The outbox and its sender: orders that are on disk before the ERP goes on, and reach Pico once it can be reached."""

import gc
import json
import pickle
import threading
import time
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

import pico_erp
from pico_erp import Client, OrderSave, Outbox, OutboxEntry, OutboxSender, Sandbox, Store

from conftest import TOKEN, SilentServer
from test_streams import WAIT

# Does not wait noticeably after a failure.
QUICK = {"backoff": 0.001, "backoff_max": 0.02}
OPERATION = "op-abc-123"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erp.pico"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as store:
        yield store


def orders(count: int) -> Iterator[OrderSave]:
    return (OrderSave(OPERATION, f"E-{number // 3}", number % 3) for number in range(count))


def saved(sandbox: Sandbox) -> List[Tuple[str, int]]:
    """Orders and units that Pico has, each of which was made once."""
    found = sandbox.orders()
    assert all(order["creations"] == 1 for order in found), found
    return sorted((order["externalOrderId"], order["orderIndex"]) for order in found)


def test_what_is_queued_without_a_sender_is_sent_by_one_and_told_of(
    client: Client, sandbox: Sandbox, store: Store
) -> None:
    told: List[OutboxEntry] = []
    outbox = store.outbox
    queued = outbox.save_all(orders(200))
    assert [one.id for one in queued] == list(range(1, 201)) and not any(one.known for one in queued)
    assert (outbox.counts().queued, outbox.counts().unsent, sandbox.requests()) == (200, 200, 0)
    with client.outbox(store, on_settled=told.append) as sender:
        sender.drained(WAIT)
        one = sender.outbox.save(OPERATION, "E-last", select_optional_operation_ids=["prod-123"])
        entry = sender.outbox.wait(one.id, WAIT)
        assert (entry.state, entry.message, entry.attempts, entry.error) == ("sent", "created", 1, None)
        status = sender.status()
    assert sender.closed and "closed" in repr(sender)
    assert (status.counts.sent, status.counts.unsent, status.last_error, status.batching) == (201, 0, None, True)
    assert sorted(entry.id for entry in told) == [one.id for one in queued] + [one.id]
    assert told[-1] == entry and {entry.state for entry in told} == {"sent"}
    assert saved(sandbox) == sorted((order.external_order_id, order.order_index) for order in orders(200)) + [("E-last", 0)]
    assert sandbox.orders()[-1]["selectOptionalOperationIds"] == ["prod-123"]


def test_a_request_id_makes_queueing_twice_the_same_as_once(client: Client, sandbox: Sandbox, store: Store) -> None:
    outbox = store.outbox
    first = outbox.save(OPERATION, "E-1", request_id="job 7")
    again = outbox.save(OPERATION, "E-1", request_id="job 7")
    assert (first.known, again.known, again.id) == (False, True, first.id)
    with pytest.raises(pico_erp.InvalidArgumentError, match='^request_id: "job 7" was used for another order'):
        outbox.save(OPERATION, "E-2", request_id="job 7")
    assert outbox.save_all([OrderSave(OPERATION, "E-1", request_id="job 7")])[0].known
    with client.outbox(store) as sender:
        sender.drained(WAIT)
        assert sender.outbox.save(OPERATION, "E-1", request_id="job 7").known, "also once it was sent"
    assert saved(sandbox) == [("E-1", 0)]


def test_a_later_save_takes_the_place_of_one_that_was_not_sent_and_a_cancel_of_all(
    client: Client, sandbox: Sandbox, store: Store
) -> None:
    outbox = store.outbox
    first = outbox.save(OPERATION, "E-1")
    second = outbox.save(OPERATION, "E-1", select_optional_operation_ids=["prod-123"])
    other = outbox.save(OPERATION, "E-1", order_index=1)
    assert (first.superseded, second.superseded, other.superseded) == (0, 1, 0)
    assert outbox.wait(first.id, WAIT).superseded_by == second.id
    with client.outbox(store) as sender:
        sender.drained(WAIT)
    update = outbox.save(OPERATION, "E-1")
    cancel = outbox.cancel(OPERATION, "E-1", cancel_all=True, request_id="off")
    assert cancel.superseded == 1 and outbox.cancel(OPERATION, "E-1", cancel_all=True, request_id="off").known
    one = outbox.cancel(OPERATION, "E-2", order_index=3)
    with client.outbox(store) as sender:
        entry = outbox.wait(cancel.id, WAIT)
        assert (entry.kind, entry.cancel_all, entry.order_index, entry.message) == ("cancel", True, None, "canceled")
        failed = outbox.wait(one.id, WAIT)
        assert (failed.state, failed.cancel_all, failed.order_index) == ("failed", False, 3)
        sender.drained(WAIT)
    assert [entry.id for entry in outbox.entries("superseded")] == [first.id, update.id]
    assert {order["state"] for order in sandbox.orders()} == {"canceled"}


def test_an_order_that_pico_refuses_fails_alone_and_can_be_retried_and_dropped(
    client: Client, sandbox: Sandbox, store: Store
) -> None:
    outbox = store.outbox
    queued = outbox.save_all(OrderSave("op-later" if place in (3, 5, 7) else OPERATION, f"E-{place}") for place in range(10))
    with client.outbox(store) as sender:
        sender.drained(WAIT)
        assert (outbox.counts().sent, outbox.counts().failed) == (7, 3)
        failed = outbox.get(queued[3].id)
        assert failed is not None and failed.error is not None and failed.state == "failed"
        assert failed.error.code == pico_erp.GraphQLError().code and "op-later" in failed.error.message
        assert "op-later" in failed.error.graphql_errors[0]["message"]
        assert failed.to_dict()["error"]["graphql_errors"] == list(failed.error.graphql_errors)
        outbox.drop(queued[5].id)
        sandbox.deploy("op-later", "Later")
        outbox.retry(queued[3].id)
        assert outbox.wait(queued[3].id, WAIT).message == "created"
        assert outbox.retry_failed() == 1
        sender.drained(WAIT)
    assert (outbox.counts().sent, outbox.counts().dropped) == (9, 1)
    with pytest.raises(pico_erp.InvalidArgumentError, match="^id: order 4 is sent"):
        outbox.retry(queued[3].id)
    for call in (outbox.retry, outbox.drop, outbox.wait):
        with pytest.raises(pico_erp.InvalidArgumentError, match="^id: there is no order 9999"):
            call(9999)


def test_an_entry_tells_all_that_is_known(store: Store) -> None:
    outbox: Outbox = store.outbox
    outbox.save(OPERATION, "E-1", order_index=2, request_id="r")
    outbox.save("op-b", "E-1")
    outbox.save(OPERATION, "E-2")
    [entry, other] = outbox.find("E-1")
    assert (entry.id, other.id, entry.kind, entry.operation_id, entry.order_index) == (1, 2, "save", OPERATION, 2)
    assert (entry.state, entry.attempts, entry.request_id, entry.cancel_all) == ("queued", 0, "r", False)
    assert entry.queued.tzinfo is timezone.utc and (entry.due, entry.settled, entry.superseded_by) == (None, None, None)
    assert entry == outbox.get(1) and outbox.get(99) is None and outbox.find("E-9") == []
    assert pickle.loads(pickle.dumps(entry)) == entry
    told = json.loads(json.dumps(entry.to_dict()))
    assert told["input"] == {"operationId": OPERATION, "externalOrderId": "E-1", "orderIndex": 2}


def test_save_all_says_which_one_is_no_order_and_queues_none(store: Store) -> None:
    for wrong in ("E-2", {"operation_id": OPERATION}, OrderSave(OPERATION, "E-2", 0, "op-1")):
        with pytest.raises(TypeError, match=r"^orders\[1\] is no OrderSave: "):
            store.outbox.save_all([OrderSave(OPERATION, "E-1"), wrong])  # type: ignore[list-item]
    assert store.outbox.counts().queued == 0


def test_entries_come_page_by_page(store: Store) -> None:
    outbox = store.outbox
    outbox.save_all(OrderSave(OPERATION, f"E-{number}") for number in range(700))
    outbox.drop(600)
    assert [entry.id for entry in outbox.entries()] == list(range(1, 701))
    assert [entry.id for entry in outbox.entries("dropped")] == [600]
    with pytest.raises(pico_erp.InvalidArgumentError, match="^state.*superseded"):
        outbox.entries("lost")  # type: ignore[arg-type]


def test_what_breaks_on_the_way_is_waited_for_and_told(client: Client, sandbox: Sandbox, path: Path) -> None:
    for kind in ("cut_after", "cut_before", "html", "malformed_json"):
        sandbox.add_fault(kind, times=2)
    with client.outbox(path, batch=7, **QUICK) as sender:  # type: ignore[arg-type]
        sender.outbox.save_all(orders(100))
        sender.drained(WAIT)
    assert len(saved(sandbox)) == 100
    sandbox.revoke_token()
    with client.outbox(path, backoff=3600.0, backoff_max=3600.0) as sender:
        queued = sender.outbox.save(OPERATION, "late")
        with pytest.raises(pico_erp.TimeoutError):
            sender.drained(0.5)
        status = sender.status()
        assert isinstance(status.last_error, pico_erp.AuthenticationError) and status.paused_until is not None
        assert json.loads(json.dumps(status.to_dict()))["last_error"]["kind"] == status.last_error.kind
        assert (status.counts.unsent, status.counts.failed) == (1, 0)
        with pytest.raises(pico_erp.TimeoutError):
            sender.outbox.wait(queued.id, 0)


def test_a_store_has_one_sender_at_a_time_and_another_process_may_queue(
    client: Client, sandbox: Sandbox, path: Path
) -> None:
    with client.outbox(path) as sender:
        with pytest.raises(pico_erp.StoreInUseError, match="outbox") as caught:
            client.outbox(path)
        assert caught.value.retryable
        # Another connection, which for the file is the same as another process.
        with Store(path) as other:
            queued = other.outbox.save(OPERATION, "E-1")
            assert other.outbox.wait(queued.id, WAIT).state == "sent"
        sender.drained(WAIT)
    client.outbox(path).close()


def test_closing_while_sending_breaks_off_after_the_grace_and_the_next_sender_sends_again(
    sandbox: Sandbox, client: Client, silent_server: SilentServer, store: Store
) -> None:
    with Client(silent_server.url, TOKEN, proxy="") as silent:
        sender = silent.outbox(store)
        queued = sender.outbox.save(OPERATION, "E-1")
        silent_server.accept()
        assert sender.status().counts.sending == 1
        sender.close(0.01)
        silent_server.wait_for_hang_up()
        with pytest.raises(pico_erp.ClosedError):
            sender.drained(WAIT)
    # The role is free at once, and what was under way is taken up again.
    with client.outbox(store) as second:
        assert second.outbox.wait(queued.id, WAIT).attempts == 2
    assert saved(sandbox) == [("E-1", 0)]


def test_closing_waits_for_the_requests_under_way_and_for_on_settled(
    client: Client, sandbox: Sandbox, path: Path
) -> None:
    told: List[int] = []
    sandbox.add_fault("delay", seconds=0.2, times=1)
    sender = client.outbox(path, on_settled=lambda entry: told.append(entry.id))
    sender.outbox.save(OPERATION, "E-1")
    deadline = time.monotonic() + WAIT
    while sender.status().counts.queued:
        assert time.monotonic() < deadline
    sender.close(WAIT)
    assert told == [1] and sender.join(0) and saved(sandbox) == [("E-1", 0)]


@pytest.mark.parametrize("end", ["client", "store", "sender"])
def test_a_wait_ends_with_the_client_the_store_or_the_sender(
    silent_server: SilentServer, path: Path, end: str
) -> None:
    client = Client(silent_server.url, TOKEN, proxy="")
    store = Store(path)
    sender = client.outbox(store, on_settled=lambda entry: None)
    sender.outbox.save(OPERATION, "E-1")
    silent_server.accept()
    ended = threading.Event()

    def drained() -> None:
        with pytest.raises((pico_erp.ClosedError, pico_erp.StoreError)):
            sender.drained()
        ended.set()

    thread = threading.Thread(target=drained)
    thread.start()
    ends: Dict[str, Callable[[], None]] = {"client": client.close, "store": store.close, "sender": lambda: sender.close(0)}
    ends[end]()
    assert ended.wait(WAIT)
    thread.join(WAIT)
    sender.close(0)
    assert sender.join(WAIT)
    store.close()
    client.close()


def test_closing_from_inside_on_settled_ends_it(client: Client, sandbox: Sandbox, store: Store) -> None:
    closed = threading.Event()
    told: List[int] = []

    def on_settled(entry: OutboxEntry) -> None:
        told.append(entry.id)
        sender.close(WAIT)
        closed.set()

    store.outbox.save_all(orders(2000))
    sender = client.outbox(store, on_settled=on_settled)
    assert closed.wait(WAIT) and sender.join(WAIT)
    # Those that were on their way to it are told of; nobody waits for anybody.
    assert told and sender.closed


def test_an_exception_of_on_settled_goes_to_the_threading_excepthook_and_the_sender_goes_on(
    client: Client, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: List[Any] = []
    monkeypatch.setattr(threading, "excepthook", hooked.append)

    def on_settled(entry: OutboxEntry) -> None:
        raise KeyError(entry.external_order_id)

    with client.outbox(path, on_settled=on_settled) as sender:
        sender.outbox.save_all(orders(6))
        sender.drained(WAIT)
    assert len(hooked) == 6 and hooked[0].exc_type is KeyError and hooked[0].thread.name == "pico-erp outbox"


def test_a_sender_that_is_dropped_stops(client: Client, store: Store) -> None:
    sender: OutboxSender = client.outbox(store, on_settled=lambda entry: None)
    thread = sender._thread
    del sender
    gc.collect()
    assert thread is not None
    thread.join(WAIT)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda c, p: c.outbox(p, batch=0), "batch"),
        (lambda c, p: c.outbox(p, batch=1001), "batch"),
        (lambda c, p: c.outbox(p, concurrency=65), "concurrency"),
        (lambda c, p: c.outbox(p, backoff=-1), "backoff"),
        (lambda c, p: c.outbox(p, retry_after_max=timedelta(seconds=-1)), "retry_after_max"),
        (lambda c, p: Store(p).outbox.save("", "E"), "operation_id"),
        (lambda c, p: Store(p).outbox.save("op", " "), "external_order_id"),
        (lambda c, p: Store(p).outbox.save("op", "E", order_index=-1), "order_index"),
        (lambda c, p: Store(p).outbox.save("op", "E", request_id=" "), "request_id"),
        (lambda c, p: Store(p).outbox.save("op", "E", select_optional_operation_ids=[""]), "select_optional"),
        (lambda c, p: Store(p).outbox.save_all([OrderSave("op", "E"), OrderSave("op", "")]), r"orders\[1\]: external"),
        (lambda c, p: Store(p).outbox.save_all([OrderSave("op", "E", -1)]), r"orders\[0\]: order_index"),
        (lambda c, p: Store(p).outbox.cancel("op", "E"), "order_index"),
        (lambda c, p: Store(p).outbox.cancel("op", "E", order_index=1, cancel_all=True), "cancel_all"),
        (lambda c, p: Store(p).outbox.import_orders(p.parent / "nowhere.csv"), "path"),
        (lambda c, p: Store(p).outbox.import_results("none"), "digest"),
    ],
)
def test_what_cannot_be_right_is_refused(
    client: Client, sandbox: Sandbox, path: Path, make: Callable[[Client, Path], object], field: str
) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}"):
        make(client, path)
    assert sandbox.requests() == 0
    with Store(path) as store:
        assert list(store.outbox.entries()) == []
