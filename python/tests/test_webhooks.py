"""Webhooks: what the sandbox posts arrives at a server of the test's own, and decodes."""

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator, Tuple

import pytest

from pico_erp import Client, OrderComplete, Sandbox

from test_streams import WAIT, order_and_complete

FRAGMENT = (
    "fragment Done on OperationOrderComplete { externalOrderId operation { id } orderIndex at "
    "operationSummary { startedAt consumedSerials { value } } endState { producedSerial } }"
)
Received = Tuple[str, bytes]


@pytest.fixture
def receiver() -> Iterator["tuple[str, queue.Queue[Received], list[int]]"]:
    """A URL, what was posted to it (the header X-Key and the body), and the status to answer with."""
    received: "queue.Queue[Received]" = queue.Queue()
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.put((self.headers["X-Key"], body))
            self.send_response(status[0])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/pico", received, status
    server.shutdown()
    server.server_close()
    thread.join(WAIT)


def test_a_completion_is_posted_with_the_headers_and_decodes(client: Client, sandbox: Sandbox, receiver: Any) -> None:
    url, received, _ = receiver
    client.webhook_subscribe("erp", FRAGMENT, url, {"X-Key": "k1"})
    order_and_complete(client, sandbox, "E-1")
    key, body = received.get(timeout=WAIT)
    done = OrderComplete.from_json(body)
    assert (key, done.external_order_id, done.produced_serial) == ("k1", "E-1", "SN-E-1")
    assert done.raw.encode() == body
    sandbox.wait_for(deliveries=1)
    [delivery] = sandbox.deliveries()
    assert (delivery["delivered"], delivery["status"], delivery["body"]) == (True, 200, body.decode())
    assert client.webhooks()[0].last_event_at is not None


def test_a_refused_delivery_is_not_repeated_but_the_query_still_has_it(
    client: Client, sandbox: Sandbox, receiver: Any
) -> None:
    url, received, status = receiver
    status[0] = 500
    client.webhook_subscribe("erp", FRAGMENT, url, {"X-Key": "k1"})
    order_and_complete(client, sandbox, "E-1")
    sandbox.wait_for(deliveries=1)
    status[0] = 200
    order_and_complete(client, sandbox, "E-2")
    sandbox.wait_for(deliveries=2)
    assert [delivery["delivered"] for delivery in sandbox.deliveries()] == [False, True]
    assert received.qsize() == 2
    assert {done.external_order_id for done in client.order_completes()} == {"E-1", "E-2"}
