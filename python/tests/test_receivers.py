"""The other end of Pico's webhooks: the receiver, the keeper, and registering idempotently."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import pytest

import certificates
import pico_erp
from pico_erp import Client, Feed, Sandbox, WebhookReceiver

from test_streams import WAIT, order_and_complete

SECRET = {"X-Pico-Secret": "s3cret-webhook"}


@pytest.fixture
def feed(client: Client, tmp_path: Path) -> Iterator[Feed]:
    """One that only webhooks and the catch-up query fill."""
    with client.feed(tmp_path / "erp.pico", live=False) as feed:
        feed.opened(WAIT)
        yield feed


def url(receiver: WebhookReceiver) -> str:
    return f"http://{receiver.address}{receiver.url_path}"


def post(to: str, body: bytes, headers: Dict[str, str], context: Optional[ssl.SSLContext] = None) -> int:
    request = urllib.request.Request(to, body, {"content-type": "application/json", **headers})
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=WAIT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_pico_posts_is_handed_out_and_counted(client: Client, sandbox: Sandbox, feed: Feed) -> None:
    with feed.receiver(secret_headers=SECRET) as receiver:
        assert receiver.address == f"127.0.0.1:{receiver.port}" and receiver.url_path == "/pico"
        notices = feed.notices()
        with feed.keep_webhook("erp", url(receiver), SECRET) as keeper:
            keeper.check_now(WAIT)
            # Registering asks for a catch-up, which could be first to see what is completed meanwhile.
            assert any(notice.caught_up for notice in notices)
            order_and_complete(client, sandbox, "E-1")
            delivery = feed.next(WAIT)
            assert (delivery.completion.external_order_id, delivery.source) == ("E-1", "webhook")
            assert delivery.completion == client.order_completes()[0]
            delivery.ack()
            sandbox.wait_for(deliveries=1)
            assert [one["status"] for one in sandbox.deliveries()] == [200]
        assert post(url(receiver), b"{}", {"X-Pico-Secret": "guess"}) == 401
        assert post(url(receiver), b"no json", SECRET) == 400
        counts = receiver.counts()
    assert (counts.accepted, counts.refused_by_secret, counts.refused, counts.unavailable) == (1, 1, 1, 0)
    assert "s3cret-webhook" not in repr(receiver) + repr(counts)
    receiver.close()
    with pytest.raises(pico_erp.ClosedError):
        receiver.counts()
    with pytest.raises(pico_erp.ClosedError):
        keeper.check_now(WAIT)
    # It stays registered.
    assert [webhook.subscription_id for webhook in client.webhooks()] == ["erp"]


def test_a_registration_that_pico_lost_is_made_again_and_caught_up(client: Client, sandbox: Sandbox, feed: Feed) -> None:
    with feed.receiver() as receiver, feed.keep_webhook("erp", url(receiver)) as keeper:
        keeper.check_now(WAIT)
        assert sandbox.forget_webhook("erp")
        order_and_complete(client, sandbox, "not posted")
        notices = feed.notices()
        keeper.check_now(WAIT)
        delivery = feed.next(WAIT)
        assert (delivery.completion.external_order_id, delivery.source) == ("not posted", "catch_up")
        told = next(notice.webhook for notice in notices if notice.webhook is not None)
        assert (told.name, told.cause) == ("registered", "lost")


def test_two_secrets_are_let_in_while_one_is_changed(feed: Feed) -> None:
    with feed.receiver("localhost:0", "/hook", secret_headers={"X-Pico-Secret": ["old", "new"]}) as receiver:
        to = f"http://localhost:{receiver.port}/hook"
        body = json.dumps({"externalOrderId": "E", "at": "2025-01-15T14:22:00Z"}).encode()
        statuses = [post(to, body, {"X-Pico-Secret": secret}) for secret in ("old", "new", "other")]
        assert statuses == [200, 200, 401]
    assert feed.inbox.counts().ready + feed.inbox.counts().dead == 1


def test_a_receiver_speaks_https(feed: Feed, tmp_path: Path) -> None:
    authority = certificates.make("tests")
    server = certificates.make("receiver", authority, "127.0.0.1")
    key = tmp_path / "erp.key"
    key.write_text(server.key_pem)
    context = ssl.create_default_context(cadata=authority.pem)
    body = json.dumps({"externalOrderId": "E", "at": "2025-01-15T14:22:00Z"}).encode()
    with feed.receiver(tls_cert=server.pem, tls_key=key) as receiver:
        assert post(f"https://127.0.0.1:{receiver.port}/pico", body, {}, context) == 200


def test_a_receiver_answers_503_once_its_feed_is_closed(feed: Feed) -> None:
    with feed.receiver() as receiver:
        health = f"http://{receiver.address}/health"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(health, timeout=WAIT) as answer:
            assert json.loads(answer.read()) == {"status": "ok"}
        feed.close()
        assert post(url(receiver), b'{"externalOrderId": "E", "at": "2025-01-15T14:22:00Z"}', {}) == 503


def test_a_webhook_is_ensured_again_and_again(client: Client) -> None:
    to = "http://erp.example/pico"
    first = client.ensure_webhook("erp", to, SECRET)
    again = client.ensure_webhook("erp", to, SECRET, fingerprint=first.fingerprint)
    forgotten = client.ensure_webhook("erp", to, SECRET)
    changed = client.ensure_webhook("erp", to, {"X-Pico-Secret": "new"}, fingerprint=forgotten.fingerprint)
    outcomes = [one.outcome for one in (first, again, forgotten, changed)]
    assert outcomes == ["registered", "unchanged", "replaced", "replaced"]
    assert again.webhook == client.webhooks()[0] or again.webhook.webhook_url == to
    assert "OperationOrderComplete" in (first.webhook.response_fragment or "")
    assert "s3cret" not in repr(first) + first.fingerprint
    assert first.to_dict()["webhook"]["subscriptionId"] == "erp"
    narrow = client.ensure_webhook("ops", to, response_fragment="fragment F on Operation { id }")
    assert narrow.webhook.response_fragment == "fragment F on Operation { id }"
    with pytest.raises(pico_erp.InvalidArgumentError, match="fingerprint"):
        client.ensure_webhook("erp", to, fingerprint="nonsense")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"bind": "nowhere"}, "bind"),
        ({"path": "pico"}, "path"),
        ({"tls_cert": "-----BEGIN CERTIFICATE-----"}, "tls_key"),
        ({"tls_key": b"key"}, "tls_cert"),
        ({"tls_cert": "/no/such.pem", "tls_key": "/no/such.key"}, "tls_cert"),
        ({"max_body": 0}, "max_body"),
        ({"body_timeout": -1}, "body_timeout"),
        ({"secret_headers": {"bad header": "x"}}, "secret_header"),
        ({"health_path": "/pico"}, "health_path"),
    ],
)
def test_what_cannot_be_right_is_refused(feed: Feed, settings: Dict[str, object], field: str) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}"):
        feed.receiver(**settings)  # type: ignore[arg-type]


def test_a_keeper_refuses_what_cannot_be_right(feed: Feed) -> None:
    good: Dict[str, Any] = {"subscription_id": "a", "webhook_url": "http://erp.example/"}
    bad: Dict[str, Any] = {"subscription_id": "a b", "webhook_url": "x", "check_every": 0, "grace": -1}
    for field, value in bad.items():
        with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}"):
            feed.keep_webhook(**{**good, field: value})
