"""Pico's alpha APIs: media that is uploaded, interrupted and resumed, and work instructions."""

import json
import urllib.request
from pathlib import Path
from typing import Any, List, Optional

import pytest

import pico_erp
from pico_erp import Client, Sandbox, alpha

from conftest import TOKEN

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(249)) * 180


def control(sandbox: Sandbox, path: str, body: Optional[Any] = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(sandbox.url + path, data)) as reply:
        return json.load(reply)


def content(sandbox: Sandbox, path: str) -> bytes:
    request = urllib.request.Request(sandbox.url + path, headers={"x-pico-api-org": TOKEN})
    with urllib.request.urlopen(request) as reply:
        read = reply.read()
    assert isinstance(read, bytes)
    return read


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "step1.png"
    file.write_bytes(PNG)
    return file


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "step1.mp4"
    file.write_bytes(VIDEO)
    return file


def test_a_small_file_travels_in_one_request_and_its_progress_is_told(
    client: Client, sandbox: Sandbox, image: Path
) -> None:
    told: List[alpha.UploadProgress] = []
    path = alpha.upload_media(client, image, "stepImage", on_progress=told.append)
    assert path.endswith("-step1.png") and content(sandbox, path) == PNG
    assert told[-1] == alpha.UploadProgress(len(PNG), len(PNG), None)
    assert [one.sent for one in told] == sorted(one.sent for one in told)


def test_an_upload_that_broke_off_is_resumed_by_another_client(sandbox: Sandbox, client: Client, video: Path) -> None:
    control(sandbox, "/sandbox/faults", {"kind": "refuse_upload", "chunk": 2, "status": 400, "times": 1})
    told: List[alpha.UploadProgress] = []
    with pytest.raises(pico_erp.HttpStatusError) as raised:
        alpha.upload_media(client, video, "stepVideo", mode="chunked", chunk_bytes=10_000, on_progress=told.append)
    assert raised.value.http_status == 400 and control(sandbox, "/sandbox/media") == []
    ticket = told[-1].ticket
    assert ticket is not None and json.loads(ticket)["nextChunk"] == 2
    with pytest.raises(pico_erp.InvalidArgumentError, match="destination: is stepImage, but the ticket"):
        alpha.upload_media(client, video, "stepImage", ticket=ticket)
    with sandbox.client() as other:
        path = alpha.upload_media(other, video, ticket=ticket)
    assert content(sandbox, path) == VIDEO
    [kept] = control(sandbox, "/sandbox/media")
    assert (kept["chunks"], kept["fileName"]) == (5, "step1.mp4")

    video.write_bytes(VIDEO[:-1] + b"x")
    with pytest.raises(pico_erp.InvalidArgumentError, match="file: is not the one"):
        alpha.upload_media(client, video, ticket=ticket)


def test_an_exception_of_the_progress_ends_the_upload(sandbox: Sandbox, client: Client, video: Path) -> None:
    def stop(progress: alpha.UploadProgress) -> None:
        if progress.sent >= 10_000:
            client.operations()  # it may use the library
            raise KeyError("enough")

    with pytest.raises(KeyError):
        alpha.upload_media(client, video, "stepVideo", mode="chunked", chunk_bytes=10_000, on_progress=stop)
    assert control(sandbox, "/sandbox/media") == []


def test_wrong_files_and_settings_are_named_and_nothing_is_sent(client: Client, sandbox: Sandbox, image: Path) -> None:
    before = control(sandbox, "/sandbox/state")["requests"]
    for arguments, says in (
        ({"destination": "stepVideo"}, "file: is a PNG, but stepVideo takes MP4"),
        ({"destination": "stepImage", "max_bytes": 10}, "file: has "),
        ({"destination": "stepImage", "max_bytes": -1}, "max_bytes: is -1"),
        ({"destination": "stepImage", "mode": "twice"}, "mode: is "),
        ({"destination": "stepImage", "chunk_bytes": 0}, "chunk_bytes: "),
        ({"ticket": "{}"}, "ticket: is no ticket"),
        ({}, "destination: is missing"),
    ):
        with pytest.raises(pico_erp.InvalidArgumentError) as raised:
            alpha.upload_media(client, image, **arguments)
        assert str(raised.value).startswith(says), raised.value
    assert control(sandbox, "/sandbox/state")["requests"] == before


def test_a_process_is_created_from_objects_and_from_a_dict(client: Client, sandbox: Sandbox) -> None:
    step = alpha.Step(
        "step_1",
        "Cover",
        instruction="Fit it.",
        actions=[alpha.Action("action_1", "fitted")],
        extra={"media": ["/api/v1/images/a.png"]},
    )
    process = alpha.Process("Assembly_1", "Main assembly", steps=[step])
    assert alpha.process_create(client, process) == "assembly_1"
    assert alpha.process_create(client, {"process": process.to_dict()}) == "assembly_1"
    [kept] = control(sandbox, "/sandbox/work-instructions")
    assert kept["writes"] == 2
    assert kept["input"]["process"] == {
        "id": "Assembly_1",
        "name": "Main assembly",
        "steps": [
            {
                "id": "step_1",
                "name": "Cover",
                "instructionText": {"text": "Fit it."},
                "actions": [{"id": "action_1", "description": {"text": "fitted"}}],
                "media": ["/api/v1/images/a.png"],
            }
        ],
    }
    with pytest.raises(pico_erp.InvalidArgumentError, match=r"process\.steps\[0\]\.id: "):
        alpha.process_create(client, alpha.Process("abc", "n", steps=[alpha.Step("a b", "s")]))


def test_products_and_stations_are_created_from_dicts(client: Client, sandbox: Sandbox) -> None:
    assert alpha.product_create(client, {"product": {"id": "prod_1"}}) == "prod_1"
    assert alpha.station_create(client, {"id": "station_1"}) == "station_1"
    kept = control(sandbox, "/sandbox/work-instructions")
    assert [one["kind"] for one in kept] == ["product", "station"]
    with pytest.raises(pico_erp.GraphQLError):
        alpha.product_create(client, {"id": "prod_1"}, input_type="ProductInput")
