"""Pico's things: what the calls return and the streams bring. They are native; only their stub is apart."""

from ._native import (
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
