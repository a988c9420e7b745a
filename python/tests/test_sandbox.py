"""What the sandbox can be made to do that Pico would do only by accident: rework, wrong clocks, lost and doubled posts."""

from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest

from pico_erp import Client, InvalidArgumentError, NetworkError, Sandbox

FRAGMENT = "fragment Done on OperationOrderComplete { externalOrderId }"
# Nobody listens there: whether a post was tried shows in the error of its delivery.
NOWHERE = "http://127.0.0.1:9/"


def test_rework_at_the_same_time_gives_a_second_completion(client: Client, sandbox: Sandbox) -> None:
    client.save_order("op-abc-123", "E-1")
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone(timedelta(hours=2)))
    first = sandbox.complete("E-1", produced_serial="SN-1", at=at)
    second = sandbox.complete("E-1", produced_serial="SN-2", at=first.at, again=True)
    assert (first.at, second.at) == (at, at)
    assert [one.produced_serial for one in client.order_completes()] == ["SN-1", "SN-2"]
    [order] = sandbox.orders()
    assert (order["saves"], order["cancels"], order["creations"]) == (1, 0, 1)
    with pytest.raises(InvalidArgumentError, match="at: is 2026-01-02T00:00:00; give a datetime with a time zone"):
        sandbox.complete("E-1", again=True, at=datetime(2026, 1, 2))
    with pytest.raises(InvalidArgumentError, match="no completed order `E-2`"):
        sandbox.complete("E-2", again=True)


def test_a_silent_completion_is_only_listed(client: Client, sandbox: Sandbox) -> None:
    client.webhook_subscribe("w", FRAGMENT, NOWHERE)
    for order, silent in (("E-1", True), ("E-2", False)):
        client.save_order("op-abc-123", order)
        sandbox.complete(order, silent=silent)
    sandbox.wait_for(deliveries=1, completions=2)
    assert [one.external_order_id for one in client.order_completes()] == ["E-1", "E-2"]
    assert [one["body"] for one in sandbox.deliveries()] == ['{"externalOrderId":"E-2"}']


def test_a_clock_that_is_set_back_takes_the_times_with_it(client: Client, sandbox: Sandbox) -> None:
    for order in ("E-1", "E-2"):
        client.save_order("op-abc-123", order)
    first = sandbox.complete("E-1")
    sandbox.set_clock_offset(-3600)
    assert sandbox.complete("E-2").at < first.at
    assert [one.external_order_id for one in client.order_completes()] == ["E-2", "E-1"]
    with pytest.raises(InvalidArgumentError):
        sandbox.set_clock_offset(10**12)


def test_webhooks_are_forgotten_and_their_posts_dropped_or_doubled(client: Client, sandbox: Sandbox) -> None:
    client.webhook_subscribe("w", FRAGMENT, NOWHERE)
    sandbox.set_webhook_posts("dropped")
    client.save_order("op-abc-123", "E-1")
    sandbox.complete("E-1")
    sandbox.wait_for(deliveries=1)
    assert sandbox.deliveries()[0]["error"].startswith("not sent")
    assert client.webhooks()[0].last_event_at is not None
    sandbox.set_webhook_posts("twice")
    sandbox.complete("E-1", again=True)
    sandbox.wait_for(deliveries=3)
    assert not any(one["error"].startswith("not sent") for one in sandbox.deliveries()[1:])
    assert (sandbox.forget_webhook("w"), sandbox.forget_webhook("w")) == (True, False)
    assert client.webhooks() == []
    anything: Callable[[Any], None] = sandbox.set_webhook_posts
    with pytest.raises(InvalidArgumentError, match='posts: is "thrice"'):
        anything("thrice")


def test_a_connection_is_reset_before_or_after_the_request_is_carried_out(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault("cut_before", times=1)
    with pytest.raises(NetworkError):
        client.save_order("op-abc-123", "E-1")
    assert sandbox.orders() == []
    sandbox.add_fault("cut_after", times=1)
    with pytest.raises(NetworkError):
        client.save_order("op-abc-123", "E-1")
    assert [one["saves"] for one in sandbox.orders()] == [1]
