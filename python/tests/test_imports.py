"""Orders from files: into the outbox, each once however often the import is run, and what became of each line."""

import csv
from pathlib import Path
from typing import Iterator, List

import pytest

import pico_erp
from pico_erp import Client, ImportProgress, Sandbox, Store

from test_streams import WAIT

FILE = (
    "external_order_id;part_number;revision;quantity\n"
    "E-1;PROD-123;A;3\n"
    "\n"
    "E-2;PROD-123;Z;1\n"
    "E-3;PROD-123;A;none\n"
    "E-4;PROD-101;;1\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "erp.pico") as store:
        yield store


def test_a_file_with_parts_and_bad_lines_imported_twice_is_queued_once_and_each_line_has_its_result(
    client: Client, sandbox: Sandbox, store: Store, tmp_path: Path
) -> None:
    file, results = tmp_path / "orders.csv", tmp_path / "results.csv"
    file.write_text(FILE)
    outbox = store.outbox
    with client.catalogue(store) as catalogue:
        first = outbox.import_orders(file, name="week 7", catalogue=catalogue)
        second = outbox.import_orders(file, name="week 7", catalogue=catalogue)
    counts = first.counts
    assert (counts.lines, counts.queued, counts.known, counts.refused) == (4, 4, 0, 2)
    assert (second.counts.queued, second.counts.known, second.digest) == (0, 4, first.digest)
    [revision, quantity] = first.refused
    assert (revision.line, quantity.line) == (4, 5) and isinstance(revision.error, pico_erp.InvalidArgumentError)
    assert "line 4, partNumber" in str(revision.error) and "line 5, quantity" in str(quantity.error)
    assert first.to_dict()["refused"][1]["error"]["kind"] == "invalid_argument"
    with client.outbox(store) as sender:
        sender.drained(WAIT)
    told = outbox.import_results(first.digest)
    assert [(one.line, one.unit, one.result, one.external_order_id, one.order_index) for one in told] == [
        (2, 0, "sent", "E-1", 0),
        (2, 1, "sent", "E-1", 1),
        (2, 2, "sent", "E-1", 2),
        (4, 0, "refused", "", None),
        (5, 0, "refused", "", None),
        (6, 0, "sent", "E-4", 0),
    ]
    assert told[0].message == "created" and told[3].error is not None and '"Z"' in told[3].error
    outbox.write_import_results(first.digest, results)
    with open(results, newline="") as lines:
        written = list(csv.DictReader(lines))
    assert [line["result"] for line in written] == [one.result for one in told]
    assert (written[0]["operation_id"], written[5]["operation_id"]) == ("prod-123", "op-abc-123")
    assert len(sandbox.orders()) == 4
    with pytest.raises(pico_erp.InvalidArgumentError, match="^path: .*cannot be written"):
        outbox.write_import_results(first.digest, tmp_path / "nowhere" / "results.csv")


def test_without_a_catalogue_lines_that_name_a_part_are_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text('{"externalOrderId": "E-1", "operationId": "op"}\n{"externalOrderId": "E-2", "partNumber": "P"}\n')
    report = store.outbox.import_orders(file)
    assert (report.counts.queued, report.counts.refused) == (1, 1)
    assert "without a catalogue" in str(report.refused[0].error)


def test_an_empty_offline_catalogue_ends_the_import_instead_of_refusing_all(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(FILE)
    with pico_erp.Catalogue.offline(store) as catalogue, pytest.raises(pico_erp.ClosedError, match="^line 2, partNumber"):
        store.outbox.import_orders(file, catalogue=catalogue)


def test_a_header_that_is_none_of_orders_is_refused_unless_told_to_be_ignored(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("externalOrderId,operationId,qantity\nE-1,op,3\n")
    with pytest.raises(pico_erp.InvalidArgumentError, match="qantity"):
        store.outbox.import_orders(file)
    assert store.outbox.import_orders(file, ignore_unknown_columns=True).counts.queued == 1


def test_progress_is_told_on_this_thread_and_an_exception_of_it_ends_the_import(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    lines = [f"E-{number},op,0" for number in range(1200)]
    file.write_text("\n".join(["externalOrderId,operationId,orderIndex", *lines]))
    outbox = store.outbox

    def stop(progress: ImportProgress) -> None:
        # It may use the library. What is told is on disk, and the next chunk may be.
        assert outbox.counts().queued >= progress.counts.queued
        raise KeyError("enough")

    with pytest.raises(KeyError):
        outbox.import_orders(file, on_progress=stop)
    begun = outbox.counts().queued
    assert 0 < begun < 1200
    told: List[ImportProgress] = []
    report = outbox.import_orders(file, on_progress=told.append)
    assert (report.counts.known, report.counts.queued) == (begun, 1200 - begun)
    assert told[-1].counts == report.counts and told[-1].read == told[-1].size == file.stat().st_size
    assert [one.read for one in told] == sorted(one.read for one in told) and len(told) == 3
