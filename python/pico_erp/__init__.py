"""Connects an ERP to a Pico MES: operations, orders, completions and webhooks.

>>> from pico_erp import Client
>>> with Client("https://yourcompany.picomes.com", token) as client:  # doctest: +SKIP
...     client.save_order("op-abc-123", "ERP-ORDER-1")
...     for done in client.completions(external_order_id="ERP-ORDER-1"):
...         print(done.external_order_id, done.produced_serial)

Importing it starts no thread and opens no connection.
"""

from ._client import Client
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
    TimeoutError,
    TlsError,
    TooLargeError,
)
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
from ._sandbox import Sandbox
from ._subscription import StreamState, Subscription

__all__ = [
    "Attribute",
    "AuthenticationError",
    "CancelledError",
    "Client",
    "ClosedError",
    "ConnectError",
    "ConnectionLostError",
    "DecodeError",
    "DnsError",
    "Error",
    "ForkedError",
    "GraphQLError",
    "HttpStatusError",
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
    "Reply",
    "Sandbox",
    "State",
    "StreamState",
    "SubOperation",
    "Subscription",
    "TimeoutError",
    "TlsError",
    "TooLargeError",
    "Webhook",
    "WebhookUnsubscribed",
    "__version__",
]
