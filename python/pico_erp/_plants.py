"""``Plants``: many plants in one process, each with a Pico of its own, as an iterator over their completions.

The native half runs them and waits; here is iteration.
"""

from __future__ import annotations

from types import TracebackType
from typing import Iterator, List, Optional, Tuple, Type

from ._arguments import FilePath
from ._durable import Delivery
from ._errors import ClosedError, TimeoutError
from ._native import BasePlants, Plant
from ._records import PlantStatus, Reloaded
from ._shutdown import closed_at_exit

# How long, in seconds, the end of a `with` block waits for requests under way and completions in hand.
_GRACE = 5.0


class Plants:
    """Many plants in one process, each with a Pico of its own, on one store: what runs is read from a file (TOML).

    >>> with Plants("plants.toml") as plants:  # doctest: +SKIP
    ...     plants["berlin"].outbox.save("op-abc-123", "ERP-1")
    ...     for delivery in plants:
    ...         with delivery as done:
    ...             book(delivery.plant, done)

    Completions come as of a ``Feed``, each with the name of its ``plant``; plants take turns. A plant that cannot be started,
    because its token or its address is wrong, keeps no other from its work: ``status()`` says why, and it is started again.
    Threads may share this: each takes deliveries of its own.

    Raises InvalidArgumentError with the line and the key of the file that cannot be right, and what opening a ``Store``
    raises. Keep the object: one that is dropped ends. What is still open at the end of the interpreter is closed then. In a
    forked child everything raises ForkedError.
    """

    def __init__(self, config: FilePath) -> None:
        self._plants = BasePlants(config)
        self._closed = False
        closed_at_exit(self)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    @property
    def names(self) -> List[str]:
        """The names of the plants in the file."""
        return self._plants.names()

    @property
    def address(self) -> Optional[str]:
        """The address that the receiver of all plants listens on, such as "0.0.0.0:8443"; None where there is none."""
        return self._plants.address()

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Plant:
        """A plant by its name.

        Raises KeyError when there is none of that name in the file.
        """
        plant = self._plants.plant(name)
        if plant is None:
            raise KeyError(name)
        return plant

    def __iter__(self) -> Iterator[Delivery]:
        return self

    def __next__(self) -> Delivery:
        delivery = self._plants.next()
        if delivery is None:
            self._closed = True
            raise StopIteration
        return delivery

    def next(self, timeout: Optional[float] = None) -> Delivery:
        """Waits for the next completion of any plant, at most ``timeout`` seconds.

        Raises TimeoutError when there was none in time, ClosedError when this is closed, StoreError for what no waiting
        mends; the message begins with the plant's name, and the other plants go on.
        """
        try:
            delivery = self._plants.next(timeout)
        except TimeoutError:
            raise TimeoutError(f"no completion within {timeout} s", retryable=True) from None
        if delivery is None:
            self._closed = True
            raise ClosedError("the plants are closed")
        return delivery

    def reload(self, config: Optional[FilePath] = None) -> Reloaded:
        """Reads the file again, or another one, and goes on as it says: only plants that changed are started anew. Waits up to
        5 seconds for completions of those that are in consumers' hands.

        Raises InvalidArgumentError when the file cannot be right, or names another store; nothing has changed then.
        """
        return self._plants.reload(config)

    def status(self) -> Tuple[PlantStatus, ...]:
        """Where every plant stands, in the order of their names.

        Raises StoreError when the store refuses, ClosedError when it is closed.
        """
        return self._plants.status()

    def close(self, grace: float = _GRACE) -> None:
        """Ends all plants: nothing more is taken in, handed out or sent, and iteration stops. Waits up to ``grace`` seconds for
        completions that other threads have in hand and for requests under way, and closes the store. May be called
        again, and does nothing in a forked child.
        """
        self._closed = True
        self._plants.close(grace)

    def __enter__(self) -> "Plants":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Plants {'closed' if self._closed else 'open'}>"
