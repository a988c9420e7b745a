"""Generations of Pico's API, and the notes that only the newest has."""

from pathlib import Path
from typing import List

import pytest

from pico_erp import GraphQLError, InvalidArgumentError, NoteEvent, Sandbox, Store

WAIT = 20.0


@pytest.mark.parametrize("introspection", [True, False])
@pytest.mark.parametrize("generation", ["G2", "G3"])
def test_the_generation_is_found_out_and_asked_for_what_it_has(generation: str, introspection: bool) -> None:
    with Sandbox(generation=generation, introspection=introspection) as sandbox:  # type: ignore[arg-type]
        with sandbox.client(endpoint=sandbox.url, generation="auto") as client:
            assert client.generation() == generation
            assert client.endpoint == sandbox.url + ("/graph/v2" if generation == "G3" else "/graphql")
            sandbox.deploy("op-coded", "Coded", external_id="P-1|P-2")
            client.save_order("op-coded", "E-1")
            sandbox.complete("E-1", reserved_serial_number="RES-1", secondary_external_order_id="SALES-1")
            [operation] = client.operations(id="op-coded")
            [done] = client.order_completes()
            if generation == "G3":
                assert operation.external_codes == ("P-1", "P-2")
                assert (done.reserved_serial_number, done.secondary_external_order_id) == ("RES-1", "SALES-1")
            else:
                assert operation.external_codes is None
                assert done.reserved_serial_number is None
                assert "secondaryExternalOrderId" not in done.to_dict()


def test_what_is_set_is_taken_at_its_word() -> None:
    with Sandbox(generation="G3") as sandbox:
        with sandbox.client() as client:
            assert client.generation() == "G2"
        with pytest.raises(InvalidArgumentError, match="generation"):
            sandbox.client(generation="G4")
        with pytest.raises(InvalidArgumentError, match="generation"):
            sandbox.set_generation("G4")  # type: ignore[arg-type]


def test_notes_are_listed_and_streamed_by_iterator_and_by_callback() -> None:
    with Sandbox(generation="G3") as sandbox, sandbox.client(generation="auto") as client:
        called: List[NoteEvent] = []
        with client.note_events_stream(external_id="T-1") as notes:
            notes.wait_open(WAIT)
            with client.note_events_stream(callback=called.append) as watched:
                watched.wait_open(WAIT)
                sandbox.add_note("another")
                sandbox.add_note("worn", id="n-1", external_id="T-1")
                sandbox.add_note("mended", id="n-1", external_id="T-1")
                first, second = notes.next(WAIT), notes.next(WAIT)
        assert [note.text for note in called] == ["another", "worn", "mended"][: len(called)]
        assert (first.text, first.event_type, first.seq) == ("worn", "new", 2)
        assert (second.text, second.event_type, second.id) == ("mended", "update", "n-1")
        assert second.at >= first.at
        assert client.note_events(id="n-1") == [first, second]
        assert len(client.note_events()) == 3


def test_notes_are_handed_out_until_they_are_acknowledged(tmp_path: Path) -> None:
    with Sandbox(generation="G3") as sandbox, sandbox.client(generation="auto") as client:
        sandbox.add_note("before the feed", id="n-1", external_id="T-1")
        with Store(tmp_path / "erp.pico") as store:
            with client.notes_feed(store, external_id="T-1") as feed:
                first = feed.next(WAIT)
                assert first.note.text == "before the feed"
                sandbox.add_note("another")
                sandbox.add_note("changed", id="n-1", external_id="T-1")
                first.ack()
                with feed.next(WAIT) as note:
                    assert note.text == "changed"
            counts = store.notes_inbox.counts()
            assert (counts.acked, counts.ready) == (2, 0)
            assert store.inbox.counts().acked == 0


def test_a_pico_without_notes_says_so() -> None:
    with Sandbox(generation="G2") as sandbox, sandbox.client(generation="auto") as client:
        with pytest.raises(GraphQLError, match="no notes, which came with generation G3"):
            client.note_events()
        with client.note_events_stream() as notes, pytest.raises(GraphQLError, match="no notes"):
            notes.next(WAIT)
        sandbox.set_generation("G3")
        assert client.note_events() == []


def test_webhooks_are_registered_in_either_form() -> None:
    for introspection in (True, False):
        with Sandbox(legacy_webhooks=True, introspection=introspection) as sandbox:
            with sandbox.client(generation="auto") as client:
                ensured = client.ensure_webhook("w", "http://127.0.0.1:9/")
                assert "reservedSerialNumber" in (ensured.webhook.response_fragment or "")
            sandbox.set_legacy_webhooks(False)
            with sandbox.client() as client:
                assert client.webhook_subscribe("v", "fragment F on Operation { id }", "http://127.0.0.1:9/")


def test_further_fields_of_an_order_are_sent_as_they_are() -> None:
    with Sandbox() as sandbox, sandbox.client() as client:
        with pytest.raises(GraphQLError, match="nameThatIsNotThere"):
            client.save_order("op-abc-123", "E-1", extra={"nameThatIsNotThere": "RES-1"})
        with pytest.raises(InvalidArgumentError, match="extra"):
            client.save_order("op-abc-123", "E-1", extra={"orderIndex": 1})
        sandbox.set_introspection(False)
        with pytest.raises(GraphQLError, match="introspection"):
            client.execute("{ __schema { queryType { name } } }").raise_for_errors()
