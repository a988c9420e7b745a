"""What happens when the interpreter ends: what is open (subscriptions, feeds, senders, catalogues) is closed, and waiting
threads are called back.

A thread that came back from a wait after the end would hang for ever, so this runs while it still can: from
``atexit``, before the interpreter is taken apart.
"""

from __future__ import annotations

import atexit
import time
import weakref
from typing import Protocol, runtime_checkable

from ._native import end_waits

_JOIN_SECONDS = 2.0


class _Closable(Protocol):
    def close(self) -> None: ...


@runtime_checkable
class _Joinable(Protocol):
    """What has a thread of its own."""

    def join(self, timeout: float) -> bool: ...


_open: "weakref.WeakSet[_Closable]" = weakref.WeakSet()


def closed_at_exit(closable: _Closable) -> None:
    """Has a subscription, a feed, a sender or a catalogue closed at the end of the interpreter, if it is still there."""
    _open.add(closable)


def _close_all() -> None:
    closables = list(_open)
    for closable in closables:
        closable.close()
    end_waits()
    deadline = time.monotonic() + _JOIN_SECONDS
    for closable in closables:
        if isinstance(closable, _Joinable):
            closable.join(max(0.0, deadline - time.monotonic()))


atexit.register(_close_all)
