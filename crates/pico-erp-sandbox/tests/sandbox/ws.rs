//! WebSocket sessions by graphql-transport-ws: the order of messages and every close code.

use std::time::Duration;

use pico_erp_sandbox::{Config, OperationSpec, Waits, WebSocketProtocols};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::{DEADLINE, Socket, start, start_with};

const ALL: &str = "subscription { operationsStream { id } }";

fn next(id: &str, operation: &str) -> serde_json::Value {
    json!({ "id": id, "type": "next", "payload": { "data": { "operationsStream": { "id": operation } } } })
}

#[tokio::test]
async fn several_subscriptions_share_a_socket_and_end_one_by_one() {
    let sandbox = start().await;
    let mut socket = Socket::open(&sandbox, "/graph/v2", None).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    socket.subscribe("all", ALL).await;
    socket.subscribe("one", r#"subscription { operationsStream(where: { id: { _eq: "a" } }) { id } }"#).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    let mut both = [socket.hear().await, socket.hear().await];
    both.sort_by_key(|message| message["id"].to_string());
    assert_eq!(both, [next("all", "a"), next("one", "a")]);

    socket.say(json!({ "id": "all", "type": "complete" })).await;
    // Answered after the complete was handled.
    socket.say(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
    assert_eq!(sandbox.open_streams().web_socket, 1);
    sandbox.deploy(OperationSpec::new("b", "B")).unwrap();
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    assert_eq!(socket.hear().await, next("one", "a"));
    // The id is free again.
    socket.subscribe("all", ALL).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("c", "C")).unwrap();
    assert_eq!(socket.hear().await, next("all", "c"));
}

#[tokio::test]
async fn a_query_is_next_and_complete_and_a_bad_document_is_error() {
    let sandbox = start().await;
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("q", r#"{ operations(where: { id: { _eq: "prod-123" } }) { id } }"#).await;
    let payload = json!({ "data": { "operations": [{ "id": "prod-123" }] } });
    assert_eq!(socket.hear().await, json!({ "id": "q", "type": "next", "payload": payload }));
    assert_eq!(socket.hear().await, json!({ "id": "q", "type": "complete" }));
    for document in ["subscription { nope }", "{", "subscription { operationsStream { nope } }"] {
        socket.subscribe("e", document).await;
        let message = socket.hear().await;
        assert_eq!((&message["id"], &message["type"]), (&json!("e"), &json!("error")));
        assert!(message["payload"][0]["message"].is_string(), "{message}");
    }
}

#[tokio::test]
async fn each_breach_of_the_protocol_has_its_close_code() {
    let sandbox = start().await;
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": ALL } });
    let init = json!({ "type": "connection_init" });
    let cases: [(&[&str], u16); 8] = [
        (&["no json"], 4400),
        (&["{}"], 4400),
        (&[r#"{"type":"strange"}"#], 4400),
        (&[r#"{"type":"connection_init"}"#, r#"{"type":"subscribe","payload":{"query":"{ a }"}}"#], 4400),
        (&[r#"{"type":"connection_init"}"#, r#"{"type":"subscribe","id":"1"}"#], 4400),
        (&[&subscribe.to_string()], 4401),
        (&[&init.to_string(), &init.to_string()], 4429),
        (&[&init.to_string(), &subscribe.to_string(), &subscribe.to_string()], 4409),
    ];
    for (messages, code) in cases {
        let mut socket = Socket::open(&sandbox, "/graphql", None).await;
        for message in messages {
            socket.say_text(message).await;
        }
        if messages[0].contains("connection_init") {
            assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        }
        assert_eq!(socket.close_code().await, code, "{messages:?}");
    }
    assert_eq!(sandbox.open_streams().web_socket, 0);
}

#[tokio::test]
async fn a_reason_too_long_for_a_close_frame_is_shortened() {
    let sandbox = start().await;
    let mut socket = Socket::ready(&sandbox).await;
    let id = "ö".repeat(200);
    socket.subscribe(&id, ALL).await;
    socket.subscribe(&id, ALL).await;
    assert_eq!(socket.close_code().await, 4409);
}

#[tokio::test]
async fn a_client_that_does_not_greet_is_closed_with_4408() {
    let sandbox = start_with(Config { init_timeout: Duration::from_millis(10), ..Config::default() }).await;
    let mut socket = Socket::open(&sandbox, "/graphql", None).await;
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test]
async fn a_client_without_the_subprotocol_is_closed_with_the_code_of_the_reference_server() {
    use WebSocketProtocols as P;
    for (web_socket_protocols, code) in [(P::Both, 4406), (P::TransportWsOnly, 4406), (P::LegacyOnly, 1002)] {
        let sandbox = start_with(Config { web_socket_protocols, ..Config::default() }).await;
        let request = format!("ws://{}/graphql", sandbox.addr()).into_client_request().unwrap();
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let message = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
        match message {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_server_pings_a_quiet_client() {
    let sandbox = start_with(Config { ping_interval: Duration::from_millis(5), ..Config::default() }).await;
    let mut socket = Socket::ready(&sandbox).await;
    for _ in 0..3 {
        assert_eq!(socket.hear().await, json!({ "type": "ping" }));
        socket.say(json!({ "type": "pong" })).await;
    }
}
