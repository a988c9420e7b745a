"""The store and its inbox, with and without a feed."""

import pickle
import sqlite3
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, Dict, List

import pytest

import pico_erp
from pico_erp import Client, Inbox, InboxEntry, Sandbox, Store

from test_streams import WAIT, order_and_complete


@pytest.fixture
def filled(client: Client, sandbox: Sandbox, tmp_path: Path) -> Path:
    """A store with 300 completions, which is more than a page; the first is a dead letter, the second acknowledged."""
    path = tmp_path / "erp.pico"
    for number in range(300):
        client.save_order("op-abc-123", f"{number:03}")
        sandbox.complete(f"{number:03}", produced_serial=f"SN-{number:03}")
    with client.feed(path, live=False) as feed:
        feed.opened(WAIT)
        feed.next(WAIT).reject("no such item")
        feed.next(WAIT).ack()
    return path


def test_entries_come_page_by_page_in_the_order_of_arrival(filled: Path) -> None:
    with Store(filled, must_exist=True, keep_acked=timedelta(days=30)) as store:
        inbox = store.inbox
        entries = list(inbox.entries())
        assert [entry.external_order_id for entry in entries] == [f"{number:03}" for number in range(300)]
        assert [entry.state for entry in entries[:3]] == ["dead", "acked", "ready"]
        assert [entry.id for entry in inbox.entries("ready")] == [entry.id for entry in entries[2:]]
        counts = inbox.counts()
        assert (counts.dead, counts.acked, counts.ready) == (1, 1, 298)
        assert inbox.entry(entries[0].id) == entries[0] and inbox.entry(9999) is None
        with pytest.raises(pico_erp.InvalidArgumentError, match="^state.*handed_out"):
            inbox.entries("dying")  # type: ignore[arg-type]


def test_an_entry_tells_all_that_is_known(filled: Path) -> None:
    with Store(filled) as store:
        [entry] = store.inbox.entries("dead")
        [mark] = store.inbox.watermarks()
    assert isinstance(entry, InboxEntry)
    assert (entry.operation_id, entry.order_index, entry.produced_serial) == ("op-abc-123", 0, "SN-000")
    assert (entry.attempts, entry.source, entry.reason) == (1, "catch_up", "no such item")
    assert entry.completion is not None and entry.completion.at == entry.at
    assert entry.arrived.tzinfo is timezone.utc and entry.settled is not None and entry.due is None
    assert entry.to_dict()["raw"]["externalOrderId"] == "000"
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert (mark.source, mark.reports) == ("catch_up", 300)


def test_another_store_on_the_same_file_may_look_and_replay_while_a_feed_runs(client: Client, filled: Path) -> None:
    with client.feed(filled) as feed, Store(filled) as other:
        [dead] = other.inbox.entries("dead")
        other.inbox.replay(dead.id)
        # Its number is the lowest, so it is the next.
        assert feed.next(WAIT).id == dead.id


def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "erp.pico")
    inbox: Inbox = store.inbox
    entries = inbox.entries()
    assert store.location == str(tmp_path / "erp.pico") and "erp.pico" in repr(store)
    store.close()
    store.close()
    assert store.closed
    for use in (lambda: store.inbox, inbox.counts, lambda: next(entries)):
        with pytest.raises(pico_erp.ClosedError, match="store is closed"):
            use()


def test_a_folder_that_is_not_there_is_a_store_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(pico_erp.StoreError, match=r"nowhere/erp\.pico") as caught:
        Store(tmp_path / "nowhere" / "erp.pico")
    assert (type(caught.value), caught.value.code) == (pico_erp.StoreError, 600)
    assert isinstance(caught.value, OSError)


def test_a_store_of_a_newer_version_is_told_apart_by_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "erp.pico"
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    with pytest.raises(pico_erp.StoreError) as caught:
        Store(path)
    assert (type(caught.value), caught.value.code, caught.value.kind) == (pico_erp.StoreError, 605, "store_version")


def test_a_full_store_is_told_and_loses_nothing(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "small.pico"
    for number in range(300):
        client.save_order("op-abc-123", f"{number:03}")
        sandbox.complete(f"{number:03}")
    with Store(path, max_size=160 << 10) as small, client.feed(small) as feed:
        notices = feed.notices()
        refused = feed.status().store_error or next(notice.error for notice in notices if notice.name == "store")
        assert isinstance(refused, pico_erp.StoreFullError) and "small.pico" in str(refused)
    seen: List[str] = []
    with client.feed(path) as feed:
        while len(seen) < 300:
            with feed.next(WAIT) as done:
                seen.append(done.external_order_id)
    assert sorted(seen) == [f"{number:03}" for number in range(300)]


def test_a_store_is_parted_into_plants(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    with Store(tmp_path / "erp.pico", node_lease=timedelta(seconds=5), connections=2) as store:
        berlin, munich = store.plant("berlin"), store.plant("munich")
        assert (store.plant_name, berlin.plant_name, berlin.location) == ("", "berlin", store.location)
        assert repr(berlin).endswith(".plant('berlin')") or repr(berlin).endswith('.plant("berlin")')
        order_and_complete(client, sandbox, "ERP-1")
        with client.feed(berlin, visible=timedelta(minutes=5)) as feed:
            delivery = feed.next(WAIT)
            delivery.extend(60)
            delivery.ack()
            with pytest.raises(pico_erp.ClosedError):
                delivery.extend(timedelta(minutes=1))
            status = feed.status()
            assert (status.part, status.live_node) == ("live", None)
            munich.outbox.save("op-abc-123", "ERP-2")
            assert {"berlin", "munich"} <= set(store.plants())
        assert [inbox.counts().acked for inbox in (berlin.inbox, munich.inbox, store.inbox)] == [1, 0, 0]
        berlin.rebind(client)
        with pytest.raises(pico_erp.InvalidArgumentError, match="^plant.*' '"):
            store.plant("two words")
    with pytest.raises(pico_erp.ClosedError):
        munich.plants()


def test_a_store_belongs_to_one_pico(client: Client, tmp_path: Path) -> None:
    elsewhere = Client("http://pico.invalid", "token")
    with elsewhere, Store(tmp_path / "erp.pico") as store:
        client.feed(store, live=False).close()
        with pytest.raises(pico_erp.InvalidArgumentError, match="belongs to the Pico at localhost.*pico.invalid"):
            elsewhere.feed(store, live=False)
        store.rebind(elsewhere)
        elsewhere.feed(store, live=False).close()


@pytest.mark.parametrize(
    ("place", "settings", "says"),
    [
        ("mysql://host/erp", {}, "^store.*mysql"),
        ("erp.pico", {"node_lease": 0.5}, "^node_lease"),
        ("erp.pico", {"connections": 65}, "^connections"),
        ("erp.pico", {"connections": 0}, "^connections"),
    ],
)
def test_a_place_or_a_setting_that_cannot_be_right_is_refused(
    place: str, settings: Dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pico_erp.InvalidArgumentError, match=says):
        Store(place, **settings)
    assert not list(tmp_path.iterdir())
