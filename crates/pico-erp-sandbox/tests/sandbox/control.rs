//! The control API: the shop floor over HTTP.

use serde_json::{Value as Json, json};

use crate::client::{RawStream, control, data, http, save, send, start};

async fn error(reply: (u16, Json)) -> (u16, String) {
    (reply.0, reply.1["error"].as_str().unwrap_or_else(|| panic!("{}", reply.1)).to_owned())
}

#[tokio::test]
async fn the_root_explains_itself() {
    let sandbox = start().await;
    let (status, text) = send(http().get(sandbox.url())).await;
    assert_eq!(status, 200);
    for path in [
        "/graphql",
        "/sandbox/state",
        "/sandbox/orders/complete",
        "/sandbox/pings",
        "/sandbox/close-ws",
        "/sandbox/complete-streams",
        "/sandbox/token",
        "/sandbox/clock",
        "/sandbox/time-filter",
        "/sandbox/api",
        "/sandbox/webhook-posts",
        "/sandbox/webhooks/forget",
        "\"kind\":\"cut_before\"",
        "\"kind\":\"cut_after\"",
        "\"kind\":\"cut_body\"",
        "\"kind\":\"buffer_sse\"",
        "\"kind\":\"half_open\"",
    ] {
        assert!(text.as_str().unwrap().contains(path), "{path}");
    }
}

#[tokio::test]
async fn an_order_goes_from_saved_to_started_to_completed() {
    let sandbox = start().await;
    save(&sandbox, "A", 2).await;
    let which = json!({ "externalOrderId": "A", "operationId": "op-abc-123", "orderIndex": 2 });
    let (status, order) = control(&sandbox, "POST", "orders/start", Some(which.clone())).await;
    assert_eq!((status, &order["state"], &order["orderIndex"]), (200, &json!("started"), &json!(2)));
    let mut body = which;
    body["producedSerial"] = json!("SN-9");
    body["consumedSerials"] =
        json!([{ "id": "attr-serial-1", "value": "C-1" }, { "externalId": "X", "value": "C-2" }]);
    let (status, completed) = control(&sandbox, "POST", "orders/complete", Some(body)).await;
    assert_eq!(status, 200);
    assert_eq!(completed["endState"], json!({ "producedSerial": "SN-9" }));
    assert_eq!(completed["operationSummary"]["startedAt"], order["startedAt"]);
    let expected = json!([
        { "id": "attr-serial-1", "externalId": "COMP-200", "value": "C-1" },
        { "id": null, "externalId": "X", "value": "C-2" },
    ]);
    assert_eq!(completed["operationSummary"]["consumedSerials"], expected);
    assert_eq!(control(&sandbox, "GET", "completions", None).await, (200, json!([completed])));
    assert_eq!(control(&sandbox, "GET", "orders", None).await.1[0]["state"], "completed");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_wrong_is_400_and_both_name_the_field() {
    let sandbox = start().await;
    save(&sandbox, "A", 0).await;
    let cases = [
        ("orders/complete", json!({ "externalOrderId": "B" }), 404, "externalOrderId: no open order `B`"),
        (
            "orders/complete",
            json!({ "externalOrderId": "A", "operationId": "prod-123" }),
            404,
            "operationId: order `A` has nothing open for operation `prod-123`",
        ),
        (
            "orders/start",
            json!({ "externalOrderId": "A", "orderIndex": 5 }),
            404,
            "orderIndex: order `A` has",
        ),
        ("orders/complete", json!({}), 400, "missing field `externalOrderId`"),
        ("orders/complete", json!({ "externalOrderId": "A", "serial": "x" }), 400, "unknown field `serial`"),
        ("orders/start", json!({ "externalOrderId": "A", "index": 1 }), 400, "unknown field `index`"),
        ("operations", json!({ "id": "x" }), 400, "missing field `name`"),
        ("operations", json!({ "id": "x", "name": "X", "partNumber": 1 }), 400, "unknown field `partNumber`"),
        ("operations", json!({ "id": "", "name": "X" }), 400, "id: must not be empty"),
        ("operations/bulk", json!({ "n": 1 }), 400, "unknown field `n`"),
        ("operations/bulk", json!({ "count": 10_000_000 }), 400, "count: must be at most"),
        ("sub-operations", json!({ "parentId": "nope", "subId": "prod-123" }), 404, "parentId: no operation"),
        (
            "sub-operations",
            json!({ "parentId": "sub-motor", "subId": "prod-pump" }),
            400,
            "subId: `prod-pump`",
        ),
        ("notes", json!({ "txt": "x" }), 400, "unknown field `txt`"),
    ];
    for (path, body, status, text) in cases {
        let (got, message) = error(control(&sandbox, "POST", path, Some(body.clone())).await).await;
        assert_eq!(got, status, "{path} {body}: {message}");
        assert!(message.contains(text), "{path} {body}: {message}");
    }
    let put = |body| control(&sandbox, "PUT", "auto-complete", Some(body));
    assert_eq!(error(put(json!({})).await).await.0, 400);
    assert_eq!(error(put(json!({ "seconds": -1 })).await).await.0, 400);
}

#[tokio::test]
async fn operations_edges_and_notes_are_made_and_reported() {
    let sandbox = start().await;
    let query = json!({ "query": "subscription { operationsStream { id name } }" });
    let mut stream = RawStream::open(&sandbox, &query).await;
    let spec = json!({ "id": "op-x", "name": "X", "externalId": "PN|2", "consumedSerials": [{ "id": "s" }] });
    let (status, operation) = control(&sandbox, "POST", "operations", Some(spec)).await;
    assert_eq!((status, &operation["externalCodes"]), (200, &json!(["PN", "2"])));
    let event = json!({ "data": { "operationsStream": { "id": "op-x", "name": "X" } } });
    assert_eq!(stream.event().await, event);
    let edge = json!({ "parentId": "op-x", "subId": "prod-123", "subGroup": 1 });
    assert_eq!(control(&sandbox, "POST", "sub-operations", Some(edge)).await.1["subGroup"], 1);
    let note = json!({ "externalId": "T-1", "text": "hello", "metadata": { "parts": [1] }, "type": { "name": "scrap" } });
    let (status, note) = control(&sandbox, "POST", "notes", Some(note)).await;
    assert_eq!((status, &note["eventType"], &note["seq"]), (200, &json!("new"), &json!(1)));
    let reply = data(&sandbox, "{ noteEvents { text metadata type { name } } }").await;
    let expected = json!([{ "text": "hello", "metadata": { "parts": [1] }, "type": { "name": "scrap" } }]);
    assert_eq!(reply["noteEvents"], expected);
}

#[tokio::test]
async fn waits_are_answered_when_met_and_408_when_not() {
    let sandbox = start().await;
    let wait = "wait?streams=1&orders=1&completions=1&timeout_ms=20000";
    let waiting = control(&sandbox, "GET", wait, None);
    let acting = async {
        let query = json!({ "query": "subscription { operationsStream { id } }" });
        let stream = RawStream::open(&sandbox, &query).await;
        assert_eq!(control(&sandbox, "PUT", "auto-complete", Some(json!({ "seconds": 0.01 }))).await.0, 200);
        save(&sandbox, "A", 0).await;
        stream
    };
    let (reply, _stream) = tokio::join!(waiting, acting);
    assert_eq!(reply, (200, json!({ "met": true })));
    let (status, message) =
        error(control(&sandbox, "GET", "wait?deliveries=2&timeout_ms=10", None).await).await;
    assert_eq!((status, message.as_str()), (408, "not within 10ms: deliveries 0 of 2"));
    let (status, message) = error(control(&sandbox, "GET", "wait?stream=1", None).await).await;
    assert_eq!(status, 400);
    assert!(message.contains("unknown field `stream`"), "{message}");
}

#[tokio::test]
async fn the_state_counts_everything() {
    let sandbox = start().await;
    save(&sandbox, "A", 0).await;
    save(&sandbox, "B", 0).await;
    control(&sandbox, "POST", "orders/complete", Some(json!({ "externalOrderId": "A" }))).await;
    control(&sandbox, "PUT", "auto-complete", Some(json!({ "seconds": 30 }))).await;
    let (status, state) = control(&sandbox, "GET", "state", None).await;
    assert_eq!(status, 200);
    assert_eq!(state["operations"], 11);
    assert_eq!(state["subOperations"], 6);
    let orders = json!({ "total": 2, "open": 1, "started": 0, "completed": 1, "canceled": 0 });
    assert_eq!(state["orders"], orders);
    assert_eq!(state["completions"], 1);
    assert_eq!(state["deliveries"], json!({ "total": 0, "delivered": 0, "failed": 0 }));
    assert_eq!(state["streams"], json!({ "sse": 0, "webSocket": 0 }));
    assert_eq!(state["requests"], 2);
    assert_eq!(state["autoCompleteSeconds"], 30.0);
    assert_eq!((&state["pingSeconds"], &state["tokenRevoked"]), (&json!(12.0), &json!(false)));
    assert_eq!(state["webhooks"], json!([]));
}

#[tokio::test]
async fn ten_thousand_operations_are_deployed_queried_and_streamed() {
    let sandbox = start().await;
    let query = json!({ "query": "subscription { operationsStream { id } }" });
    let mut stream = RawStream::open(&sandbox, &query).await;
    let (status, reply) =
        control(&sandbox, "POST", "operations/bulk", Some(json!({ "count": 10_000 }))).await;
    assert_eq!((status, reply), (200, json!({ "deployed": 10_000, "operations": 10_011 })));
    let reply = data(&sandbox, "{ operations { id externalId name updatedAt } }").await;
    let operations = reply["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 10_011);
    assert_eq!(operations[11]["id"], "op-000001");
    assert_eq!(operations[10_010]["externalId"], "PART-010000");
    for number in 1..=10_000 {
        let event = stream.event().await;
        assert_eq!(event["data"]["operationsStream"]["id"], format!("op-{number:06}"));
    }
}
