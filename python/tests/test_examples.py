"""The example programs, run as a user runs them, and checked as strictly as mypy can."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from pico_erp import Client, OrderComplete, Sandbox

from conftest import EXAMPLES, TOKEN

README = EXAMPLES.parents[1] / "python" / "README.md"


def run(sandbox: Sandbox, program: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment: Dict[str, str] = {
        **os.environ,
        "PICO_API_ENDPOINT": sandbox.endpoint,
        "PICO_API_TOKEN": TOKEN,
        "NO_PROXY": "127.0.0.1",
        **variables,
    }
    return subprocess.run(
        [sys.executable, str(EXAMPLES / program), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_list_operations(sandbox: Sandbox) -> None:
    listed = run(sandbox, "list_operations.py")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "op-abc-123\tPROD-101\t-\tMain Assembly" in listed.stdout.splitlines()
    assert run(sandbox, "list_operations.py", "PROD-123").stdout == "prod-123\tPROD-123\tA\tTest Bench Adapter\n"


def test_list_operations_says_what_went_wrong(sandbox: Sandbox) -> None:
    refused = run(sandbox, "list_operations.py", PICO_API_TOKEN="wr0ng-token")
    assert refused.returncode == 1
    assert refused.stderr.startswith("list_operations: the server refused the token")
    assert "wr0ng-token" not in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize("arguments", [[], ["ERP-7"], ["ERP-8", "op-abc-123"]])
def test_first_order(arguments: "list[str]") -> None:
    with Sandbox(token=TOKEN, auto_complete=0.05) as sandbox:
        done = run(sandbox, "first_order.py", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        order = arguments[0] if arguments else "ERP-ORDER-1"
        [completion] = sandbox.completions()
    assert completion.external_order_id == order
    assert done.stdout.splitlines()[-2:] == [
        f"order {order} created",
        f"completed {order} {completion.produced_serial}",
    ]
    if len(arguments) == 2:
        assert completion.operation_id == arguments[1]


def test_manage_webhooks(sandbox: Sandbox) -> None:
    url = "http://127.0.0.1:9/pico"
    assert run(sandbox, "manage_webhooks.py", "list").stdout == ""
    added = run(sandbox, "manage_webhooks.py", "add", "erp", url, "X-Key=k=1")
    assert (added.stdout, added.stderr) == ("added erp\n", "")
    assert run(sandbox, "manage_webhooks.py", "list").stdout == f"erp\t{url}\tnever\n"
    assert run(sandbox, "manage_webhooks.py", "remove", "erp").stdout == "removed erp\n"
    assert run(sandbox, "manage_webhooks.py", "remove", "erp").returncode == 1
    assert run(sandbox, "manage_webhooks.py").returncode == 2


def read_me() -> List[str]:
    """The Python programs in the package's README."""
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_program_in_the_read_me_that_needs_no_pico_runs() -> None:
    [program] = [block for block in read_me() if "Sandbox()" in block]
    exec(compile(program, str(README), "exec"), {})


def test_the_feed_in_the_read_me_books_and_goes_on_where_it_stopped(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [program] = [block for block in read_me() if "client.feed(" in block]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICO_API_ENDPOINT", sandbox.endpoint)
    monkeypatch.setenv("PICO_API_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    booked: List[str] = []

    def book(key: str, done: OrderComplete) -> None:
        if len(booked) == 1:
            booked.append("stopped")
            raise KeyboardInterrupt
        booked.append(done.external_order_id)
        if len(booked) == 4:
            raise SystemExit

    for order in ("E-1", "E-2"):
        client.save_order("op-abc-123", order)
        sandbox.complete(order)
    with pytest.raises(KeyboardInterrupt):
        exec(compile(program, str(README), "exec"), {"book": book})
    client.save_order("op-abc-123", "E-3")
    sandbox.complete("E-3")
    with pytest.raises(SystemExit):
        exec(compile(program, str(README), "exec"), {"book": book})
    assert booked == ["E-1", "stopped", "E-2", "E-3"]


def test_the_orders_in_the_read_me_reach_pico_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [program] = [block for block in read_me() if "client.outbox(" in block]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICO_API_ENDPOINT", sandbox.endpoint)
    monkeypatch.setenv("PICO_API_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for _ in range(2):
        exec(compile(program, str(README), "exec"), {})
    assert capsys.readouterr().out == "created\nupdated\n"
    made = {order["externalOrderId"]: (order["operationId"], order["saves"]) for order in sandbox.orders()}
    assert made == {"ERP-1": ("op-abc-123", 1), "ERP-2": ("prod-123", 2)}


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are Unix's")
def test_the_event_loop_in_the_read_me_takes_events(sandbox: Sandbox, client: Client) -> None:
    [program] = [block for block in read_me() if "add_reader" in block]
    names: Dict[str, Any] = {}
    exec(compile(program, str(README), "exec"), names)

    async def run() -> str:
        loop = asyncio.get_running_loop()
        printed: "asyncio.Future[str]" = loop.create_future()
        names["print"] = lambda *words: printed.set_result(" ".join(words))
        watching = asyncio.ensure_future(names["watch"](client))
        await loop.run_in_executor(None, lambda: sandbox.wait_for(streams=1))
        client.save_order("op-abc-123", "ERP-1")
        sandbox.complete("ERP-1", produced_serial="SN-1")
        line = await asyncio.wait_for(printed, 10)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return line

    assert asyncio.run(run()) == "ERP-1 SN-1"


def test_the_examples_are_strictly_typed() -> None:
    pytest.importorskip("mypy")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", os.devnull, str(EXAMPLES)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=EXAMPLES,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
