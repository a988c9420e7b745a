"""``Sandbox``: a local Pico for the tests of programs that use this package."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Optional, Type

from ._client import Client
from ._native import BaseSandbox


class Sandbox(BaseSandbox):
    """A local Pico on a free port of this machine, with a shop floor to play and faults to set.

    ``token`` is what it asks for, None takes any. ``seed`` is the path or the text of a TOML file with the operations
    to start with. ``auto_complete`` completes every saved order after so many seconds. ``waterfall`` makes child
    orders for subassemblies, ``child_completions`` reports their completions as well. Event streams get a comment, and
    WebSockets a ping, every ``ping_interval`` seconds. ``web_socket_protocols`` are those it takes: "both",
    "graphql-transport-ws", "graphql-ws" (the legacy one), or "none", as behind a proxy that knows no WebSocket.
    ``generation`` is that of Pico's API which it speaks, "all" of it, "G1", "G2" or "G3"; ``introspection`` is whether it
    shows its schema; with ``legacy_webhooks`` it takes webhooks as older pages of Pico's show it.

    >>> with Sandbox(token="secret") as sandbox, sandbox.client() as client:
    ...     client.save_order("op-abc-123", "ERP-1")
    'created'
    """

    def client(self, **settings: Any) -> Client:
        """A client of this sandbox; ``settings`` are those of ``Client``."""
        settings.setdefault("endpoint", self.endpoint)
        # Never through a proxy that the environment names for other hosts.
        settings.setdefault("proxy", "")
        if "token_provider" not in settings:
            settings.setdefault("token", self.token if self.token is not None else "sandbox")
        return Client(**settings)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
