"""Streams in an event loop: the descriptor with select, selectors and asyncio."""

import asyncio
import select
import selectors
import sys
from typing import List

import pytest

import pico_erp
from pico_erp import Client, OrderComplete, Sandbox, Subscription

from test_streams import WAIT, order_and_complete

unix = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are Unix's")


def readable(subscription: Subscription[OrderComplete], timeout: float) -> bool:
    return select.select([subscription], [], [], timeout)[0] == [subscription]


def opened(client: Client) -> Subscription[OrderComplete]:
    """A stream that is open, whose changes of state were taken already."""
    completions = client.completions()
    while completions.state.name != "open":
        assert readable(completions, WAIT)
        assert completions.try_next() is None
    return completions


@unix
def test_select_waits_for_a_subscription(client: Client, sandbox: Sandbox) -> None:
    completions = opened(client)
    assert not readable(completions, 0)
    order_and_complete(client, sandbox, "E-1")
    order_and_complete(client, sandbox, "E-2")
    received: List[str] = []
    while len(received) < 2:
        assert readable(completions, WAIT)
        done = completions.try_next()
        if done is not None:
            received.append(done.external_order_id)
    assert received == ["E-1", "E-2"]
    assert not readable(completions, 0)
    assert completions.try_next() is None


@unix
def test_what_came_before_the_descriptor_was_asked_for_is_readable(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions, client.completions() as witness:
        sandbox.wait_for(streams=2)
        order_and_complete(client, sandbox, "E-1")
        witness.next(WAIT)
        received = None
        while received is None:
            assert readable(completions, WAIT)
            received = completions.try_next()
        assert received.external_order_id == "E-1"
        # The ways to take may be mixed.
        order_and_complete(client, sandbox, "E-2")
        order_and_complete(client, sandbox, "E-3")
        assert completions.next(WAIT).external_order_id == "E-2"
        assert [done.external_order_id for done in completions.next_batch(timeout=WAIT)] == ["E-3"]


@unix
@pytest.mark.parametrize("what", ["subscription", "client"])
def test_the_end_is_readable_and_try_next_raises_closed_error(client: Client, what: str) -> None:
    completions = opened(client)
    number = completions.fileno()
    (completions if what == "subscription" else client).close()
    assert readable(completions, WAIT)
    for _ in range(2):
        with pytest.raises(pico_erp.ClosedError):
            completions.try_next()
    assert completions.closed
    assert completions.fileno() == number, "so that it can be taken out of a loop"


@unix
def test_what_ends_a_stream_is_readable_and_raised_once(sandbox: Sandbox) -> None:
    with sandbox.client(token="wrong") as stranger, stranger.completions() as completions:
        with pytest.raises(pico_erp.AuthenticationError):
            while True:
                assert readable(completions, WAIT)
                completions.try_next()
        assert readable(completions, WAIT)
        with pytest.raises(pico_erp.ClosedError):
            completions.try_next()


@unix
def test_a_selector_waits_for_several_subscriptions(client: Client, sandbox: Sandbox) -> None:
    received: List[str] = []
    with selectors.DefaultSelector() as selector:
        streams = [client.completions(external_order_id=order) for order in ("E-1", "E-2")]
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ, stream.try_next)
        sandbox.wait_for(streams=2)
        order_and_complete(client, sandbox, "E-2")
        order_and_complete(client, sandbox, "E-1")
        while len(received) < 2:
            ready = selector.select(WAIT)
            assert ready
            for key, _ in ready:
                done = key.data()
                if done is not None:
                    received.append(done.external_order_id)
        for stream in streams:
            stream.close()
            selector.unregister(stream)
    assert sorted(received) == ["E-1", "E-2"]


@unix
def test_asyncio_waits_for_a_subscription_with_add_reader(client: Client, sandbox: Sandbox) -> None:
    async def receive(count: int) -> List[str]:
        loop = asyncio.get_running_loop()
        queue: "asyncio.Queue[OrderComplete]" = asyncio.Queue()
        with client.completions() as completions:

            def take() -> None:
                done = completions.try_next()
                while done is not None:
                    queue.put_nowait(done)
                    done = completions.try_next()

            loop.add_reader(completions, take)
            try:
                await loop.run_in_executor(None, completions.wait_open, WAIT)
                for number in range(count):
                    await loop.run_in_executor(None, order_and_complete, client, sandbox, f"E-{number}")
                return [
                    (await asyncio.wait_for(queue.get(), WAIT)).external_order_id for _ in range(count)
                ]
            finally:
                loop.remove_reader(completions)

    assert asyncio.run(receive(5)) == [f"E-{number}" for number in range(5)]


def test_a_subscription_with_a_callback_has_no_descriptor(client: Client) -> None:
    with client.completions(callback=print) as completions:
        for use in (completions.fileno, completions.try_next):
            with pytest.raises(pico_erp.InvalidArgumentError, match="callback"):
                use()


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere there is one")
def test_there_is_no_descriptor_on_windows(client: Client) -> None:
    with client.completions() as completions:
        with pytest.raises(pico_erp.InvalidArgumentError, match="^fileno"):
            completions.fileno()


def test_try_next_works_without_a_descriptor(client: Client, sandbox: Sandbox) -> None:
    with client.completions() as completions, client.completions() as witness:
        sandbox.wait_for(streams=2)
        assert completions.try_next() is None
        order_and_complete(client, sandbox, "E-1")
        witness.next(WAIT)
        # The witness may have been served first, by a moment.
        received = completions.try_next() or completions.next(WAIT)
    assert received.external_order_id == "E-1"
    with pytest.raises(pico_erp.ClosedError):
        completions.try_next()
