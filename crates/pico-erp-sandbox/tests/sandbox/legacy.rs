//! WebSocket sessions by the legacy `graphql-ws` protocol of subscriptions-transport-ws, and which of the two
//! sub-protocols a server takes.

use std::time::Duration;

use pico_erp_sandbox::{Config, OperationSpec, Waits, WebSocketProtocols};
use serde_json::{Value as Json, json};

use crate::client::{DEADLINE, Socket, start, start_with};

const ALL: &str = "subscription { operationsStream { id } }";

fn start_message(id: &str, document: &str) -> Json {
    json!({ "id": id, "type": "start", "payload": { "query": document } })
}

fn data(id: &str, operation: &str) -> Json {
    json!({ "id": id, "type": "data", "payload": { "data": { "operationsStream": { "id": operation } } } })
}

/// Without pings, so that no `ka` comes between the messages that a test waits for.
async fn quiet() -> pico_erp_sandbox::Sandbox {
    let sandbox = start().await;
    sandbox.set_ping_interval(None);
    sandbox
}

#[tokio::test]
async fn subscriptions_start_get_data_and_stop() {
    let sandbox = quiet().await;
    let mut socket = Socket::legacy(&sandbox).await;
    socket.say(start_message("all", ALL)).await;
    let one = r#"subscription { operationsStream(where: { id: { _eq: "a" } }) { id } }"#;
    socket.say(start_message("one", one)).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    let mut both = [socket.hear().await, socket.hear().await];
    both.sort_by_key(|message| message["id"].to_string());
    assert_eq!(both, [data("all", "a"), data("one", "a")]);

    socket.say(json!({ "id": "all", "type": "stop" })).await;
    assert_eq!(socket.hear().await, json!({ "id": "all", "type": "complete" }));
    socket.say(json!({ "id": "all", "type": "stop" })).await;
    socket.say(start_message("q", r#"{ operations(where: { id: { _eq: "prod-123" } }) { id } }"#)).await;
    let payload = json!({ "data": { "operations": [{ "id": "prod-123" }] } });
    assert_eq!(socket.hear().await, json!({ "id": "q", "type": "data", "payload": payload }));
    assert_eq!(socket.hear().await, json!({ "id": "q", "type": "complete" }));
    assert_eq!(sandbox.open_streams().web_socket, 1);
    sandbox.deploy(OperationSpec::new("b", "B")).unwrap();
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    assert_eq!(socket.hear().await, data("one", "a"));

    sandbox.complete_streams();
    assert_eq!(socket.hear().await, json!({ "id": "one", "type": "complete" }));
}

#[tokio::test]
async fn starting_an_id_again_ends_the_older_subscription() {
    let sandbox = quiet().await;
    let mut socket = Socket::legacy(&sandbox).await;
    socket.say(start_message("1", ALL)).await;
    let named = r#"subscription { operationsStream { id name } }"#;
    socket.say(start_message("1", named)).await;
    socket.say(start_message("q", "{ __typename }")).await;
    assert_eq!(socket.hear().await["type"], "data");
    assert_eq!(socket.hear().await["type"], "complete");
    assert_eq!(sandbox.open_streams().web_socket, 1);
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    assert_eq!(socket.hear().await["payload"]["data"]["operationsStream"]["name"], "A");
}

#[tokio::test]
async fn a_bad_document_is_one_error_and_no_complete() {
    let sandbox = quiet().await;
    let mut socket = Socket::legacy(&sandbox).await;
    socket.say(start_message("e", "subscription { nope }")).await;
    let message = socket.hear().await;
    assert_eq!((&message["id"], &message["type"]), (&json!("e"), &json!("error")));
    assert!(message["payload"]["message"].is_string(), "{message}");
    socket.say(start_message("q", "{ __typename }")).await;
    assert_eq!(socket.hear().await["id"], "q");
}

#[tokio::test]
async fn an_ack_is_followed_by_a_keep_alive_and_then_by_one_at_each_interval() {
    let config = Config { ping_interval: Duration::from_millis(5), ..Config::default() };
    let sandbox = start_with(config).await;
    let mut socket = Socket::legacy(&sandbox).await;
    for _ in 0..4 {
        assert_eq!(socket.hear().await, json!({ "type": "ka" }));
    }
}

#[tokio::test]
async fn a_refused_token_and_a_wrong_order_are_a_connection_error_and_a_close() {
    let sandbox = start_with(Config { token: Some("right".into()), ..Config::default() }).await;
    sandbox.set_ping_interval(None);
    let right = json!({ "type": "connection_init", "payload": { "x-pico-api-org": "right" } });
    let wrong = json!({ "type": "connection_init", "payload": { "x-pico-api-org": "wrong" } });
    let cases: [(&[Json], &str); 4] = [
        (&[wrong], "Forbidden"),
        (&[json!({ "type": "connection_init" })], "Forbidden"),
        (&[start_message("1", ALL)], "Unauthorized"),
        (&[right.clone(), right.clone()], "Too many initialisation requests"),
    ];
    for (messages, reason) in cases {
        let (mut socket, _) = Socket::offer(&sandbox, "/graph/v2", "graphql-ws", None).await;
        for message in messages {
            socket.say(message.clone()).await;
        }
        if messages[0] == right {
            assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        }
        let error = json!({ "type": "connection_error", "payload": { "message": reason } });
        assert_eq!(socket.hear().await, error);
        assert_eq!(socket.close_code().await, 1011);
    }
    let (mut socket, _) = Socket::offer(&sandbox, "/graphql", "graphql-ws", Some("right")).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    socket.say(json!({ "type": "connection_terminate" })).await;
    assert_eq!(socket.close_code().await, 1000);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_a_connection_error_and_no_close() {
    let sandbox = quiet().await;
    let mut socket = Socket::legacy(&sandbox).await;
    let cases = [
        ("no json", "no JSON"),
        ("{}", "no type"),
        (r#"{"type":"subscribe","id":"1","payload":{}}"#, "unknown type subscribe"),
        (r#"{"type":"start","id":"1"}"#, "no payload"),
    ];
    for (text, why) in cases {
        socket.say_text(text).await;
        let message = format!("Invalid message: {why}");
        let error = json!({ "type": "connection_error", "payload": { "message": message } });
        assert_eq!(socket.hear().await, error);
    }
    socket.say(start_message("q", "{ __typename }")).await;
    assert_eq!(socket.hear().await["type"], "data");
}

#[tokio::test]
async fn the_server_chooses_by_its_own_order_and_takes_only_what_is_set() {
    use WebSocketProtocols as P;
    let (new, old) = ("graphql-transport-ws", "graphql-ws");
    let cases = [
        (P::Both, "graphql-ws, graphql-transport-ws", Some(new)),
        (P::Both, "graphql-transport-ws", Some(new)),
        (P::Both, "graphql-ws", Some(old)),
        (P::TransportWsOnly, "graphql-ws, graphql-transport-ws", Some(new)),
        (P::TransportWsOnly, "graphql-ws", None),
        (P::LegacyOnly, "graphql-transport-ws, graphql-ws", Some(old)),
        (P::LegacyOnly, "graphql-transport-ws", None),
    ];
    for (web_socket_protocols, offered, chosen) in cases {
        let sandbox = start_with(Config { web_socket_protocols, ..Config::default() }).await;
        let opened = Socket::attempt(&sandbox, "/graphql", offered, None).await;
        let agreed = opened.as_ref().map(|(_, agreed)| agreed.as_str());
        // The server upgrades and then closes; this client does not come that far without a sub-protocol.
        assert_eq!(agreed.ok(), chosen, "{web_socket_protocols:?} {offered}");
    }
}

#[tokio::test]
async fn without_any_sub_protocol_the_upgrade_is_refused_and_event_streams_work() {
    let web_socket_protocols = WebSocketProtocols::None;
    let sandbox = start_with(Config { web_socket_protocols, ..Config::default() }).await;
    let refused = Socket::attempt(&sandbox, "/graphql", "graphql-transport-ws", None).await;
    assert!(refused.is_err_and(|error| error.contains("400")));
    crate::client::RawStream::open(&sandbox, &json!({ "query": ALL })).await;
}
