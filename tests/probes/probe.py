"""The stream of completions, told line by line: the probe in Python. What it prints is in README.md."""

import json
import sys
from typing import Any, Dict

import pico_erp


def tell(**line: Any) -> None:
    """Prints a line."""
    print(json.dumps(line), flush=True)


def on_state(state: pico_erp.StreamState) -> None:
    """A state of the connection, the end of the stream included."""
    cause = state.cause.kind if state.cause is not None else None
    if state.name == "closed":
        tell(closed=cause)
    elif state.name == "retrying":
        tell(state=state.name, cause=cause)
    elif state.name == "switched":
        tell(state=state.name, transport=state.transport, cause=cause)
    else:
        tell(state=state.name, transport=state.transport)


def settings(words: "list[str]") -> Dict[str, Any]:
    """The client's keyword arguments for the words of the command line."""
    chosen: Dict[str, Any] = {"proxy": ""}
    for word in words:
        name, value = word.split("=", 1)
        if name == "idle_ms":
            chosen["idle_timeout"] = int(value) / 1000
        elif name == "event_bytes":
            chosen["max_event_bytes"] = int(value)
        elif name == "ca":
            chosen["extra_ca"] = value
        elif name == "proxy":
            chosen["proxy"] = value
        else:
            raise SystemExit(f"no setting {name}")
    return chosen


def main() -> None:
    """Runs until standard input ends."""
    endpoint, token, transport, *words = sys.argv[1:]
    client = pico_erp.Client(
        endpoint,
        token,
        transport=transport,
        reconnect_backoff=0.001,
        reconnect_backoff_max=0.02,
        **settings(words),
    )
    stream = client.completions(
        callback=lambda done: tell(event=done.external_order_id),
        on_problem=lambda problem: tell(problem=problem.kind),
        # The end was told by its state.
        on_error=lambda error: None if stream.closed else sys.excepthook(type(error), error, None),
        on_state=on_state,
    )
    sys.stdin.read()
    stream.close()
    stream.join()


main()
