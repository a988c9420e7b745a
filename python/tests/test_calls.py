"""The calls that are not streams, against the sandbox."""

import threading

import pytest

import pico_erp
from pico_erp import Client, Sandbox

from conftest import TOKEN, SilentServer

FRAGMENT = "fragment Done on OperationOrderComplete { externalOrderId endState { producedSerial } }"


def test_operations_are_listed_and_found_by_id_and_by_part_number(client: Client) -> None:
    everything = client.operations()
    assert {"op-abc-123", "prod-pump"} <= {operation.id for operation in everything}
    [found] = client.operations(id="op-abc-123")
    assert (found.name, found.external_id) == ("Main Assembly", "PROD-101")
    assert [slot.external_id for slot in found.consumed_serials] == ["COMP-200", "COMP-300"]
    [found] = client.operations(external_id="PROD-123", external_revision="A")
    assert found.id == "prod-123"
    assert client.operations(id="no-such-operation") == []


def test_sub_operations_are_listed_by_parent(client: Client) -> None:
    children = client.sub_operations(parent_id="sub-motor")
    assert {child.sub_id for child in children} == {"proc-winding", "proc-motor-test"}
    [edge] = client.sub_operations(sub_id="sub-motor")
    assert (edge.parent_id, edge.sub_group) == ("prod-pump", "1")


def test_an_order_is_created_then_updated(client: Client, sandbox: Sandbox) -> None:
    assert client.save_order("op-abc-123", "ERP-1") == "created"
    assert client.save_order("op-abc-123", "ERP-1") == "updated"
    assert client.save_order("op-abc-123", "ERP-1", order_index=1) == "created"
    assert client.save_order("prod-pump", "ERP-2", select_optional_operation_ids=["op-opt-1"]) == "created"
    orders = sandbox.orders()
    assert [(order["externalOrderId"], order["orderIndex"]) for order in orders] == [
        ("ERP-1", 0),
        ("ERP-1", 1),
        ("ERP-2", 0),
    ]
    assert orders[2]["selectOptionalOperationIds"] == ["op-opt-1"]


def test_one_unit_or_all_units_of_an_order_are_cancelled(client: Client, sandbox: Sandbox) -> None:
    for index in range(3):
        client.save_order("op-abc-123", "ERP-1", index)
    assert client.cancel_order("op-abc-123", "ERP-1", order_index=0) == "canceled"
    assert [order["state"] for order in sandbox.orders()] == ["canceled", "open", "open"]
    client.cancel_order("op-abc-123", "ERP-1", cancel_all=True)
    assert [order["state"] for order in sandbox.orders()] == ["canceled"] * 3


def test_a_cancel_must_say_one_or_all(client: Client, sandbox: Sandbox) -> None:
    before = sandbox.requests()
    with pytest.raises(pico_erp.InvalidArgumentError, match="^order_index: "):
        client.cancel_order("op-abc-123", "ERP-1")
    with pytest.raises(ValueError, match="^cancel_all: "):
        client.cancel_order("op-abc-123", "ERP-1", order_index=0, cancel_all=True)
    assert sandbox.requests() == before


def test_completed_orders_are_listed(client: Client, sandbox: Sandbox) -> None:
    for order in ("ERP-1", "ERP-2"):
        client.save_order("op-abc-123", order)
        sandbox.complete(order)
    assert [done.external_order_id for done in client.order_completes()] == ["ERP-1", "ERP-2"]
    [done] = client.order_completes(operation_id="op-abc-123", external_order_id="ERP-2", order_index=0)
    assert done.external_order_id == "ERP-2"


def test_webhooks_are_registered_listed_and_removed(client: Client) -> None:
    assert client.webhooks() == []
    made = client.webhook_subscribe("erp-1", FRAGMENT, "http://127.0.0.1:9/pico", {"X-Key": "k"})
    assert (made.subscription_id, made.webhook_url) == ("erp-1", "http://127.0.0.1:9/pico")
    [listed] = client.webhooks()
    assert (listed.subscription_id, listed.last_event_at) == ("erp-1", None)
    assert listed.created_at is not None
    removed = client.webhook_unsubscribe("erp-1")
    assert (removed.success, removed.subscription_id) == (True, "erp-1")
    assert repr(removed).startswith("WebhookUnsubscribed(success=True")
    assert client.webhooks() == []


def test_any_document_can_be_executed_with_variables(client: Client) -> None:
    reply = client.execute(
        "query Find($id: String!) { operations(where: {id: {_eq: $id}}) { id name } } query Other { operations { id } }",
        {"id": "op-abc-123"},
        operation_name="Find",
    )
    assert reply.data == {"operations": [{"id": "op-abc-123", "name": "Main Assembly"}]}
    assert (reply.errors, reply.extensions, reply.http_status) == ((), None, 200)
    assert reply.raw.startswith('{"data":')
    reply.raise_for_errors()


def test_graphql_errors_of_a_raw_call_are_in_the_reply_and_can_be_raised(client: Client) -> None:
    reply = client.execute("{ operations { id } nope }")
    assert "nope" in reply.errors[0]["message"]
    with pytest.raises(pico_erp.GraphQLError, match="nope"):
        reply.raise_for_errors()


def test_variables_that_have_no_json_form_are_refused(client: Client) -> None:
    for bad in ({"x": float("nan")}, {"x": object()}, [1]):
        with pytest.raises(pico_erp.InvalidArgumentError, match="^variables: "):
            client.execute("{ operations { id } }", bad)  # type: ignore[arg-type]


def test_a_reply_of_10_000_operations_is_read_whole(client: Client, sandbox: Sandbox) -> None:
    sandbox.deploy_many(10_000)
    operations = client.operations()
    ids = {operation.id for operation in operations}
    assert {f"op-{number:06}" for number in range(1, 10_001)} <= ids
    assert len(operations) == len(ids)


def test_threads_share_a_client(client: Client, sandbox: Sandbox) -> None:
    def save(number: int) -> None:
        for index in range(5):
            client.save_order("op-abc-123", f"ERP-{number}", index)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(sandbox.orders()) == 40


def test_a_token_provider_is_asked_before_every_request(sandbox: Sandbox) -> None:
    asked = []

    def token() -> str:
        asked.append(threading.current_thread().name)
        return TOKEN

    with sandbox.client(token_provider=token) as client:
        client.operations()
        client.operations()
    assert len(asked) == 2


def test_a_token_provider_that_raises_fails_the_call_without_telling_its_text(sandbox: Sandbox) -> None:
    def token() -> str:
        raise LookupError("vault password hunter2")

    with sandbox.client(token_provider=token) as client:
        with pytest.raises(pico_erp.InvalidArgumentError, match="LookupError") as caught:
            client.operations()
    assert "hunter2" not in str(caught.value)


def test_a_closed_client_refuses_calls_and_streams(client: Client) -> None:
    subscription = client.completions()
    client.close()
    client.close()
    assert client.closed
    with pytest.raises(pico_erp.ClosedError):
        client.operations()
    with pytest.raises(pico_erp.ClosedError):
        client.completions()
    with pytest.raises(pico_erp.ClosedError):
        subscription.next(5)
    assert list(subscription) == []


def test_closing_a_client_ends_a_call_that_waits_in_another_thread(silent_server: SilentServer) -> None:
    caught = []
    client = Client(silent_server.url, "token", proxy="")

    def call() -> None:
        try:
            client.operations()
        except pico_erp.Error as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    silent_server.accept()
    client.close()
    thread.join(10)
    assert [type(error) for error in caught] == [pico_erp.ClosedError]
