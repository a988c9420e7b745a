"""``Feed`` and ``NotesFeed``: completions, or notes, that are not lost, each until it is acknowledged, as an iterator.

The native half takes completions in, hands them out and waits; here are iteration, and the thread that tells notices.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Callable, Generic, Iterator, Mapping, Optional, Sequence, Type, TypeVar, Union, cast

from ._arguments import Pem, Span
from ._durable import BaseFeed, Delivery, FeedNotices, Inbox, NoteDelivery, WebhookKeeper, WebhookReceiver
from ._errors import CancelledError, ClosedError, TimeoutError
from ._records import FeedNotice, FeedStatus
from ._shutdown import closed_at_exit
from ._unraised import tell


D = TypeVar("D", Delivery, NoteDelivery)
F = TypeVar("F", bound="_AnyFeed[Any]")


class _AnyFeed(Generic[D]):
    """What the feeds have in common."""

    def __init__(self, feed: BaseFeed, *, on_notice: Optional[Callable[[FeedNotice], object]] = None) -> None:
        self._feed = feed
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        closed_at_exit(self)
        if on_notice is not None:
            self._thread = threading.Thread(
                target=_tell_notices, args=(feed.notices(), on_notice), name="pico-erp feed notices", daemon=True
            )
            self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the feed has ended, by ``close()`` or with its client or its store, as far as this end has heard."""
        return self._closed

    @property
    def inbox(self) -> Inbox:
        """The completions, or the notes, in the feed's store.

        Raises ForkedError in a forked child.
        """
        return self._feed.inbox()

    def __iter__(self) -> Iterator[D]:
        return self

    def __next__(self) -> D:
        delivery = self._feed.next()
        if delivery is None:
            self._closed = True
            raise StopIteration
        return cast(D, delivery)

    def next(self, timeout: Optional[float] = None) -> D:
        """Waits for the next completion, at most ``timeout`` seconds; 0 looks once, which takes some milliseconds.

        Raises TimeoutError when there was none in time, ClosedError when the feed is closed, StoreError for what no
        waiting mends.
        """
        try:
            delivery = self._feed.next(timeout)
        except TimeoutError:
            raise TimeoutError(f"no completion within {timeout} s", retryable=True) from None
        if delivery is None:
            self._closed = True
            raise ClosedError("the feed is closed")
        return cast(D, delivery)

    def opened(self, timeout: Optional[float] = None) -> None:
        """Waits until nothing that happens from now on can be missed, at most ``timeout`` seconds: the live stream is open, and
        the first catch-up query is through. A feed that is cut off later stays opened: it catches up by itself.

        Raises TimeoutError when it was not in time, ClosedError when the feed is closed.
        """
        self._feed.opened(timeout)

    def catch_up(self) -> None:
        """Asks Pico now for what the live sources missed. Returns at once; the notice "caught_up" tells when it is through."""
        self._feed.catch_up()

    def status(self) -> FeedStatus:
        """Where the feed stands.

        Raises StoreError when the store refuses, ClosedError when it is closed.
        """
        return self._feed.status()

    def notices(self) -> FeedNotices:
        """News of the feed from now on, as an iterator that ends with the feed."""
        return self._feed.notices()

    def close(self, grace: float = 0.0) -> None:
        """Ends the feed: nothing more is taken in or handed out, iteration stops, and a waiting ``next`` raises ClosedError. A
        store that was given by its path is closed as well.

        Waits up to ``grace`` seconds for completions that other threads have in hand to be answered. What is not by then
        is handed out by the next feed. May be called again, and does nothing in a forked child.
        """
        self._closed = True
        self._feed.close(grace)

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until the thread of ``on_notice`` has ended, at most ``timeout`` seconds; says whether it has.

        From inside ``on_notice`` it returns at once.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def __enter__(self: F) -> F:
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._closed else 'open'}>"


class Feed(_AnyFeed[Delivery]):
    """The completions of a Pico, each until it is acknowledged: also those that were made while this program was down, the
    network was cut, or booking failed. Made by ``Client.feed``.

    >>> for delivery in client.feed("erp.pico"):  # doctest: +SKIP
    ...     with delivery as done:  # acknowledged at the end of the block, handed out again when it raises
    ...         book(done)

    Answer every delivery: one that is merely skipped stays in the hands of the loop's variable until the next one comes, and
    only then is handed out again.

    Completions of the same unit of the same order are handed out in the order of their times, one after the other is
    answered; others about in the order of their arrival. Threads may share a feed: each takes deliveries of its own. While one
    waits, other Python threads run; Ctrl-C ends a wait at once, and takes no completion with it.

    A full disk is waited out, and told by a notice. What no waiting mends, such as StoreDamagedError, is raised by whoever
    takes deliveries.

    Keep the object: a feed that is dropped ends. What is still open at the end of the
    interpreter is closed then. In a forked child everything raises ForkedError.
    """

    def receiver(
        self,
        bind: str = "127.0.0.1:0",
        path: str = "/pico",
        *,
        secret_headers: Optional[Mapping[str, Union[str, Sequence[str]]]] = None,
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
        """Starts an HTTP server whose posts go into this feed's inbox. A post is answered with 200 once its completion is on
        disk.

        ``bind`` is the address to listen on, such as ``"0.0.0.0:8443"``; port 0 takes a free one. ``path`` is the path of the
        URL that Pico posts to. ``secret_headers`` lets in only posts with one of these headers: register the webhook with
        the same. A list lets in either, to change a secret without a gap; without any, whoever reaches the port can post
        completions. ``tls_cert`` and ``tls_key`` are PEM text, PEM bytes, or a path, and make it HTTPS.

        ``max_body`` is in bytes. ``any_content_type`` takes bodies whatever their type says. Times are in seconds, for a
        request's head, for its body, and for a connection without a request. ``health_path`` answers a GET with 200, or
        with 503 while nothing can be stored; None answers none. ``metrics_bind`` is an address of its own, such as
        ``"127.0.0.1:9464"``, where the metrics are served as by ``Store.serve_metrics``.

        Raises InvalidArgumentError naming the setting; an address that cannot be listened on is ``bind``.
        """
        return self._feed.receiver(
            bind,
            path,
            secret_headers=None if secret_headers is None else dict(secret_headers),
            tls_cert=tls_cert,
            tls_key=tls_key,
            max_body=max_body,
            any_content_type=any_content_type,
            max_connections=max_connections,
            header_timeout=header_timeout,
            body_timeout=body_timeout,
            idle_timeout=idle_timeout,
            health_path=health_path,
            metrics_bind=metrics_bind,
        )

    def keep_webhook(
        self,
        subscription_id: str,
        webhook_url: str,
        webhook_headers: Optional[Mapping[str, str]] = None,
        response_fragment: Optional[str] = None,
        *,
        check_every: Span = 60.0,
        grace: Span = 60.0,
    ) -> WebhookKeeper:
        """Keeps a webhook registered with Pico until the keeper is closed: registers it now, makes it anew when it is gone or
        changed, notices when posts do not arrive, and catches up after each. Notices tell of it.

        Without ``response_fragment`` it posts completions as the streams bring them. ``check_every`` is how often the
        registrations are read, ``grace`` how long a post may take to follow its event, in seconds or as a timedelta.
        Keep the keeper: one that is dropped ends.

        Raises InvalidArgumentError naming the argument.
        """
        return self._feed.keep_webhook(
            subscription_id,
            webhook_url,
            None if webhook_headers is None else dict(webhook_headers),
            response_fragment,
            check_every=check_every,
            grace=grace,
        )


class NotesFeed(_AnyFeed[NoteDelivery]):
    """Operators' notes, each change of one until it is acknowledged. Made by ``Client.notes_feed``.

    It is as a ``Feed``, beside which it may run on the same store, but gives ``NoteDelivery``, and there are no webhooks of
    notes. Changes of one note are handed out in the order of their times.
    """


def _tell_notices(notices: FeedNotices, on_notice: Callable[[FeedNotice], object]) -> None:
    """Calls back with each notice until the feed ends. The thread survives whatever comes of that."""
    while True:
        try:
            notice = notices.next()
        except (ClosedError, CancelledError):
            return  # The feed has ended, or the interpreter is ending.
        try:
            on_notice(notice)
        except BaseException as error:
            tell(error)
