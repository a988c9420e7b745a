"""The settings of a client: defaults from the environment, refusals, and what is never shown."""

import threading
from pathlib import Path
from typing import Any, Dict

import pytest

import pico_erp
from pico_erp import Client, Sandbox

from conftest import TOKEN, SilentServer


def test_endpoint_and_token_default_to_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICO_API_ENDPOINT", sandbox.url)
    monkeypatch.setenv("PICO_API_TOKEN", TOKEN)
    with Client(proxy="") as client:
        assert client.endpoint == sandbox.endpoint
        assert client.operations()


@pytest.mark.parametrize("missing", ["PICO_API_ENDPOINT", "PICO_API_TOKEN"])
def test_a_missing_variable_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICO_API_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PICO_API_TOKEN", "t")
    monkeypatch.delenv(missing)
    with pytest.raises(pico_erp.InvalidArgumentError, match=missing):
        Client()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"endpoint": "pico"}, "endpoint"),
        ({"endpoint": "ftp://pico"}, "endpoint"),
        ({"token": ""}, "token"),
        ({"token": "a\n"}, "token"),
        ({"token_provider": lambda: "t"}, "token"),
        ({"token": None, "token_provider": "t"}, "token_provider"),
        ({"generation": "G4"}, "generation"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"request_timeout": -1}, "request_timeout"),
        ({"idle_timeout": float("nan")}, "idle_timeout"),
        ({"transport": "carrier pigeon"}, "transport"),
        ({"overflow": "block"}, "overflow"),
        ({"ping_interval": 0}, "ping_interval"),
        ({"first_byte_timeout": 0}, "first_byte_timeout"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_period": -1}, "poll_period"),
        ({"backoff": float("inf")}, "backoff"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"stream_buffer": 0}, "stream_buffer"),
        ({"max_reply_bytes": 0}, "max_reply_bytes"),
        ({"max_event_bytes": -1}, "max_event_bytes"),
        ({"proxy": "pico"}, "proxy"),
        ({"no_proxy": "pico"}, "no_proxy"),
        ({"extra_ca": "/no/such/file.pem"}, "extra_ca"),
        ({"extra_ca": b"no certificate"}, "extra_ca"),
        ({"client_cert": b"x"}, "client_key"),
        ({"client_key": b"x"}, "client_cert"),
        ({"headers": {"a b": "c"}}, "header"),
        ({"headers": {"x-pico-api-org": "c"}}, "header"),
        ({"user_agent": "a\nb"}, "user_agent"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_by_name(settings: Dict[str, Any], field: str) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match=f"^{field}") as caught:
        Client(**{"endpoint": "https://127.0.0.1:9", "token": "t", **settings})
    assert caught.value.code == 100


def test_an_extra_ca_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    for given in (path, str(path), path.read_text() + "-----BEGIN "):
        with pytest.raises(pico_erp.InvalidArgumentError, match="^extra_ca: (holds no|is not valid)"):
            Client("https://127.0.0.1:9", "t", extra_ca=given)


def test_the_generation_decides_the_path() -> None:
    assert Client("https://a.example", "t").endpoint == "https://a.example/graphql"
    assert Client("https://a.example", "t", generation="G3").endpoint == "https://a.example/graph/v2"
    assert Client("https://a.example/own", "t", generation="G3").endpoint == "https://a.example/own"


def test_the_token_is_never_shown(client: Client) -> None:
    assert repr(client) == f'Client("{client.endpoint}")'
    with pytest.raises(pico_erp.InvalidArgumentError) as caught:
        Client("https://a.example", f"{TOKEN}\n")
    for text in (repr(client), str(vars(client)), repr(caught.value), str(vars(caught.value))):
        assert TOKEN not in text


def test_importing_starts_no_thread(start: Any) -> None:
    process = start(
        "import pico_erp, os, threading\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else 1)"
    )
    out, err = process.communicate(timeout=30)
    assert (out.split(), err, process.returncode) == (["1", "1"], "", 0)


def test_extra_headers_and_user_agent_are_sent(silent_server: SilentServer) -> None:
    with Client(silent_server.url, "t", proxy="", headers={"X-Plant": "7"}, user_agent="erp/1") as client:
        threading.Thread(target=lambda: pytest.raises(pico_erp.Error, client.operations)).start()
        head = silent_server.accept()
    assert b"x-plant: 7" in head.lower() and b"user-agent: erp/1" in head.lower()
