"""The typed objects: fields, raw text, equality, pickling."""

import json
import pickle
from datetime import datetime, timezone

import pytest

import pico_erp
from pico_erp import OrderComplete

TEXT = (
    '{"externalOrderId": "E-1", "operation": {"id": "op-1", "externalId": null, "new": [1]}, "orderIndex": 2,'
    ' "at": "2025-01-15T10:30:00.123456Z", "operationSummary": {"startedAt": "2025-01-15T11:00:00+02:00",'
    ' "consumedSerials": [null, {"id": "a", "externalId": "C", "value": "S-1", "extra": 1.50}]},'
    ' "endState": {"producedSerial": "SN-1"}, "later": {"field": true}}'
)


def test_fields_have_types_and_times_are_utc() -> None:
    done = OrderComplete.from_json(TEXT)
    assert (done.external_order_id, done.order_index, done.produced_serial) == ("E-1", 2, "SN-1")
    assert done.at == datetime(2025, 1, 15, 10, 30, 0, 123456, tzinfo=timezone.utc)
    assert done.at.tzinfo is timezone.utc
    assert done.operation_summary is not None
    assert done.operation_summary.started_at == datetime(2025, 1, 15, 9, 0, tzinfo=timezone.utc)
    [serial] = done.operation_summary.consumed_serials
    assert (serial.id, serial.external_id, serial.value) == ("a", "C", "S-1")
    assert done.operation is not None and done.operation.id == done.operation_id == "op-1"
    assert done.end_state is not None and done.end_state.produced_serial == "SN-1"


def test_raw_is_the_text_as_sent_and_unknown_fields_are_in_the_dict() -> None:
    done = OrderComplete.from_json(TEXT.encode())
    assert done.raw == TEXT
    assert done.to_dict() == json.loads(TEXT)
    assert done.operation is not None and done.operation.to_dict()["new"] == [1]
    assert done.operation_summary is not None
    assert done.operation_summary.consumed_serials[0].raw.endswith('"extra": 1.50}')


def test_objects_are_equal_by_content_and_can_be_keys() -> None:
    one = OrderComplete.from_json(TEXT)
    other = OrderComplete.from_json(json.dumps(json.loads(TEXT), indent=2, sort_keys=True))
    different = OrderComplete.from_json(TEXT.replace("SN-1", "SN-2"))
    assert one == other and hash(one) == hash(other)
    assert one != different and one != TEXT
    assert {one: 1}[other] == 1


def test_objects_are_frozen_and_cannot_be_made_without_json() -> None:
    done = OrderComplete.from_json(TEXT)
    with pytest.raises(AttributeError):
        done.order_index = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        OrderComplete()


def test_objects_survive_pickling() -> None:
    done = OrderComplete.from_json(TEXT)
    assert pickle.loads(pickle.dumps(done)) == done
    assert done.end_state is not None
    assert pickle.loads(pickle.dumps(done.end_state)) == done.end_state


def test_repr_names_the_fields_that_have_a_value() -> None:
    operation = pico_erp.Operation.from_json(
        '{"id": "op-1", "name": "A", "consumedSerials": [], "updatedAt": "2025-01-15T10:00:00Z", "archivedAt": null}'
    )
    assert repr(operation) == (
        "Operation(id='op-1', name='A', consumed_serials=(), "
        "updated_at=datetime.datetime(2025, 1, 15, 10, 0, tzinfo=datetime.timezone.utc))"
    )
    assert repr(pico_erp.Json.from_json('{"a": 1}')) == 'Json({"a": 1})'


def test_text_that_does_not_fit_is_refused_with_the_field() -> None:
    with pytest.raises(pico_erp.DecodeError, match="externalOrderId"):
        OrderComplete.from_json("{}")
    with pytest.raises(ValueError, match="not valid JSON"):
        OrderComplete.from_json("{")
    with pytest.raises(pico_erp.DecodeError):
        OrderComplete.from_json(b'"\xff"')


def test_other_types_decode_too() -> None:
    note = pico_erp.NoteEvent.from_json(
        '{"seq": 7, "at": "2025-01-15T10:00:00Z", "id": "n", "externalId": "x", "text": "t", "metadata": {"a": 1},'
        ' "images": ["/i.png"], "eventType": "create"}'
    )
    assert (note.seq, note.images, note.metadata, note.event_type) == (7, ("/i.png",), '{"a": 1}', "create")
    webhook = pico_erp.Webhook.from_json('{"subscriptionId": "s", "createdAt": null}')
    assert (webhook.subscription_id, webhook.created_at) == ("s", None)
    edge = pico_erp.SubOperation.from_json('{"parentId": "p", "subId": "s", "subGroup": 1}')
    assert edge.sub_group == "1"
