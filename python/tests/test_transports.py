"""The ways a stream travels, what makes it change them, and what it does when it is behind."""

import os
import threading
from pathlib import Path
from typing import Any, Dict, List

import pytest

import pico_erp
from pico_erp import Client, OrderComplete, Sandbox, StreamState

from conftest import TOKEN
from test_streams import WAIT, order_and_complete

QUICK: Dict[str, Any] = {
    "max_attempts": 1,
    "reconnect_backoff": 0.01,
    "reconnect_backoff_max": 0.05,
    "poll_interval": 0.05,
}


class States:
    """Keeps the states that a subscription tells, and waits for one."""

    def __init__(self) -> None:
        self.all: List[StreamState] = []
        self._changed = threading.Condition()

    def __call__(self, state: StreamState) -> None:
        with self._changed:
            self.all.append(state)
            self._changed.notify_all()

    def wait_for(self, name: str, count: int = 1, **fields: Any) -> StreamState:
        def found() -> List[StreamState]:
            return [
                state
                for state in self.all
                if state.name == name and all(getattr(state, field) == value for field, value in fields.items())
            ]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, WAIT), self.all
            return found()[count - 1]


@pytest.mark.parametrize("transport", ["sse", "websocket", "poll"])
def test_every_transport_brings_events_and_is_told_in_the_state(sandbox: Sandbox, transport: str) -> None:
    states = States()
    with sandbox.client(transport=transport, **QUICK) as client:
        with client.completions(on_state=states) as completions:
            completions.wait_open(WAIT)
            for number in range(3):
                order_and_complete(client, sandbox, f"E-{number}")
            received = [completions.next(WAIT).external_order_id for _ in range(3)]
    assert received == ["E-0", "E-1", "E-2"]
    assert [(state.name, state.transport) for state in states.all] == [
        ("connecting", transport),
        ("open", transport),
    ]


def test_auto_takes_sse_where_it_gets_through(client: Client) -> None:
    states = States()
    with client.completions(callback=print, on_state=states):
        assert states.wait_for("open").transport == "sse"


@pytest.mark.parametrize("head", [True, False])
def test_auto_falls_to_websocket_where_event_streams_are_held_back(sandbox: Sandbox, head: bool) -> None:
    sandbox.add_fault("buffer_sse", head=head)
    states = States()
    received: List[str] = []
    arrived = threading.Event()

    def callback(completion: OrderComplete) -> None:
        received.append(completion.external_order_id)
        arrived.set()

    with sandbox.client(first_byte_timeout=0.1, **QUICK) as client:
        with client.completions(callback=callback, on_state=states):
            switched = states.wait_for("switched")
            assert switched.transport == "websocket"
            assert isinstance(switched.cause, pico_erp.TimeoutError)
            states.wait_for("open", transport="websocket")
            order_and_complete(client, sandbox, "E-1")
            assert arrived.wait(WAIT)
    assert received == ["E-1"]
    assert [state.transport for state in states.all if state.name == "connecting"] == ["sse", "websocket"]


def test_auto_polls_where_websocket_is_refused_as_well() -> None:
    states = States()
    arrived = threading.Event()
    with Sandbox(token=TOKEN, web_socket_protocols="none") as sandbox:
        sandbox.add_fault("buffer_sse")
        with sandbox.client(first_byte_timeout=0.1, **QUICK) as client:
            with client.completions(callback=lambda done: arrived.set(), on_state=states):
                states.wait_for("open", transport="poll")
                order_and_complete(client, sandbox, "E-1")
                assert arrived.wait(WAIT)
    assert [state.transport for state in states.all if state.name == "switched"] == ["websocket", "poll"]


@pytest.mark.parametrize("protocols", ["both", "graphql-transport-ws", "graphql-ws"])
def test_both_websocket_protocols_are_spoken(protocols: Any) -> None:
    with Sandbox(token=TOKEN, web_socket_protocols=protocols) as sandbox:
        with sandbox.client(transport="websocket", **QUICK) as client, client.completions() as completions:
            completions.wait_open(WAIT)
            order_and_complete(client, sandbox, "E-1")
            assert completions.next(WAIT).external_order_id == "E-1"


def test_polling_is_only_for_the_typed_streams(sandbox: Sandbox) -> None:
    with sandbox.client(transport="poll") as client:
        with pytest.raises(pico_erp.InvalidArgumentError, match="^transport"):
            client.subscribe("subscription { operationsStream { id } }").next(WAIT)


@pytest.mark.parametrize("transport", ["sse", "websocket", "poll"])
def test_a_token_that_is_revoked_ends_an_open_stream_with_authentication_error(
    sandbox: Sandbox, transport: str
) -> None:
    with sandbox.client(transport=transport, **QUICK) as client:
        with client.completions() as completions:
            completions.wait_open(WAIT)
            sandbox.revoke_token()
            with pytest.raises(pico_erp.AuthenticationError):
                completions.next(WAIT)
            assert completions.closed
            with pytest.raises(pico_erp.AuthenticationError):
                completions.wait_open(WAIT)
        sandbox.restore_token()
        with client.completions() as completions:
            completions.wait_open(WAIT)


@pytest.mark.parametrize("transport", ["sse", "websocket"])
def test_a_typed_stream_outlives_a_server_that_completes_it_and_a_raw_one_ends(
    sandbox: Sandbox, transport: str
) -> None:
    states = States()
    with sandbox.client(transport=transport, **QUICK) as client:
        with client.completions(callback=print, on_state=states):
            with client.subscribe("subscription { operationsStream { id } }") as events:
                sandbox.wait_for(streams=2)
                assert sandbox.complete_streams() == 2
                assert list(events) == []
            states.wait_for("open", 2)


def test_a_websocket_that_the_server_closes_is_opened_again(sandbox: Sandbox) -> None:
    states = States()
    with sandbox.client(transport="websocket", **QUICK) as client:
        with client.completions(callback=print, on_state=states):
            states.wait_for("open")
            assert sandbox.close_web_sockets(1012, "restart") == 1
            assert isinstance(states.wait_for("retrying").cause, pico_erp.ConnectionLostError)
            assert states.wait_for("open", 2).gap is not None


def test_an_event_stream_without_comments_counts_as_dead_after_a_while(sandbox: Sandbox) -> None:
    sandbox.set_ping_interval(None)
    states = States()
    with sandbox.client(transport="sse", idle_timeout=0.1, **QUICK) as client:
        with client.completions(callback=print, on_state=states):
            assert isinstance(states.wait_for("retrying").cause, pico_erp.TimeoutError)
            sandbox.set_ping_interval(0.01)
            states.wait_for("open", 2)


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        ({"kind": "half_open"}, ["timeout", "connection_lost"]),
        ({"kind": "close_ws", "code": 1011, "reason": "broken"}, ["connection_lost"]),
        ({"kind": "refuse_upgrade", "status": 503}, ["http_status"]),
        ({"kind": "no_ack"}, ["timeout"]),
    ],
)
def test_a_websocket_gets_over_what_happens_to_it(
    sandbox: Sandbox, fault: Dict[str, Any], kinds: List[str]
) -> None:
    states = States()
    with sandbox.client(transport="websocket", ping_interval=0.5, idle_timeout=1.5, request_timeout=0.5, **QUICK) as client:
        with client.completions(callback=print, on_state=states):
            states.wait_for("open")
            sandbox.add_fault(**fault)
            if fault["kind"] in ("refuse_upgrade", "no_ack"):
                # These are about new sockets.
                assert sandbox.close_web_sockets(1001) == 1
                states.wait_for("retrying")
                told = states.wait_for("retrying", 2)
            else:
                told = states.wait_for("retrying")
            assert told.cause is not None and told.cause.kind in kinds
            sandbox.clear_faults()
            assert states.wait_for("open", 2).gap is not None


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "close_ws"}, "code"),
        ({"kind": "refuse_upgrade"}, "status"),
        ({"kind": "refuse_upgrade", "status": 99}, "status"),
        ({"kind": "stall", "code": 1000}, "code"),
        ({"kind": "no_ack", "new_too": True}, "new_too"),
        ({"kind": "half_open", "head": False}, "head"),
        ({"kind": "flood"}, "kind"),
    ],
)
def test_a_fault_that_cannot_be_right_is_refused_by_name(
    sandbox: Sandbox, fault: Dict[str, Any], field: str
) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}"):
        sandbox.add_fault(**fault)


def test_a_sandbox_refuses_websocket_protocols_that_it_does_not_know() -> None:
    unknown: Any = "soap"
    with pytest.raises(pico_erp.InvalidArgumentError, match="^web_socket_protocols"):
        Sandbox(web_socket_protocols=unknown)


@pytest.mark.parametrize("hooked", [True, False])
def test_with_the_drop_policy_what_did_not_fit_is_counted(sandbox: Sandbox, hooked: bool) -> None:
    produced = 50
    received: List[str] = []
    counts: List[int] = []
    with sandbox.client(overflow="drop", stream_buffer=4, **QUICK) as client, sandbox.client(**QUICK) as other:
        slow = client.completions(on_dropped=counts.append if hooked else None)
        witness = other.completions()
        for completions in (slow, witness):
            completions.wait_open(WAIT)
        # The witness is on the same runtime: when it has them all, the slow one had to drop most of them.
        for number in range(produced):
            order_and_complete(client, sandbox, f"E-{number}")
        for _ in range(produced):
            witness.next(WAIT)
        done = slow.try_next()
        while done is not None:
            received.append(done.external_order_id)
            done = slow.try_next()
        # Nothing waits now, so that this one fits. What was dropped is told before it.
        order_and_complete(client, sandbox, "E-last")
        while received[-1:] != ["E-last"]:
            received.append(slow.next(WAIT).external_order_id)
        assert slow.dropped == produced + 1 - len(received) > 0
    assert sum(counts) == (slow.dropped if hooked else 0)
    assert received[0] == "E-0"
    assert received[:-1] == sorted(received[:-1], key=lambda order: int(order[2:]))


def test_without_the_drop_policy_nothing_is_lost_to_a_slow_consumer(sandbox: Sandbox) -> None:
    with sandbox.client(stream_buffer=1, **QUICK) as client, client.completions() as completions:
        completions.wait_open(WAIT)
        for number in range(50):
            order_and_complete(client, sandbox, f"E-{number}")
        received = [completions.next(WAIT).external_order_id for _ in range(50)]
        assert completions.dropped == 0
    assert received == [f"E-{number}" for number in range(50)]


def native_threads() -> int:
    """All threads of the process, where the system lists them; those of Python otherwise."""
    tasks = Path("/proc/self/task")
    return len(os.listdir(tasks)) if tasks.is_dir() else threading.active_count()


@pytest.mark.parametrize("transport", ["sse", "websocket"])
def test_two_hundred_subscriptions_need_no_more_threads_than_one(sandbox: Sandbox, transport: str) -> None:
    with sandbox.client(transport=transport, **QUICK) as client:
        first = client.completions()
        first.wait_open(WAIT)
        before, asked = native_threads(), sandbox.requests()
        others = [client.completions() for _ in range(199)]
        sandbox.wait_for(streams=200, timeout=30)
        assert native_threads() <= before
        if transport == "websocket":
            assert sandbox.requests() == asked, "all share one connection"
        order_and_complete(client, sandbox, "E-1")
        for completions in (first, *others):
            assert completions.next(WAIT).external_order_id == "E-1"
        assert native_threads() <= before
