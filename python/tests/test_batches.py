"""Streams in batches: as lists that are taken, and as lists that a callback gets."""

import threading
from typing import Any, List

import pytest

import pico_erp
from pico_erp import Client, OrderComplete, Sandbox, StreamState

from test_streams import WAIT, order_and_complete


def orders(batch: List[OrderComplete]) -> List[str]:
    return [done.external_order_id for done in batch]


def test_a_batch_holds_what_has_come_up_to_its_limit(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions, client.completions() as witness:
        sandbox.wait_for(streams=2)
        for number in range(10):
            order_and_complete(client, sandbox, f"E-{number}")
        for _ in range(10):
            witness.next(WAIT)
        batches: List[List[str]] = []
        while sum(map(len, batches)) < 10:
            batches.append(orders(completions.next_batch(4, WAIT)))
    assert [order for batch in batches for order in batch] == [f"E-{number}" for number in range(10)]
    assert all(1 <= len(batch) <= 4 for batch in batches)
    assert len(batches) < 10, "what is there is taken together"


def test_a_batch_waits_for_the_first_event_and_no_longer_than_told(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions:
        sandbox.wait_for(streams=1)
        with pytest.raises(pico_erp.TimeoutError, match=r"no event within 0\.1 s"):
            completions.next_batch(timeout=0.1)
        order_and_complete(client, sandbox, "E-1")
        assert orders(completions.next_batch(timeout=WAIT)) == ["E-1"]
        with pytest.raises(pico_erp.InvalidArgumentError, match="^max"):
            completions.next_batch(0)
    with pytest.raises(pico_erp.ClosedError):
        completions.next_batch()


def test_closing_ends_a_wait_for_a_batch(client: Client, sandbox: Sandbox) -> None:
    completions = client.completions()
    sandbox.wait_for(streams=1)
    ended = threading.Event()

    def take() -> None:
        with pytest.raises(pico_erp.ClosedError):
            completions.next_batch()
        ended.set()

    thread = threading.Thread(target=take)
    thread.start()
    completions.close()
    assert ended.wait(WAIT)
    thread.join(WAIT)


def test_an_unusable_event_in_a_batch_is_raised_after_the_events_and_none_is_lost(
    client: Client, sandbox: Sandbox
) -> None:
    with client.completions() as completions:
        completions.wait_open(WAIT)
        order_and_complete(client, sandbox, "E-1")
        assert orders(completions.next_batch(timeout=WAIT)) == ["E-1"]
        sandbox.add_fault("malformed_event", times=1)
        order_and_complete(client, sandbox, "E-2")
        order_and_complete(client, sandbox, "E-3")
        received: List[str] = []
        problems: List[pico_erp.Error] = []
        while len(received) + len(problems) < 2:
            try:
                received += orders(completions.next_batch(timeout=WAIT))
            except pico_erp.Error as problem:
                problems.append(problem)
    assert received == ["E-3"]
    assert [problem.kind for problem in problems] in (["not_json"], ["decode"])


def test_a_hook_that_raises_in_a_batch_loses_no_event(client: Client, sandbox: Sandbox) -> None:
    told: List[str] = []

    def on_state(state: StreamState) -> None:
        told.append(state.name)
        raise LookupError(state.name)

    with client.completions(on_state=on_state) as completions, client.completions() as witness:
        sandbox.wait_for(streams=2)
        for number in range(3):
            order_and_complete(client, sandbox, f"E-{number}")
        for _ in range(3):
            witness.next(WAIT)
        received: List[str] = []
        while len(received) < 3:
            try:
                received += orders(completions.next_batch(timeout=WAIT))
            except LookupError:
                pass
    assert received == ["E-0", "E-1", "E-2"]
    assert told == ["connecting", "open"]


def test_the_end_of_a_stream_comes_after_its_events(client: Client, sandbox: Sandbox) -> None:
    states: List[str] = []
    document = "subscription { operationsStream { id } }"
    with client.subscribe(document, on_state=lambda state: states.append(state.name)) as events:
        sandbox.wait_for(streams=1)
        for number in range(3):
            sandbox.deploy(f"op-{number}", "New")
        sandbox.complete_streams()
        received: List[Any] = []
        with pytest.raises(pico_erp.ClosedError):
            while True:
                received += [event.to_dict()["operationsStream"]["id"] for event in events.next_batch(timeout=WAIT)]
        assert events.closed
    assert received == ["op-0", "op-1", "op-2"]
    assert states == ["connecting", "open", "closed"]


def test_a_batch_callback_gets_lists_in_order_on_a_named_thread(client: Client, sandbox: Sandbox) -> None:
    batches: List[List[str]] = []
    names = set()
    gate, done = threading.Event(), threading.Event()

    def callback(batch: List[OrderComplete]) -> None:
        assert gate.wait(WAIT)
        names.add(threading.current_thread().name)
        batches.append(orders(batch))
        if sum(map(len, batches)) == 20:
            done.set()

    with client.completions(batch_callback=callback) as completions, client.completions() as witness:
        sandbox.wait_for(streams=2)
        for number in range(20):
            order_and_complete(client, sandbox, f"E-{number}")
        for _ in range(20):
            witness.next(WAIT)
        gate.set()
        assert done.wait(WAIT)
    assert completions.join(WAIT)
    assert [order for batch in batches for order in batch] == [f"E-{number}" for number in range(20)]
    assert len(batches) < 20, "what had piled up came together"
    assert names == {"pico-erp completions"}


def test_an_exception_of_a_batch_callback_goes_to_on_error_and_the_stream_goes_on(
    client: Client, sandbox: Sandbox
) -> None:
    errors: List[BaseException] = []
    failed, second = threading.Event(), threading.Event()

    def callback(batch: List[OrderComplete]) -> None:
        if "E-1" in orders(batch):
            raise KeyError("E-1")
        second.set()

    def on_error(error: BaseException) -> None:
        errors.append(error)
        failed.set()

    with client.completions(batch_callback=callback, on_error=on_error):
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        assert failed.wait(WAIT)
        order_and_complete(client, sandbox, "E-2")
        assert second.wait(WAIT)
    assert [type(error) for error in errors] == [KeyError]


def test_a_batch_callback_may_close_its_own_subscription(client: Client, sandbox: Sandbox) -> None:
    received: List[str] = []
    ready = threading.Event()
    subscription: Any = None

    def callback(batch: List[OrderComplete]) -> None:
        assert ready.wait(WAIT)
        received.extend(orders(batch))
        subscription.close()

    subscription = client.completions(batch_callback=callback)
    sandbox.wait_for(streams=1)
    order_and_complete(client, sandbox, "E-1")
    ready.set()
    assert subscription.join(WAIT)
    assert received == ["E-1"]


def test_a_subscription_has_one_callback_at_most(client: Client) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match="^batch_callback"):
        client.completions(callback=print, batch_callback=print)
    with client.completions(batch_callback=print) as completions:
        with pytest.raises(pico_erp.InvalidArgumentError, match="callback"):
            completions.next_batch()
