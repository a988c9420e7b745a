"""``Client``: the calls of the native half, the streams as subscriptions, the feed, the sender of an outbox, and the
catalogue.
"""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any, Callable, List, Literal, Mapping, Optional, Type, Union

from ._arguments import Span, StorePath
from ._durable import Store
from ._errors import Error
from ._feed import Feed, NotesFeed
from ._native import BaseClient
from ._objects import Json, NoteEvent, Operation, OrderComplete, SubOperation
from ._orders import Catalogue
from ._outbox import OutboxSender
from ._records import FeedNotice, OutboxEntry, StreamState
from ._shutdown import closed_at_exit
from ._subscription import Subscription


class Client(BaseClient):
    """A Pico, as this program sees it: endpoint, token and settings. Threads may share one.

    ``endpoint`` such as ``"https://yourcompany.picomes.com"``; default: the variable PICO_API_ENDPOINT.
    ``token`` as Pico issued it; default: the variable PICO_API_TOKEN. Or ``token_provider``, a callable that returns
    the token and is asked before every request, on a thread of its own.
    ``generation`` of Pico's API, "G2" or "G3", decides what is asked for, and the path where the endpoint has none; "auto"
    finds it out from the server with the first call, and ``generation()`` tells it.

    Times are in seconds. ``connect_timeout`` for a connection, ``request_timeout`` for one try of a call;
    ``max_attempts`` tries in all, with waits growing from ``backoff`` to ``backoff_max``.

    ``transport`` is how streams travel: "sse" (Server-Sent Events), "websocket" (one connection for all streams), "poll"
    (asks for the list every ``poll_interval`` and tells what is new; only for the typed streams), or "auto": SSE, and where
    no byte of it comes within ``first_byte_timeout``, as behind a proxy that holds it back, WebSocket; where that is
    refused, polling for ``poll_period``, then a stream again. A stream with no sign of life for ``idle_timeout`` is
    connected again, with waits growing from ``reconnect_backoff`` to ``reconnect_backoff_max``; on a WebSocket the server
    is asked for one after ``ping_interval``. ``stream_buffer`` is how many events may wait for the program. When more come,
    ``overflow`` "wait" no longer reads the socket, and "drop" drops the newest and counts them
    (``Subscription.dropped``).

    ``proxy`` is a URL, "" for none, or None for what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say; ``no_proxy``
    goes with a URL. ``extra_ca``, ``client_cert`` and ``client_key`` are PEM text, PEM bytes, or a path.
    ``max_reply_bytes`` and ``max_event_bytes`` limit what a server may send.

    ``trace_context`` "generate" sends a ``traceparent`` (W3C Trace Context) with every request, by which the logs of proxies
    and of Pico can be put beside ``Error.trace_id``. Or a callable that returns the ``traceparent`` of the current span, or
    None for a new trace; it is asked once for each call, on the thread that makes it.

    Raises InvalidArgumentError naming the setting that is wrong. Nothing is sent and no thread is started until
    the first call. All calls raise exceptions derived from ``pico_erp.Error``, and ForkedError in a process that
    was forked after the first call.
    """

    def completions(
        self,
        operation_id: Optional[str] = None,
        external_order_id: Optional[str] = None,
        order_index: Optional[int] = None,
        *,
        callback: Optional[Callable[[OrderComplete], object]] = None,
        batch_callback: Optional[Callable[[List[OrderComplete]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> Subscription[OrderComplete]:
        """Streams completed orders, all of them or those that fit. See ``Subscription``. What happens while nobody is
        connected is lost to it: an ERP wants ``feed``.

        Failures to connect are not raised here: the stream tries again, and tells ``on_state``.
        """
        return Subscription(
            lambda: self._completions(operation_id, external_order_id, order_index),
            name="completions",
            callback=callback,
            batch_callback=batch_callback,
            on_problem=on_problem,
            on_error=on_error,
            on_state=on_state,
            on_dropped=on_dropped,
        )

    def feed(
        self,
        store: Union[Store, StorePath],
        operation_id: Optional[str] = None,
        external_order_id: Optional[str] = None,
        order_index: Optional[int] = None,
        *,
        start: Union[Literal["beginning", "now"], datetime] = "beginning",
        live: bool = True,
        catch_up_every: Span = 600.0,
        overlap: Span = 86400.0,
        visible: Span = 900.0,
        max_attempts: int = 50,
        backoff: float = 1.0,
        backoff_max: float = 3600.0,
        on_notice: Optional[Callable[[FeedNotice], object]] = None,
    ) -> Feed:
        """Starts a feed: completed orders, all of them or those that fit, none lost, each until it is acknowledged. See
        ``Feed``.

        ``store`` keeps them over restarts: a ``Store``, or the path or URL of one, which is made when there is none and closed
        with the feed. ``start`` says which of the completions that Pico has from before the feed are handed out: all, none
        ("now"), or those since a time (a datetime with a time zone); it counts only until the first catch-up is through.

        ``live=False`` holds no stream, for a feed that only webhooks and the catch-up query fill. ``catch_up_every`` is how
        often Pico is asked for what the live sources missed, besides at the start and after each reconnect; where Pico can
        list by time, that begins ``overlap`` before the last one. Both in seconds or as a timedelta.

        A completion without an acknowledgement is handed out again after waits from ``backoff`` to ``backoff_max``
        seconds, and becomes a dead letter after ``max_attempts``. Where several nodes share the store, one that is
        neither answered nor extended within ``visible`` (seconds or a timedelta) is handed out to another. ``on_notice`` is called with each ``FeedNotice``, on a
        thread of the feed's own; an exception of it goes to ``threading.excepthook``.

        Raises InvalidArgumentError naming the argument; StoreInUseError while another feed runs on this store, and what
        opening a ``Store`` raises. Failures to connect are not raised: the feed tries again, and tells of it.
        """
        feed = self._feed(
            store,
            operation_id,
            external_order_id,
            order_index,
            start,
            live,
            catch_up_every,
            overlap,
            visible,
            max_attempts,
            backoff,
            backoff_max,
        )
        return Feed(feed, on_notice=on_notice)

    def notes_feed(
        self,
        store: Union[Store, StorePath],
        id: Optional[str] = None,
        external_id: Optional[str] = None,
        *,
        start: Union[Literal["beginning", "now"], datetime] = "beginning",
        live: bool = True,
        catch_up_every: Span = 600.0,
        overlap: Span = 86400.0,
        visible: Span = 900.0,
        max_attempts: int = 50,
        backoff: float = 1.0,
        backoff_max: float = 3600.0,
        on_notice: Optional[Callable[[FeedNotice], object]] = None,
    ) -> NotesFeed:
        """Starts a feed of operators' notes (generation G3), all of them or those that fit, none lost, each change of one until
        it is acknowledged. See ``NotesFeed``.

        They are kept apart from completions: ``Store.notes_inbox`` looks into them. All else is as with ``feed``, and so is
        what it raises.
        """
        feed = self._notes_feed(
            store,
            id,
            external_id,
            start,
            live,
            catch_up_every,
            overlap,
            visible,
            max_attempts,
            backoff,
            backoff_max,
        )
        return NotesFeed(feed, on_notice=on_notice)

    def outbox(
        self,
        store: Union[Store, StorePath],
        *,
        batch: int = 50,
        concurrency: int = 4,
        backoff: float = 1.0,
        backoff_max: float = 60.0,
        retry_after_max: Span = 300.0,
        on_settled: Optional[Callable[[OutboxEntry], object]] = None,
    ) -> OutboxSender:
        """Starts to send the orders that are queued in a store's outbox, each until Pico has taken or refused it. See
        ``OutboxSender``.

        ``store`` is a ``Store``, or the path of one, which is made when there is none and closed with the sender.
        ``batch`` is how many saves go into one request (1 to 1000), ``concurrency`` how many requests are under way at once
        (1 to 64). After failures it waits from ``backoff`` to ``backoff_max`` seconds, and as long as the server asks for,
        ``retry_after_max`` at most, in seconds or as a timedelta.

        ``on_settled`` is called with each order that this sender settles, once that is on disk: sent, failed, or
        superseded while it was being sent; one at a time and in order, on a thread of the sender's own. Sending waits for
        it when it falls far behind; an exception of it goes to ``threading.excepthook``. It is news: an order that was
        settled just before a crash is not told of again, but ``Outbox.get`` knows it.

        Raises InvalidArgumentError naming the argument; StoreInUseError while another sender runs on this store, and
        what opening a ``Store`` raises. Failures to connect are not raised: the sender tries again.
        """
        tell = on_settled is not None
        sender = self._outbox(store, batch, concurrency, backoff, backoff_max, retry_after_max, tell)
        return OutboxSender(sender, on_settled=on_settled)

    def catalogue(self, store: Union[Store, StorePath], *, refresh_every: Span = 600.0) -> Catalogue:
        """Keeps a copy of Pico's operations in a store current, from now on. See ``Catalogue``.

        ``store`` is a ``Store``, or the path of one, which is made when there is none and closed with the catalogue. The
        operations' stream tells of changes; the whole list is read besides at the start, after each interruption and
        every ``refresh_every``, in seconds or as a timedelta. Does not wait for Pico: see ``Catalogue.ready``.

        Raises InvalidArgumentError naming the argument; StoreInUseError while another catalogue is kept on this store, and
        what opening a ``Store`` raises. Failures to connect are not raised: it tries again, and ``status()`` tells.
        """
        catalogue = self._catalogue(store, refresh_every)
        closed_at_exit(catalogue)
        return catalogue

    def operations_stream(
        self,
        id: Optional[str] = None,
        external_id: Optional[str] = None,
        external_revision: Optional[str] = None,
        *,
        callback: Optional[Callable[[Operation], object]] = None,
        batch_callback: Optional[Callable[[List[Operation]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> Subscription[Operation]:
        """Streams operations as they are created or changed."""
        return Subscription(
            lambda: self._operations_stream(id, external_id, external_revision),
            name="operations",
            callback=callback,
            batch_callback=batch_callback,
            on_problem=on_problem,
            on_error=on_error,
            on_state=on_state,
            on_dropped=on_dropped,
        )

    def sub_operations_stream(
        self,
        parent_id: Optional[str] = None,
        sub_id: Optional[str] = None,
        *,
        callback: Optional[Callable[[SubOperation], object]] = None,
        batch_callback: Optional[Callable[[List[SubOperation]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> Subscription[SubOperation]:
        """Streams changes of the product structure."""
        return Subscription(
            lambda: self._sub_operations_stream(parent_id, sub_id),
            name="sub-operations",
            callback=callback,
            batch_callback=batch_callback,
            on_problem=on_problem,
            on_error=on_error,
            on_state=on_state,
            on_dropped=on_dropped,
        )

    def note_events_stream(
        self,
        id: Optional[str] = None,
        external_id: Optional[str] = None,
        *,
        callback: Optional[Callable[[NoteEvent], object]] = None,
        batch_callback: Optional[Callable[[List[NoteEvent]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> Subscription[NoteEvent]:
        """Streams operators' notes. Older Picos do not have this stream and refuse it with GraphQLError."""
        return Subscription(
            lambda: self._note_events_stream(id, external_id),
            name="note events",
            callback=callback,
            batch_callback=batch_callback,
            on_problem=on_problem,
            on_error=on_error,
            on_state=on_state,
            on_dropped=on_dropped,
        )

    def subscribe(
        self,
        query: str,
        variables: Optional[Mapping[str, Any]] = None,
        operation_name: Optional[str] = None,
        *,
        callback: Optional[Callable[[Json], object]] = None,
        batch_callback: Optional[Callable[[List[Json]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> Subscription[Json]:
        """Streams any subscription document; each item is the ``data`` of one result.

        It ends when the server completes it, unlike the typed streams, which have no end.
        """
        return Subscription(
            lambda: self._subscribe(query, variables, operation_name),
            name="subscription",
            callback=callback,
            batch_callback=batch_callback,
            on_problem=on_problem,
            on_error=on_error,
            on_state=on_state,
            on_dropped=on_dropped,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
