"""Plain records: what is told of streams, feeds, stores, webhooks, orders on their way, and operations. Frozen, and equal
when their fields are.

The native half makes them, by name and with the names of their fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Dict, Optional, Sequence, Tuple

from ._errors import Error
from ._objects import Operation, OrderComplete, Webhook


class Record:
    """What all records have in common."""

    def to_dict(self) -> Dict[str, Any]:
        """The fields as what ``json.dumps`` takes: times as text (ISO 8601, UTC), errors as code, kind and message."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, (Record, Operation, Webhook)):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Error):
        return {"code": value.code, "kind": value.kind, "message": value.message}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


@dataclass(frozen=True)
class StreamState(Record):
    """Where the connection behind a subscription or a feed stands."""

    name: str
    """``"connecting"``, ``"open"``, ``"switched"``, ``"retrying"`` or ``"closed"``."""
    gap: Optional[float] = None
    """With ``"open"``, when it is not the first connection: seconds in which nothing was heard. Events of that time are
    lost to the stream, since Pico does not send them again; ``Client.order_completes`` still lists them, and a feed
    catches up on them."""
    failures: Optional[int] = None
    """With ``"retrying"``: failures in a row."""
    delay: Optional[float] = None
    """With ``"retrying"``, and with ``"closed"`` in a catalogue, which opens another: seconds until the next try."""
    cause: Optional[Error] = None
    """With ``"retrying"``: what went wrong. With ``"switched"``: why the last transport did not do. With ``"closed"``: what
    ended the stream, if it was an error."""
    transport: Optional[str] = None
    """With ``"connecting"``, ``"open"`` and ``"switched"``: ``"sse"``, ``"websocket"`` or ``"poll"``; the one that is used
    from now on."""


@dataclass(frozen=True)
class InboxCounts(Record):
    """How many completions are in which state."""

    ready: int
    """Waiting to be handed out."""
    handed_out: int
    """With the consumer."""
    waiting: int
    """Waiting until they are handed out again."""
    acked: int
    """Acknowledged."""
    dead: int
    """Dead letters."""
    skipped: int
    """Never handed out: there before a feed that was told to begin later, or dropped dead letters."""


@dataclass(frozen=True)
class InboxEntry(Record):
    """One completion of the inbox, as it is listed."""

    id: int
    """Its number in the inbox, in the order of arrival."""
    external_order_id: str
    """The ERP's order id; empty where what came could not be read."""
    operation_id: Optional[str]
    """The operation that was completed."""
    order_index: int
    """The unit of the order, from 0."""
    at: Optional[datetime]
    """When it was completed (UTC)."""
    produced_serial: Optional[str]
    """The serial of the unit, where there was one."""
    state: str
    """``"ready"``, ``"handed_out"``, ``"waiting"``, ``"acked"``, ``"dead"`` or ``"skipped"``."""
    attempts: int
    """How often it was handed out."""
    source: str
    """How it came in first: ``"sse"``, ``"web_socket"``, ``"poll"``, ``"webhook"`` or ``"catch_up"``."""
    arrived: datetime
    """When it came in (UTC)."""
    due: Optional[datetime]
    """When it is handed out again, while it waits (UTC)."""
    settled: Optional[datetime]
    """When it got into this state, once it was handed out (UTC)."""
    reason: Optional[str]
    """Why it waits or is dead."""
    raw: Optional[str]
    """The JSON text exactly as Pico sent it; None when it was acknowledged long ago."""

    @property
    def completion(self) -> Optional[OrderComplete]:
        """The completion; None when its text is not kept any more.

        Raises DecodeError when it cannot be read, which is then why it is a dead letter.
        """
        return None if self.raw is None else OrderComplete.from_json(self.raw)

    def to_dict(self) -> Dict[str, Any]:
        """The fields as what ``json.dumps`` takes, with ``raw`` decoded."""
        return {**super().to_dict(), "raw": None if self.raw is None else json.loads(self.raw)}


@dataclass(frozen=True)
class Watermark(Record):
    """How far a source of completions has come."""

    source: str
    """``"sse"``, ``"web_socket"``, ``"poll"``, ``"webhook"`` or ``"catch_up"``."""
    at: datetime
    """The latest time of completion that it reported (UTC)."""
    heard: datetime
    """When it last reported one (UTC)."""
    reports: int
    """How many it reported, those known already included."""


@dataclass(frozen=True)
class CaughtUp(Record):
    """What a catch-up query brought."""

    at: datetime
    """When it was through (UTC)."""
    since: Optional[datetime]
    """From which time on Pico was asked, where it can filter by time; otherwise it lists everything."""
    listed: int
    """How many completions Pico listed."""
    found: int
    """How many of them no live source had brought."""


@dataclass(frozen=True)
class FeedStatus(Record):
    """Where a feed stands."""

    inbox: InboxCounts
    """The completions in the inbox, by state."""
    watermarks: Tuple[Watermark, ...]
    """How far each source has come."""
    part: str
    """``"live"``: it has the live source, as always when the store is a file. ``"standby"``: another node of the same
    database has, or nobody yet."""
    live_node: Optional[str]
    """The node that has the live source, when another has: its machine and process id."""
    stream: Optional[StreamState]
    """The live stream's last state; None where there is none."""
    caught_up: Optional[CaughtUp]
    """The last catch-up that was through."""
    catch_up_error: Optional[Error]
    """Why the last catch-up failed, when it did."""
    store_error: Optional[Error]
    """Why the store refuses, while it does."""


@dataclass(frozen=True)
class WebhookNotice(Record):
    """What the keeper of a webhook has done or noticed."""

    name: str
    """``"registered"``, ``"posts_missing"``, ``"posts_arrive"``, ``"check_failed"``, ``"checks_work"``,
    ``"registration_failed"`` or ``"fingerprint_not_saved"``."""
    cause: Optional[str] = None
    """With ``"registered"``: ``"first"``, ``"lost"``, ``"changed"`` or ``"new_settings"``."""
    error: Optional[Error] = None
    """With what failed: why."""
    last_event_at: Optional[datetime] = None
    """With ``"posts_missing"``: when Pico last had an event, by its clock (UTC)."""
    last_received: Optional[datetime] = None
    """With ``"posts_missing"``: when a post was last received, by this machine's clock (UTC)."""


@dataclass(frozen=True)
class FeedNotice(Record):
    """Something that happened to a feed. None of these loses a completion."""

    name: str
    """``"stream"``, ``"problem"``, ``"caught_up"``, ``"catch_up_failed"``, ``"dead_letter"``, ``"store"``, ``"webhook"`` or
    ``"part"``."""
    message: str
    """The same in words; also ``str(notice)``."""
    stream: Optional[StreamState] = None
    """With ``"stream"``: the live stream's new state."""
    caught_up: Optional[CaughtUp] = None
    """With ``"caught_up"``: what the query brought."""
    error: Optional[Error] = None
    """With ``"problem"``, ``"catch_up_failed"`` and ``"store"``: why. All of them are tried again."""
    id: Optional[int] = None
    """With ``"dead_letter"``: its number in the inbox; None where what came could not be read."""
    reason: Optional[str] = None
    """With ``"dead_letter"``: why it is one."""
    webhook: Optional[WebhookNotice] = None
    """With ``"webhook"``: what its keeper tells."""
    part: Optional[str] = None
    """With ``"part"``, which is told only where several nodes share a database: ``"live"`` or ``"standby"``."""
    live_node: Optional[str] = None
    """With ``"part"``: the node that has the live source, when another has."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class ReceiverCounts(Record):
    """How many posts a receiver has answered, by what became of them."""

    accepted: int
    """Posts that were stored, also where the client had hung up before the answer."""
    refused_by_secret: int
    """Posts without a right secret."""
    refused: int
    """Requests that could not be right: path, method, type, size, form."""
    unavailable: int
    """Posts that the store had no room for or failed on."""
    failed: int
    """Posts on which storing failed in a way that must not happen."""


@dataclass(frozen=True)
class EnsuredWebhook(Record):
    """A webhook that is registered as it should be."""

    outcome: str
    """What was done to that end: ``"unchanged"``, ``"replaced"`` or ``"registered"``."""
    webhook: Webhook
    """The registration as Pico shows it."""
    fingerprint: str
    """What it was registered with, secrets only as a hash. Store it, and give it to the next call."""


@dataclass(frozen=True)
class OrderSave(Record):
    """An order to save: what ``Outbox.save_all`` takes and ``Catalogue.order_by_part`` makes."""

    operation_id: str
    """What to build."""
    external_order_id: str
    """The ERP's order id."""
    order_index: int = 0
    """Which unit of the order, from 0."""
    select_optional_operation_ids: Sequence[str] = ()
    """The optional operations to include, by id."""
    request_id: Optional[str] = None
    """An id of the caller's: queued again under the same one, the order is still queued once."""


@dataclass(frozen=True)
class Queued(Record):
    """What became of an order that was queued."""

    id: int
    """Its number in the outbox, for ``Outbox.wait`` and ``Outbox.get``."""
    known: bool
    """Whether it was queued before under the same request id; nothing was added then."""
    superseded: int
    """How many unsent saves it took the place of."""


@dataclass(frozen=True)
class OutboxCounts(Record):
    """How many orders are in which state."""

    queued: int
    """Waiting to be sent."""
    sending: int
    """Being sent."""
    waiting: int
    """Waiting until they are sent again."""
    sent: int
    """Taken by Pico."""
    failed: int
    """Refused by Pico, and kept until they are retried or dropped."""
    superseded: int
    """Replaced by a later order before they were sent."""
    dropped: int
    """Given up."""

    @property
    def unsent(self) -> int:
        """How many are still to be sent."""
        return self.queued + self.sending + self.waiting


@dataclass(frozen=True)
class OutboxFailure(Record):
    """Why an order failed, or what went wrong the last time it was sent."""

    code: int
    """The number of the kind of error, as ``Error.code``."""
    message: str
    """What went wrong in words."""
    graphql_errors: Tuple[Any, ...]
    """The errors of Pico's reply, decoded."""


@dataclass(frozen=True)
class OutboxEntry(Record):
    """One order of the outbox."""

    id: int
    """Its number in the outbox, in the order of queueing."""
    kind: str
    """``"save"`` or ``"cancel"``."""
    external_order_id: str
    """The ERP's order id."""
    operation_id: str
    """What is to be built."""
    order_index: Optional[int]
    """Which unit; None when all are to be cancelled."""
    cancel_all: bool
    """Whether all units are to be cancelled."""
    input: str
    """The input of the mutation as it is sent, JSON text."""
    state: str
    """``"queued"``, ``"sending"``, ``"waiting"``, ``"sent"``, ``"failed"``, ``"superseded"`` or ``"dropped"``."""
    attempts: int
    """How often it was sent."""
    queued: datetime
    """When it was queued (UTC)."""
    due: Optional[datetime]
    """When it is sent again, while it waits (UTC)."""
    settled: Optional[datetime]
    """When it was settled (UTC)."""
    superseded_by: Optional[int]
    """The number of the order that took its place, when it is superseded."""
    message: Optional[str]
    """What Pico said: ``"created"``, ``"updated"``, ``"canceled"``."""
    error: Optional[OutboxFailure]
    """Why it failed, or what went wrong the last time."""
    request_id: Optional[str]
    """The caller's id for it."""

    def to_dict(self) -> Dict[str, Any]:
        """The fields as what ``json.dumps`` takes, with ``input`` decoded."""
        return {**super().to_dict(), "input": json.loads(self.input)}


@dataclass(frozen=True)
class OutboxStatus(Record):
    """How a sender is doing."""

    counts: OutboxCounts
    """The orders in the outbox, by state."""
    last_error: Optional[Error]
    """What went wrong last, other than the refusal of an order; None once requests get through again."""
    paused_until: Optional[datetime]
    """Until when nothing is sent, after a failure (UTC)."""
    batching: bool
    """Whether saves go in batches; not for ten minutes after the server refused one."""


@dataclass(frozen=True)
class ImportCounts(Record):
    """What an import has done."""

    lines: int
    """Lines read, without the header and empty ones."""
    queued: int
    """Orders queued; a line of several units is several."""
    known: int
    """Orders that an earlier run of the same import had queued."""
    refused: int
    """Lines that were refused."""


@dataclass(frozen=True)
class ImportProgress(Record):
    """How far an import has come."""

    counts: ImportCounts
    """What it has done."""
    read: int
    """How many bytes of the file it has read."""
    size: int
    """The size of the file."""


@dataclass(frozen=True)
class RefusedLine(Record):
    """A line of a file that could not become an order."""

    line: int
    """The line, from 1."""
    error: Error
    """What is wrong, with line and column."""


@dataclass(frozen=True)
class ImportReport(Record):
    """What came of an import."""

    digest: str
    """What tells it from every other, for ``Outbox.import_results``."""
    counts: ImportCounts
    """What it has done."""
    refused: Tuple[RefusedLine, ...]
    """The first hundred refused lines. All are among the results."""


@dataclass(frozen=True)
class ImportResult(Record):
    """What became of one order of an imported file, or of a line that never became one."""

    line: int
    """The line of the file, from 1."""
    unit: int
    """Which unit of the line, from 0."""
    result: str
    """Where the order stands, as ``OutboxEntry.state``; or ``"refused"``."""
    external_order_id: str
    """The ERP's order id; empty for a refused line."""
    operation_id: str
    """What is to be built; empty for a refused line."""
    order_index: Optional[int]
    """Which unit of the order; None for a refused line."""
    message: Optional[str]
    """What Pico said."""
    error: Optional[str]
    """Why it was refused or failed, or what went wrong the last time."""


@dataclass(frozen=True)
class CatalogueEntry(Record):
    """An operation as the catalogue has it."""

    operation: Operation
    """The operation as Pico last told of it."""
    codes: Tuple[str, ...]
    """The codes that ``Catalogue.by_code`` finds it by."""
    unlisted: Optional[datetime]
    """Since when Pico does not list it any more (UTC); None while it does."""

    @property
    def usable(self) -> bool:
        """Whether it can be ordered: it is listed and not archived."""
        return self.unlisted is None and self.operation.archived_at is None


@dataclass(frozen=True)
class CatalogueList(Record):
    """A whole list of operations that was read."""

    at: datetime
    """When its end was reached (UTC)."""
    count: int
    """How many operations it held."""
    unreadable: int
    """How many it held besides that could not be read."""


@dataclass(frozen=True)
class CatalogueStatus(Record):
    """How current a catalogue is."""

    last_list: Optional[CatalogueList]
    """The last whole list, by this process or another; None before the first."""
    stream: Optional[StreamState]
    """The stream that brings what changes after it; None where nobody keeps it in this process, or it has only begun."""
    last_error: Optional[Error]
    """What failed since the last whole list."""
    revision: int
    """A number that grows with each change: see ``Catalogue.changes``."""


@dataclass(frozen=True)
class PlantStatus(Record):
    """Where one of many plants stands."""

    plant: str
    """Its name."""
    endpoint: str
    """Its Pico's address, as the file gives it."""
    state: str
    """``"starting"``, ``"running"``, ``"failed"`` (it is started again) or ``"closed"``."""
    error: Optional[Error]
    """What is wrong now, as far as is known: why it does not run, or what its feed, sender or catalogue met last."""
    feed: Optional[FeedStatus]
    """Where its feed stands, when one runs."""
    sender: Optional[OutboxStatus]
    """Where its sender stands, when one runs."""
    catalogue: Optional[CatalogueStatus]
    """How current its catalogue is, when one runs."""


@dataclass(frozen=True)
class Reloaded(Record):
    """What a reload has done, by plants' names."""

    added: Tuple[str, ...]
    """Were not there before, and are started."""
    removed: Tuple[str, ...]
    """Are not in the file any more, and were closed. What is in the store of them stays."""
    changed: Tuple[str, ...]
    """Have other settings, and were started anew."""
    kept: Tuple[str, ...]
    """Go on as they were."""
