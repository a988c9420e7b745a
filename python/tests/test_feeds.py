"""The feed: completions that are not lost, each until it is acknowledged."""

import asyncio
import gc
import json
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

import pico_erp
from pico_erp import CaughtUp, Client, Delivery, Feed, FeedNotice, Sandbox, Store

from test_streams import WAIT, order_and_complete

# Hands out again at once what was not acknowledged.
QUICK = {"backoff": 0.0, "backoff_max": 0.0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erp.pico"


def opened(feed: Feed) -> Feed:
    feed.opened(WAIT)
    return feed


def order(delivery: Delivery) -> str:
    return delivery.completion.external_order_id


def ack_next(feed: Feed) -> str:
    delivery = feed.next(WAIT)
    delivery.ack()
    return order(delivery)


def caught_up(feed: Feed) -> CaughtUp:
    """Runs one more catch-up."""
    notices = feed.notices()
    feed.catch_up()
    while True:
        news = notices.next(WAIT).caught_up
        if news is not None:
            return news


def test_a_loop_takes_each_completion_once(client: Client, sandbox: Sandbox, path: Path) -> None:
    seen: List[str] = []
    with client.feed(path) as feed:
        opened(feed)
        for number in range(5):
            order_and_complete(client, sandbox, f"E-{number}")
        for delivery in feed:
            with delivery as done:
                seen.append(done.external_order_id)
            assert delivery.answered
            if len(seen) == 5:
                break
        assert caught_up(feed).found == 0
        counts = feed.status().inbox
    assert seen == [f"E-{number}" for number in range(5)]
    assert (counts.acked, counts.ready, counts.waiting, counts.handed_out, counts.dead) == (5, 0, 0, 0, 0)
    assert feed.closed and list(feed) == []


def test_a_delivery_tells_all_of_a_completion(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        delivery = feed.next(WAIT)
        [listed] = client.order_completes()
        assert delivery.completion is delivery.completion
        assert delivery.completion == listed and json.loads(delivery.raw) == listed.to_dict()
        assert delivery.key.startswith("E-1/op-abc-123/0/") and delivery.key.endswith("/SN-E-1")
        assert (delivery.attempt, delivery.source, delivery.answered) == (1, "sse", False)
        assert delivery.arrived.tzinfo is timezone.utc
        assert f"id={delivery.id}" in repr(delivery)
        delivery.ack()


def test_what_was_not_acknowledged_comes_again_after_a_restart_and_what_was_missed_too(
    client: Client, sandbox: Sandbox, path: Path
) -> None:
    with client.feed(path) as first:
        opened(first)
        order_and_complete(client, sandbox, "acked")
        order_and_complete(client, sandbox, "in hand")
        assert ack_next(first) == "acked"
        held = first.next(WAIT)
    order_and_complete(client, sandbox, "while down")
    with client.feed(path) as second:
        again = second.next(WAIT)
        assert (order(again), again.attempt, again.key) == ("in hand", 2, held.key)
        # The feed that handed it out first is gone, and its answer with it.
        with pytest.raises(pico_erp.ClosedError):
            held.ack()
        again.ack()
        missed = second.next(WAIT)
        assert (order(missed), missed.source) == ("while down", "catch_up")
        missed.ack()
        assert caught_up(second).found == 0


def test_a_block_that_raises_asks_for_the_completion_again_and_its_exception_goes_on(
    client: Client, sandbox: Sandbox, path: Path
) -> None:
    with client.feed(path, **QUICK) as feed:  # type: ignore[arg-type]
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        delivery = feed.next(WAIT)
        with pytest.raises(KeyError, match="no item"):
            with delivery:
                raise KeyError("no item")
        entry = feed.inbox.entry(delivery.id)
        assert entry is not None and entry.reason == "KeyError: 'no item'"
        again = feed.next(WAIT)
        assert (again.id, again.attempt) == (delivery.id, 2)
        # Nothing that the completion is to blame for.
        with pytest.raises(SystemExit):
            with again:
                raise SystemExit
        with feed.next(WAIT) as done:
            assert done.external_order_id == "E-1"


def test_an_answer_inside_the_block_counts(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        delivery = feed.next(WAIT)
        with delivery:
            delivery.reject("not ours")
        with pytest.raises(ValueError):
            with delivery:
                raise ValueError("too late to matter")
        assert [entry.reason for entry in feed.inbox.entries("dead")] == ["not ours"]
        with pytest.raises(pico_erp.ClosedError, match="answered already"):
            delivery.ack()


def test_retry_reject_dead_letters_and_replay(client: Client, sandbox: Sandbox, path: Path) -> None:
    notices: List[FeedNotice] = []
    dead = threading.Semaphore(0)

    def on_notice(notice: FeedNotice) -> None:
        if notice.name == "dead_letter":
            notices.append(notice)
            dead.release()

    with Store(path) as store, client.feed(store, max_attempts=2, on_notice=on_notice, **QUICK) as feed:  # type: ignore[arg-type]
        opened(feed)
        for name in ("never booked", "rejected", "good"):
            order_and_complete(client, sandbox, name)
        for _ in range(4):
            delivery = feed.next(WAIT)
            if order(delivery) == "rejected":
                delivery.reject("no such item")
            elif order(delivery) == "never booked":
                delivery.retry(timedelta(0), "period closed")
            else:
                delivery.ack()
        assert dead.acquire(timeout=WAIT) and dead.acquire(timeout=WAIT)
        letters = {entry.external_order_id: entry for entry in store.inbox.entries("dead")}
        assert letters["rejected"].reason == "no such item"
        assert letters["never booked"].reason == "handed out 2 times; the last time: period closed"
        assert {notice.id: notice.reason for notice in notices} == {e.id: e.reason for e in letters.values()}
        assert all("dead letter" in str(notice) for notice in notices)

        store.inbox.replay(letters["rejected"].id)
        again = feed.next(WAIT)
        assert (order(again), again.attempt) == ("rejected", 1)
        again.ack()
        assert store.inbox.replay_dead() == 1
        feed.next(WAIT).reject("still closed")
        store.inbox.drop(letters["never booked"].id)
        counts = store.inbox.counts()
        assert (counts.acked, counts.dead, counts.skipped) == (2, 0, 1)
        for call in (store.inbox.replay, store.inbox.drop):
            with pytest.raises(pico_erp.InvalidArgumentError, match="9999"):
                call(9999)
    assert feed.join(WAIT)


def test_retry_may_name_the_wait(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        delivery = feed.next(WAIT)
        with pytest.raises(pico_erp.InvalidArgumentError, match="after"):
            delivery.retry(-1)
        delivery.retry(3600, "tomorrow")
        [entry] = feed.inbox.entries("waiting")
        assert entry.due is not None and entry.settled is not None
        assert abs(entry.due - entry.settled - timedelta(hours=1)) < timedelta(seconds=WAIT)
        with pytest.raises(pico_erp.TimeoutError, match=r"no completion within 0\.05 s"):
            feed.next(0.05)


def test_one_that_is_dropped_without_an_answer_is_handed_out_again(
    client: Client, sandbox: Sandbox, path: Path
) -> None:
    with client.feed(path, **QUICK) as feed:  # type: ignore[arg-type]
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        first = feed.next(WAIT).id
        gc.collect()
        again = feed.next(WAIT)
        assert (again.id, again.attempt) == (first, 2)
        again.ack()


def test_threads_share_a_feed_and_none_sees_what_another_has(client: Client, sandbox: Sandbox, path: Path) -> None:
    seen: List[str] = []
    everything = threading.Event()

    def consume(feed: Feed) -> None:
        for delivery in feed:
            with delivery as done:
                seen.append(done.external_order_id)
            if len(seen) == 30:
                everything.set()

    with client.feed(path) as feed:
        threads = [threading.Thread(target=consume, args=(feed,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        opened(feed)
        for number in range(30):
            order_and_complete(client, sandbox, f"{number:02}")
        assert everything.wait(WAIT)
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert sorted(seen) == [f"{number:02}" for number in range(30)]


def test_a_time_out_of_nothing_looks_once(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        deadline = time.monotonic() + WAIT
        while True:
            try:
                feed.next(0).ack()
                break
            except pico_erp.TimeoutError as error:
                assert time.monotonic() < deadline and "within 0 s" in str(error)


def test_an_event_loop_takes_deliveries_on_a_thread(client: Client, sandbox: Sandbox, path: Path) -> None:
    async def take(feed: Feed) -> str:
        taking = asyncio.ensure_future(asyncio.to_thread(feed.next, WAIT))
        await asyncio.to_thread(order_and_complete, client, sandbox, "E-1")
        delivery = await taking
        await asyncio.to_thread(delivery.ack)
        return order(delivery)

    with client.feed(path) as feed:
        opened(feed)
        assert asyncio.run(take(feed)) == "E-1"


def test_close_gives_those_in_hand_a_grace(client: Client, sandbox: Sandbox, path: Path) -> None:
    with Store(path) as store:
        feed = opened(client.feed(store))
        order_and_complete(client, sandbox, "E-1")
        delivery = feed.next(WAIT)
        thread = threading.Thread(target=feed.close, args=(WAIT,))
        thread.start()
        with pytest.raises(pico_erp.ClosedError):
            feed.next(WAIT)
        delivery.ack()
        thread.join(WAIT)
        assert not thread.is_alive()
        feed.close()
        assert store.inbox.counts().acked == 1


@pytest.mark.parametrize("end", ["client", "store", "feed"])
def test_a_wait_ends_with_the_client_the_store_or_the_feed(client: Client, path: Path, end: str) -> None:
    store = Store(path)
    feed = opened(client.feed(store))
    notices = feed.notices()
    ended = threading.Event()

    def consume() -> None:
        assert list(feed) == []
        ended.set()

    thread = threading.Thread(target=consume)
    thread.start()
    ends: Dict[str, Callable[[], None]] = {"client": client.close, "store": store.close, "feed": feed.close}
    ends[end]()
    assert ended.wait(WAIT)
    thread.join(WAIT)
    feed.close()
    assert feed.closed
    for notice in notices:
        assert isinstance(notice, FeedNotice)
    with pytest.raises(pico_erp.ClosedError):
        notices.next(WAIT)
    with pytest.raises(pico_erp.ClosedError):
        feed.opened(WAIT)
    store.close()


def test_a_store_has_one_feed_at_a_time(client: Client, path: Path) -> None:
    with client.feed(path):
        with pytest.raises(pico_erp.StoreInUseError, match="another feed") as caught:
            client.feed(path)
        assert isinstance(caught.value, (pico_erp.StoreError, OSError)) and caught.value.retryable
        with pytest.raises(pico_erp.StoreInUseError):
            Store.set_aside(path)
    client.feed(path).close()


def test_a_feed_that_is_dropped_ends(client: Client, path: Path) -> None:
    feed = client.feed(path, on_notice=lambda notice: None)
    thread = feed._thread
    del feed
    gc.collect()
    assert thread is not None
    thread.join(WAIT)
    assert not thread.is_alive()
    client.feed(path).close()


def test_a_damaged_store_is_refused_left_alone_and_can_be_set_aside(client: Client, path: Path) -> None:
    path.write_bytes(b"this is no store" * 1000)
    for use in (lambda: Store(path), lambda: client.feed(path)):
        with pytest.raises(pico_erp.StoreDamagedError, match=r"erp\.pico"):
            use()
    aside = Store.set_aside(path)
    assert aside.read_bytes() == b"this is no store" * 1000
    client.feed(path).close()


def test_a_feed_begins_where_it_is_told_to(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    order_and_complete(client, sandbox, "old")
    with client.feed(tmp_path / "now.pico", start="now") as now:
        opened(now)
        order_and_complete(client, sandbox, "new")
        assert ack_next(now) == "new"
        assert now.status().inbox.skipped == 1
    new = sandbox.completions()[1].at
    with client.feed(str(tmp_path / "since.pico"), start=new) as since:
        assert ack_next(since) == "new"
        assert caught_up(since).found == 0
    with client.feed(tmp_path / "all.pico") as beginning:
        assert sorted([ack_next(beginning), ack_next(beginning)]) == ["new", "old"]


def test_a_feed_can_be_narrowed(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path, "op-abc-123", "E-2", 0) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        order_and_complete(client, sandbox, "E-2", operation="prod-123")
        order_and_complete(client, sandbox, "E-2")
        assert feed.next(WAIT).completion.operation_id == "op-abc-123"


def test_what_the_stream_misses_is_caught_up(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        client.save_order("op-abc-123", "silent")
        sandbox.complete("silent", silent=True)
        assert sandbox.cut_connections() >= 1
        delivery = feed.next(WAIT)
        assert (order(delivery), delivery.source) == ("silent", "catch_up")
        delivery.ack()
        assert caught_up(feed).found == 0


def test_status_and_notices_tell_where_the_feed_stands(client: Client, sandbox: Sandbox, path: Path) -> None:
    with client.feed(path) as feed:
        opened(feed)
        order_and_complete(client, sandbox, "E-1")
        ack_next(feed)
        news = caught_up(feed)
        sandbox.add_fault("status", status=503, times=1)
        notices = feed.notices()
        feed.catch_up()
        failed = next(notice for notice in notices if notice.name == "catch_up_failed")
        status = feed.status()
    assert (news.listed, news.found, news.since) == (1, 0, None)
    assert isinstance(failed.error, pico_erp.HttpStatusError) and "503" in str(failed)
    assert status.caught_up == news and type(status.catch_up_error) is pico_erp.HttpStatusError
    assert status.stream is not None and (status.stream.name, status.stream.transport) == ("open", "sse")
    assert [(mark.source, mark.reports) for mark in status.watermarks] == [("sse", 1)]
    told = json.loads(json.dumps(status.to_dict()))
    assert told["inbox"]["acked"] == 1 and told["catch_up_error"]["kind"] == "http_status"
    assert told["caught_up"]["at"].endswith("Z")


def test_an_exception_of_on_notice_goes_to_the_threading_excepthook_and_the_feed_goes_on(
    client: Client, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: List[Any] = []
    twice = threading.Semaphore(0)

    def hook(arguments: Any) -> None:
        told.append(arguments)
        twice.release()

    def on_notice(notice: FeedNotice) -> None:
        raise KeyError(notice.name)

    monkeypatch.setattr(threading, "excepthook", hook)
    with client.feed(path, on_notice=on_notice) as feed:
        assert twice.acquire(timeout=WAIT) and twice.acquire(timeout=WAIT)
    assert feed.join(WAIT)
    assert told[0].exc_type is KeyError and told[0].thread.name == "pico-erp feed notices"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda c, p: c.feed(p, max_attempts=0), "max_attempts"),
        (lambda c, p: c.feed(p, start="yesterday"), "start"),
        (lambda c, p: c.feed(p, start=datetime(2025, 1, 1)), "start"),
        (lambda c, p: c.feed(p, catch_up_every=0.5), "catch_up_every"),
        (lambda c, p: c.feed(p, catch_up_every=timedelta(seconds=-1)), "catch_up_every"),
        (lambda c, p: c.feed(p, overlap=-1), "overlap"),
        (lambda c, p: c.feed(p, backoff=-1), "backoff"),
        (lambda c, p: c.feed(p, order_index=-1), "order_index"),
        (lambda c, p: c.feed(p, external_order_id=" "), "external_order_id"),
        (lambda c, p: Store(p, max_size=0), "max_size"),
        (lambda c, p: Store(p, keep_acked=-1), "keep_acked"),
        (lambda c, p: Store(p, keep_sent=timedelta(days=-1)), "keep_sent"),
        (lambda c, p: Store(p, must_exist=True), "path"),
    ],
)
def test_what_cannot_be_right_is_refused(
    client: Client, sandbox: Sandbox, path: Path, make: Callable[[Client, Path], object], field: str
) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}"):
        make(client, path)
    assert sandbox.requests() == 0
