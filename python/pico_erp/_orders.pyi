"""Orders that are not lost, and the operations to order: the outbox, the native end of a sender, and the catalogue. Import
from ``pico_erp`` instead.
"""

from types import TracebackType
from typing import Any, Callable, Iterable, Iterator, List, Literal, Mapping, Optional, Sequence, Type, Union, final

from typing_extensions import Self

from ._arguments import FilePath, StorePath
from ._durable import Store
from ._records import (
    CatalogueEntry,
    CatalogueStatus,
    ImportProgress,
    ImportReport,
    ImportResult,
    OrderSave,
    OutboxCounts,
    OutboxEntry,
    OutboxStatus,
    Queued,
)

__all__ = [
    "BaseOutboxSender",
    "Catalogue",
    "CatalogueChanges",
    "CatalogueEntries",
    "Outbox",
    "OutboxEntries",
    "OutboxSettled",
]

@final
class Outbox:
    """The orders in a store on their way to Pico. Needs no sender to be filled and looked at, and works from another process
    than the sender's: what is queued is on disk when the call returns, and is sent when a sender runs
    (``Client.outbox``).

    Orders of the same order id, operation id and index are sent in the order of queueing. A later save takes the place of
    an unsent one; a cancel takes the place of the unsent saves that it covers, and is sent itself, for an earlier save
    may have reached Pico. With a ``request_id`` of the caller's, queueing an order again is the same as queueing it
    once: give one where the ERP may die between its own commit and this call.

    All calls raise StoreError and its subclasses when the store refuses, and ClosedError when it is closed.
    """

    def save(
        self,
        operation_id: str,
        external_order_id: str,
        *,
        order_index: int = 0,
        select_optional_operation_ids: Sequence[str] = (),
        request_id: Optional[str] = None,
        extra: Optional[Mapping[str, Any]] = None,
    ) -> Queued:
        """Queues an order to be saved; it is on disk when this returns. ``extra`` as in Client.save_order().

        Raises InvalidArgumentError naming the argument, also for a ``request_id`` that another order was queued under.
        """

    def save_by_part(
        self,
        catalogue: Catalogue,
        external_order_id: str,
        part_number: str,
        revision: Optional[str] = None,
        *,
        order_index: int = 0,
        select_optional_operation_ids: Sequence[str] = (),
        request_id: Optional[str] = None,
    ) -> Queued:
        """Queues the order for the operation that a part number, and a revision where one is given, mean in the catalogue.
        Works while Pico is away.

        Raises as save() and Catalogue.order_by_part(), with nothing queued.
        """

    def save_all(self, orders: Iterable[OrderSave]) -> List[Queued]:
        """Queues many orders to be saved in one go: all of them or, on an error, none.

        Raises as save(); the message names the place of the order, from 0.
        """

    def cancel(
        self,
        operation_id: str,
        external_order_id: str,
        *,
        order_index: Optional[int] = None,
        cancel_all: bool = False,
        request_id: Optional[str] = None,
    ) -> Queued:
        """Queues a cancel of one unit of an order (``order_index``), or of all of them (``cancel_all=True``); it is on disk
        when this returns.

        Raises as save(), also unless exactly one of the two is given.
        """

    def get(self, id: int) -> Optional[OutboxEntry]:
        """One order by its number; None when there is none."""

    def find(self, external_order_id: str) -> List[OutboxEntry]:
        """Everything that was queued for one order of the ERP's, oldest first."""

    def entries(
        self,
        state: Optional[
            Literal["queued", "sending", "waiting", "sent", "failed", "superseded", "dropped"]
        ] = None,
    ) -> OutboxEntries:
        """The orders in the order of queueing: those in ``state``, or all. An iterator that reads page after page, and so
        sees what changes meanwhile.

        Raises InvalidArgumentError for a state that there is not.
        """

    def counts(self) -> OutboxCounts:
        """How many orders are in which state."""

    def retry(self, id: int) -> None:
        """Queues a failed order again.

        Raises InvalidArgumentError when there is no such order, it has not failed, or a later one for the same unit was
        queued since, which the old one would undo.
        """

    def retry_failed(self) -> int:
        """Queues all failed orders again, but those that were followed by a later one for the same unit. Returns how
        many.
        """

    def drop(self, id: int) -> None:
        """Gives an order up: one that is queued, waiting or failed.

        Raises InvalidArgumentError when there is no such order, or it is being sent or settled.
        """

    def wait(self, id: int, timeout: Optional[float] = None) -> OutboxEntry:
        """Waits until an order is settled: sent, failed, superseded or dropped; for ever, when no sender runs and there is
        no ``timeout`` in seconds.

        Raises TimeoutError when it was not in time, InvalidArgumentError when there is no such order.
        """

    def import_orders(
        self,
        path: FilePath,
        *,
        name: Optional[str] = None,
        catalogue: Optional[Catalogue] = None,
        ignore_unknown_columns: bool = False,
        on_progress: Optional[Callable[[ImportProgress], object]] = None,
    ) -> ImportReport:
        """Queues all orders of a file: CSV with a header, or JSON lines. The columns are ``externalOrderId``,
        ``operationId`` or ``partNumber`` and ``revision``, ``orderIndex``, ``quantity``, and
        ``selectOptionalOperationIds`` with ``;`` between ids, in any order and also in snake case.

        Interrupted in whatever way, run it again: a line is known by the file's content, the import's ``name`` (default:
        the file's), its place and the unit, and is queued once. A line that cannot be right is no exception: it is in the
        report and among the results. ``catalogue`` finds operations by part, and is waited for until it is ready, where
        a line needs it. ``ignore_unknown_columns`` lets columns be that are not known. ``on_progress`` is called after
        each few hundred orders, on this thread; when it raises, the import ends with that. What it is told of is on disk.

        Raises InvalidArgumentError for a file that cannot be read and for its header, and ClosedError when the
        catalogue holds nothing and is not kept.
        """

    def import_results(self, digest: str) -> List[ImportResult]:
        """What became of each order and each refused line of an import, in the order of the file, by the digest of its
        report.

        Raises InvalidArgumentError when nothing is known of such an import, as of a file without a line.
        """

    def write_import_results(self, digest: str, path: FilePath) -> None:
        """Writes the same to a file, as CSV:
        ``line,external_order_id,operation_id,order_index,result,message,error``.

        Raises as import_results(), and InvalidArgumentError for a file that cannot be written.
        """

@final
class OutboxEntries:
    """The orders of an outbox, page by page. See Outbox.entries."""

    def __iter__(self) -> Iterator[OutboxEntry]: ...
    def __next__(self) -> OutboxEntry: ...

@final
class BaseOutboxSender:
    """A running sender, as the Python half sees it. Not for direct use: see pico_erp.OutboxSender."""

    def outbox(self) -> Outbox:
        """The outbox that is being sent."""

    def status(self) -> OutboxStatus:
        """How it is doing."""

    def drained(self, timeout: Optional[float] = None) -> None:
        """Waits until nothing is to be sent any more.

        Raises TimeoutError after ``timeout`` seconds, ClosedError when the sender ends first.
        """

    def settled(self) -> OutboxSettled:
        """The orders that are settled, one after the other. There is one reader: the second call raises ClosedError."""

    def close(self, grace: float, tell: bool) -> None:
        """Sends nothing new, and waits up to ``grace`` seconds for the requests under way, and with ``tell`` until all that
        is settled is on its way to who tells of it. Does nothing in a forked child.
        """

@final
class OutboxSettled:
    """The orders that a sender settles. Not for direct use: see the ``on_settled`` of pico_erp.Client.outbox."""

    def next(self) -> Optional[OutboxEntry]:
        """Waits for the next one; None when the sender has ended."""

@final
class Catalogue:
    """A copy of Pico's operations in a store: found by id, by part number and by code without asking Pico. Made by
    Client.catalogue, which keeps it current, or by Catalogue.offline, which only reads.

    Iteration goes over all operations in the order of their ids, those that are archived or no longer listed included;
    ``len()`` counts those that Pico lists. Keep the object: one that is dropped is not kept current any more. The
    copy stays.

    All calls raise StoreError and its subclasses when the store refuses, and ClosedError after close().
    """

    @staticmethod
    def offline(store: Union[Store, StorePath]) -> Catalogue:
        """A catalogue that is only read: another process keeps it current, or none does. ``store`` is a Store, or the path
        of one, which is closed with the catalogue.
        """

    def ready(self, timeout: Optional[float] = None) -> None:
        """Waits until there is a whole list of operations: one from an earlier run, or the first of this; at most
        ``timeout`` seconds.

        Raises TimeoutError when it was not in time, ClosedError when there is none and nobody here will read one.
        """

    def status(self) -> CatalogueStatus:
        """How current it is."""

    def changes(self) -> CatalogueChanges:
        """The changes that this process makes to it from now on: an iterator that ends with the catalogue."""

    def by_id(self, id: str) -> Optional[CatalogueEntry]:
        """The operation with that id, also when it is archived or no longer listed; None when there is none."""

    def by_part(self, part_number: str, revision: Optional[str] = None) -> List[CatalogueEntry]:
        """All operations with that part number, and that revision where one is given, those that are archived or no longer
        listed included. Blanks around either do not count.
        """

    def by_code(self, code: str) -> List[CatalogueEntry]:
        """All operations with that code: one of those that Pico sends, or else one of the pieces of the part number between
        bars (``|``).
        """

    def order_by_part(
        self,
        external_order_id: str,
        part_number: str,
        revision: Optional[str] = None,
        *,
        order_index: int = 0,
        select_optional_operation_ids: Sequence[str] = (),
        request_id: Optional[str] = None,
    ) -> OrderSave:
        """The order for the one operation that a part number, and a revision where one is given, mean: what
        Outbox.save_all takes. Asks the store only, so it works while Pico is away.

        Raises InvalidArgumentError naming ``part_number`` or ``revision`` when no operation, several, or only ones that
        are archived or no longer listed are meant; the message says which.
        """

    @property
    def closed(self) -> bool:
        """Whether close() was called."""

    def close(self) -> None:
        """Stops keeping it, and waits until another may; a store that was given by its path is closed as well. May be
        called again.
        """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[CatalogueEntry]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...

@final
class CatalogueEntries:
    """The entries of a catalogue, page by page. See Catalogue."""

    def __iter__(self) -> Iterator[CatalogueEntry]: ...
    def __next__(self) -> CatalogueEntry: ...

@final
class CatalogueChanges:
    """The changes of a catalogue: an iterator over its revisions, numbers that grow with each change, which ends with the
    catalogue. A reader that is behind gets the newest only.
    """

    def next(self, timeout: Optional[float] = None) -> int:
        """Waits for the next change.

        Raises TimeoutError after ``timeout`` seconds, ClosedError when the catalogue is not kept any more.
        """

    def __iter__(self) -> Iterator[int]: ...
    def __next__(self) -> int: ...
