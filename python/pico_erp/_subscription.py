"""``Subscription``: a live stream as an iterator, or as a thread that calls back.

No Python code ever runs on a thread of the native half: the callback's thread is a named, daemonic ``threading.Thread``
that waits for the next event like any other caller.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Callable, Generic, Iterator, Optional, Type, TypeVar

from ._errors import CancelledError, ClosedError, Error, InvalidArgumentError, TimeoutError
from ._native import Stream
from ._shutdown import closed_at_exit

T = TypeVar("T")


@dataclass(frozen=True)
class StreamState:
    """Where the connection behind a subscription stands."""

    name: str
    """``"connecting"``, ``"open"``, ``"retrying"`` or ``"closed"``."""
    gap: Optional[float] = None
    """With ``"open"``, when it is not the first connection: seconds in which nothing was heard. Events of that time are
    lost to the stream, since Pico does not send them again; ``Client.order_completes`` still lists them."""
    failures: Optional[int] = None
    """With ``"retrying"``: failures in a row."""
    delay: Optional[float] = None
    """With ``"retrying"``: seconds until the next try."""
    cause: Optional[Error] = None
    """With ``"retrying"``: what went wrong. With ``"closed"``: what ended the stream, if it was an error."""


class Subscription(Generic[T]):
    """A live stream of ``T``. It connects again by itself until it is closed.

    Without ``callback`` it is an iterator: ``for``, ``next(subscription)`` and ``subscription.next(timeout)`` wait for
    the next event, and other Python threads run meanwhile. Ctrl-C ends a wait at once.

    - An event that cannot be used (GraphQL errors, malformed, too large) goes to ``on_problem``; without it, it is
      raised, and the iterator goes on with the next event when it is asked again.
    - An error that trying again cannot mend, such as a refused token, is raised once. Then, and after ``close()``,
      iteration stops and ``next(timeout)`` raises ClosedError.

    With ``callback`` a thread of the subscription calls it with each event, one at a time and in order.

    - An exception of the callback goes to ``on_error``, or to ``threading.excepthook`` without it, and the stream
      goes on. So do unusable events without ``on_problem``, and the error that ended the stream.

    ``on_state`` is called with each ``StreamState``, on the thread that waits for events.
    ``close()`` may be called from anywhere, a callback included; it drops the events that nobody has taken, and at most
    the one that another thread is being handed at that moment still arrives. Keep the object: what is dropped without
    a callback is closed. What is still open at the end of the interpreter is closed then.
    """

    def __init__(
        self,
        open_stream: Callable[[], Stream],
        *,
        name: str,
        callback: Optional[Callable[[T], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
    ) -> None:
        if on_error is not None and callback is None:
            raise InvalidArgumentError("on_error: is given without callback; the iterator raises errors")
        self._stream = open_stream()
        self._name = name
        self._callback = callback
        self._on_problem = on_problem
        self._on_error = on_error
        self._on_state = on_state
        self._state = StreamState("connecting")
        self._closed = False
        self._thread: Optional[threading.Thread] = None
        closed_at_exit(self)
        if callback is not None:
            self._thread = threading.Thread(target=self._deliver, name=f"pico-erp {name}", daemon=True)
            self._thread.start()

    @property
    def state(self) -> StreamState:
        """The last state that this end has heard of; it follows the events, in order."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: by ``close()``, by the server, or by an error."""
        return self._closed

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.next()
        except ClosedError:
            raise StopIteration from None

    def next(self, timeout: Optional[float] = None) -> T:
        """Waits for the next event, at most ``timeout`` seconds.

        Raises TimeoutError when there was none in time; ClosedError after the end; otherwise see the class.
        """
        if self._callback is not None:
            raise InvalidArgumentError("next: the subscription has a callback, which gets the events")
        return self._next(timeout)

    def wait_open(self, timeout: Optional[float] = None) -> None:
        """Waits until the stream is open, at most ``timeout`` seconds. From then on nothing that happens is missed: call it
        before you save the order whose completion you want to see.

        Failures that may pass are waited out. Raises TimeoutError when it was not open in time, ClosedError after
        ``close()``, and what ended the stream, such as AuthenticationError.
        """
        self._stream.opened(timeout)

    def _next(self, timeout: Optional[float]) -> T:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                told = self._stream.next(left)
            except TimeoutError:
                raise TimeoutError(f"no event within {timeout} s", retryable=True) from None
            if told is None:
                break
            kind, value = told
            if self._closed:
                break
            if kind == "event":
                event: T = value
                return event
            if kind == "problem":
                if self._on_problem is None:
                    raise value
                self._on_problem(value)
            elif kind == "state":
                self._tell(StreamState(*value))
            elif kind == "closed":
                self._closed = True
                self._tell(StreamState("closed", cause=value))
                if value is not None:
                    raise value
        self._closed = True
        raise ClosedError("the subscription is closed")

    def _tell(self, state: StreamState) -> None:
        self._state = state
        if self._on_state is not None:
            self._on_state(state)

    def _deliver(self) -> None:
        callback = self._callback
        assert callback is not None
        while not self._closed:
            try:
                event = self._next(None)
            except CancelledError:
                return
            except BaseException as error:
                if not (self._closed and isinstance(error, ClosedError)):
                    self._report(error)
                continue
            try:
                callback(event)
            except BaseException as error:
                self._report(error)

    def _report(self, error: BaseException) -> None:
        """Hands an exception to whoever is to know of it. The thread survives whatever comes of that."""
        if isinstance(error, CancelledError):
            return  # The interpreter is ending, and this thread with it.
        if self._on_error is not None:
            try:
                self._on_error(error)
                return
            except BaseException as second:
                error = second
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )

    def close(self) -> None:
        """Ends the stream; a waiting ``next`` raises ClosedError. Never waits, and may be called again."""
        self._closed = True
        self._stream.close()

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until the callback's thread has ended, at most ``timeout`` seconds; says whether it has.

        From inside the callback it returns at once.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def __enter__(self) -> "Subscription[T]":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Subscription {self._name} {'closed' if self._closed else self._state.name}>"
