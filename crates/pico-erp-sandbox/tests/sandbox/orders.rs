//! Orders as an ERP saves and cancels them, and as the shop floor builds them.

use std::time::Duration;

use pico_erp_sandbox::{CancelMiss, CompletionSpec, Config, ErrorKind, OrderCalls, OrderState, Waits};
use serde_json::json;

use crate::client::{DEADLINE, control, data, graphql, refusal, save, start, start_with};

fn order(operation: &str, more: &str) -> String {
    format!(
        r#"mutation {{ operationOrderSave(input: {{ operationId: "{operation}", externalOrderId: "P-1" {more} }}) {{ message }} }}"#
    )
}

#[tokio::test]
async fn an_unknown_operation_is_a_graphql_error_on_its_field() {
    let sandbox = start().await;
    let (status, reply) = graphql(&sandbox, &json!({ "query": order("nope", "") })).await;
    assert_eq!(status, 200);
    assert_eq!(reply["data"], json!({ "operationOrderSave": null }));
    assert_eq!(reply["errors"][0]["message"], "operationId: no operation `nope`");
    assert_eq!(reply["errors"][0]["path"], json!(["operationOrderSave"]));
    let (_, message) =
        refusal(&sandbox, &order("op-abc-123", r#"selectOptionalOperationIds: ["nah"]"#)).await;
    assert_eq!(message, "selectOptionalOperationIds: no operation `nah`");
}

#[tokio::test]
async fn one_document_saves_many_orders_under_aliases_and_one_failure_leaves_the_others() {
    let sandbox = start().await;
    let save = |alias: &str, operation: &str| {
        format!(
            r#"{alias}: operationOrderSave(input: {{ operationId: "{operation}", externalOrderId: "{alias}" }}) {{ message }}"#
        )
    };
    let document =
        format!("mutation {{ {} {} {} }}", save("a", "op-abc-123"), save("b", "nope"), save("c", "prod-123"));
    let (status, reply) = graphql(&sandbox, &json!({ "query": document })).await;
    assert_eq!(status, 200);
    let created = json!({ "message": "created" });
    assert_eq!(reply["data"], json!({ "a": created, "b": null, "c": created }));
    assert_eq!(reply["errors"].as_array().unwrap().len(), 1);
    assert_eq!(reply["errors"][0]["path"], json!(["b"]));
}

#[tokio::test]
async fn an_order_without_an_id_is_always_new_and_gets_one_when_it_is_reported() {
    let sandbox = start().await;
    let document = r#"mutation { operationOrderSave(input: { operationId: "prod-123" }) { message } }"#;
    for _ in 0..2 {
        assert_eq!(data(&sandbox, document).await["operationOrderSave"]["message"], "created");
    }
    let completed = sandbox.complete(CompletionSpec::new("PICO-ORDER-000002")).unwrap();
    assert_eq!(completed.external_order_id, "PICO-ORDER-000002");
}

#[tokio::test]
async fn a_started_order_cannot_be_cancelled() {
    let sandbox = start_with(Config { cancel_miss: CancelMiss::NotFoundMessage, ..Config::default() }).await;
    save(&sandbox, "A", 0).await;
    let started = sandbox.start_order("A", Some("op-abc-123"), Some(0)).unwrap();
    assert_eq!(started.state, OrderState::Started);
    let cancel = r#"mutation { operationOrderCancel(input: { operationId: "op-abc-123", externalOrderId: "A" }) { message } }"#;
    assert_eq!(data(&sandbox, cancel).await["operationOrderCancel"]["message"], "not found");
    assert_eq!(sandbox.orders()[0].state, OrderState::Started);
}

#[tokio::test]
async fn the_floor_makes_up_serials_and_time_strictly_increases() {
    let sandbox = start().await;
    for index in 0..50 {
        save(&sandbox, "A", index).await;
        sandbox.complete(CompletionSpec::new("A").index(index)).unwrap();
    }
    let completions = sandbox.completions();
    let first = &completions[0];
    assert_eq!(first.end_state.as_ref().unwrap().produced_serial.as_deref(), Some("SN-000001"));
    let consumed: Vec<_> =
        first.operation_summary.consumed_serials.iter().map(|one| one.value.as_deref()).collect();
    assert_eq!(consumed, [Some("COMP-200-000001"), Some("COMP-300-000001")]);
    assert!(completions.windows(2).all(|pair| pair[0].at < pair[1].at));
    let error = sandbox.complete(CompletionSpec::new("A").index(7)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "externalOrderId: no open order `A`")
    );
}

#[tokio::test]
async fn orders_are_completed_by_themselves_also_when_that_is_switched_on_later() {
    let sandbox = start().await;
    save(&sandbox, "A", 0).await;
    save(&sandbox, "B", 0).await;
    sandbox.complete(CompletionSpec::new("B").produced("BY-HAND")).unwrap();
    sandbox.set_auto_complete(Some(Duration::from_millis(1)));
    save(&sandbox, "C", 0).await;
    sandbox.wait_for(Waits { completions: 3, ..Waits::default() }, DEADLINE).await.unwrap();
    let orders: Vec<_> = sandbox.completions().iter().map(|one| one.external_order_id.clone()).collect();
    assert_eq!(orders, ["B", "A", "C"]);
    sandbox.set_auto_complete(None);
    save(&sandbox, "D", 0).await;
    let late =
        sandbox.wait_for(Waits { completions: 4, ..Waits::default() }, Duration::from_millis(50)).await;
    assert_eq!(late.unwrap_err().to_string(), "not within 50ms: completions 3 of 4");
}

#[tokio::test]
async fn the_waterfall_builds_a_product_from_the_bottom_up() {
    let config = Config { waterfall: true, child_completions: true, ..Config::default() };
    let sandbox = start_with(config).await;
    data(&sandbox, &order("prod-pump", "")).await;
    let open = |sandbox: &pico_erp_sandbox::Sandbox| -> Vec<String> {
        let orders = sandbox.orders().into_iter();
        let open = orders.filter(|order| order.state == OrderState::Open && order.parent.is_some());
        open.map(|order| order.operation_id).collect()
    };
    // The second group of the motor, the optional burn-in and the final test have to wait.
    assert_eq!(open(&sandbox), ["proc-housing", "sub-motor", "proc-winding"]);
    let build = |operation: &str| sandbox.complete(CompletionSpec::new("P-1").operation(operation)).unwrap();
    build("proc-winding");
    assert_eq!(open(&sandbox), ["proc-housing", "proc-motor-test"]);
    let tested = build("proc-motor-test");
    assert_eq!(open(&sandbox), ["proc-housing"]);
    build("proc-housing");
    assert_eq!(open(&sandbox), ["proc-final-test"]);
    build("proc-final-test");
    let completions = sandbox.completions();
    let built: Vec<_> = completions.iter().map(|one| one.operation.as_ref().unwrap().id.as_str()).collect();
    assert_eq!(
        built,
        ["proc-winding", "proc-motor-test", "sub-motor", "proc-housing", "proc-final-test", "prod-pump"]
    );
    // The end state is that of the process finished last; what the motor consumed is in the pump.
    assert_eq!(completions[2].end_state, tested.end_state);
    assert_eq!(completions[5].end_state, completions[4].end_state);
    let parts = &completions[5].operation_summary.consumed_serials;
    let parts: Vec<_> = parts.iter().map(|one| one.external_id.as_deref().unwrap()).collect();
    assert_eq!(parts, ["ROTOR-11", "STATOR-12", "MOTOR-50"]);
    assert_eq!(completions[5].operation_summary.started_at, completions[0].operation_summary.started_at);
}

#[tokio::test]
async fn children_of_the_waterfall_are_silent_by_default_and_follow_by_themselves() {
    let auto_complete = Some(Duration::from_millis(1));
    let sandbox = start_with(Config { waterfall: true, auto_complete, ..Config::default() }).await;
    data(&sandbox, &order("prod-pump", r#"selectOptionalOperationIds: ["op-opt-1"]"#)).await;
    sandbox.wait_for(Waits { completions: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    assert_eq!(sandbox.completions().len(), 1);
    assert_eq!(sandbox.completions()[0].operation.as_ref().unwrap().id, "prod-pump");
    let orders = sandbox.orders();
    assert!(orders.iter().any(|order| order.operation_id == "op-opt-1"));
    assert!(orders.iter().all(|order| order.state == OrderState::Completed), "{orders:?}");
}

#[tokio::test]
async fn cancelling_a_product_cancels_its_children_unless_one_is_started() {
    let sandbox = start_with(Config { waterfall: true, ..Config::default() }).await;
    data(&sandbox, &order("prod-pump", "")).await;
    sandbox.start_order("P-1", Some("proc-winding"), None).unwrap();
    let cancel = r#"mutation { operationOrderCancel(input: { operationId: "prod-pump", externalOrderId: "P-1" }) { message } }"#;
    let (status, message) = refusal(&sandbox, cancel).await;
    assert_eq!(status, 200);
    assert!(message.contains("nothing was canceled"), "{message}");

    data(&sandbox, &order("prod-pump", "orderIndex: 1")).await;
    let cancel = cancel.replace(r#""P-1" }"#, r#""P-1", orderIndex: 1 }"#);
    assert_eq!(data(&sandbox, &cancel).await["operationOrderCancel"]["message"], "canceled");
    let second: Vec<_> = sandbox.orders().into_iter().filter(|order| order.order_index == 1).collect();
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|order| order.state == OrderState::Canceled), "{second:?}");
}

#[tokio::test]
async fn saves_and_cancels_are_counted_by_order_and_in_all() {
    let sandbox = start().await;
    for _ in 0..2 {
        save(&sandbox, "A", 0).await;
    }
    save(&sandbox, "A", 1).await;
    refusal(&sandbox, &order("nope", "")).await;
    let cancel = r#"mutation { operationOrderCancel(input: { operationId: "op-abc-123", externalOrderId: "A" }) { message } }"#;
    data(&sandbox, cancel).await;
    refusal(&sandbox, cancel).await;
    save(&sandbox, "A", 0).await;
    let counted: Vec<_> =
        sandbox.orders().iter().map(|one| (one.order_index, one.saves, one.cancels, one.creations)).collect();
    assert_eq!(counted, [(0, 2, 2, 1), (1, 1, 0, 1), (0, 1, 0, 2)]);
    let calls = OrderCalls { saves: 4, created: 3, cancels: 2, canceled: 1 };
    assert_eq!(sandbox.order_calls(), calls);
    let (_, state) = control(&sandbox, "GET", "state", None).await;
    assert_eq!(state["orderCalls"], json!({ "saves": 4, "created": 3, "cancels": 2, "canceled": 1 }));
    let (_, orders) = control(&sandbox, "GET", "orders", None).await;
    let first = (&orders[0]["saves"], &orders[0]["cancels"], &orders[0]["creations"]);
    assert_eq!(first, (&json!(2), &json!(2), &json!(1)));
}

#[tokio::test]
async fn a_document_with_a_thousand_orders_is_one_request() {
    let sandbox = start().await;
    let orders: String = (0..1000)
        .map(|at| {
            format!(
                r#"o{at}: operationOrderSave(input: {{ operationId: "prod-123", externalOrderId: "M-{at}" }}) {{ message }} "#
            )
        })
        .collect();
    let reply = data(&sandbox, &format!("mutation {{ {orders} }}")).await;
    assert_eq!(reply.as_object().unwrap().len(), 1000);
    assert!(reply.as_object().unwrap().values().all(|one| one["message"] == "created"));
    assert_eq!((sandbox.orders().len(), sandbox.requests()), (1000, 1));
}
