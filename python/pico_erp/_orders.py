"""Orders that are not lost, and the operations to order: the outbox, the native end of a sender, and the catalogue.

They are native; only their stub is apart.
"""

from ._native import (
    BaseOutboxSender,
    Catalogue,
    CatalogueChanges,
    CatalogueEntries,
    Outbox,
    OutboxEntries,
    OutboxSettled,
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
