"""The metrics of a store, as frozen records. What each number means is told in ``docs/observability.md``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional, Tuple

from ._errors import Error
from ._records import InboxCounts, OutboxCounts, ReceiverCounts, Record, Watermark


@dataclass(frozen=True)
class Histogram(Record):
    """How long things took."""

    count: int
    """How many there were."""
    sum: float
    """All times together, in seconds."""
    buckets: Tuple[Tuple[float, int], ...]
    """Bounds in seconds, ascending, and how many took no longer."""


@dataclass(frozen=True)
class StoreMetrics(Record):
    """How a store does."""

    up: bool
    """Whether it answered just now."""
    error: Optional[Error]
    """Why it did not."""
    transactions: int
    """Transactions, those that failed included."""
    failures: int
    """Transactions that failed."""
    commit: Histogram
    """How long transactions took, from begin to the disk."""


@dataclass(frozen=True)
class KeptMetrics(Record):
    """What is in a store."""

    inbox: InboxCounts
    """The completions, by state."""
    outbox: OutboxCounts
    """The orders, by state."""
    watermarks: Tuple[Watermark, ...]
    """How far each source of completions has come."""
    last_event_age: Optional[float]
    """Seconds since any source last reported a completion."""
    oldest_unacknowledged: Optional[float]
    """Seconds that the oldest completion has been waiting that is neither acknowledged nor dead."""
    oldest_unsent: Optional[float]
    """Seconds that the oldest order has been waiting that is still to be sent."""


@dataclass(frozen=True)
class StreamMetrics(Record):
    """A feed's live stream."""

    transport: Optional[str]
    """The way it goes, or tries to."""
    open: bool
    """Whether it is open."""
    down: Optional[float]
    """Seconds that it has not been open; None while it is, and where there is none."""
    reconnects: int
    """How often it was opened again."""
    failures: int
    """How often a connection was lost or could not be made."""
    gap_total: float
    """Seconds that it was not open before it was opened again, all times together."""
    last_gap: Optional[float]
    """The last of these times."""


@dataclass(frozen=True)
class FeedMetrics(Record):
    """What a feed has done."""

    stream: StreamMetrics
    """The live stream."""
    received: Mapping[str, int]
    """Reports of completions by source, those known already included."""
    duplicates: Mapping[str, int]
    """Reports of completions that were known already, by source."""
    unreadable: int
    """Reports that could not be read and were kept as dead letters."""
    handed_out: int
    """Completions handed out, each time counted."""
    redelivered: int
    """Those among them that had been handed out before."""
    acked: int
    """Completions that were acknowledged."""
    retried: int
    """Completions that were asked for again, or dropped without an answer."""
    dead_letters: int
    """Completions that became dead letters."""
    catch_ups: int
    """Catch-up queries, those that failed included."""
    catch_ups_failed: int
    """Catch-up queries that failed."""
    catch_up_found: int
    """Completions that only the catch-up query brought."""
    catch_up_last: Optional[float]
    """Seconds that the last catch-up query took."""
    ack_lag: Histogram
    """From a completion's arrival to its acknowledgement."""
    completion_lag: Histogram
    """From the moment a unit was completed to its arrival by a live source."""


@dataclass(frozen=True)
class SenderMetrics(Record):
    """What a sender of an outbox has done."""

    sent: int
    """Orders that Pico took."""
    failed: int
    """Orders that Pico refused."""
    retried: int
    """Orders that are to be sent again."""
    superseded: int
    """Unsent orders whose place a newly queued one took."""
    pauses: int
    """How often sending was paused because nothing got through."""


@dataclass(frozen=True)
class RequestMetrics(Record):
    """Requests to Pico."""

    answered: int
    """Answered in GraphQL, with errors or without."""
    refused: int
    """Answered by something else, as HTTP 503 or a login page."""
    timed_out: int
    """Not answered in time."""
    failed: int
    """Not answered: no connection, or one that broke."""
    duration: Histogram
    """How long it took, of all of them."""


@dataclass(frozen=True)
class PlantMetrics(Record):
    """The numbers of one Pico. What did not run in this process is None."""

    plant: str
    """Its name; empty for the one without."""
    kept: Optional[KeptMetrics]
    """What is in the store; None when that did not answer."""
    feed: Optional[FeedMetrics]
    """The feed."""
    webhooks: Optional[ReceiverCounts]
    """The posts of webhooks."""
    sender: Optional[SenderMetrics]
    """The sender of the outbox."""
    requests: Optional[RequestMetrics]
    """The requests of the client that the feed, the sender or the catalogue was started with."""


@dataclass(frozen=True)
class Metrics(Record):
    """The numbers of a store, and of what runs on it in this process, since the store was opened."""

    at: datetime
    """When they were taken (UTC)."""
    version: str
    """The version of pico-erp."""
    store: StoreMetrics
    """The store."""
    plants: Tuple[PlantMetrics, ...]
    """Each Pico that the store has to do with, by name."""
    page: str = field(repr=False)
    """The same in Prometheus' text format: see ``prometheus``."""

    def prometheus(self) -> str:
        """The numbers in Prometheus' text format, version 0.0.4, to be served as
        ``text/plain; version=0.0.4; charset=utf-8``."""
        return self.page

    def to_dict(self) -> Dict[str, Any]:
        """The fields as what ``json.dumps`` takes, without the page."""
        plain = super().to_dict()
        del plain["page"]
        return plain


def _time(text: str) -> datetime:
    whole, _, fraction = text.rstrip("Z").partition(".")
    # Up to nine digits, of which Python has six.
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    return moment.replace(microsecond=int((fraction + "000000")[:6]), tzinfo=timezone.utc)


def _histogram(told: Mapping[str, Any]) -> Histogram:
    buckets = tuple((bucket["le"], bucket["count"]) for bucket in told["buckets"])
    return Histogram(count=told["count"], sum=told["sumSeconds"], buckets=buckets)


def _kept(told: Mapping[str, Any]) -> KeptMetrics:
    inbox = {("handed_out" if name == "handedOut" else name): count for name, count in told["inbox"].items()}
    return KeptMetrics(
        inbox=InboxCounts(**inbox),
        outbox=OutboxCounts(**told["outbox"]),
        watermarks=tuple(
            Watermark(source=mark["source"], at=_time(mark["at"]), heard=_time(mark["heard"]), reports=mark["reports"])
            for mark in told["watermarks"]
        ),
        last_event_age=told["lastEventAgeSeconds"],
        oldest_unacknowledged=told["oldestUnacknowledgedSeconds"],
        oldest_unsent=told["oldestUnsentSeconds"],
    )


def _feed(told: Mapping[str, Any]) -> FeedMetrics:
    stream = told["stream"]
    return FeedMetrics(
        stream=StreamMetrics(
            transport=stream["transport"],
            open=stream["open"],
            down=stream["downSeconds"],
            reconnects=stream["reconnects"],
            failures=stream["failures"],
            gap_total=stream["gapSecondsTotal"],
            last_gap=stream["lastGapSeconds"],
        ),
        received=told["received"],
        duplicates=told["duplicates"],
        unreadable=told["unreadable"],
        handed_out=told["handedOut"],
        redelivered=told["redelivered"],
        acked=told["acked"],
        retried=told["retried"],
        dead_letters=told["deadLetters"],
        catch_ups=told["catchUps"],
        catch_ups_failed=told["catchUpsFailed"],
        catch_up_found=told["catchUpFound"],
        catch_up_last=told["catchUpLastSeconds"],
        ack_lag=_histogram(told["ackLag"]),
        completion_lag=_histogram(told["completionLag"]),
    )


def _webhooks(told: Mapping[str, Any]) -> ReceiverCounts:
    return ReceiverCounts(
        accepted=told["accepted"],
        refused_by_secret=told["refusedBySecret"],
        refused=told["refused"],
        unavailable=told["unavailable"],
        failed=told["failed"],
    )


def _requests(told: Mapping[str, Any]) -> RequestMetrics:
    return RequestMetrics(
        answered=told["answered"],
        refused=told["refused"],
        timed_out=told["timedOut"],
        failed=told["failed"],
        duration=_histogram(told["duration"]),
    )


def _plant(told: Mapping[str, Any]) -> PlantMetrics:
    return PlantMetrics(
        plant=told["plant"],
        kept=None if told["kept"] is None else _kept(told["kept"]),
        feed=None if told["feed"] is None else _feed(told["feed"]),
        webhooks=None if told["webhooks"] is None else _webhooks(told["webhooks"]),
        sender=None if told["sender"] is None else SenderMetrics(**told["sender"]),
        requests=None if told["requests"] is None else _requests(told["requests"]),
    )


def from_native(text: str, error: Optional[Error], page: str) -> Metrics:
    """Makes the record of what the core tells as JSON and as a page."""
    told = json.loads(text)
    store = told["store"]
    return Metrics(
        at=_time(told["at"]),
        version=told["version"],
        store=StoreMetrics(
            up=store["up"],
            error=error,
            transactions=store["transactions"],
            failures=store["failures"],
            commit=_histogram(store["commit"]),
        ),
        plants=tuple(_plant(plant) for plant in told["plants"]),
        page=page,
    )
