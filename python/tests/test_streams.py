"""Streams as iterators."""

import threading
import time
from typing import List

import pytest

import pico_erp
from pico_erp import Client, Sandbox, StreamState

from conftest import SilentServer

WAIT = 10


def order_and_complete(client: Client, sandbox: Sandbox, order: str, operation: str = "op-abc-123") -> None:
    client.save_order(operation, order)
    sandbox.complete(order, produced_serial=f"SN-{order}")


def test_completions_arrive_in_order_and_as_the_query_lists_them(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        sandbox.wait_for(streams=1)
        for number in range(5):
            order_and_complete(client, sandbox, f"E-{number}")
        received = [completions.next(WAIT) for _ in range(5)]
    assert [done.external_order_id for done in received] == [f"E-{number}" for number in range(5)]
    assert received == sorted(client.order_completes(), key=lambda done: done.at)
    assert received[0].produced_serial == "SN-E-0"


def test_completions_can_be_narrowed(client: Client, sandbox: Sandbox) -> None:
    with client.completions("op-abc-123", "E-2", 0) as completions:
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2", operation="prod-123")
        order_and_complete(client, sandbox, "E-2")
        done = completions.next(WAIT)
    assert (done.external_order_id, done.operation_id) == ("E-2", "op-abc-123")


def test_a_for_loop_receives_events_until_the_subscription_is_closed(client: Client, sandbox: Sandbox) -> None:
    received = []
    completions = client.completions()
    sandbox.wait_for(streams=1)
    order_and_complete(client, sandbox, "E-1")
    order_and_complete(client, sandbox, "E-2")
    for done in completions:
        received.append(done.external_order_id)
        if len(received) == 2:
            completions.close()
    assert received == ["E-1", "E-2"]
    assert completions.closed


def test_deployed_and_linked_operations_are_streamed(client: Client, sandbox: Sandbox) -> None:
    with client.operations_stream() as operations, client.sub_operations_stream() as edges:
        sandbox.wait_for(streams=2)
        sandbox.deploy("op-new", "New", external_id="PART-9", external_revision="B", consumes=[("a1", "C-1")])
        sandbox.link("op-abc-123", "op-new", 2)
        operation, edge = operations.next(WAIT), edges.next(WAIT)
    assert (operation.id, operation.external_id, operation.external_revision) == ("op-new", "PART-9", "B")
    assert operation == client.operations(id="op-new")[0]
    assert (edge.parent_id, edge.sub_id, edge.sub_group) == ("op-abc-123", "op-new", "2")


def test_notes_are_streamed(client: Client, sandbox: Sandbox) -> None:
    with client.note_events_stream() as notes:
        sandbox.wait_for(streams=1)
        sandbox.add_note("scratch on the housing")
        note = notes.next(WAIT)
    assert (note.text, note.seq) == ("scratch on the housing", 1)


def test_any_subscription_can_be_opened(client: Client, sandbox: Sandbox) -> None:
    document = "subscription($id: String!) { operationsStream(where: {id: {_eq: $id}}) { id name } }"
    with client.subscribe(document, {"id": "op-2"}) as events:
        sandbox.wait_for(streams=1)
        sandbox.deploy("op-1", "One")
        sandbox.deploy("op-2", "Two")
        event = events.next(WAIT)
    assert event.to_dict() == {"operationsStream": {"id": "op-2", "name": "Two"}}
    assert event.raw == '{"operationsStream":{"id":"op-2","name":"Two"}}'


def test_next_raises_time_out_and_goes_on(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        sandbox.wait_for(streams=1)
        began = time.monotonic()
        with pytest.raises(pico_erp.TimeoutError, match=r"no event within 0\.2 s"):
            completions.next(0.2)
        assert 0.15 < time.monotonic() - began < WAIT
        order_and_complete(client, sandbox, "E-1")
        assert completions.next(WAIT).external_order_id == "E-1"


def test_other_python_threads_run_while_one_waits(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        sandbox.wait_for(streams=1)
        # What the main thread waits for comes from a Python thread: with the lock held it could never come.
        thread = threading.Thread(target=order_and_complete, args=(client, sandbox, "E-1"))
        thread.start()
        assert completions.next(WAIT).external_order_id == "E-1"
        thread.join(WAIT)


def test_closing_ends_a_wait_in_another_thread(client: Client) -> None:
    opened, ended = threading.Event(), threading.Event()

    def on_state(state: StreamState) -> None:
        if state.name == "open":
            opened.set()

    completions = client.completions(on_state=on_state)

    def consume() -> None:
        assert list(completions) == []
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    assert opened.wait(WAIT)
    completions.close()
    assert ended.wait(WAIT)
    thread.join(WAIT)


def test_a_refused_token_ends_the_stream_with_an_error_once(sandbox: Sandbox) -> None:
    states: List[StreamState] = []
    with sandbox.client(token="wrong") as client:
        completions = client.completions(on_state=states.append)
        with pytest.raises(pico_erp.AuthenticationError) as caught:
            completions.next(WAIT)
        assert completions.closed and list(completions) == []
        with pytest.raises(pico_erp.ClosedError):
            completions.next(WAIT)
    assert [state.name for state in states] == ["connecting", "closed"]
    assert states[-1].cause is caught.value


def test_a_document_that_the_server_refuses_ends_the_stream(client: Client) -> None:
    with client.subscribe("subscription { nope }") as events:
        with pytest.raises(pico_erp.GraphQLError, match="nope"):
            next(events)
        assert list(events) == []


def test_an_unusable_event_is_raised_and_the_iterator_goes_on(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        sandbox.wait_for(streams=1)
        sandbox.add_fault("malformed_event", times=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        with pytest.raises(pico_erp.Error) as caught:
            completions.next(WAIT)
        assert caught.value.kind in ("not_json", "decode")
        assert completions.next(WAIT).external_order_id == "E-2"


def test_an_unusable_event_goes_to_on_problem_instead(client: Client, sandbox: Sandbox) -> None:
    problems: List[pico_erp.Error] = []
    with client.completions(on_problem=problems.append) as completions:
        sandbox.wait_for(streams=1)
        sandbox.add_fault("malformed_event", times=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        assert completions.next(WAIT).external_order_id == "E-2"
    assert len(problems) == 1


def test_an_event_past_the_limit_is_told_and_the_stream_connects_again(sandbox: Sandbox) -> None:
    problems: List[pico_erp.Error] = []
    reopened = threading.Event()
    received: List[str] = []

    def on_state(state: StreamState) -> None:
        if state.name == "open" and state.gap is not None:
            reopened.set()

    with sandbox.client(max_event_bytes=10_000, reconnect_backoff=0.01) as client:
        with client.completions(
            callback=lambda done: received.append(done.external_order_id),
            on_problem=problems.append,
            on_state=on_state,
        ):
            sandbox.wait_for(streams=1)
            sandbox.add_fault("huge_event", size=20_000, times=1)
            order_and_complete(client, sandbox, "E-1")
            assert reopened.wait(WAIT)
    assert [type(problem) for problem in problems] == [pico_erp.TooLargeError]


def test_a_stream_connects_again_and_tells_the_gap(client: Client, sandbox: Sandbox) -> None:
    states: List[StreamState] = []
    opened, reopened, arrived = threading.Event(), threading.Event(), threading.Event()

    def on_state(state: StreamState) -> None:
        states.append(state)
        if state.name == "open":
            (opened if state.gap is None else reopened).set()

    with client.completions(callback=lambda done: arrived.set(), on_state=on_state):
        assert opened.wait(WAIT)
        assert sandbox.cut_connections() >= 1
        assert reopened.wait(WAIT)
        order_and_complete(client, sandbox, "E-1")
        assert arrived.wait(WAIT)
    names = [state.name for state in states]
    assert names[:3] == ["connecting", "open", "retrying"]
    [retrying] = [state for state in states if state.name == "retrying"][:1]
    assert isinstance(retrying.cause, pico_erp.NetworkError)
    assert retrying.failures == 1 and retrying.delay is not None


def test_a_subscription_that_is_dropped_ends_its_connection(silent_server: SilentServer) -> None:
    with Client(silent_server.url, "token", proxy="") as client:
        completions = client.completions()
        silent_server.accept()
        del completions
        silent_server.wait_for_hang_up()


def test_wait_open_lets_nothing_be_missed_and_takes_nothing_away(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        completions.wait_open(WAIT)
        order_and_complete(client, sandbox, "E-1")
        completions.wait_open(WAIT)
        assert completions.next(WAIT).external_order_id == "E-1"
    with pytest.raises(pico_erp.ClosedError):
        completions.wait_open(WAIT)


def test_wait_open_raises_what_keeps_the_stream_shut(sandbox: Sandbox, silent_server: SilentServer) -> None:
    with Client(sandbox.endpoint, "wrong") as stranger:
        with pytest.raises(pico_erp.AuthenticationError):
            stranger.completions().wait_open(WAIT)
    with Client(silent_server.url, "tok") as patient:
        with pytest.raises(pico_erp.TimeoutError):
            patient.completions().wait_open(0.05)
