"""Many plants in one process: their completions, their orders, and a file that changes."""

from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest

import pico_erp
from pico_erp import Plants, Sandbox

from conftest import TOKEN
from test_streams import WAIT, order_and_complete

Picos = Dict[str, Sandbox]


@pytest.fixture
def picos() -> Iterator[Picos]:
    with Sandbox(token=TOKEN) as berlin, Sandbox(token=TOKEN) as munich:
        yield {"berlin": berlin, "munich": munich}


def write(folder: Path, picos: Picos, more: str = "", token: str = TOKEN) -> Path:
    path = folder / "plants.toml"
    text = f'store = "erp.pico"\n[defaults]\ntoken = "{token}"\nproxy = "none"\ncatalogue.enabled = true\n'
    for name, pico in picos.items():
        text += f'[plants.{name}]\nendpoint = "{pico.endpoint}"\n'
    path.write_text(text + more)
    return path


def complete(pico: Sandbox, order: str) -> None:
    with pico.client() as client:
        order_and_complete(client, pico, order)


def taken(plants: Plants) -> Tuple[str, str]:
    delivery = plants.next(WAIT)
    with delivery as done:
        return delivery.plant, done.external_order_id


def test_completions_come_with_their_plant_and_orders_go_to_its_pico(picos: Picos, tmp_path: Path) -> None:
    for name, pico in picos.items():
        complete(pico, f"{name}-1")
    with Plants(write(tmp_path, picos)) as plants:
        assert plants.names == ["berlin", "munich"] and len(plants) == 2 and "berlin" in plants
        assert sorted(taken(plants) for _ in range(2)) == [("berlin", "berlin-1"), ("munich", "munich-1")]
        with pytest.raises(pico_erp.TimeoutError):
            plants.next(0)
        berlin = plants["berlin"]
        berlin.opened(WAIT)
        queued = berlin.outbox.save("op-abc-123", "B-2")
        assert berlin.outbox.wait(queued.id, timeout=WAIT).state == "sent"
        assert berlin.inbox.counts().acked == 1 and berlin.store.plant_name == "berlin"
        catalogue = berlin.catalogue
        assert catalogue is not None
        catalogue.ready(WAIT)
        first, second = plants.status()
        assert (first.plant, first.state, first.feed.inbox.acked if first.feed else None) == ("berlin", "running", 1)
        assert second.sender is not None and second.to_dict()["plant"] == "munich"
        with pytest.raises(KeyError):
            plants["paris"]
        assert plants.address is None
    assert plants.closed and list(plants) == []


def test_a_reload_starts_what_is_new_and_a_bad_file_changes_nothing(picos: Picos, tmp_path: Path) -> None:
    path = write(tmp_path, {"berlin": picos["berlin"]})
    with Plants(path) as plants:
        write(tmp_path, picos, "colour = 'red'\n")
        with pytest.raises(pico_erp.InvalidArgumentError, match=r"line \d+ \(colour\)"):
            plants.reload()
        assert plants.names == ["berlin"]
        write(tmp_path, picos)
        reloaded = plants.reload()
        assert (reloaded.added, reloaded.kept, reloaded.removed) == (("munich",), ("berlin",), ())
        complete(picos["munich"], "M-1")
        assert taken(plants) == ("munich", "M-1")
        write(tmp_path, {"munich": picos["munich"]})
        assert plants.reload(path).removed == ("berlin",)


def test_what_is_wrong_with_a_plant_is_in_its_status(picos: Picos, tmp_path: Path) -> None:
    complete(picos["berlin"], "B-1")
    more = '[plants.paris]\nendpoint = "http://127.0.0.1:1"\ntoken_file = "no.token"\n'
    with Plants(write(tmp_path, picos, more)) as plants:
        assert taken(plants) == ("berlin", "B-1")
        with pytest.raises(pico_erp.TimeoutError):
            plants["paris"].opened(0.2)
        paris = plants["paris"].status()
        assert paris.state == "failed" and paris.feed is None
        assert isinstance(paris.error, pico_erp.InvalidArgumentError) and "no.token" in str(paris.error)


def test_a_file_that_cannot_be_read_is_told_without_secrets(tmp_path: Path) -> None:
    with pytest.raises(pico_erp.InvalidArgumentError, match="cannot be read"):
        Plants(tmp_path / "nowhere.toml")
    path = write(tmp_path, {}, token="s3cret", more="[plants.a]\n")
    with pytest.raises(pico_erp.InvalidArgumentError, match="plants.a.*endpoint: is missing") as caught:
        Plants(path)
    assert "s3cret" not in str(caught.value)
