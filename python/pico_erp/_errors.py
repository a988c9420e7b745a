"""The exceptions. Each also derives from the built-in exception that says the same, where there is one.

The native half makes them through ``from_native``; the numbers are those of ``pico_erp::ErrorKind`` and the C header.
"""

from __future__ import annotations

import builtins
import json
from typing import Any, Dict, List, Optional, Tuple, Type


class Error(Exception):
    """Why a call failed; the base of all exceptions of this package.

    The token and the secrets of webhooks are never part of it.
    """

    code: int
    """The stable number of ``kind``, the same in C and .NET."""
    kind: str
    """What went wrong, such as ``"timeout"`` or ``"http_status"``."""
    message: str
    """What went wrong in words; the same as ``str(error)``."""
    http_status: Optional[int]
    """The HTTP status, where there was a reply."""
    graphql_errors: Tuple[Any, ...]
    """The ``errors`` of a GraphQL reply, decoded, in the server's order."""
    data: Optional[Any]
    """The ``data`` that came with GraphQL errors, decoded."""
    retryable: bool
    """Whether the cause may pass. Says nothing of whether the server has acted already."""
    retry_after: Optional[float]
    """Seconds that the server asked to wait."""
    body_start: Optional[str]
    """The first bytes (512 at most) of a body that was not what it should be."""
    trace_id: Optional[str]
    """The id of the trace that the failed request was sent under, where the client's ``trace_context`` is on."""

    _code = 900
    _kind = "internal"

    def __init__(
        self,
        message: str = "",
        *,
        code: Optional[int] = None,
        kind: Optional[str] = None,
        http_status: Optional[int] = None,
        graphql_errors: Tuple[Any, ...] = (),
        data: Optional[Any] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
        body_start: Optional[str] = None,
        trace_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.code = self._code if code is None else code
        self.kind = self._kind if kind is None else kind
        self.message = message
        self.http_status = http_status
        self.graphql_errors = graphql_errors
        self.data = data
        self.retryable = retryable
        self.retry_after = retry_after
        self.body_start = body_start
        self.trace_id = trace_id

    def __reduce__(self) -> Tuple[Any, ...]:
        # BaseException would call the class with positional arguments only.
        return _restore, (type(self), self.message, dict(self.__dict__))


def _restore(cls: Type[Error], message: str, state: Dict[str, Any]) -> Error:
    error = cls(message)
    error.__dict__.update(state)
    return error


class InvalidArgumentError(Error, ValueError):
    """An argument or a setting is wrong; the message names it. Nothing was sent."""

    _code, _kind = 100, "invalid_argument"


class ForkedError(Error, RuntimeError):
    """The process was forked after pico_erp was first used; it cannot be used in the child."""

    _code, _kind = 104, "forked"


class ClosedError(Error):
    """The client, the subscription, the store, the feed or the sandbox is closed, or a delivery was answered already."""

    _code, _kind = 105, "closed"


class TimeoutError(Error, builtins.TimeoutError):
    """No reply, or no event, within the time-out."""

    _code, _kind = 200, "timeout"


class CancelledError(Error):
    """The call was cancelled, because the interpreter is ending."""

    _code, _kind = 201, "cancelled"


class NetworkError(Error, builtins.ConnectionError):
    """The base of what goes wrong below HTTP."""

    _code, _kind = 300, "connect"


class ConnectError(NetworkError):
    """No connection: refused, unreachable, or reset before it was up."""


class DnsError(NetworkError):
    """The host name could not be resolved."""

    _code, _kind = 301, "dns"


class TlsError(NetworkError):
    """The TLS handshake failed, most often because the certificate is not trusted; see ``extra_ca``."""

    _code, _kind = 302, "tls"


class ProxyError(NetworkError):
    """The proxy could not be reached or refused the connection."""

    _code, _kind = 303, "proxy"


class ConnectionLostError(NetworkError):
    """The connection broke before the reply was whole."""

    _code, _kind = 304, "connection_lost"


class HttpStatusError(Error):
    """An HTTP status that is neither a success nor a GraphQL reply."""

    _code, _kind = 400, "http_status"


class AuthenticationError(Error, PermissionError):
    """The server refused the token."""

    _code, _kind = 401, "unauthorized"


class RateLimitedError(Error):
    """The server asks to slow down; see ``retry_after``."""

    _code, _kind = 402, "rate_limited"


class NotJsonError(Error):
    """The reply is not JSON; its first bytes are in ``body_start``."""

    _code, _kind = 403, "not_json"


class TooLargeError(Error):
    """The reply, or one event, is larger than the limit."""

    _code, _kind = 404, "too_large"


class DecodeError(Error, ValueError):
    """The reply is JSON, but not of the form that was expected."""

    _code, _kind = 405, "decode"


class GraphQLError(Error):
    """The server answered with GraphQL errors; see ``graphql_errors`` and ``data``."""

    _code, _kind = 500, "graphql"


class StoreError(Error, OSError):
    """The store could not be opened, read or written; the message has the path and the reason. The base of its kind.

    Of this class itself: the file or its folder may not be written (``kind`` is ``"store_read_only"``), a newer version of
    this package wrote it (``"store_version"``), or whatever else the file system refuses (``"store"``).
    """

    _code, _kind = 600, "store"


class StoreFullError(StoreError):
    """The disk of the store is full. Nothing that was confirmed is lost; what was not is not in the store."""

    _code, _kind = 601, "store_full"


class StoreInUseError(StoreError):
    """Another process, or another feed of this one, does that work on the store already."""

    _code, _kind = 603, "store_in_use"


class StoreDamagedError(StoreError):
    """The file of the store is damaged, or is no store. It is left as it is; see ``Store.set_aside``."""

    _code, _kind = 604, "store_damaged"


class LeaseLostError(StoreError):
    """What was handed out to this process was handed out to another since, because it was not heard of for too long or did
    not answer in time. What the other does counts."""

    _code, _kind = 606, "lease_lost"


class InternalError(Error, RuntimeError):
    """Something failed inside the library or the operating system."""

    _code, _kind = 900, "internal"


class PanicError(InternalError):
    """A panic inside the native library was caught. Please report it."""

    _code, _kind = 901, "panic"


_CLASSES: Dict[int, Type[Error]] = {
    cls._code: cls
    for cls in (
        InvalidArgumentError,
        ForkedError,
        ClosedError,
        TimeoutError,
        CancelledError,
        ConnectError,
        DnsError,
        TlsError,
        ProxyError,
        ConnectionLostError,
        HttpStatusError,
        AuthenticationError,
        RateLimitedError,
        NotJsonError,
        TooLargeError,
        DecodeError,
        GraphQLError,
        StoreError,
        StoreFullError,
        StoreInUseError,
        StoreDamagedError,
        LeaseLostError,
        InternalError,
        PanicError,
    )
}
# Kinds that nobody handles in another way than the base of their family.
_CLASSES.update({602: StoreError, 605: StoreError})


def from_native(
    code: int,
    kind: str,
    message: str,
    http_status: Optional[int],
    graphql_errors: List[str],
    data: Optional[str],
    retryable: bool,
    retry_after: Optional[float],
    body_start: Optional[str],
    trace_id: Optional[str] = None,
) -> Error:
    """Makes the exception of the core's error. JSON comes as text."""
    return _CLASSES.get(code, InternalError)(
        message,
        code=code,
        kind=kind,
        http_status=http_status,
        graphql_errors=tuple(json.loads(error) for error in graphql_errors),
        data=None if data is None else json.loads(data),
        retryable=retryable,
        retry_after=retry_after,
        body_start=body_start,
        trace_id=trace_id,
    )
