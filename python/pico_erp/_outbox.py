"""``OutboxSender``: what sends an outbox's orders to Pico.

The native half sends and waits; here is the thread that tells of settled orders.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Callable, Optional, Type

from ._errors import CancelledError
from ._orders import BaseOutboxSender, Outbox, OutboxSettled
from ._records import OutboxEntry, OutboxStatus
from ._shutdown import closed_at_exit
from ._unraised import tell

# How long, in seconds, the end of a `with` block waits for the requests under way.
_GRACE = 5.0


class OutboxSender:
    """Sends what is in the outbox of a store, until it is closed. Made by ``Client.outbox``.

    >>> with client.outbox("erp.pico") as sender:  # doctest: +SKIP
    ...     sender.outbox.save("op-abc-123", "ERP-1", request_id="ERP-1")  # on disk: the ERP may commit
    ...     sender.drained()

    What may pass is waited for: the network, time-outs, HTTP 408, 425, 429 and 5xx, log-in pages, a refused token. The
    orders stay queued meanwhile, and ``status()`` says why. Only an order that Pico refuses by a GraphQL error fails; it is
    kept with the error, to be retried or dropped.

    Threads may share a sender. Keep the object: one that is dropped stops at once, and what it was sending is sent again
    by the next one. What is still open at the end of the interpreter is closed then, which like the end of the ``with``
    block waits a few seconds for requests under way. In a forked child everything raises ForkedError.
    """

    def __init__(
        self, sender: BaseOutboxSender, *, on_settled: Optional[Callable[[OutboxEntry], object]] = None
    ) -> None:
        self._sender = sender
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        closed_at_exit(self)
        if on_settled is not None:
            self._thread = threading.Thread(
                target=_tell_settled, args=(sender.settled(), on_settled), name="pico-erp outbox", daemon=True
            )
            self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def outbox(self) -> Outbox:
        """The orders that are sent: where they are queued and looked at.

        Raises ForkedError in a forked child.
        """
        return self._sender.outbox()

    def status(self) -> OutboxStatus:
        """How it is doing.

        Raises StoreError when the store refuses, ClosedError when it is closed.
        """
        return self._sender.status()

    def drained(self, timeout: Optional[float] = None) -> None:
        """Waits until nothing is to be sent any more, at most ``timeout`` seconds. Orders that failed are not waited for.

        Raises TimeoutError when it was not in time, ClosedError when the sender ends first.
        """
        self._sender.drained(timeout)

    def close(self, grace: float = _GRACE) -> None:
        """Sends nothing new, waits up to ``grace`` seconds for the requests under way and for ``on_settled``, and ends. A store
        that was given by its path is closed as well.

        What is not answered in time is sent again by the next sender. From inside ``on_settled`` it does not wait for that,
        which then hears of what is on its way to it and of nothing more. May be called again, and does nothing in a
        forked child.
        """
        self._closed = True
        deadline = time.monotonic() + grace
        self._sender.close(grace, tell=self._thread is not threading.current_thread())
        self.join(max(0.0, deadline - time.monotonic()))

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until the thread of ``on_settled`` has ended, at most ``timeout`` seconds; says whether it has.

        From inside ``on_settled`` it returns at once.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def __enter__(self) -> "OutboxSender":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<OutboxSender {'closed' if self._closed else 'open'}>"


def _tell_settled(settled: OutboxSettled, on_settled: Callable[[OutboxEntry], object]) -> None:
    """Calls back with each settled order until the sender ends. The thread survives whatever comes of that."""
    while True:
        try:
            entry = settled.next()
        except CancelledError:
            return  # The interpreter is ending.
        if entry is None:
            return
        try:
            on_settled(entry)
        except BaseException as error:
            tell(error)
