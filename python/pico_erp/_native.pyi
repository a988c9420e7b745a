"""The native half of pico_erp. Import from ``pico_erp`` instead.

Every call raises exceptions derived from ``pico_erp.Error``: InvalidArgumentError before anything is sent;
TimeoutError, NetworkError, HttpStatusError, AuthenticationError, RateLimitedError, NotJsonError, TooLargeError,
DecodeError and GraphQLError as the network and the server have it; ClosedError after ``close()``; ForkedError in a
process that was forked after the first call. ``timeout`` is in seconds for the whole call, retries included; None
leaves it to the client's settings.
"""

from datetime import datetime
from os import PathLike
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Literal,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
    final,
)

from typing_extensions import Self, disjoint_base

from ._arguments import FilePath, Span, StorePath
from ._durable import (
    BaseDelivery,
    BaseFeed,
    Delivery,
    FeedNotices,
    Inbox,
    InboxEntries,
    MetricsServer,
    NoteDelivery,
    Store,
    WebhookKeeper,
    WebhookReceiver,
)
from ._objects import (
    Attribute,
    Json,
    NoteEvent,
    Operation,
    OperationSummary,
    OrderComplete,
    OrderedOperation,
    State,
    SubOperation,
    Webhook,
)
from ._orders import (
    BaseOutboxSender,
    Catalogue,
    CatalogueChanges,
    CatalogueEntries,
    Outbox,
    OutboxEntries,
    OutboxSettled,
)
from ._records import EnsuredWebhook, PlantStatus, Reloaded

__all__ = [
    "Attribute",
    "BaseClient",
    "BaseDelivery",
    "BaseFeed",
    "BaseOutboxSender",
    "BasePlants",
    "BaseSandbox",
    "Catalogue",
    "CatalogueChanges",
    "CatalogueEntries",
    "Delivery",
    "FeedNotices",
    "Inbox",
    "InboxEntries",
    "Json",
    "LogLines",
    "MetricsServer",
    "NoteDelivery",
    "NoteEvent",
    "Operation",
    "OperationSummary",
    "OrderComplete",
    "OrderedOperation",
    "Outbox",
    "OutboxEntries",
    "OutboxSettled",
    "Plant",
    "Reply",
    "State",
    "Store",
    "Stream",
    "SubOperation",
    "Webhook",
    "WebhookKeeper",
    "WebhookReceiver",
    "WebhookUnsubscribed",
    "__version__",
    "alpha_create",
    "alpha_upload",
    "end_waits",
]

__version__: str

def alpha_upload(
    client: BaseClient,
    path: FilePath,
    destination: Optional[str],
    ticket: Optional[str],
    mode: str,
    chunk_bytes: Optional[int],
    max_bytes: Optional[int],
    unlimited: bool,
    file_name: Optional[str],
    uploads_url: Optional[str],
    open_fields: Optional[Dict[str, Any]],
    on_progress: Optional[Callable[[int, int, Optional[str]], None]],
    timeout: Optional[float],
) -> str:
    """Uploads a file; pico_erp.alpha.upload_media is the way to call it."""

def alpha_create(
    client: BaseClient, kind: str, input: Dict[str, Any], input_type: Optional[str], timeout: Optional[float]
) -> Any:
    """Creates or overwrites a process, a product or a station; pico_erp.alpha has functions for each."""

def end_waits() -> None:
    """Ends all waits of other threads with CancelledError, for good, and waits for these threads to have come back.

    Registered with ``atexit`` by the package; of no use to others.
    """

@final
class LogLines:
    """The log of this process, from the moment it is made, in place of one that was made before, which ends by that. Not for
    direct use: see pico_erp.forward_logs.
    """

    def __new__(cls, level: int) -> Self: ...
    def next_batch(self) -> Optional[List[Tuple[float, int, str, str, str]]]:
        """Waits for lines; None when it was closed or replaced, after the last one. Each is (seconds since 1970, level, target,
        text, JSON).
        """

    def close(self) -> None:
        """Ends it. May be called again."""

@disjoint_base
class BaseClient:
    """The calls of a client. Not for direct use: see pico_erp.Client."""

    def __new__(
        cls,
        endpoint: Optional[str] = None,
        token: Optional[str] = None,
        *,
        token_provider: Optional[Callable[[], str]] = None,
        generation: Literal["auto", "G2", "G3"] = "G2",
        connect_timeout: float = 10.0,
        request_timeout: float = 30.0,
        max_attempts: int = 4,
        backoff: float = 0.2,
        backoff_max: float = 10.0,
        transport: Literal["auto", "sse", "websocket", "poll"] = "auto",
        idle_timeout: float = 300.0,
        ping_interval: float = 20.0,
        first_byte_timeout: float = 15.0,
        poll_interval: float = 30.0,
        poll_period: float = 600.0,
        reconnect_backoff: float = 1.0,
        reconnect_backoff_max: float = 60.0,
        proxy: Optional[str] = None,
        no_proxy: Union[str, Sequence[str], None] = None,
        extra_ca: Union[str, bytes, PathLike[str], None] = None,
        client_cert: Union[str, bytes, PathLike[str], None] = None,
        client_key: Union[str, bytes, PathLike[str], None] = None,
        headers: Optional[Dict[str, str]] = None,
        user_agent: Optional[str] = None,
        max_reply_bytes: int = 67108864,
        max_event_bytes: int = 8388608,
        stream_buffer: int = 256,
        overflow: Literal["wait", "drop"] = "wait",
        trace_context: Union[Literal["off", "generate"], Callable[[], Optional[str]]] = "off",
    ) -> Self: ...
    @property
    def endpoint(self) -> str:
        """The URL that requests go to."""

    @property
    def closed(self) -> bool:
        """Whether close() was called."""

    def close(self) -> None:
        """Closes the streams, feeds, senders and catalogues, ends the calls that wait with ClosedError, and refuses new ones.
        May be called again.
        """

    def operations(
        self,
        id: Optional[str] = None,
        external_id: Optional[str] = None,
        external_revision: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> List[Operation]:
        """Lists what can be built. Pico has no paging, so this is the whole list."""

    def sub_operations(
        self,
        parent_id: Optional[str] = None,
        sub_id: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> List[SubOperation]:
        """Lists the edges of the product structure."""

    def order_completes(
        self,
        operation_id: Optional[str] = None,
        external_order_id: Optional[str] = None,
        order_index: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> List[OrderComplete]:
        """Lists completed orders. This is how a completion is found again that no stream delivered."""

    def note_events(
        self,
        id: Optional[str] = None,
        external_id: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> List[NoteEvent]:
        """Lists operators' notes, each change of one as a note of its own. Only newer Picos (generation G3) have them; an
        older one refuses it with GraphQLError.
        """

    def generation(self, timeout: Optional[float] = None) -> Literal["G2", "G3"]:
        """The generation of Pico's API that this client speaks: the one that was set, or with "auto" the one that the server
        is found to have, which is asked for once. Where the server cannot be made out it is "G2", with which a newer
        server works too.
        """

    def webhooks(self, timeout: Optional[float] = None) -> List[Webhook]:
        """Lists the registered webhooks."""

    def save_order(
        self,
        operation_id: str,
        external_order_id: str,
        order_index: int = 0,
        select_optional_operation_ids: Sequence[str] = (),
        timeout: Optional[float] = None,
        *,
        extra: Optional[Mapping[str, Any]] = None,
    ) -> str:
        """Saves an order: creates it, or updates it when Pico knows the same three ids.

        ``extra`` holds further fields of Pico's input, under their names there. Newer Picos take a reserved serial and a
        second order id so, but do not document the names.

        Returns "created" or "updated", or whatever else the server said. Retried where a passing cause is to blame:
        repeating it does no harm.
        """

    def save_order_by_part(
        self,
        catalogue: Catalogue,
        external_order_id: str,
        part_number: str,
        revision: Optional[str] = None,
        order_index: int = 0,
        select_optional_operation_ids: Sequence[str] = (),
        timeout: Optional[float] = None,
    ) -> str:
        """Saves an order for the operation that a part number, and a revision where one is given, mean in the catalogue.

        Returns and raises as save_order() and Catalogue.order_by_part(), the latter with nothing sent.
        """

    def cancel_order(
        self,
        operation_id: str,
        external_order_id: str,
        order_index: Optional[int] = None,
        cancel_all: bool = False,
        timeout: Optional[float] = None,
    ) -> str:
        """Cancels one unit of an order (``order_index``), or all of them (``cancel_all=True``), unless work has begun.

        Returns what the server said ("canceled"). Never retried once it may have reached the server. Raises
        InvalidArgumentError unless exactly one of the two is given.
        """

    def webhook_subscribe(
        self,
        subscription_id: str,
        response_fragment: str,
        webhook_url: str,
        webhook_headers: Optional[Dict[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Webhook:
        """Registers a webhook: Pico then posts the fragment's fields to the URL, once for each event."""

    def webhook_unsubscribe(
        self, subscription_id: str, timeout: Optional[float] = None
    ) -> WebhookUnsubscribed:
        """Removes a webhook. An id that is not known is no error: see ``success`` of the result."""

    def ensure_webhook(
        self,
        subscription_id: str,
        webhook_url: str,
        webhook_headers: Optional[Dict[str, str]] = None,
        response_fragment: Optional[str] = None,
        *,
        fingerprint: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> EnsuredWebhook:
        """Sees to it that a webhook is registered just like this, and does nothing where it is. May be repeated at any time,
        after a failure too: the webhook may be gone then.

        Without ``response_fragment`` it posts completions as the streams bring them. ``fingerprint`` is the one that the
        last call returned; without it, or where it does not fit, a listed webhook is replaced, because Pico does not show
        the headers that it posts with.
        """

    def execute(
        self,
        query: str,
        variables: Optional[Mapping[str, Any]] = None,
        operation_name: Optional[str] = None,
        idempotent: bool = False,
        timeout: Optional[float] = None,
    ) -> Reply:
        """Sends any query or mutation and returns the reply untouched, GraphQL errors included.

        Queries are retried, mutations only with ``idempotent=True``.
        """

    def _operations_stream(
        self, id: Optional[str], external_id: Optional[str], external_revision: Optional[str]
    ) -> Stream: ...
    def _sub_operations_stream(self, parent_id: Optional[str], sub_id: Optional[str]) -> Stream: ...
    def _completions(
        self,
        operation_id: Optional[str],
        external_order_id: Optional[str],
        order_index: Optional[int],
    ) -> Stream: ...
    def _feed(
        self,
        store: Union[Store, StorePath],
        operation_id: Optional[str],
        external_order_id: Optional[str],
        order_index: Optional[int],
        start: Union[Literal["beginning", "now"], datetime],
        live: bool,
        catch_up_every: Span,
        overlap: Span,
        visible: Span,
        max_attempts: int,
        backoff: float,
        backoff_max: float,
    ) -> BaseFeed: ...
    def _notes_feed(
        self,
        store: Union[Store, StorePath],
        id: Optional[str],
        external_id: Optional[str],
        start: Union[Literal["beginning", "now"], datetime],
        live: bool,
        catch_up_every: Span,
        overlap: Span,
        visible: Span,
        max_attempts: int,
        backoff: float,
        backoff_max: float,
    ) -> BaseFeed: ...
    def _catalogue(self, store: Union[Store, StorePath], refresh_every: Span) -> Catalogue: ...
    def _outbox(
        self,
        store: Union[Store, StorePath],
        batch: int,
        concurrency: int,
        backoff: float,
        backoff_max: float,
        retry_after_max: Span,
        tell: bool,
    ) -> BaseOutboxSender: ...
    def _note_events_stream(self, id: Optional[str], external_id: Optional[str]) -> Stream: ...
    def _subscribe(
        self,
        query: str,
        variables: Optional[Mapping[str, Any]],
        operation_name: Optional[str],
    ) -> Stream: ...

@disjoint_base
class BaseSandbox:
    """A local Pico. Not for direct use: see pico_erp.Sandbox."""

    def __new__(
        cls,
        token: Optional[str] = None,
        seed: Optional[str] = None,
        auto_complete: Optional[float] = None,
        waterfall: bool = False,
        child_completions: bool = False,
        ping_interval: float = 12.0,
        web_socket_protocols: Literal["both", "graphql-transport-ws", "graphql-ws", "none"] = "both",
        generation: Literal["all", "G1", "G2", "G3"] = "all",
        introspection: bool = True,
        legacy_webhooks: bool = False,
    ) -> Self: ...
    @property
    def url(self) -> str:
        """``http://`` and the address it listens on."""

    @property
    def endpoint(self) -> str:
        """The GraphQL endpoint."""

    @property
    def token(self) -> Optional[str]:
        """The token it asks for; None when it takes any."""

    def close(self) -> None:
        """Ends it and waits for its connections to be gone. May be called again."""

    def deploy(
        self,
        id: str,
        name: str,
        external_id: Optional[str] = None,
        external_revision: Optional[str] = None,
        consumes: Optional[Sequence[Tuple[str, str]]] = None,
    ) -> Operation:
        """Deploys an operation, or updates the one with that id; the operations stream reports it.

        ``consumes`` are slots for the serials of parts: pairs of the slot's id and the part number.
        """

    def deploy_many(self, count: int) -> None:
        """Deploys that many operations at once: op-000001, op-000002 and so on."""

    def link(self, parent_id: str, sub_id: str, sub_group: Optional[int] = None) -> SubOperation:
        """Says that one operation contains another; the sub-operations stream reports it."""

    def start_order(
        self,
        external_order_id: str,
        operation_id: Optional[str] = None,
        order_index: Optional[int] = None,
    ) -> None:
        """Starts the work on an order, which can no longer be cancelled then."""

    def complete(
        self,
        external_order_id: str,
        operation_id: Optional[str] = None,
        order_index: Optional[int] = None,
        produced_serial: Optional[str] = None,
        consumed_serials: Optional[Dict[str, str]] = None,
        *,
        again: bool = False,
        at: Optional[datetime] = None,
        silent: bool = False,
        reserved_serial_number: Optional[str] = None,
        secondary_external_order_id: Optional[str] = None,
    ) -> OrderComplete:
        """Completes an order; the streams and the webhooks report it. Serials that are not given are made up.

        ``consumed_serials`` maps the id or part number of a slot to the serial that was built in. ``again`` completes
        once more what is completed already, as after rework. ``at`` is when it was completed, to the millisecond and with
        a time zone; now if not given. ``silent`` tells no stream and no webhook: only the query lists it. Raises
        InvalidArgumentError when no open order fits, or with ``again`` no completed one.
        """

    def add_note(
        self, text: str, *, id: Optional[str] = None, external_id: Optional[str] = None
    ) -> NoteEvent:
        """Writes an operator's note, or changes the one with that id; the notes stream reports it."""

    def set_generation(self, generation: Literal["all", "G1", "G2", "G3"]) -> None:
        """Speaks that generation of Pico's API from now on: "all" of it, "G1", "G2" or "G3"."""

    def set_introspection(self, on: bool) -> None:
        """Shows its schema to whoever asks, or refuses to."""

    def set_legacy_webhooks(self, on: bool) -> None:
        """Takes registrations of webhooks in the form of older pages of Pico's, or in that of the newer ones."""

    def orders(self) -> List[Dict[str, Any]]:
        """Every order in the order of saving, as dicts.

        ``saves`` and ``cancels`` are how many of each it has received, ``creations`` is 1 unless an order under the same
        ids was canceled before.
        """

    def completions(self) -> List[OrderComplete]:
        """Every completion, by time."""

    def deliveries(self) -> List[Dict[str, Any]]:
        """Every webhook POST that is finished, as dicts; with set_webhook_posts("dropped") those that were not sent, too."""

    def set_clock_offset(self, seconds: int) -> None:
        """Sets its clock wrong by so many seconds from now on, or right again by 0. Times of completions go backwards when
        it is set back.

        Raises InvalidArgumentError beyond a century.
        """

    def forget_webhook(self, subscription_id: str) -> bool:
        """Loses a webhook, as if Pico forgot it. False when there is none of that id."""

    def set_webhook_posts(self, posts: Literal["once", "dropped", "twice"]) -> None:
        """Sets what becomes of the posts to webhooks from now on: each event is posted "once"; or it is "dropped", although
        the webhook's ``last_event_at`` says that it was sent; or it is posted "twice" at the same time.
        """

    def requests(self) -> int:
        """How many requests the GraphQL path has had."""

    def add_fault(
        self,
        kind: Literal[
            "split",
            "stall",
            "delay",
            "status",
            "html",
            "hang",
            "cut_before",
            "cut_after",
            "cut_body",
            "huge_body",
            "malformed_json",
            "malformed_event",
            "huge_event",
            "refuse_batch",
            "buffer_sse",
            "half_open",
            "close_ws",
            "refuse_upgrade",
            "no_ack",
        ],
        *,
        times: Optional[int] = None,
        lasting: Optional[float] = None,
        status: Optional[int] = None,
        retry_after: Optional[int] = None,
        seconds: Optional[float] = None,
        size: Optional[int] = None,
        head: Optional[bool] = None,
        new_too: Optional[bool] = None,
        code: Optional[int] = None,
        reason: Optional[str] = None,
    ) -> None:
        """Adds something that goes wrong from now on, ``times`` times or for ``lasting`` seconds, or until
        clear_faults().

        To all connections: "split" cuts what is sent into pieces of ``size`` bytes; "stall" sends nothing more until the
        fault ends; "half_open" makes the server vanish from all connections without closing them, those that are
        opened later included with ``new_too``.

        To requests: "delay" waits ``seconds`` first, "status" answers with ``status`` and ``retry_after`` seconds, "html"
        with a log-in page, "hang" never; "cut_before" resets the connection when the request has arrived, "cut_after" when
        it is carried out too; "cut_body" and "malformed_json" send half the reply, "huge_body" ``size`` bytes
        (default 100 MB); "refuse_batch" refuses mutations with more than one field.

        To streams: "malformed_event" and "huge_event" (``size`` bytes) spoil the next event; "buffer_sse" holds back event
        streams, until ``size`` bytes are there or to their end, and with ``head=False`` the head of the response as well;
        "close_ws" closes WebSockets with ``code`` and ``reason``, "refuse_upgrade" answers the upgrade with ``status``, and
        "no_ack" never acknowledges a new WebSocket.

        Raises InvalidArgumentError naming an argument that is missing, wrong, or not for that kind.
        """

    def clear_faults(self) -> None:
        """Lets nothing go wrong any more."""

    def cut_connections(self) -> int:
        """Cuts all connections; returns how many."""

    def set_ping_interval(self, interval: Optional[float]) -> None:
        """Sends comments and pings every so many seconds from now on, on what is open as well; None sends no more."""

    def complete_streams(self) -> int:
        """Ends all streams in an orderly way, as a server does that shuts down; returns how many. The sockets stay
        open."""

    def close_web_sockets(self, code: int, reason: str = "") -> int:
        """Closes all WebSockets with that code and reason; returns how many."""

    def revoke_token(self) -> None:
        """Makes the token a wrong one, even where there is none: every request and every new stream is refused, event
        streams that are open break off, WebSockets are closed with 4403."""

    def restore_token(self) -> None:
        """Takes the token again."""

    def wait_for(
        self,
        *,
        streams: int = 0,
        deliveries: int = 0,
        completions: int = 0,
        orders: int = 0,
        timeout: float = 5.0,
    ) -> None:
        """Waits until at least so many streams are open, and deliveries, completions and orders have been.

        Raises TimeoutError after ``timeout`` seconds, saying what is missing.
        """

@final
class BasePlants:
    """Many plants at work, as the Python half sees them. Not for direct use: see pico_erp.Plants."""

    def __new__(cls, config: FilePath) -> Self: ...
    def next(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """Waits for the next completion of any plant; None when they are closed.

        Raises TimeoutError after ``timeout`` seconds, StoreError for what no waiting mends.
        """

    def reload(self, config: Optional[FilePath] = None) -> Reloaded:
        """Reads the file again, or another one, and goes on as it says."""

    def status(self) -> Tuple[PlantStatus, ...]:
        """Where every plant stands."""

    def plant(self, name: str) -> Optional[Plant]:
        """A plant by its name; None when there is none."""

    def names(self) -> List[str]:
        """The names of the plants."""

    def address(self) -> Optional[str]:
        """The address of the receiver; None where there is none."""

    def close(self, grace: float = 0.0) -> None:
        """Ends the plants, and waits up to ``grace`` seconds for what is in hand. Does nothing in a forked child."""

@final
class Plant:
    """One of many plants. Made by ``plants["name"]``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def store(self) -> Store:
        """Its part of the store. Closing it closes the store for all."""

    @property
    def inbox(self) -> Inbox:
        """Its completions."""

    @property
    def outbox(self) -> Outbox:
        """Its orders. What is queued here is sent when its sender runs."""

    @property
    def catalogue(self) -> Optional[Catalogue]:
        """Its catalogue; None while the plant does not run, and where the file does not turn it on."""

    def status(self) -> PlantStatus:
        """Where it stands.

        Raises StoreError when the store refuses, ClosedError when it is closed.
        """

    def opened(self, timeout: Optional[float] = None) -> None:
        """Waits until nothing that happens from now on can be missed, at most ``timeout`` seconds: the plant runs, and its feed
        is opened. A plant that cannot be started is waited for: its status says why.

        Raises TimeoutError when it was not in time, ClosedError when the plant is closed.
        """

@final
class Stream:
    """A live stream, as the Python half sees it. Not for direct use: see pico_erp.Subscription."""

    def next(self, timeout: Optional[float] = None) -> Optional[Tuple[str, Any]]:
        """Waits for the next notification: ("event", object), ("problem", exception), ("dropped", count), ("state",
        (name, gap, failures, delay, cause, transport)) or ("closed", exception or None). None after the end and after
        close().

        Raises TimeoutError after ``timeout`` seconds.
        """

    def next_batch(self, max: int, timeout: Optional[float] = None) -> List[Tuple[str, Any]]:
        """Waits for the next notification and takes with it what else is there, ``max`` in all at most. Empty after the
        end and after close().

        Raises TimeoutError after ``timeout`` seconds, InvalidArgumentError when ``max`` is less than 1.
        """

    def try_next(self) -> Optional[Tuple[str, Any]]:
        """The next notification if one is there, without waiting; otherwise None, or ("end", None) after the end and
        after close().
        """

    def fileno(self) -> int:
        """A descriptor that is readable while try_next() would give something, and after the end. It belongs to the
        stream.

        Raises InvalidArgumentError where the operating system is not a Unix.
        """

    def opened(self, timeout: Optional[float] = None) -> None:
        """Waits until the stream is open, and takes no notification away from next().

        Raises TimeoutError after ``timeout`` seconds, ClosedError when the stream has ended without an error, and what
        ended it otherwise.
        """

    def close(self) -> None:
        """Ends the stream; a next() that waits returns None. Does not wait, and does nothing in a forked child."""

@final
class Reply:
    """What a GraphQL server answered to Client.execute, untouched."""

    @property
    def data(self) -> Any:
        """``data``, decoded; None when it was missing or null."""

    @property
    def errors(self) -> Tuple[Any, ...]:
        """The entries of ``errors``, decoded; empty when all went well."""

    @property
    def extensions(self) -> Any:
        """``extensions``, decoded; None when it was missing or null."""

    @property
    def http_status(self) -> Optional[int]:
        """The HTTP status."""

    @property
    def raw(self) -> str:
        """The whole reply as it was sent."""

    def raise_for_errors(self) -> None:
        """Raises what the errors mean (GraphQLError or AuthenticationError), when there are any."""

@final
class WebhookUnsubscribed:
    """What Client.webhook_unsubscribe did."""

    @property
    def success(self) -> bool:
        """Whether there was such a registration."""

    @property
    def subscription_id(self) -> Optional[str]:
        """The id it had."""

    @property
    def message(self) -> Optional[str]:
        """What the server said."""
