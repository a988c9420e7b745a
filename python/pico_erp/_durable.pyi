"""Completions that are not lost: the store, its inbox, the native end of a feed, deliveries, and the webhooks' other end.
Import from ``pico_erp`` instead.
"""

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Dict, Iterator, List, Literal, Optional, Sequence, Tuple, Type, Union, final

from typing_extensions import Self, disjoint_base

from ._arguments import Pem, Span, StorePath
from ._metrics import Metrics
from ._native import BaseClient
from ._objects import NoteEvent, OrderComplete
from ._orders import Outbox
from ._records import FeedNotice, FeedStatus, InboxCounts, InboxEntry, ReceiverCounts, Watermark

__all__ = [
    "BaseDelivery",
    "BaseFeed",
    "Delivery",
    "FeedNotices",
    "Inbox",
    "InboxEntries",
    "MetricsServer",
    "NoteDelivery",
    "Store",
    "WebhookKeeper",
    "WebhookReceiver",
]

@final
class Store:
    """A file, or a database that several nodes share, that keeps completions, orders and operations over restarts, crashes and
    power cuts.

    ``place`` is a path, whose file is made when there is none, or the URL of a PostgreSQL database
    (``"postgres://user@host/database"``), whose tables are made when there are none; with ``must_exist`` nothing is made.
    Whatever a call confirms is on disk when it returns.

    A file is for one machine. Several processes may open it, to look at it, to queue orders or to replay dead letters; for
    each plant one at a time may run a feed on it, one send its outbox, and one keep its catalogue. It must lie on a local
    disk: the locks do not hold on network file systems. A database is for several nodes, which share the work.

    ``max_size`` is how large the file may grow, in bytes; beyond that the store refuses with StoreFullError, as on a full
    disk. ``keep_acked`` is how long the text of an acknowledged completion is kept, ``keep_sent`` how long an order that was
    sent is (90 days each), in seconds or as a timedelta. Keys of completions are kept for ever. With a database,
    ``node_lease`` is how long a node counts as being there after it was last heard of, a second at least, and ``connections``
    how many are used for work, 1 to 64.

    A store may hold several plants, each with its own Pico: see ``plant``.

    Raises InvalidArgumentError when ``must_exist`` and there is none, StoreDamagedError when the file is damaged or no
    store (it is never overwritten: see ``set_aside``), StoreFullError, and StoreError for what else the file system or the
    database refuses. Open it after ``os.fork()``, not before.
    """

    def __new__(
        cls,
        place: StorePath,
        *,
        must_exist: bool = False,
        max_size: Optional[int] = None,
        keep_acked: Span = 7776000.0,
        keep_sent: Span = 7776000.0,
        node_lease: Span = 10.0,
        connections: int = 4,
    ) -> Self: ...
    @staticmethod
    def set_aside(path: StorePath) -> Path:
        """Moves a store's files out of the way, to ``<path>.set-aside-<time>``, and returns the new path. For a damaged
        store, after somebody has decided to go on without it: what was acknowledged is then forgotten.

        Raises StoreInUseError while a feed runs on it, StoreError when the file system refuses, InvalidArgumentError for a
        database.
        """

    @property
    def location(self) -> str:
        """Where it is: the absolute path of the file, or the URL of the database without the password."""

    @property
    def plant_name(self) -> str:
        """The name of the plant that this is the store of; empty for the one without a name."""

    def plant(self, name: str) -> Store:
        """The same store for one of several plants, each with a Pico of its own. Feeds, outboxes, catalogues and inboxes that
        are made of it know of nothing but that plant. Closing one closes the store for all.

        Raises InvalidArgumentError for a name that is empty, longer than 64 characters, or has others than ASCII letters,
        digits, ".", "-" and "_"; ClosedError after close().
        """

    def plants(self) -> List[str]:
        """The plants that have been worked with in this store, by name, whether this process does or not.

        Raises StoreError when the store refuses, ClosedError after close().
        """

    def rebind(self, client: BaseClient) -> None:
        """Says that this plant's completions and orders belong to the Pico of ``client`` from now on, after it has moved to
        another host. Feeds, senders and catalogues refuse to start with the client of another Pico than the one that they
        were first started with.

        Raises StoreError when the store refuses, ClosedError after close() of either.
        """

    @property
    def closed(self) -> bool:
        """Whether close() was called."""

    @property
    def inbox(self) -> Inbox:
        """The completions in this store.

        Raises ClosedError after close().
        """

    @property
    def notes_inbox(self) -> Inbox:
        """The notes in this store that a feed of notes has taken in. An entry's ``external_order_id`` is the id of the note,
        its ``produced_serial`` the number of the event.

        Raises ClosedError after close().
        """

    @property
    def outbox(self) -> Outbox:
        """The orders in this store that are on their way to Pico.

        Raises ClosedError after close().
        """

    def metrics(self) -> Metrics:
        """The numbers of this store, and of what runs on it in this process. A store that does not answer is told of by
        ``Metrics.store.error``, and is no exception.

        Raises ClosedError after close().
        """

    def serve_metrics(self, bind: str = "127.0.0.1:9464") -> MetricsServer:
        """Serves the metrics over HTTP for Prometheus at ``bind``, such as "127.0.0.1:9464", until the server is closed; port
        0 takes a free one. It asks for no secret: listen where only those come who may know how much a plant produces.

        Raises InvalidArgumentError when the address cannot be listened on, ClosedError after close().
        """

    def close(self) -> None:
        """Waits until all that was asked of the store is on disk, and closes it. What still runs on it ends, and other plants
        of it are closed too. May be called again.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

@final
class MetricsServer:
    """Serves the metrics of a store over HTTP until it is closed. Made by Store.serve_metrics.

    GET /metrics answers in Prometheus' text format, GET /healthz with 200 while the store answers and with 503 while not.
    """

    @property
    def address(self) -> str:
        """The address it listens on and the port, such as "127.0.0.1:9464"."""

    @property
    def port(self) -> int:
        """The port; tells which where 0 was asked for."""

    def close(self) -> None:
        """Ends it; the port is free then. May be called again."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

@final
class Inbox:
    """The completions in a store: to look at, and to hand dead letters out again. Needs no feed, and works from another
    process than the feed's.

    All calls raise StoreError and its subclasses when the store refuses, and ClosedError when it is closed.
    """

    def counts(self) -> InboxCounts:
        """How many completions are in which state."""

    def watermarks(self) -> Tuple[Watermark, ...]:
        """How far each source has come."""

    def entries(
        self,
        state: Optional[Literal["ready", "handed_out", "waiting", "acked", "dead", "skipped"]] = None,
    ) -> InboxEntries:
        """The completions in the order of their arrival: those in ``state``, or all. An iterator that reads page after page,
        and so sees what changes meanwhile.

        Raises InvalidArgumentError for a state that there is not.
        """

    def entry(self, id: int) -> Optional[InboxEntry]:
        """One completion by its number; None when there is none."""

    def replay(self, id: int) -> None:
        """Hands a completion out again that is a dead letter or was acknowledged, as if it were new.

        Raises InvalidArgumentError when there is no such completion, it is still on its way, or its text is not kept any
        more.
        """

    def replay_dead(self) -> int:
        """Hands all dead letters out again, and returns how many there were."""

    def drop(self, id: int) -> None:
        """Gives a dead letter up for good: it is never handed out, and stays known.

        Raises InvalidArgumentError when there is no such dead letter.
        """

@final
class InboxEntries:
    """The entries of an inbox, page by page. See Inbox.entries."""

    def __iter__(self) -> Iterator[InboxEntry]: ...
    def __next__(self) -> InboxEntry: ...

@disjoint_base
class BaseDelivery:
    """What Delivery and NoteDelivery have in common. Not for direct use."""

    @property
    def raw(self) -> str:
        """The JSON text exactly as Pico sent it."""

    @property
    def key(self) -> str:
        """A text that stands for this completion in this and every other store: what to remember it by, where booking it
        twice would do harm. Made of order, operation, unit, time and serial; for a note, of its id, time
        and number.
        """

    @property
    def id(self) -> int:
        """Its number in the inbox. It stays the same however often the completion is handed out."""

    @property
    def attempt(self) -> int:
        """How often it has been handed out, this time included. Above 1, an earlier time may have booked it."""

    @property
    def source(self) -> str:
        """How it came in first: "sse", "web_socket", "poll", "webhook" or "catch_up"."""

    @property
    def arrived(self) -> datetime:
        """When it came in (UTC)."""

    @property
    def plant(self) -> str:
        """The name of the plant that it is of; empty where the store is used without plants."""

    @property
    def answered(self) -> bool:
        """Whether ack(), retry() or reject() was called."""

    def ack(self) -> None:
        """Says that the completion is booked. When this returns, that is on disk, and it is never handed out again.

        Raises StoreError when the store refuses: the completion is then handed out again. Raises ClosedError when it has
        been answered already, LeaseLostError when it was handed out to somebody else meanwhile, whose answer counts: the
        feed was closed, the node was not heard of for too long, or the feed's ``visible`` time was over.
        """

    def retry(self, after: Optional[Span] = None, reason: str = "") -> None:
        """Asks for the completion again: after so many seconds (or a timedelta), or after a wait that grows with each
        attempt. ``reason`` is kept for whoever looks at the inbox. At the feed's ``max_attempts`` it becomes a dead
        letter.

        Raises as ack().
        """

    def reject(self, reason: str) -> None:
        """Says that trying again would be of no use: the completion becomes a dead letter, kept with the reason, and can be
        replayed by ``store.inbox.replay(id)``, or a note's by ``store.notes_inbox.replay(id)``.

        Raises as ack().
        """

    def extend(self, visible: Span) -> None:
        """Asks for more time, where several nodes share the store: the completion is not handed out to another for so many
        seconds (or a timedelta) from now on.

        Raises as ack().
        """

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

@final
class Delivery(BaseDelivery):
    """A completion, and the duty to say what became of it: ``ack()`` once it is booked, ``retry()`` or ``reject()``.

    As a context manager it gives the completion, acknowledges it when the block is done, and asks for it again when the
    block raises, with the exception's text as the reason; the exception goes on. An answer given inside the block counts
    instead. One that is dropped without an answer is handed out again, after a wait, and so is one that the process
    died of: cope with seeing a completion again that was booked but not acknowledged, by ``key``.
    """

    @property
    def completion(self) -> OrderComplete:
        """The completion."""

    def __enter__(self) -> OrderComplete:
        """The completion, to be acknowledged at the end of the block."""

@final
class NoteDelivery(BaseDelivery):
    """A change of an operator's note, and the duty to say what became of it, as a Delivery is of a completion."""

    @property
    def note(self) -> NoteEvent:
        """The note, as it was at this event."""

    def __enter__(self) -> NoteEvent:
        """The note, to be acknowledged at the end of the block."""

@final
class BaseFeed:
    """A running feed, as the Python half sees it. Not for direct use: see pico_erp.Feed."""

    def next(self, timeout: Optional[float] = None) -> Union[Delivery, NoteDelivery, None]:
        """Waits for the next completion; None when the feed is closed.

        Raises TimeoutError after ``timeout`` seconds, StoreError for what no waiting mends.
        """

    def opened(self, timeout: Optional[float] = None) -> None:
        """Waits until nothing that happens from now on can be missed.

        Raises TimeoutError after ``timeout`` seconds, ClosedError when the feed is closed.
        """

    def catch_up(self) -> None:
        """Asks Pico now for what the live sources missed. Returns at once."""

    def status(self) -> FeedStatus:
        """Where the feed stands."""

    def notices(self) -> FeedNotices:
        """News of the feed from now on."""

    def inbox(self) -> Inbox:
        """The completions, or the notes, in the store."""

    def receiver(
        self,
        bind: str = "127.0.0.1:0",
        path: str = "/pico",
        *,
        secret_headers: Optional[Dict[str, Union[str, Sequence[str]]]] = None,
        tls_cert: Optional[Pem] = None,
        tls_key: Optional[Pem] = None,
        max_body: int = 8388608,
        any_content_type: bool = False,
        max_connections: int = 256,
        header_timeout: float = 10.0,
        body_timeout: float = 30.0,
        idle_timeout: float = 60.0,
        health_path: Optional[str] = "/health",
        metrics_bind: Optional[str] = None,
    ) -> WebhookReceiver:
        """Starts an HTTP server whose posts go into this feed's inbox."""

    def keep_webhook(
        self,
        subscription_id: str,
        webhook_url: str,
        webhook_headers: Optional[Dict[str, str]] = None,
        response_fragment: Optional[str] = None,
        *,
        check_every: Span = 60.0,
        grace: Span = 60.0,
    ) -> WebhookKeeper:
        """Keeps a webhook registered with Pico for as long as the keeper is held."""

    def close(self, grace: float = 0.0) -> None:
        """Ends the feed, and waits up to ``grace`` seconds for completions in consumers' hands to be answered. Does nothing
        in a forked child.
        """

@final
class FeedNotices:
    """The notices of a feed from the moment it was asked for them: an iterator that ends with the feed.

    A reader that is far behind (256 notices) misses the oldest: they are news, not a journal.
    """

    def next(self, timeout: Optional[float] = None) -> FeedNotice:
        """Waits for the next notice.

        Raises TimeoutError after ``timeout`` seconds, ClosedError when the feed is closed.
        """

    def __iter__(self) -> Iterator[FeedNotice]: ...
    def __next__(self) -> FeedNotice: ...

@final
class WebhookReceiver:
    """An HTTP server whose posts go into a feed's inbox. Made by Feed.receiver.

    A post is answered with 200 once its completion is on disk; with 401 when the secret is wrong, 4xx when it cannot be
    used, and 503 when it could not be stored: Pico drops it then, and the catch-up query finds it. Close it before
    the feed.
    """

    @property
    def address(self) -> str:
        """The address it listens on and the port, such as "0.0.0.0:8443"."""

    @property
    def port(self) -> int:
        """The port; tells which where 0 was asked for."""

    @property
    def metrics_address(self) -> Optional[str]:
        """The address that the metrics are served at, where ``metrics_bind`` was given."""

    @property
    def url_path(self) -> str:
        """The path that it takes posts on."""

    def counts(self) -> ReceiverCounts:
        """How many posts it has answered, by what became of them.

        Raises ClosedError after close().
        """

    def close(self, timeout: float = 5.0) -> None:
        """Takes no more posts, lets those that are being received or stored finish, and ends; what is not done after
        ``timeout`` seconds is broken off. May be called again.

        Raises TimeoutError when something was still being stored: whether that is on disk is not known, and Pico was not
        told that it is.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

@final
class WebhookKeeper:
    """Keeps a webhook registered for as long as it is open; the webhook stays registered after that. Made by
    Feed.keep_webhook.
    """

    def check_now(self, timeout: Optional[float] = None) -> None:
        """Checks the registration now, and returns when that is done. The feed's notices tell what was found.

        Raises TimeoutError after ``timeout`` seconds, ClosedError after close().
        """

    def close(self, timeout: float = 5.0) -> None:
        """Ends it, after the check that is under way, if there is one. May be called again.

        Raises TimeoutError when that check took longer than ``timeout`` seconds and was broken off. The webhook may be
        unregistered then, which the next start mends.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...
