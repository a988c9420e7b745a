//! A server that vanishes without closing its connections.

use std::time::Duration;

use pico_erp_sandbox::{Fault, OpenStreams, OperationSpec, Sandbox, Waits};
use serde_json::json;

use crate::client::{DEADLINE, RawStream, Socket, control, example, graphql, save, start, until};

const STREAM: &str = "subscription { operationsStream { id } }";

async fn two_streams(sandbox: &Sandbox) -> (RawStream, Socket) {
    let mut stream = RawStream::open(sandbox, &json!({ "query": STREAM })).await;
    assert_eq!(stream.chunk().await, ":\n\n");
    let mut socket = Socket::ready(sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    (stream, socket)
}

#[tokio::test]
async fn what_was_open_is_silent_for_ever_and_new_connections_work() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    let fault = json!({ "kind": "half_open" });
    assert_eq!(control(&sandbox, "POST", "faults", Some(fault)).await.0, 200);
    // Pings would be written, and an end of a stream closes an HTTP connection; neither happens.
    sandbox.set_ping_interval(Some(Duration::from_millis(1)));
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    sandbox.complete_streams();
    sandbox.close_web_sockets(1012, "restart");
    socket.say(json!({ "type": "ping" })).await;
    assert!(stream.is_silent().await && socket.is_silent().await);
    assert_eq!(sandbox.open_streams(), OpenStreams::default(), "nobody serves them");
    save(&sandbox, "A", 0).await;
    sandbox.set_ping_interval(None);
    let (mut stream_2, mut socket_2) = two_streams(&sandbox).await;
    sandbox.deploy(OperationSpec::new("b", "B")).unwrap();
    stream_2.event().await;
    socket_2.hear().await;
    // A machine that lost its power does not remember its connections when it is back.
    sandbox.clear_faults();
    assert!(stream.is_silent().await && socket.is_silent().await);
}

#[tokio::test]
async fn an_idle_connection_is_not_answered_any_more() {
    let sandbox = start().await;
    let mut idle = RawStream::send(&sandbox, &example("operations.request"), "*/*").await;
    idle.until("]}}").await;
    sandbox.set_faults(Fault::half_open(false));
    let requests = sandbox.requests();
    idle.send_again(&example("operations.request")).await;
    assert!(idle.is_silent().await);
    assert_eq!(sandbox.requests(), requests);
}

#[tokio::test]
async fn new_connections_vanish_as_well_when_that_is_set_but_the_control_api_works() {
    let sandbox = start().await;
    let (mut stream, _socket) = two_streams(&sandbox).await;
    let fault = json!({ "kind": "half_open", "newToo": true });
    assert_eq!(control(&sandbox, "POST", "faults", Some(fault)).await.0, 200);
    let requests = sandbox.requests();
    let mut plain = RawStream::send(&sandbox, &example("order-save.request"), "*/*").await;
    until(|| sandbox.requests() > requests).await;
    assert!(stream.is_silent().await && plain.is_silent().await);
    assert_eq!(sandbox.orders().len(), 0);
    assert_eq!(control(&sandbox, "DELETE", "faults", None).await.0, 200);
    assert!(plain.is_silent().await);
    assert_eq!(graphql(&sandbox, &example("order-save.request")).await.0, 200);
}

#[tokio::test]
async fn vanished_connections_do_not_hold_up_a_shutdown() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    sandbox.set_faults(Fault::half_open(false));
    // Writes that never end.
    sandbox.close_web_sockets(1012, "restart");
    sandbox.complete_streams();
    tokio::time::timeout(Duration::from_secs(4), sandbox.shutdown())
        .await
        .expect("well before its own limit");
    while let Ok(Some(_)) = stream.read().await {}
    assert!(socket.breaks().await);
}
