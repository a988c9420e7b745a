"""Connects an ERP to a Pico MES: operations, orders, completions and webhooks.

>>> from pico_erp import Client
>>> with Client("https://yourcompany.picomes.com", token) as client:  # doctest: +SKIP
...     client.save_order("op-abc-123", "ERP-ORDER-1")
...     for delivery in client.feed("erp.pico"):  # nothing is lost while this program is down
...         with delivery as done:  # acknowledged at the end of the block
...             print(done.external_order_id, done.produced_serial)

Importing it starts no thread and opens no connection.
"""

from ._client import Client
from ._durable import Delivery, FeedNotices, Inbox, Store, WebhookKeeper, WebhookReceiver
from ._errors import (
    AuthenticationError,
    CancelledError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    DnsError,
    Error,
    ForkedError,
    GraphQLError,
    HttpStatusError,
    InternalError,
    InvalidArgumentError,
    NetworkError,
    NotJsonError,
    PanicError,
    ProxyError,
    RateLimitedError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreInUseError,
    TimeoutError,
    TlsError,
    TooLargeError,
)
from ._feed import Feed
from ._native import Reply, WebhookUnsubscribed, __version__
from ._objects import (
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
from ._records import (
    CaughtUp,
    EnsuredWebhook,
    FeedNotice,
    FeedStatus,
    InboxCounts,
    InboxEntry,
    ReceiverCounts,
    StreamState,
    Watermark,
    WebhookNotice,
)
from ._sandbox import Sandbox
from ._subscription import Subscription

__all__ = [
    "Attribute",
    "AuthenticationError",
    "CancelledError",
    "CaughtUp",
    "Client",
    "ClosedError",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "Delivery",
    "DnsError",
    "EnsuredWebhook",
    "Error",
    "Feed",
    "FeedNotice",
    "FeedNotices",
    "FeedStatus",
    "ForkedError",
    "GraphQLError",
    "HttpStatusError",
    "Inbox",
    "InboxCounts",
    "InboxEntry",
    "InternalError",
    "InvalidArgumentError",
    "Json",
    "NetworkError",
    "NotJsonError",
    "NoteEvent",
    "Operation",
    "OperationSummary",
    "OrderComplete",
    "OrderedOperation",
    "PanicError",
    "ProxyError",
    "RateLimitedError",
    "ReceiverCounts",
    "Reply",
    "Sandbox",
    "State",
    "Store",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreInUseError",
    "StreamState",
    "SubOperation",
    "Subscription",
    "TimeoutError",
    "TlsError",
    "TooLargeError",
    "Watermark",
    "Webhook",
    "WebhookKeeper",
    "WebhookNotice",
    "WebhookReceiver",
    "WebhookUnsubscribed",
    "__version__",
]
