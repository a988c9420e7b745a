"""Completions that are not lost: the store, its inbox, the native end of a feed, deliveries, and the webhooks' other end.

They are native; only their stub is apart.
"""

from ._native import (
    BaseDelivery,
    BaseFeed,
    Delivery,
    FeedNotices,
    Inbox,
    InboxEntries,
    MetricsServer,
    NoteDelivery,
    Store,
    WebhookKeeper,
    WebhookReceiver,
)

__all__ = [
    "BaseDelivery",
    "BaseFeed",
    "Delivery",
    "FeedNotices",
    "Inbox",
    "InboxEntries",
    "MetricsServer",
    "NoteDelivery",
    "Store",
    "WebhookKeeper",
    "WebhookReceiver",
]
