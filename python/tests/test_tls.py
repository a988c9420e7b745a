"""Real TLS: a server with a certificate that no machine trusts by itself, in front of the sandbox."""

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

import certificates
import pico_erp
from certificates import Certificate
from pico_erp import Client, Sandbox

from conftest import TOKEN
from test_streams import WAIT, order_and_complete


class TlsFront:
    """Speaks TLS to clients and passes what they send to a server that does not."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._behind = port
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))
        self.port = 0
        self._thread.start()
        assert self._listening.wait(WAIT)
        self.url = f"https://127.0.0.1:{self.port}"

    async def _run(self) -> None:
        self._stopping = asyncio.Event()
        # A client that refuses the certificate is no news here.
        self._loop.set_exception_handler(lambda loop, context: None)
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            await asyncio.gather(self._pump(reader, behind_writer), self._pump(behind_reader, writer))
        finally:
            behind_writer.close()
            writer.close()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # Whoever hung up is told to the other side as an end.
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(WAIT)
        self._loop.close()


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return certificates.make("Test CA")


def front(
    sandbox: Sandbox, folder: Path, server: Certificate, clients: Optional[Certificate] = None
) -> TlsFront:
    pem = folder / "server.pem"
    pem.write_text(server.pem + server.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem)
    return TlsFront(context, int(sandbox.url.rsplit(":", 1)[1]))


@pytest.fixture
def server(sandbox: Sandbox, tmp_path: Path, authority: Certificate) -> Iterator[TlsFront]:
    made = front(sandbox, tmp_path, certificates.make("Test server", authority, "127.0.0.1"))
    yield made
    made.close()


def client_of(server: TlsFront, **settings: Any) -> Client:
    return Client(server.url, TOKEN, proxy="", max_attempts=1, **settings)


def test_a_certificate_that_nobody_knows_is_refused(server: TlsFront) -> None:
    with client_of(server) as client, pytest.raises(pico_erp.TlsError) as caught:
        client.operations()
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("form", ["text", "bytes", "path", "path as text"])
def test_an_extra_ca_is_trusted_in_whatever_form_it_is_given(
    server: TlsFront, authority: Certificate, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(authority.pem)
    given: Any = {
        "text": authority.pem,
        "bytes": authority.pem.encode(),
        "path": path,
        "path as text": str(path),
    }[form]
    with client_of(server, extra_ca=given) as client:
        assert client.operations()


def test_another_ca_does_not_help(server: TlsFront) -> None:
    other = certificates.make("Other CA")
    with client_of(server, extra_ca=other.pem) as client, pytest.raises(pico_erp.TlsError):
        client.operations()


def test_a_certificate_for_another_host_is_refused(
    sandbox: Sandbox, tmp_path: Path, authority: Certificate
) -> None:
    server = front(sandbox, tmp_path, certificates.make("Test server", authority, "192.0.2.1"))
    try:
        with client_of(server, extra_ca=authority.pem) as client, pytest.raises(pico_erp.TlsError):
            client.operations()
    finally:
        server.close()


@pytest.mark.parametrize("transport", ["sse", "websocket", "poll"])
def test_streams_run_over_tls(
    server: TlsFront, sandbox: Sandbox, authority: Certificate, transport: str
) -> None:
    with client_of(server, extra_ca=authority.pem, transport=transport, poll_interval=0.05) as client:
        with client.completions() as completions:
            completions.wait_open(WAIT)
            order_and_complete(client, sandbox, "E-1")
            assert completions.next(WAIT).external_order_id == "E-1"


def test_a_client_certificate_is_shown_to_a_server_that_asks_for_one(
    sandbox: Sandbox, tmp_path: Path, authority: Certificate
) -> None:
    own = certificates.make("Test ERP", authority)
    made = certificates.make("Test server", authority, "127.0.0.1")
    server = front(sandbox, tmp_path, made, clients=authority)
    try:
        with client_of(server, extra_ca=authority.pem) as client, pytest.raises(pico_erp.NetworkError):
            client.operations()
        with client_of(
            server, extra_ca=authority.pem, client_cert=own.pem, client_key=own.key_pem
        ) as client:
            assert client.operations()
    finally:
        server.close()
