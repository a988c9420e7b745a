"""The catalogue: a local copy of Pico's operations, and orders by part number."""

import threading
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pico_erp
from pico_erp import Catalogue, CatalogueEntry, Client, OrderSave, Sandbox, Store

from conftest import SilentServer, TOKEN
from test_streams import WAIT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "erp.pico") as store:
        yield store


@pytest.fixture
def catalogue(client: Client, sandbox: Sandbox, store: Store) -> Iterator[Catalogue]:
    """Holds part P-1 in revisions A and B, and P-2 that is also Q-2."""
    sandbox.deploy("op-1a", "First", "P-1", "A")
    sandbox.deploy("op-1b", "First", "P-1", "B")
    sandbox.deploy("op-2", "Second", "P-2|Q-2", "A")
    with client.catalogue(store) as catalogue:
        catalogue.ready(WAIT)
        yield catalogue


def until(catalogue: Catalogue, id: str, wanted: Callable[[CatalogueEntry], bool]) -> CatalogueEntry:
    """Waits until the operation is as wanted."""
    changes = catalogue.changes()
    while True:
        entry = catalogue.by_id(id)
        if entry is not None and wanted(entry):
            return entry
        changes.next(WAIT)


def test_operations_are_found_by_id_by_part_and_by_code(client: Client, catalogue: Catalogue) -> None:
    entry = catalogue.by_id("op-1b")
    assert entry is not None and entry.usable and entry.unlisted is None and entry.codes == ("P-1",)
    assert (entry.operation.external_id, entry.operation.external_revision) == ("P-1", "B")
    assert entry.to_dict()["operation"]["id"] == "op-1b"
    assert catalogue.by_id("op-9") is None and catalogue.by_part("P-9") == [] and catalogue.by_code("P-9") == []
    assert [one.operation.id for one in catalogue.by_part(" P-1 ")] == ["op-1a", "op-1b"]
    assert catalogue.by_part("P-1", "B") == [entry]
    [coded] = catalogue.by_code("Q-2")
    assert (coded.operation.id, coded.codes) == ("op-2", ("P-2", "Q-2"))
    listed = client.operations()
    assert len(catalogue) == len(listed)
    assert [one.operation.id for one in catalogue] == sorted(str(one.id) for one in listed)
    status = catalogue.status()
    assert status.last_list is not None and (status.last_list.count, status.last_error) == (len(listed), None)


def test_iteration_goes_page_by_page(client: Client, sandbox: Sandbox, store: Store) -> None:
    sandbox.deploy_many(600)
    with client.catalogue(store, refresh_every=3600) as catalogue:
        catalogue.ready(WAIT)
        ids = [str(entry.operation.id) for entry in catalogue]
    assert len(ids) == len(set(ids)) > 600 and ids == sorted(ids)


def test_it_follows_what_is_deployed(client: Client, sandbox: Sandbox, catalogue: Catalogue) -> None:
    sandbox.wait_for(streams=1)
    sandbox.deploy("op-3", "Third", "P-3")
    until(catalogue, "op-3", lambda entry: True)
    stream = catalogue.status().stream
    assert stream is not None and stream.name == "open"
    assert client.save_order_by_part(catalogue, "E-1", "P-3", order_index=2) == "created"
    [order] = sandbox.orders()
    assert (order["operationId"], order["externalOrderId"], order["orderIndex"]) == ("op-3", "E-1", 2)


def test_orders_are_made_and_queued_by_part(client: Client, sandbox: Sandbox, store: Store, catalogue: Catalogue) -> None:
    order = catalogue.order_by_part("E-1", "P-1", "B", order_index=1, select_optional_operation_ids=["op-2"], request_id="r")
    assert order == OrderSave("op-1b", "E-1", 1, ("op-2",), "r")
    [queued] = store.outbox.save_all([order])
    again = store.outbox.save_by_part(
        catalogue, "E-1", "P-1", "B", order_index=1, select_optional_operation_ids=["op-2"], request_id="r"
    )
    assert again.known and again.id == queued.id
    with client.outbox(store) as sender:
        assert sender.outbox.wait(queued.id, WAIT).message == "created"
    assert [order["operationId"] for order in sandbox.orders()] == ["op-1b"]


@pytest.mark.parametrize(
    ("part", "revision", "says"),
    [
        ("P-1", None, '^part_number: part number "P-1" means 2 operations; give a revision'),
        ("P-1", "C", '^revision: there is no part number "P-1" revision "C"'),
        ("P-9", None, '^part_number: no operation has the part number "P-9"'),
        ("Q-2", None, "^part_number: .*one of several codes"),
        (" ", None, "^part_number: is empty"),
    ],
)
def test_a_part_that_does_not_mean_one_operation_is_refused_and_nothing_sent(
    client: Client, sandbox: Sandbox, store: Store, catalogue: Catalogue, part: str, revision: "str | None", says: str
) -> None:
    for refuse in (
        lambda: catalogue.order_by_part("E-1", part, revision),
        lambda: store.outbox.save_by_part(catalogue, "E-1", part, revision),
        lambda: client.save_order_by_part(catalogue, "E-1", part, revision),
    ):
        with pytest.raises(pico_erp.InvalidArgumentError, match=says):
            refuse()
    assert sandbox.orders() == [] and store.outbox.counts().queued == 0


def test_it_answers_offline_and_a_store_has_one_keeper(
    client: Client, sandbox: Sandbox, store: Store, catalogue: Catalogue
) -> None:
    with pytest.raises(pico_erp.StoreInUseError, match="catalogue"):
        client.catalogue(store)
    catalogue.close()
    catalogue.close()
    assert catalogue.closed
    with pytest.raises(pico_erp.ClosedError):
        catalogue.by_id("op-2")
    sandbox.close()
    with Catalogue.offline(store.location) as offline:
        offline.ready(WAIT)
        assert offline.status().stream is None and len(offline) > 3
        queued = store.outbox.save_by_part(offline, "E-1", "P-1", "A")
        entry = store.outbox.get(queued.id)
        assert entry is not None and entry.operation_id == "op-1a"
        with pytest.raises(pico_erp.ClosedError):
            offline.changes().next(WAIT)
        assert list(offline.changes()) == []
    # Pico is away, and still it is there at once.
    with client.catalogue(store) as again:
        again.ready(WAIT)


def test_an_empty_one_is_waited_for_and_says_so(silent_server: SilentServer, store: Store) -> None:
    with Catalogue.offline(store) as offline:
        with pytest.raises(pico_erp.ClosedError, match="not kept by this process"):
            offline.ready(WAIT)
        with pytest.raises(pico_erp.InvalidArgumentError, match="has not yet read Pico's list"):
            offline.order_by_part("E-1", "P-1")
        assert offline.status().last_list is None and list(offline) == []
    with Client(silent_server.url, TOKEN, proxy="") as silent:
        catalogue = silent.catalogue(store)
        with pytest.raises(pico_erp.TimeoutError):
            catalogue.ready(0.05)
        ended = threading.Event()

        def ready() -> None:
            with pytest.raises(pico_erp.ClosedError):
                catalogue.ready()
            ended.set()

        thread = threading.Thread(target=ready)
        thread.start()
        silent.close()
        assert ended.wait(WAIT)
        thread.join(WAIT)
        catalogue.close()


def test_what_cannot_be_right_is_refused(client: Client, store: Store) -> None:
    for span in (0, -1):
        with pytest.raises(pico_erp.InvalidArgumentError, match="^refresh_every"):
            client.catalogue(store, refresh_every=span)
    client.catalogue(store).close()
