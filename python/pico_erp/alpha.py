"""Pico's alpha APIs: media upload and work instructions. Import it by itself: ``from pico_erp import alpha``.

**Pico calls both alpha: they may change, and so may this module, in any version.** Much of them is not documented; what is
assumed is said at each function, and can be set.

>>> from pico_erp import Client, alpha
>>> with Client() as client:  # doctest: +SKIP
...     image = alpha.upload_media(client, "step1.jpg", "stepImage")
...     alpha.process_create(client, alpha.Process("assembly_1", "Main assembly", steps=[
...         alpha.Step("step_1", "Fit the cover", instruction="Fit it with both screws."),
...     ]))
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Literal, Mapping, Optional, Sequence, Union

from ._arguments import FilePath
from ._client import Client
from ._native import alpha_create, alpha_upload

__all__ = [
    "Action",
    "Process",
    "Step",
    "UploadProgress",
    "process_create",
    "product_create",
    "station_create",
    "upload_media",
]


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload has come."""

    sent: int
    """Bytes of the file that were handed to the connection. Goes back when a request is tried again."""
    total: int
    """Bytes of the file."""
    ticket: Optional[str]
    """For an upload in chunks: JSON to resume it with, as of what Pico has confirmed. It holds no secret."""


def upload_media(
    client: Client,
    path: FilePath,
    destination: Optional[str] = None,
    *,
    ticket: Optional[str] = None,
    on_progress: Optional[Callable[[UploadProgress], object]] = None,
    mode: Literal["auto", "single", "chunked"] = "auto",
    chunk_bytes: Optional[int] = None,
    max_bytes: Union[int, Literal["unlimited"], None] = None,
    file_name: Optional[str] = None,
    uploads_url: Optional[str] = None,
    open_fields: Optional[Mapping[str, Any]] = None,
    timeout: Optional[float] = None,
) -> str:
    """Uploads a file for a step of a work instruction, and returns the path that Pico gives it.

    ``destination`` is "stepImage" (JPEG or PNG, 8 MB at most), "stepVideo" (MP4, 500 MB), "stepVideoGif" (GIF, 150 MB), or a
    name that this library does not know. Size and format (by the first bytes) are checked before anything is sent. The file
    is read as it is sent, and must not change meanwhile.

    ``mode`` "auto" sends files of 10,000,000 bytes and more in chunks, of ``chunk_bytes`` (default 5,000,000; Pico does not
    say what it takes). An upload in one request is tried again only when it certainly never reached Pico, a chunk by the
    client's settings: that a chunk may be sent twice is an assumption.

    ``on_progress`` is called on this thread. Keep the newest ticket it is given: after a failure, Ctrl-C or a crash,
    ``upload_media(client, path, ticket=ticket)`` goes on, in any process. The file must be the same, by length and SHA-256.
    An exception that it raises ends the upload.

    ``max_bytes`` replaces the limit of the destination, "unlimited" leaves it to Pico. ``uploads_url`` is where to upload to
    instead of ``/uploads`` at the endpoint's host. ``open_fields`` are laid over the JSON that opens an upload in chunks, which
    Pico does not document; None leaves a field out. ``timeout`` is in seconds for the whole upload.

    Raises InvalidArgumentError naming ``file``, ``destination`` or ``ticket``, HttpStatusError when Pico refuses.
    """

    def told(sent: int, total: int, ticket: Optional[str]) -> None:
        if on_progress is not None:
            on_progress(UploadProgress(sent, total, ticket))

    return alpha_upload(
        client,
        path,
        destination,
        ticket,
        mode,
        chunk_bytes,
        None if max_bytes == "unlimited" else max_bytes,
        max_bytes == "unlimited",
        file_name,
        uploads_url,
        None if open_fields is None else dict(open_fields),
        None if on_progress is None else told,
        timeout,
    )


@dataclass(frozen=True)
class Action:
    """What an operator does in a step. ``extra`` are fields that Pico takes and does not document."""

    id: str
    description: Optional[str] = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """As Pico takes it."""
        return _laid_over({"id": self.id, "description": _text(self.description)}, self.extra)


@dataclass(frozen=True)
class Step:
    """A step of a process. ``extra`` are fields that Pico takes and does not document, such as the one for media."""

    id: str
    name: str
    instruction: Optional[str] = None
    actions: Sequence[Action] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """As Pico takes it."""
        own = {
            "id": self.id,
            "name": self.name,
            "instructionText": _text(self.instruction),
            "actions": [action.to_dict() for action in self.actions],
        }
        return _laid_over(own, self.extra)


@dataclass(frozen=True)
class Process:
    """A process: the steps of a piece of work. ``extra`` are fields that Pico takes and does not document."""

    id: str
    name: str
    description: Optional[str] = None
    steps: Sequence[Step] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """As Pico takes it."""
        own = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "steps": [step.to_dict() for step in self.steps],
        }
        return _laid_over(own, self.extra)


def process_create(
    client: Client, process: Union[Process, Mapping[str, Any]], *, timeout: Optional[float] = None
) -> Any:
    """Creates a process with its steps, or **overwrites it, edits made in Pico's own user interface included**.

    ``process`` is a Process, or the whole input as Pico takes it: ``{"process": {"id": ..., "name": ..., "steps": [...]}}``.
    Every id must have 3 to 50 letters a to z (in any case), digits and underscores; InvalidArgumentError names the place of
    one that has not, such as ``process.steps[2].actions[0].id``, and nothing is sent.

    Returns what the server gave, decoded; Pico does not document it. Retried, since doing it twice is the same.
    """
    given = {"process": process.to_dict()} if isinstance(process, Process) else dict(process)
    return alpha_create(client, "process", given, None, timeout)


def product_create(
    client: Client, input: Mapping[str, Any], *, input_type: Optional[str] = None, timeout: Optional[float] = None
) -> Any:
    """Creates a product, or **overwrites it, edits made in Pico's own user interface included**.

    Pico documents nothing of ``input``, which is sent as it is; ids are checked as by process_create(). ``input_type`` is the
    GraphQL type, "ProductCreateInput" by assumption. Where more differs, send the mutation with Client.execute().
    """
    return alpha_create(client, "product", dict(input), input_type, timeout)


def station_create(
    client: Client, input: Mapping[str, Any], *, input_type: Optional[str] = None, timeout: Optional[float] = None
) -> Any:
    """Creates a station, or **overwrites it, edits made in Pico's own user interface included**.

    As product_create(); ``input_type`` is "StationCreateInput" by assumption.
    """
    return alpha_create(client, "station", dict(input), input_type, timeout)


def _text(text: Optional[str]) -> Optional[Dict[str, str]]:
    return None if text is None else {"text": text}


def _laid_over(own: Dict[str, Any], extra: Mapping[str, Any]) -> Dict[str, Any]:
    return {**{name: value for name, value in own.items() if value is not None}, **extra}
