//! What proxies do to streams: hold them back, refuse the upgrade, swallow the greeting.

use pico_erp_sandbox::{Config, Fault, FaultKind, OperationSpec, Waits};
use serde_json::json;
use std::time::Duration;

use crate::client::{
    DEADLINE, RawStream, Socket, example, graphql, post_json, send, start, start_with, until,
};

const STREAM: &str = "subscription { operationsStream { id } }";

#[tokio::test]
async fn a_buffered_stream_gives_its_head_and_nothing_else_until_it_ends() {
    let sandbox = start_with(Config { ping_interval: Duration::from_millis(5), ..Config::default() }).await;
    sandbox.set_faults(Fault::buffer_sse(true, None));
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    // Not even the comments of fifty milliseconds.
    assert!(stream.is_silent().await);
    sandbox.clear_faults();
    assert!(stream.is_silent().await, "the stream goes on as it began");
    assert_eq!(sandbox.complete_streams(), 1);
    let all = stream.chunk().await;
    assert!(all.starts_with(":\n\n"), "{all}");
    assert!(all.contains(r#"{"data":{"operationsStream":{"id":"a"}}}"#), "{all}");
    assert!(all.ends_with("event: complete\ndata:\n\n"), "{all}");
    assert_eq!(stream.chunk().await, "", "the last chunk");
}

#[tokio::test]
async fn a_buffered_stream_without_its_head_is_like_no_answer_and_counts_as_open() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::buffer_sse(false, None).times(1));
    let mut stream = RawStream::send(&sandbox, &json!({ "query": STREAM }), "text/event-stream").await;
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    assert!(stream.is_silent().await);
    // The next one passes, and so do other calls and WebSockets.
    let mut next = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    assert_eq!(next.chunk().await, ":\n\n");
    drop(stream);
    until(|| sandbox.open_streams().sse == 1).await;
}

#[tokio::test]
async fn a_buffer_that_fills_passes_on_everything_at_once_and_starts_again() {
    let sandbox = start().await;
    let event = "event: next\ndata: {\"data\":{\"operationsStream\":{\"id\":\"a\"}}}\n\n";
    // The first comment, and two events.
    let bytes = 3 + 2 * event.len() as u64;
    for head in [true, false] {
        sandbox.set_faults(Fault::buffer_sse(head, Some(bytes)));
        let mut stream = RawStream::send(&sandbox, &json!({ "query": STREAM }), "text/event-stream").await;
        if head {
            stream.until("\r\n\r\n").await;
        }
        sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
        sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
        assert!(stream.is_silent().await);
        sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
        if !head {
            stream.until("\r\n\r\n").await;
        }
        assert_eq!(stream.chunk().await, format!(":\n\n{event}{event}"));
        for _ in 0..2 {
            sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
        }
        assert!(stream.is_silent().await);
        sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
        assert_eq!(stream.chunk().await, event.repeat(3));
        drop(stream);
        until(|| sandbox.open_streams().sse == 0).await;
    }
}

#[tokio::test]
async fn buffering_spares_plain_calls_and_websockets() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::buffer_sse(false, None));
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 200);
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    assert_eq!(socket.hear().await["type"], "next");
    // A short answer over an event stream ends, and then it passes.
    let request = post_json(sandbox.endpoint(), &example("order-save.request"));
    let (status, text) = send(request.header("accept", "text/event-stream")).await;
    assert_eq!(status, 200);
    assert!(text.as_str().unwrap().ends_with("event: complete\ndata:\n\n"), "{text}");
}

#[tokio::test]
async fn a_refused_upgrade_leaves_everything_else_alone() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::refuse_upgrade(404).times(1));
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 200);
    RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let refused = Socket::attempt(&sandbox, "/graphql", "graphql-transport-ws", None).await;
    assert!(refused.is_err_and(|error| error.contains("404")));
    Socket::ready(&sandbox).await;
}

#[tokio::test]
async fn a_greeting_that_is_never_answered_leaves_the_socket_open() {
    let sandbox = start_with(Config { init_timeout: Duration::from_millis(10), ..Config::default() }).await;
    sandbox.set_faults(Fault::new(FaultKind::NoAck).times(2));
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let (mut socket, _) = Socket::offer(&sandbox, "/graphql", protocol, None).await;
        socket.say(json!({ "type": "connection_init" })).await;
        assert!(socket.is_silent().await);
    }
    Socket::ready(&sandbox).await;
}
