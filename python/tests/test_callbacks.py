"""Streams with a callback: which thread it runs on, what its exceptions do, and how it ends."""

import threading
from typing import Any, List, Optional

import pytest

import pico_erp
from pico_erp import Client, OrderComplete, Sandbox, Subscription

from test_streams import WAIT, order_and_complete


def test_events_come_one_at_a_time_on_a_named_thread(client: Client, sandbox: Sandbox) -> None:
    received: List[str] = []
    names = set()
    done = threading.Event()

    def callback(completion: OrderComplete) -> None:
        names.add((threading.current_thread().name, threading.current_thread().daemon))
        received.append(completion.external_order_id)
        if len(received) == 20:
            done.set()

    with client.completions(callback=callback) as completions:
        sandbox.wait_for(streams=1)
        for number in range(20):
            order_and_complete(client, sandbox, f"E-{number}")
        assert done.wait(WAIT)
    assert completions.join(WAIT)
    assert received == [f"E-{number}" for number in range(20)]
    assert names == {("pico-erp completions", True)}


def test_every_stream_takes_a_callback(client: Client, sandbox: Sandbox) -> None:
    received: "dict[str, Any]" = {}
    complete = threading.Semaphore(0)

    def into(name: str) -> Any:
        def callback(event: Any) -> None:
            received[name] = event
            complete.release()

        return callback

    open_streams: List[Subscription[Any]] = [
        client.completions(callback=into("completions")),
        client.operations_stream(callback=into("operations")),
        client.sub_operations_stream(callback=into("sub_operations")),
        client.note_events_stream(callback=into("notes")),
        client.subscribe("subscription { operationsStream { id } }", callback=into("raw")),
    ]
    sandbox.wait_for(streams=5)
    order_and_complete(client, sandbox, "E-1")
    sandbox.deploy("op-1", "One")
    sandbox.link("op-abc-123", "op-1")
    sandbox.add_note("hello")
    for _ in open_streams:
        assert complete.acquire(timeout=WAIT)
    for subscription in open_streams:
        subscription.close()
        assert subscription.join(WAIT)
    assert received["completions"].external_order_id == "E-1"
    assert received["operations"].id == "op-1"
    assert received["sub_operations"].sub_id == "op-1"
    assert received["notes"].text == "hello"
    assert received["raw"].to_dict() == {"operationsStream": {"id": "op-1"}}


def test_a_callback_may_call_the_client(client: Client, sandbox: Sandbox) -> None:
    listed: List[int] = []
    done = threading.Event()

    def callback(completion: OrderComplete) -> None:
        listed.append(len(client.order_completes(external_order_id=completion.external_order_id)))
        done.set()

    with client.completions(callback=callback):
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        assert done.wait(WAIT)
    assert listed == [1]


def test_a_callback_may_close_its_own_subscription_and_is_not_called_again(client: Client, sandbox: Sandbox) -> None:
    received: List[str] = []
    subscription: Optional[Subscription[OrderComplete]] = None
    ready = threading.Event()

    def callback(completion: OrderComplete) -> None:
        assert ready.wait(WAIT) and subscription is not None
        received.append(completion.external_order_id)
        subscription.close()
        assert subscription.join(), "joining from inside must not wait"

    subscription = client.completions(callback=callback)
    sandbox.wait_for(streams=1)
    for number in range(5):
        order_and_complete(client, sandbox, f"E-{number}")
    ready.set()
    assert subscription.join(WAIT)
    assert received == ["E-0"]


def test_an_exception_of_the_callback_goes_to_on_error_and_the_stream_goes_on(
    client: Client, sandbox: Sandbox
) -> None:
    errors: List[BaseException] = []
    second = threading.Event()

    def callback(completion: OrderComplete) -> None:
        if completion.external_order_id == "E-1":
            raise KeyError("E-1")
        second.set()

    with client.completions(callback=callback, on_error=errors.append):
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        assert second.wait(WAIT)
    assert [type(error) for error in errors] == [KeyError]


def test_an_exception_without_on_error_goes_to_the_threading_excepthook(
    client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: List[Any] = []
    second = threading.Event()
    monkeypatch.setattr(threading, "excepthook", told.append)

    def callback(completion: OrderComplete) -> None:
        if completion.external_order_id == "E-1":
            raise KeyError("E-1")
        second.set()

    with client.completions(callback=callback):
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        assert second.wait(WAIT)
    assert [one.exc_type for one in told] == [KeyError]
    assert told[0].thread.name == "pico-erp completions" and told[0].exc_traceback is not None


def test_an_on_error_that_raises_does_not_end_the_stream(
    client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: List[Any] = []
    second = threading.Event()
    monkeypatch.setattr(threading, "excepthook", told.append)

    def callback(completion: OrderComplete) -> None:
        if completion.external_order_id == "E-2":
            second.set()
        else:
            raise KeyError("callback")

    def on_error(error: BaseException) -> None:
        raise LookupError("on_error")

    with client.completions(callback=callback, on_error=on_error):
        sandbox.wait_for(streams=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        assert second.wait(WAIT)
    assert [str(one.exc_value) for one in told] == ["on_error"]


def test_the_error_that_ends_the_stream_goes_to_on_error(sandbox: Sandbox) -> None:
    errors: List[BaseException] = []
    with sandbox.client(token="wrong") as client:
        completions = client.completions(callback=print, on_error=errors.append)
        assert completions.join(WAIT)
    assert [type(error) for error in errors] == [pico_erp.AuthenticationError]
    assert completions.closed


def test_an_unusable_event_goes_to_on_error_without_on_problem(client: Client, sandbox: Sandbox) -> None:
    errors: List[BaseException] = []
    second = threading.Event()
    with client.completions(callback=lambda done: second.set(), on_error=errors.append):
        sandbox.wait_for(streams=1)
        sandbox.add_fault("malformed_event", times=1)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2")
        assert second.wait(WAIT)
    assert len(errors) == 1 and isinstance(errors[0], pico_erp.Error)


def test_closing_the_client_ends_the_thread(client: Client, sandbox: Sandbox) -> None:
    completions = client.completions(callback=print)
    sandbox.wait_for(streams=1)
    client.close()
    assert completions.join(WAIT)
    assert completions.closed


def test_a_subscription_with_a_callback_is_no_iterator(client: Client) -> None:
    with client.completions(callback=print) as completions:
        with pytest.raises(pico_erp.InvalidArgumentError, match="callback"):
            completions.next()
