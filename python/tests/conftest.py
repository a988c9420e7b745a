"""What the tests share: a sandbox and a client of it, anew for each test, and programs run in processes of their own."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from pico_erp import Client, Sandbox

TOKEN = "s3cret-token"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """A client that does not retry, and reconnects its streams quickly."""
    with sandbox.client(max_attempts=1, reconnect_backoff=0.01, reconnect_backoff_max=0.05) as client:
        yield client


class SilentServer:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self._connections: List[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> bytes:
        """Waits until somebody has connected and sent the head of a request; returns it."""
        connection, _ = self._listener.accept()
        self._connections.append(connection)
        connection.settimeout(30)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            assert more, "the connection was closed"
            head += more
        return head

    def wait_for_hang_up(self) -> None:
        """Waits until the last one that connected has closed the connection."""
        while self._connections[-1].recv(65536):
            pass

    def close(self) -> None:
        for connection in (self._listener, *self._connections):
            connection.close()


@pytest.fixture
def silent_server() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a Python program, given as text, with arguments; it is killed when the test ends."""

    def start(source: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", source, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

        def end() -> None:
            process.kill()
            process.communicate()

        request.addfinalizer(end)
        return process

    return start
