//! The wire bodies of Pico's documentation, replayed: each request gets the documented reply.

use pico_erp_sandbox::{CompletionSpec, OperationSpec};
use serde_json::json;

use crate::client::{RawStream, Receiver, example, graphql, send, start};

#[tokio::test]
async fn the_operations_query_lists_the_documented_operation_first_or_among_others() {
    let sandbox = start().await;
    let (status, reply) = graphql(&sandbox, &example("operations.request")).await;
    assert_eq!(status, 200);
    let operations = reply["data"]["operations"].as_array().unwrap();
    let documented = &example("operations.response")["data"]["operations"][0];
    assert!(operations.contains(documented), "{reply}");
    let times: Vec<_> = operations.iter().map(|one| one["updatedAt"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn the_newer_path_answers_the_same() {
    let sandbox = start().await;
    let old = graphql(&sandbox, &example("operations.request")).await;
    let url = format!("{}/graph/v2", sandbox.url());
    let new = send(crate::client::post_json(url, &example("operations.request"))).await;
    assert_eq!(old, new);
}

#[tokio::test]
async fn an_order_is_created_then_updated() {
    let sandbox = start().await;
    let request = example("order-save.request");
    assert_eq!(graphql(&sandbox, &request).await, (200, example("order-save.response")));
    assert_eq!(graphql(&sandbox, &request).await, (200, example("order-save-updated.response")));
}

#[tokio::test]
async fn an_indexed_order_is_created_and_cancelled() {
    let sandbox = start().await;
    let saved = graphql(&sandbox, &example("assumed-order-save-indexed.request")).await;
    assert_eq!(saved, (200, example("order-save.response")));
    assert_eq!(sandbox.orders()[0].select_optional_operation_ids, ["op-opt-1"]);
    let canceled = (200, example("assumed-order-cancel.response"));
    assert_eq!(graphql(&sandbox, &example("assumed-order-cancel.request")).await, canceled);
}

#[tokio::test]
async fn all_units_of_an_order_are_cancelled() {
    let sandbox = start().await;
    for index in 0..3 {
        crate::client::save(&sandbox, "ERP-ORDER-123", index).await;
    }
    let canceled = (200, example("assumed-order-cancel.response"));
    assert_eq!(graphql(&sandbox, &example("assumed-order-cancel-all.request")).await, canceled);
    let (status, reply) = graphql(&sandbox, &example("assumed-order-cancel-all.request")).await;
    assert_eq!((status, &reply["data"]["operationOrderCancel"]), (200, &json!(null)));
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("nothing was canceled"), "{reply}");
}

#[tokio::test]
async fn a_webhook_is_registered_listed_and_removed() {
    let sandbox = start().await;
    let (status, reply) = graphql(&sandbox, &example("webhook-subscribe.request")).await;
    assert_eq!(status, 200);
    let mut expected = example("webhook-subscribe.response");
    let created_at = reply["data"]["webhookSubscribe"]["createdAt"].clone();
    expected["data"]["webhookSubscribe"]["createdAt"] = created_at.clone();
    assert_eq!(reply, expected);
    assert!(created_at.as_str().unwrap().ends_with('Z'), "{created_at}");

    let (_, reply) = graphql(&sandbox, &example("webhook-list.request")).await;
    let request = example("webhook-subscribe.request");
    let mut expected = example("webhook-list.response");
    let handle = &mut expected["data"]["webhookSubscriptions"][0];
    handle["responseFragment"] = request["variables"]["input"]["responseFragment"].clone();
    handle["createdAt"] = created_at;
    handle["lastEventAt"] = json!(null);
    assert_eq!(reply, expected);

    let removed = graphql(&sandbox, &example("webhook-unsubscribe.request")).await;
    assert_eq!(removed, (200, example("webhook-unsubscribe.response")));
    let (_, again) = graphql(&sandbox, &example("webhook-unsubscribe.request")).await;
    assert_eq!(again["data"]["webhookUnsubscribe"]["success"], false);
    let (_, reply) = graphql(&sandbox, &example("webhook-list.request")).await;
    assert_eq!(reply, json!({ "data": { "webhookSubscriptions": [] } }));
}

#[tokio::test]
async fn a_completion_reaches_the_webhook_as_the_documented_payload() {
    let sandbox = start().await;
    let mut receiver = Receiver::start(200).await;
    let mut request = example("webhook-subscribe.request");
    request["variables"]["input"]["webhookUrl"] = json!(receiver.url);
    graphql(&sandbox, &request).await;
    crate::client::save(&sandbox, "ERP-ORDER-123", 0).await;
    let completed = sandbox
        .complete(
            CompletionSpec::new("ERP-ORDER-123")
                .produced("ASSY-20250115-007")
                .consumed("attr-serial-1", "SN-20250115-001")
                .consumed("COMP-300", "SN-20250115-042"),
        )
        .unwrap();
    let received = receiver.next().await;
    let mut expected = example("webhook-payload");
    expected["at"] = json!(completed.at);
    expected["operationSummary"]["startedAt"] = json!(completed.operation_summary.started_at);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&received.body).unwrap(), expected);
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["x-api-key"], "your-erp-api-key");

    // The query finds the same completion again.
    let (status, reply) = graphql(&sandbox, &example("assumed-completes.request")).await;
    expected["operation"] = json!({ "id": "op-abc-123" });
    assert_eq!((status, reply), (200, json!({ "data": { "operationOrderCompletes": [expected] } })));
}

#[tokio::test]
async fn the_fragment_on_operation_is_accepted() {
    let sandbox = start().await;
    let mut request = example("webhook-subscribe.request");
    let input = &mut request["variables"]["input"];
    input["responseFragment"] = example("webhook-fragment-operation")["responseFragment"].clone();
    let (status, reply) = graphql(&sandbox, &request).await;
    assert_eq!((status, reply.get("errors")), (200, None), "{reply}");
}

#[tokio::test]
async fn every_documented_stream_opens_and_the_events_have_the_documented_shape() {
    let sandbox = start().await;
    let main = OperationSpec {
        updated_at: Some("2025-01-15T10:00:00.000Z".parse().unwrap()),
        ..OperationSpec::new("op-abc-123", "Main Assembly").part("PROD-101")
    };
    let mut operations = RawStream::open(&sandbox, &example("operations-stream.request")).await;
    let mut filtered = RawStream::open(&sandbox, &example("filtered-stream.request")).await;
    sandbox.deploy(main).unwrap();
    assert_eq!(operations.event().await, example("assumed-stream-event"));
    sandbox.deploy(OperationSpec::new("prod-123", "Adapter 2")).unwrap();
    // The other operation was not for this stream.
    let expected = json!({ "data": { "operationsStream": { "id": "prod-123", "name": "Adapter 2" } } });
    assert_eq!(filtered.event().await, expected);

    let mut edges = RawStream::open(&sandbox, &example("suboperations-stream.request")).await;
    let edge = sandbox.link("op-abc-123", "op-opt-1", Some(2)).unwrap();
    let expected = json!({
        "parentId": "op-abc-123", "subId": "op-opt-1", "subGroup": 2, "updatedAt": edge.updated_at,
    });
    assert_eq!(edges.event().await, json!({ "data": { "subOperationsStream": expected } }));

    let mut completes = RawStream::open(&sandbox, &example("completes-stream.request")).await;
    crate::client::save(&sandbox, "A-1", 0).await;
    let completed = sandbox.complete(CompletionSpec::new("A-1").bare().produced("SN-7")).unwrap();
    let expected = json!({
        "externalOrderId": "A-1",
        "at": completed.at,
        "operation": { "id": "op-abc-123", "externalId": "PROD-101", "name": "Main Assembly" },
        "operationSummary": { "startedAt": completed.operation_summary.started_at, "consumedSerials": [] },
        "endState": { "producedSerial": "SN-7" },
    });
    assert_eq!(completes.event().await, json!({ "data": { "operationOrderCompletesStream": expected } }));

    let mut notes = RawStream::open(&sandbox, &example("assumed-note-events-stream.request")).await;
    let note = sandbox.add_note(pico_erp_sandbox::NoteSpec::new("scratch on the housing")).unwrap();
    let expected = json!({
        "seq": 1, "at": note.at, "id": "note-000001", "externalId": "", "text": "scratch on the housing",
        "metadata": null, "images": null, "eventType": "new",
    });
    assert_eq!(notes.event().await, json!({ "data": { "noteEventsStream": expected } }));
}

#[tokio::test]
async fn the_fields_of_the_oldest_generation_are_refused_by_validation() {
    let sandbox = start().await;
    let (status, reply) = graphql(&sandbox, &example("completes-stream-g1.request")).await;
    assert_eq!(status, 400);
    assert!(reply.get("data").is_none(), "{reply}");
    assert!(reply["errors"].to_string().contains("cycleTime"), "{reply}");
}
