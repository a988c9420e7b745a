"""Pico's things: what the calls return and the streams bring. Import from ``pico_erp`` instead."""

from datetime import datetime
from typing import Any, Optional, Tuple, Union, final, type_check_only

from typing_extensions import Self

__all__ = [
    "Attribute",
    "Json",
    "NoteEvent",
    "Operation",
    "OperationSummary",
    "OrderComplete",
    "OrderedOperation",
    "State",
    "SubOperation",
    "Webhook",
]

@type_check_only
class _Object:
    """What all of Pico's objects have in common. They are frozen, and equal when their JSON means the same."""

    @property
    def raw(self) -> str:
        """The JSON text exactly as it was sent."""

    @classmethod
    def from_json(cls, text: Union[str, bytes]) -> Self:
        """Decodes JSON as Pico sends it, such as the body of a webhook.

        Raises DecodeError when it is not JSON or a field does not fit.
        """

    def to_dict(self) -> Any:
        """The JSON decoded, with all fields that were sent, under their names in the API."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> Tuple[Any, Tuple[str]]: ...

@final
class Attribute(_Object):
    """A serial, or on an Operation the slot for one."""

    @property
    def id(self) -> Optional[str]:
        """Pico's identifier of the attribute."""

    @property
    def external_id(self) -> Optional[str]:
        """The component's part number."""

    @property
    def value(self) -> Optional[str]:
        """The serial; None on an operation, where it is not captured yet."""

@final
class OrderedOperation(_Object):
    """The operation as a completion names it."""

    @property
    def id(self) -> Optional[str]:
        """Pico's identifier."""

    @property
    def external_id(self) -> Optional[str]:
        """The part number."""

    @property
    def external_revision(self) -> Optional[str]:
        """The revision."""

    @property
    def name(self) -> Optional[str]:
        """The display name."""

@final
class OperationSummary(_Object):
    """How the build went."""

    @property
    def started_at(self) -> Optional[datetime]:
        """When the first process was started (UTC)."""

    @property
    def consumed_serials(self) -> Tuple[Attribute, ...]:
        """The serials of the parts that were built in."""

@final
class State(_Object):
    """Where the build ended."""

    @property
    def produced_serial(self) -> Optional[str]:
        """The serial of the finished unit, when one was captured."""

@final
class Operation(_Object):
    """A product, a subassembly or a process: anything that can be ordered."""

    @property
    def id(self) -> Optional[str]:
        """Pico's identifier; what orders are saved with."""

    @property
    def external_id(self) -> Optional[str]:
        """The part number."""

    @property
    def external_revision(self) -> Optional[str]:
        """The revision."""

    @property
    def external_codes(self) -> Optional[Tuple[str, ...]]:
        """The part number split at the bar character; None where Pico did not send it, which only generation G3 does."""

    @property
    def name(self) -> str:
        """The display name."""

    @property
    def template_id(self) -> Optional[str]:
        """The template it was made from."""

    @property
    def variant_name(self) -> Optional[str]:
        """The variant of the template."""

    @property
    def consumed_serials(self) -> Tuple[Attribute, ...]:
        """The serialised parts that the build needs."""

    @property
    def updated_at(self) -> datetime:
        """When it was last changed (UTC)."""

    @property
    def archived_at(self) -> Optional[datetime]:
        """When it was archived (UTC); None while it is in use."""

@final
class SubOperation(_Object):
    """One edge of the product structure, from a parent operation to a child operation."""

    @property
    def parent_id(self) -> Optional[str]:
        """The parent's Operation.id."""

    @property
    def sub_id(self) -> Optional[str]:
        """The child's Operation.id."""

    @property
    def sub_group(self) -> Optional[str]:
        """The routing group, as text. Pico does not say what it means: compare it, and no more."""

    @property
    def updated_at(self) -> Optional[datetime]:
        """When the edge was last changed (UTC)."""

@final
class OrderComplete(_Object):
    """A completed operation order (Pico's OperationOrderComplete)."""

    @property
    def external_order_id(self) -> str:
        """The ERP's order id."""

    @property
    def operation(self) -> Optional[OrderedOperation]:
        """What was completed. With child orders switched on in Pico this may be a part of what was ordered."""

    @property
    def order_index(self) -> Optional[int]:
        """Which unit of the order, from 0."""

    @property
    def at(self) -> datetime:
        """When it was completed (UTC)."""

    @property
    def operation_summary(self) -> Optional[OperationSummary]:
        """How the build went."""

    @property
    def end_state(self) -> Optional[State]:
        """Where the build ended."""

    @property
    def reserved_serial_number(self) -> Optional[str]:
        """The serial that was reserved when ordering. Only generation G3 of Pico's API sends it."""

    @property
    def secondary_external_order_id(self) -> Optional[str]:
        """The second order id that was given when ordering. Only generation G3 of Pico's API sends it."""

    @property
    def produced_serial(self) -> Optional[str]:
        """The serial of the finished unit, when one was captured: end_state.produced_serial."""

    @property
    def operation_id(self) -> Optional[str]:
        """The id of the operation that was completed: operation.id."""

@final
class Webhook(_Object):
    """One webhook registration (Pico's SubscriptionHandle). Pico never gives back the headers."""

    @property
    def subscription_id(self) -> Optional[str]:
        """The id the caller chose."""

    @property
    def response_fragment(self) -> Optional[str]:
        """The fragment that picks the stream and the fields of the payload."""

    @property
    def webhook_url(self) -> Optional[str]:
        """Where Pico posts to."""

    @property
    def created_at(self) -> Optional[datetime]:
        """When it was registered (UTC)."""

    @property
    def last_event_at(self) -> Optional[datetime]:
        """When Pico last had an event for it (UTC)."""

@final
class NoteEvent(_Object):
    """An operator's note that is new or was changed. Only newer Picos (generation G3) have them."""

    @property
    def seq(self) -> int:
        """A running number."""

    @property
    def at(self) -> datetime:
        """When the note was made (UTC)."""

    @property
    def id(self) -> Optional[str]:
        """The note's id."""

    @property
    def external_id(self) -> Optional[str]:
        """The note's id in an outside ticket system."""

    @property
    def text(self) -> Optional[str]:
        """What the operator wrote."""

    @property
    def metadata(self) -> Optional[str]:
        """Further detail as JSON text, in a form Pico does not describe."""

    @property
    def images(self) -> Tuple[str, ...]:
        """URL paths of pictures."""

    @property
    def event_type(self) -> Optional[str]:
        """Whether it is new or changed; Pico does not list the values."""

@final
class Json(_Object):
    """Any JSON value, such as the data of one event of a raw subscription."""
