"""``Subscription``: a live stream as an iterator, as a descriptor for an event loop, or as a thread that calls back.

No Python code ever runs on a thread of the native half: the callback's thread is a named, daemonic ``threading.Thread``
that waits for the next event like any other caller.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Generic, Iterator, List, Optional, Tuple, Type, TypeVar

from ._errors import CancelledError, ClosedError, Error, InvalidArgumentError, TimeoutError
from ._native import Stream
from ._records import StreamState
from ._shutdown import closed_at_exit
from ._unraised import tell

T = TypeVar("T")
_Taken = TypeVar("_Taken")

_BATCH = 256


class Subscription(Generic[T]):
    """A live stream of ``T``. It connects again by itself until it is closed.

    Without a callback it is an iterator: ``for``, ``next(subscription)``, ``subscription.next(timeout)`` and
    ``next_batch()`` wait for events, and other Python threads run meanwhile. Ctrl-C ends a wait at once. Event loops wait
    for ``fileno()`` and take with ``try_next()``.

    - An event that cannot be used (GraphQL errors, malformed, too large) goes to ``on_problem``; without it, it is
      raised, and the iterator goes on with the next event when it is asked again.
    - An error that trying again cannot mend, such as a refused token, is raised once. Then, and after ``close()``,
      iteration stops and ``next(timeout)`` raises ClosedError.

    With ``callback`` a thread of the subscription calls it with each event, one at a time and in order; with
    ``batch_callback`` it calls that with a list of the events that have come, 256 at most.

    - An exception of the callback goes to ``on_error``, or to ``threading.excepthook`` without it, and the stream
      goes on. So do unusable events without ``on_problem``, and the error that ended the stream.

    ``on_state`` is called with each ``StreamState``, ``on_dropped`` with the number of events that were dropped because this
    end was behind (only with the client's ``overflow="drop"``); ``dropped`` counts them with and without it. Both run on
    the thread that takes events. An exception of theirs goes where one of the callback would, or out of the
    call that takes events; no event is lost by it.

    ``close()`` may be called from anywhere, a callback included; it drops the events that nobody has taken, and at most
    the one (or the batch) that another thread is being handed at that moment still arrives. Keep the object: what is
    dropped without a callback is closed. What is still open at the end of the interpreter is closed then.
    """

    def __init__(
        self,
        open_stream: Callable[[], Stream],
        *,
        name: str,
        callback: Optional[Callable[[T], object]] = None,
        batch_callback: Optional[Callable[[List[T]], object]] = None,
        on_problem: Optional[Callable[[Error], object]] = None,
        on_error: Optional[Callable[[BaseException], object]] = None,
        on_state: Optional[Callable[[StreamState], object]] = None,
        on_dropped: Optional[Callable[[int], object]] = None,
    ) -> None:
        if callback is not None and batch_callback is not None:
            raise InvalidArgumentError("batch_callback: is given as well as callback; give one of them")
        if on_error is not None and callback is None and batch_callback is None:
            raise InvalidArgumentError("on_error: is given without callback; the iterator raises errors")
        self._stream = open_stream()
        self._name = name
        self._on_problem = on_problem
        self._on_error = on_error
        self._on_state = on_state
        self._on_dropped = on_dropped
        self._state = StreamState("connecting")
        self._dropped = 0
        self._closed = False
        # What a batch had to leave over: errors that are yet to be raised, and rarely events.
        self._left: Deque[Tuple[str, Any]] = deque()
        self._thread: Optional[threading.Thread] = None
        closed_at_exit(self)
        if callback is not None:
            self._start(lambda: self._next(None), callback)
        elif batch_callback is not None:
            self._start(lambda: self._next_batch(_BATCH, None), batch_callback)

    def _start(self, take: Callable[[], _Taken], hand: Callable[[_Taken], object]) -> None:
        self._thread = threading.Thread(
            target=self._deliver, args=(take, hand), name=f"pico-erp {self._name}", daemon=True
        )
        self._thread.start()

    @property
    def state(self) -> StreamState:
        """The last state that this end has heard of; it follows the events, in order."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: by ``close()``, by the server, or by an error."""
        return self._closed

    @property
    def dropped(self) -> int:
        """How many events were dropped so far, as far as this end has heard. Always 0 unless the client was made with
        ``overflow="drop"``."""
        return self._dropped

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
        self._check_taking("next")
        return self._next(timeout)

    def next_batch(self, max: int = _BATCH, timeout: Optional[float] = None) -> List[T]:
        """Waits for the next event, at most ``timeout`` seconds, and takes with it what else is there: a list of 1 to
        ``max`` events. Much cheaper than ``next`` where many come.

        ``on_state``, ``on_problem`` and ``on_dropped`` are called before the list is returned. Errors that have to be raised
        are raised by the next call, so that no event is lost. Raises what ``next`` raises, and InvalidArgumentError
        when ``max`` is less than 1.
        """
        self._check_taking("next_batch")
        return self._next_batch(max, timeout)

    def try_next(self) -> Optional[T]:
        """The next event if one is there, without waiting; otherwise None. Raises what ``next`` raises, but no
        TimeoutError."""
        self._check_taking("try_next")
        while not self._closed:
            told = self._taken_left() or self._stream.try_next()
            if told is None:
                return None
            kind, value = told
            if self._closed or kind == "end":
                break
            if kind == "event":
                event: T = value
                return event
            self._tell(kind, value)
        raise self._end()

    def fileno(self) -> int:
        """A descriptor for ``select``, ``selectors`` and ``asyncio``'s ``add_reader``: readable while ``try_next()`` has
        something to do, which may be no more than a change of state, and after the end.

        When it is readable, call ``try_next()`` until it returns None; on ClosedError stop waiting for it. It belongs to
        the subscription, stays valid after ``close()`` until the object is gone, and must not be read or closed.

        Raises InvalidArgumentError on Windows and with a callback.
        """
        self._check_taking("fileno")
        return self._stream.fileno()

    def _check_taking(self, what: str) -> None:
        if self._thread is not None:
            raise InvalidArgumentError(f"{what}: the subscription has a callback, which gets the events")

    def wait_open(self, timeout: Optional[float] = None) -> None:
        """Waits until the stream is open, at most ``timeout`` seconds. From then on nothing that happens is missed: call it
        before you save the order whose completion you want to see.

        Failures that may pass are waited out. Raises TimeoutError when it was not open in time, ClosedError after
        ``close()``, and what ended the stream, such as AuthenticationError.
        """
        self._stream.opened(timeout)

    def _next(self, timeout: Optional[float]) -> T:
        deadline = _deadline(timeout)
        while not self._closed:
            told = self._taken_left()
            if told is None:
                try:
                    told = self._stream.next(_seconds_to(deadline))
                except TimeoutError:
                    raise _no_event(timeout) from None
            if told is None or self._closed:
                break
            kind, value = told
            if kind == "event":
                event: T = value
                return event
            self._tell(kind, value)
        raise self._end()

    def _next_batch(self, most: int, timeout: Optional[float]) -> List[T]:
        deadline = _deadline(timeout)
        while not self._closed:
            batch: List[Tuple[str, Any]] = []
            while len(batch) < most:
                left = self._taken_left()
                if left is None:
                    break
                batch.append(left)
            if not batch:
                try:
                    batch = self._stream.next_batch(most, _seconds_to(deadline))
                except TimeoutError:
                    raise _no_event(timeout) from None
            if not batch or self._closed:
                break
            events = self._sort(batch)
            if events:
                return events
        raise self._end()

    def _sort(self, batch: List[Tuple[str, Any]]) -> List[T]:
        """Takes the events out of a batch and tells the rest. What raises is left over while there are events."""
        events: List[T] = []
        errors: List[Tuple[str, Any]] = []
        for index, (kind, value) in enumerate(batch):
            if kind == "event":
                events.append(value)
            elif kind == "closed" or (kind == "problem" and self._on_problem is None):
                errors.append((kind, value))
            else:
                try:
                    self._tell(kind, value)
                except BaseException:
                    self._left.extend([("event", event) for event in events] + errors + batch[index + 1 :])
                    raise
        if errors and not events:
            self._left.extend(errors[1:])
            self._tell(*errors[0])
        else:
            self._left.extend(errors)
        return events

    def _taken_left(self) -> Optional[Tuple[str, Any]]:
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def _tell(self, kind: str, value: Any) -> None:
        """Deals with what is no event: tells whoever is to know, or raises it."""
        if kind == "problem":
            if self._on_problem is None:
                error: Error = value
                raise error
            self._on_problem(value)
        elif kind == "dropped":
            self._dropped += value
            if self._on_dropped is not None:
                self._on_dropped(value)
        elif kind == "state":
            self._tell_state(StreamState(*value))
        elif kind == "closed":
            self._closed = True
            self._tell_state(StreamState("closed", cause=value))
            if value is not None:
                end: Error = value
                raise end

    def _tell_state(self, state: StreamState) -> None:
        self._state = state
        if self._on_state is not None:
            self._on_state(state)

    def _end(self) -> ClosedError:
        self._closed = True
        return ClosedError("the subscription is closed")

    def _deliver(self, take: Callable[[], _Taken], hand: Callable[[_Taken], object]) -> None:
        while not self._closed:
            try:
                taken = take()
            except CancelledError:
                return
            except BaseException as error:
                if not (self._closed and isinstance(error, ClosedError)):
                    self._report(error)
                continue
            try:
                hand(taken)
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
        tell(error)

    def close(self) -> None:
        """Ends the stream; a waiting ``next`` raises ClosedError. Never waits, and may be called again."""
        self._closed = True
        self._stream.close()
        self._left.clear()

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


def _deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _seconds_to(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _no_event(timeout: Optional[float]) -> TimeoutError:
    return TimeoutError(f"no event within {timeout} s", retryable=True)
