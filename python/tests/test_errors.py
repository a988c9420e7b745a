"""What goes wrong, and which exception says so."""

import builtins
import pickle
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, Optional, Type

import pytest

import pico_erp
from pico_erp import Client, Sandbox
from pico_erp._errors import from_native

from conftest import TOKEN, SilentServer


@pytest.fixture
def answering() -> Iterator[Callable[[str], str]]:
    """Gives a function that starts a server with one answer to everything, and returns its URL."""
    servers = []

    def start(body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("fault", "settings", "error", "says"),
    [
        ({"kind": "html"}, {}, pico_erp.NotJsonError, None),
        ({"kind": "cut_body"}, {}, pico_erp.ConnectionLostError, "broke"),
        ({"kind": "huge_body"}, {}, pico_erp.TooLargeError, "67108864"),
        ({"kind": "huge_body", "size": 10_000}, {"max_reply_bytes": 5_000}, pico_erp.TooLargeError, "5000"),
        ({"kind": "status", "status": 503}, {}, pico_erp.HttpStatusError, "503"),
        ({"kind": "status", "status": 401}, {}, pico_erp.AuthenticationError, "401"),
        ({"kind": "status", "status": 429}, {}, pico_erp.RateLimitedError, "429"),
        ({"kind": "hang"}, {"request_timeout": 0.1}, pico_erp.TimeoutError, "100ms"),
        ({"kind": "malformed_json"}, {}, pico_erp.NotJsonError, None),
    ],
    ids=lambda value: value.get("kind", "") if isinstance(value, dict) else "",
)
def test_a_server_that_misbehaves_is_told_apart(
    sandbox: Sandbox, fault: Dict[str, Any], settings: Dict[str, Any], error: Type[pico_erp.Error], says: Optional[str]
) -> None:
    sandbox.add_fault(**fault)
    with sandbox.client(max_attempts=1, **settings) as client:
        with pytest.raises(error, match=says) as caught:
            client.operations()
    assert type(caught.value) is error
    assert caught.value.code >= 100 and caught.value.kind
    assert TOKEN not in repr(caught.value) + str(vars(caught.value))


def test_details_come_with_the_error(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault("status", status=429, retry_after=7, times=1)
    with pytest.raises(pico_erp.RateLimitedError) as limited:
        client.operations()
    assert (limited.value.http_status, limited.value.retry_after, limited.value.retryable) == (429, 7.0, True)
    assert (limited.value.code, limited.value.kind) == (402, "rate_limited")
    sandbox.add_fault("html", times=1)
    with pytest.raises(pico_erp.NotJsonError) as html:
        client.operations()
    assert html.value.body_start is not None and "<" in html.value.body_start
    assert (html.value.http_status, html.value.retry_after, html.value.retryable) == (200, None, False)


def test_a_passing_failure_is_retried(sandbox: Sandbox) -> None:
    sandbox.add_fault("status", status=503, times=2)
    with sandbox.client(backoff=0.001) as client:
        assert client.operations()
    assert sandbox.requests() == 3


def test_a_refused_token_is_an_authentication_error(sandbox: Sandbox) -> None:
    with sandbox.client(token="wr0ng-token") as client:
        with pytest.raises(pico_erp.AuthenticationError) as caught:
            client.operations()
    assert isinstance(caught.value, PermissionError)
    assert (caught.value.http_status, caught.value.retryable) == (401, False)
    assert "wr0ng-token" not in repr(caught.value)


def test_a_call_may_have_its_own_time_out(silent_server: SilentServer) -> None:
    with Client(silent_server.url, "token", proxy="") as client:
        began = time.monotonic()
        with pytest.raises(builtins.TimeoutError, match="not done within 200ms"):
            client.operations(timeout=0.2)
        assert time.monotonic() - began < 5


def test_a_refused_connection_is_a_connection_error() -> None:
    with Client(refused_url(), "token", proxy="", max_attempts=1) as client:
        with pytest.raises(pico_erp.ConnectError, match="no connection to 127.0.0.1") as caught:
            client.operations()
    assert isinstance(caught.value, (pico_erp.NetworkError, ConnectionError))
    assert caught.value.retryable


def test_a_host_without_an_address_is_a_dns_error() -> None:
    with Client("http://pico.invalid", "token", proxy="", max_attempts=1) as client:
        with pytest.raises(pico_erp.DnsError, match="pico.invalid") as caught:
            client.operations()
    assert isinstance(caught.value, ConnectionError)


def test_a_server_without_tls_is_a_tls_error(sandbox: Sandbox) -> None:
    with sandbox.client(endpoint=sandbox.url.replace("http", "https"), max_attempts=1) as client:
        with pytest.raises(pico_erp.TlsError):
            client.operations()


def test_a_proxy_that_is_not_there_is_a_proxy_error(sandbox: Sandbox) -> None:
    with sandbox.client(proxy=refused_url(), max_attempts=1) as client:
        with pytest.raises(pico_erp.ProxyError):
            client.operations()
    with sandbox.client(proxy=refused_url(), no_proxy=["127.0.0.1"], max_attempts=1) as client:
        assert client.operations()


def test_a_graphql_error_carries_the_errors_and_the_data(answering: Callable[[str], str]) -> None:
    url = answering(
        '{"data": {"operations": [], "n": 1.5}, "errors": [{"message": "partly", "extensions": {"code": "X"}}, {}]}'
    )
    with Client(url, "token", proxy="") as client:
        with pytest.raises(pico_erp.GraphQLError, match=r"partly \(and 1 more\)") as caught:
            client.operations()
    assert caught.value.graphql_errors == ({"message": "partly", "extensions": {"code": "X"}}, {})
    assert caught.value.data == {"operations": [], "n": 1.5}
    assert caught.value.http_status == 200


def test_a_field_that_does_not_fit_is_a_decode_error_that_names_it(answering: Callable[[str], str]) -> None:
    with Client(answering('{"data": {"operations": [{"id": "a", "name": 5}]}}'), "token", proxy="") as client:
        with pytest.raises(pico_erp.DecodeError, match=r"\[0\]: Operation: "):
            client.operations()


def test_an_unknown_operation_is_a_graphql_error(client: Client) -> None:
    with pytest.raises(pico_erp.GraphQLError) as caught:
        client.save_order("no-such-operation", "ERP-1")
    assert caught.value.graphql_errors


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda c: c.operations(id=" "), "id"),
        (lambda c: c.save_order("", "E"), "operation_id"),
        (lambda c: c.save_order("op", ""), "external_order_id"),
        (lambda c: c.save_order("op", "E", 2**31), "order_index"),
        (lambda c: c.save_order("op", "E", -1), "order_index"),
        (lambda c: c.cancel_order("op", "E", -1), "order_index"),
        (lambda c: c.order_completes(order_index=-1), "order_index"),
        (lambda c: c.webhook_subscribe("a b", "fragment F on Operation { id }", "http://x/"), "subscription_id"),
        (lambda c: c.webhook_subscribe("a", "{ x }", "http://x/"), "response_fragment"),
        (lambda c: c.webhook_subscribe("a", "fragment F on Operation { id }", "x"), "webhook_url"),
        (lambda c: c.execute("subscription { operationsStream { id } }"), "query"),
        (lambda c: c.subscribe("{ operations { id } }"), "query"),
        (lambda c: c.operations(timeout=-1), "timeout"),
        (lambda c: c.completions(on_error=print), "on_error"),
    ],
)
def test_what_cannot_be_right_is_refused_before_it_is_sent(
    client: Client, sandbox: Sandbox, call: Callable[[Client], object], field: str
) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}") as caught:
        call(client)
    assert isinstance(caught.value, ValueError)
    assert sandbox.requests() == 0


def test_every_exception_derives_from_error_and_has_a_number_of_its_own() -> None:
    classes = [
        value for value in vars(pico_erp).values() if isinstance(value, type) and issubclass(value, pico_erp.Error)
    ]
    leaves = [cls for cls in classes if cls not in (pico_erp.Error, pico_erp.NetworkError)]
    codes = [cls("x").code for cls in leaves]
    assert len(set(codes)) == len(codes) == 24
    assert issubclass(pico_erp.TimeoutError, builtins.TimeoutError)
    assert issubclass(pico_erp.PanicError, pico_erp.InternalError)


def test_a_caught_panic_is_an_internal_error() -> None:
    panic = from_native(901, "panic", "a panic inside the library was caught: boom", None, [], None, False, None, None)
    assert type(panic) is pico_erp.PanicError and isinstance(panic, pico_erp.InternalError)
    assert (panic.code, panic.kind, panic.retryable) == (901, "panic", False)


def test_an_exception_survives_pickling(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault("status", status=429, retry_after=7)
    with pytest.raises(pico_erp.RateLimitedError) as caught:
        client.operations()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is pico_erp.RateLimitedError
    assert vars(copy) == vars(caught.value) and str(copy) == str(caught.value)
