"""The numbers of a store as records and as a page, served over HTTP, and the traces of calls."""

import contextvars
import json
import logging
import pickle
import socket
import sys
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Union

import pytest

import pico_erp
from conftest import SilentServer
from pico_erp import Client, Sandbox, Store

from test_streams import WAIT, order_and_complete

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def get(address: str, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}{path}", timeout=WAIT) as answer:
        return str(answer.read().decode())


def samples(page: str) -> Dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_a_feed_is_counted_and_what_did_not_run_is_none(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    with Store(tmp_path / "erp.pico") as store:
        [plant] = store.metrics().plants
        assert plant.plant == "" and plant.kept is not None and plant.kept.inbox.ready == 0
        assert (plant.feed, plant.webhooks, plant.sender, plant.requests) == (None, None, None, None)
        with client.feed(store) as feed:
            feed.opened(WAIT)
            order_and_complete(client, sandbox, "E-1")
            feed.next(WAIT).retry(0.0, "not now")
            feed.next(WAIT).ack()
            metrics = store.metrics()
        [plant] = metrics.plants
        assert plant.feed is not None and plant.kept is not None and plant.requests is not None
        assert (plant.feed.handed_out, plant.feed.redelivered, plant.feed.acked, plant.feed.retried) == (2, 1, 1, 1)
        assert plant.feed.stream.open and plant.feed.ack_lag.count == 1
        assert plant.feed.ack_lag.buckets[-1] == (86400.0, 1)
        assert sum(plant.feed.received.values()) >= 1 and plant.requests.answered > 0
        assert plant.kept.inbox.acked == 1 and plant.kept.oldest_unacknowledged is None
        assert plant.kept.last_event_age is not None and plant.kept.watermarks[0].heard.tzinfo is timezone.utc
        assert metrics.store.up and metrics.store.error is None and metrics.store.failures == 0
        assert abs((datetime.now(timezone.utc) - metrics.at).total_seconds()) < 60
        assert json.loads(json.dumps(metrics.to_dict()))["plants"][0]["feed"]["acked"] == 1
        assert pickle.loads(pickle.dumps(metrics)) == metrics
        assert samples(metrics.prometheus())['pico_erp_acks_total{plant=""}'] == 1
    with pytest.raises(pico_erp.ClosedError):
        store.metrics()


def test_the_numbers_are_served_and_not_where_the_world_posts_to(client: Client, tmp_path: Path) -> None:
    with Store(tmp_path / "erp.pico") as store, client.feed(store, live=False) as feed:
        with store.serve_metrics("127.0.0.1:0") as server:
            assert server.address == f"127.0.0.1:{server.port}"
            assert samples(get(server.address, "/metrics"))["pico_erp_store_up"] == 1
            assert get(server.address, "/healthz") == '{"status":"ok"}'
            with pytest.raises(pico_erp.InvalidArgumentError, match="^bind: cannot listen"):
                store.serve_metrics(server.address)
        with pytest.raises(urllib.error.URLError):
            get(server.address, "/healthz")
        with feed.receiver() as receiver:
            assert receiver.metrics_address is None
        with feed.receiver(metrics_bind="127.0.0.1:0") as receiver:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                get(receiver.address, "/metrics")
            assert receiver.metrics_address is not None
            posts = samples(get(receiver.metrics_address, "/metrics"))
            assert posts['pico_erp_webhook_posts_total{plant="",outcome="refused",status="4xx"}'] == 1


def head_of(trace_context: Union[str, Callable[[], Optional[str]]]) -> Dict[str, str]:
    """The headers of a call, and the trace of its error."""
    server = SilentServer()
    try:
        client = Client(
            server.url, "t", max_attempts=1, request_timeout=0.5, proxy="", trace_context=trace_context  # type: ignore[arg-type]
        )
        with client, pytest.raises(pico_erp.TimeoutError) as raised:
            client.operations()
        head = server.accept().decode().lower()
    finally:
        server.close()
    lines = (line.partition(": ") for line in head.splitlines()[1:])
    headers = {name: value for name, _, value in lines}
    headers["error"] = raised.value.trace_id or ""
    assert pickle.loads(pickle.dumps(raised.value)).trace_id == raised.value.trace_id
    return headers


def test_a_call_carries_the_trace_that_its_error_names() -> None:
    off = head_of("off")
    assert "traceparent" not in off and off["error"] == ""
    generated = head_of("generate")
    version, trace, span, flags = generated["traceparent"].split("-")
    assert (version, flags, generated["error"]) == ("00", "01", trace) and len(span) == 16


def test_a_callable_is_asked_where_the_call_is_made() -> None:
    current: "contextvars.ContextVar[Optional[str]]" = contextvars.ContextVar("current", default=None)
    token = current.set(PARENT)
    given = head_of(current.get)
    current.reset(token)
    assert (given["traceparent"], given["error"]) == (PARENT, PARENT.split("-")[1])
    # Without a span, and with what is none, a trace is begun.
    for wrong in (None, "00-wrong"):
        assert len(head_of(lambda wrong=wrong: wrong)["traceparent"]) == 55  # type: ignore[misc]


def test_a_callable_that_raises_stops_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: List[Optional[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: raised.append(told.exc_value))

    def broken() -> str:
        raise KeyError("no span")

    assert len(head_of(broken)["traceparent"]) == 55
    assert [type(one) for one in raised] == [KeyError]


class Kept(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: List[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens, and nobody will while it is held."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_the_log_is_forwarded_with_its_fields(nobody: str) -> None:
    logger = logging.getLogger("test_the_log_is_forwarded")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    kept = Kept()
    logger.addHandler(kept)
    with pico_erp.forward_logs(logging.DEBUG, logger):
        with Client(f"http://{nobody}", "t0ken", max_attempts=2, backoff=0.001, proxy="", trace_context="generate") as client:
            with pytest.raises(pico_erp.ConnectError) as raised:
                client.operations()
    retried = [record for record in kept.records if "tried again" in record.getMessage()]
    assert len(retried) == 1
    fields = vars(retried[0])["pico_erp"]
    assert retried[0].levelno == logging.DEBUG and retried[0].name.startswith("test_the_log_is_forwarded.client")
    assert fields["attempt"] == 1 and fields["level"] == "debug"
    assert fields["trace_id"] == raised.value.trace_id and nobody in fields["error"]
    assert "attempt=1" in retried[0].getMessage() and "t0ken" not in str(vars(retried[0]))
    # Closed: nothing more comes.
    count = len(kept.records)
    with Client(f"http://{nobody}", "t", max_attempts=2, backoff=0.001, proxy="") as client:
        with pytest.raises(pico_erp.ConnectError):
            client.operations()
    assert len(kept.records) == count
    with pytest.raises(pico_erp.InvalidArgumentError, match="^level: "):
        pico_erp.forward_logs(50)


def test_a_later_forwarder_takes_the_place_of_an_earlier_one() -> None:
    first = pico_erp.forward_logs()
    with pico_erp.forward_logs():
        assert first.join(WAIT)
        first.close()


def test_a_wrong_trace_context_is_named() -> None:
    for wrong in ("on", 3):
        with pytest.raises(pico_erp.InvalidArgumentError, match="^trace_context: .*generate"):
            Client("http://127.0.0.1:1", "t", trace_context=wrong)  # type: ignore[arg-type]
