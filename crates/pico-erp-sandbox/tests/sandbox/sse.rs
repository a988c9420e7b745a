//! Event streams, byte by byte: GraphQL over Server-Sent Events, distinct connections mode.

use std::time::Duration;

use pico_erp_sandbox::{CompletionSpec, Config, OperationSpec, Waits};
use serde_json::json;

use crate::client::{DEADLINE, RawStream, example, save, send, start, start_with, until};

#[tokio::test]
async fn a_stream_is_a_comment_at_once_and_then_next_events() {
    let sandbox = start().await;
    let mut stream = RawStream::open(&sandbox, &example("operations-stream.request")).await;
    assert_eq!(stream.chunk().await, ":\n\n");
    let updated_at = Some("2025-06-01T00:00:00Z".parse().unwrap());
    sandbox.deploy(OperationSpec { updated_at, ..OperationSpec::new("x", "X\n\u{2028}\"") }).unwrap();
    let expected = concat!(
        "event: next\n",
        r#"data: {"data":{"operationsStream":{"id":"x","externalId":null,"#,
        "\"name\":\"X\\n\u{2028}\\\"\",\"updatedAt\":\"2025-06-01T00:00:00.000Z\"}}}\n\n"
    );
    assert_eq!(stream.chunk().await, expected);
}

#[tokio::test]
async fn comments_keep_a_quiet_stream_alive() {
    let sandbox = start_with(Config { ping_interval: Duration::from_millis(5), ..Config::default() }).await;
    let mut stream = RawStream::open(&sandbox, &example("operations-stream.request")).await;
    for _ in 0..4 {
        assert_eq!(stream.chunk().await, ":\n\n");
    }
}

#[tokio::test]
async fn a_query_and_a_mutation_are_one_next_and_a_complete() {
    let sandbox = start().await;
    for (request, field) in [("order-save.request", "order-save.response"), ("operations.request", "")] {
        let mut stream = RawStream::open(&sandbox, &example(request)).await;
        assert_eq!(stream.chunk().await, ":\n\n");
        let event = stream.chunk().await;
        assert!(event.starts_with("event: next\ndata: {\"data\":{"), "{event}");
        if !field.is_empty() {
            assert_eq!(event, format!("event: next\ndata: {}\n\n", example(field)));
        }
        assert_eq!(stream.chunk().await, "event: complete\ndata:\n\n");
        assert_eq!(stream.chunk().await, "", "the last chunk");
    }
    assert_eq!(sandbox.open_streams().sse, 0);
}

#[tokio::test]
async fn an_execution_error_is_an_event_but_a_refused_document_is_400_json() {
    let sandbox = start().await;
    let save = r#"mutation { operationOrderSave(input: { operationId: "nope" }) { message } }"#;
    let mut stream = RawStream::open(&sandbox, &json!({ "query": save })).await;
    let event = stream.event().await;
    assert_eq!(event["errors"][0]["path"], json!(["operationOrderSave"]));
    for document in ["subscription { operationsStream { nope } }", "subscription { operationsStream {"] {
        let request = crate::client::post_json(sandbox.endpoint(), &json!({ "query": document }));
        let (status, reply) = send(request.header("accept", "text/event-stream")).await;
        assert_eq!(status, 400);
        assert!(reply["errors"][0]["message"].is_string() && reply.get("data").is_none(), "{reply}");
    }
}

#[tokio::test]
async fn a_stream_loses_nothing_replays_nothing_and_is_counted_while_it_is_open() {
    let sandbox = start().await;
    save(&sandbox, "BEFORE", 0).await;
    sandbox.complete(CompletionSpec::new("BEFORE")).unwrap();
    let query = json!({ "query": "subscription { operationOrderCompletesStream { orderIndex } }" });
    let mut stream = RawStream::open(&sandbox, &query).await;
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    // Far more than a reader fetches at once, and all before the first is read.
    for index in 0..600 {
        save_quietly(&sandbox, index).await;
    }
    for index in 0..600 {
        let expected = json!({ "data": { "operationOrderCompletesStream": { "orderIndex": index } } });
        assert_eq!(stream.event().await, expected);
    }
    assert_eq!(sandbox.open_streams().sse, 1);
    drop(stream);
    until(|| sandbox.open_streams().sse == 0).await;
}

async fn save_quietly(sandbox: &pico_erp_sandbox::Sandbox, index: i32) {
    if index % 100 == 0 {
        let orders: String = (index..index + 100)
            .map(|at| {
                format!(
                    "a{at}: operationOrderSave(input: {{ operationId: \"prod-123\", externalOrderId: \"L\", \
                     orderIndex: {at} }}) {{ message }} "
                )
            })
            .collect();
        crate::client::data(sandbox, &format!("mutation {{ {orders} }}")).await;
    }
    sandbox.complete(CompletionSpec::new("L").index(index)).unwrap();
}
