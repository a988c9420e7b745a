"""What the process does around the library: Ctrl-C, the end of the interpreter, fork."""

import signal
import subprocess
import sys
import time
from typing import Callable

import pytest

from pico_erp import Sandbox

from conftest import TOKEN, SilentServer

Start = Callable[..., "subprocess.Popen[str]"]

# Every program gets the endpoint and the token as its arguments.
PROLOGUE = """
import os, signal, sys, threading
import pico_erp
# Whoever started the tests may have had Ctrl-C ignored, as a shell does for jobs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
client = pico_erp.Client(sys.argv[1], sys.argv[2], proxy="")
"""

unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and fork are Unix's")


def interrupted(process: "subprocess.Popen[str]") -> float:
    """Sends Ctrl-C and returns how long the process took to say that it noticed."""
    assert process.stdout is not None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    return time.monotonic() - began


@unix
def test_ctrl_c_ends_a_waiting_call_at_once_and_cancels_its_request(start: Start, silent_server: SilentServer) -> None:
    process = start(
        PROLOGUE
        + """
try:
    client.operations()
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
""",
        silent_server.url,
        TOKEN,
        stdin=subprocess.PIPE,
    )
    silent_server.accept()
    assert interrupted(process) < 1
    silent_server.wait_for_hang_up()
    out, err = process.communicate("\n", timeout=10)
    assert (out, err, process.returncode) == ("", "", 0)


@unix
@pytest.mark.parametrize("take", ["next", "next_batch"])
def test_ctrl_c_ends_a_waiting_iterator_at_once(start: Start, sandbox: Sandbox, take: str) -> None:
    process = start(
        PROLOGUE
        + """
def on_state(state):
    if state.name == "open":
        print("open", flush=True)
try:
    getattr(client.completions(on_state=on_state), sys.argv[3])()
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
        sandbox.endpoint,
        TOKEN,
        take,
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    assert interrupted(process) < 1
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", "", 0)


@unix
def test_a_signal_handler_runs_during_a_wait_and_the_wait_goes_on(start: Start, sandbox: Sandbox) -> None:
    process = start(
        PROLOGUE
        + """
# The signal may come while "open" is being printed, and then print() must not be entered again.
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"signal\\n"))
def on_state(state):
    if state.name == "open":
        os.write(1, b"open\\n")
completions = client.completions(on_state=on_state)
print(completions.next(30).external_order_id, flush=True)
""",
        sandbox.endpoint,
        TOKEN,
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "signal\n"
    with sandbox.client() as client:
        client.save_order("op-abc-123", "E-1")
    sandbox.complete("E-1")
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("E-1\n", "", 0)


def test_the_interpreter_ends_with_an_idle_callback_open(start: Start, sandbox: Sandbox) -> None:
    process = start(
        PROLOGUE
        + """
opened = threading.Event()
subscriptions = [
    client.completions(callback=print, on_state=lambda state: state.name == "open" and opened.set())
    for _ in range(5)
] + [client.completions(batch_callback=print) for _ in range(5)]
# A descriptor has a task of its own.
descriptor = client.completions()
descriptor.fileno()
assert opened.wait(10)
""",
        sandbox.endpoint,
        TOKEN,
    )
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)


def test_the_interpreter_ends_while_a_callback_waits_for_an_answer(
    start: Start, sandbox: Sandbox, silent_server: SilentServer
) -> None:
    process = start(
        PROLOGUE
        + """
inside = threading.Event()
silent = pico_erp.Client(sys.argv[3], "t", proxy="")
def callback(completion):
    inside.set()
    silent.operations()
subscription = client.completions(callback=callback)
print("waiting", flush=True)
sys.stdin.readline()
""",
        sandbox.endpoint,
        TOKEN,
        silent_server.url,
        stdin=subprocess.PIPE,
    )
    sandbox.wait_for(streams=1, timeout=20)
    with sandbox.client() as client:
        client.save_order("op-abc-123", "E-1")
    sandbox.complete("E-1")
    silent_server.accept()
    out, err = process.communicate("\n", timeout=20)
    assert (out, err, process.returncode) == ("waiting\n", "", 0)


def test_the_interpreter_ends_while_threads_of_the_program_wait(
    start: Start, sandbox: Sandbox, silent_server: SilentServer
) -> None:
    process = start(
        PROLOGUE
        + """
silent = pico_erp.Client(sys.argv[3], "t", proxy="")
def call():
    try:
        silent.operations()
    except pico_erp.CancelledError:
        print("cancelled", flush=True)
def iterate():
    for completion in client.completions():
        pass
threading.Thread(target=call, daemon=True).start()
threading.Thread(target=iterate, daemon=True).start()
sys.stdin.readline()
""",
        sandbox.endpoint,
        TOKEN,
        silent_server.url,
        stdin=subprocess.PIPE,
    )
    silent_server.accept()
    sandbox.wait_for(streams=1, timeout=20)
    out, err = process.communicate("\n", timeout=20)
    assert (out, process.returncode) == ("cancelled\n", 0), err
    assert "Fatal" not in err and "panic" not in err


def test_the_interpreter_ends_while_a_token_provider_is_asked_again_and_again(start: Start) -> None:
    process = start(
        """
import threading
import pico_erp
asked = threading.Semaphore(0)
def token():
    asked.release()
    return "t"
client = pico_erp.Client(
    "http://127.0.0.1:9", token_provider=token, proxy="", reconnect_backoff=0.001, reconnect_backoff_max=0.001
)
subscriptions = [client.completions() for _ in range(4)]
for _ in range(20):
    assert asked.acquire(timeout=10)
"""
    )
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)


@unix
def test_after_a_fork_everything_raises_and_nothing_hangs(start: Start, sandbox: Sandbox) -> None:
    process = start(
        PROLOGUE
        + """
import warnings
warnings.simplefilter("ignore")
sandbox = pico_erp.Sandbox()
completions = client.completions()
callbacks = client.completions(callback=print)
completions.fileno()
client.operations()
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert client.operations(), "the parent goes on"
    sys.exit(0)
for name, use in {
    "call": client.operations,
    "open": client.completions,
    "next": completions.next,
    "iterate": lambda: list(completions),
    "batch": completions.next_batch,
    "try": completions.try_next,
    "fileno": completions.fileno,
    "sandbox": sandbox.orders,
    "wait": lambda: sandbox.wait_for(streams=1),
    "new": lambda: pico_erp.Client(sys.argv[1], sys.argv[2]).operations(),
}.items():
    try:
        use()
    except pico_erp.ForkedError as error:
        assert isinstance(error, RuntimeError)
        print(name, end=" ")
print(flush=True)
completions.close(); callbacks.close(); client.close(); sandbox.close()
del completions, callbacks, client, sandbox
""",
        sandbox.endpoint,
        TOKEN,
    )
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("call open next iterate batch try fileno sandbox wait new \n", "", 0)


@unix
def test_a_client_that_was_not_used_before_the_fork_works_in_the_child(start: Start, sandbox: Sandbox) -> None:
    process = start(
        PROLOGUE
        + """
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(os.WEXITSTATUS(status))
assert client.operations()
""",
        sandbox.endpoint,
        TOKEN,
    )
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("", "", 0)
