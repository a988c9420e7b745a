//! What is done to streams and sockets while they are open: pings, orderly ends, closes, a revoked token.

use std::time::Duration;

use pico_erp_sandbox::{Config, Fault, OperationSpec, Sandbox, Waits};
use serde_json::json;

use crate::client::{
    DEADLINE, RawStream, Socket, control, example, graphql, http, post_json, send, start, start_with, until,
};

const STREAM: &str = "subscription { operationsStream { id } }";

/// One subscription over each transport.
async fn two_streams(sandbox: &Sandbox) -> (RawStream, Socket) {
    let mut stream = RawStream::open(sandbox, &json!({ "query": STREAM })).await;
    assert_eq!(stream.chunk().await, ":\n\n");
    let mut socket = Socket::ready(sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    (stream, socket)
}

#[tokio::test]
async fn pings_start_and_stop_on_streams_that_are_open() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    assert!(stream.is_silent().await && socket.is_silent().await);
    sandbox.set_ping_interval(Some(Duration::ZERO));
    for _ in 0..3 {
        assert_eq!(stream.chunk().await, ":\n\n");
        assert_eq!(socket.hear().await, json!({ "type": "ping" }));
    }
    let put = |seconds| control(&sandbox, "PUT", "pings", Some(json!({ "seconds": seconds })));
    assert_eq!(put(json!(null)).await, (200, json!({ "seconds": null })));
    assert_eq!(control(&sandbox, "GET", "state", None).await.1["pingSeconds"], json!(null));
    // What was sent before is still on the way; the last of it is known by the event behind it.
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    stream.event().await;
    while socket.hear().await["type"] != "next" {}
    assert!(stream.is_silent().await && socket.is_silent().await);
    assert_eq!(put(json!(0.002)).await.0, 200);
    assert_eq!(stream.chunk().await, ":\n\n");
    assert_eq!(socket.hear().await, json!({ "type": "ping" }));
    assert_eq!(put(json!(0)).await.0, 400);
    assert_eq!(put(json!(-1)).await.0, 400);
}

#[tokio::test]
async fn completed_streams_send_what_has_happened_and_end_in_an_orderly_way() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    let ids: Vec<String> = (0..300).map(|number| format!("op-{number}")).collect();
    for id in &ids {
        sandbox.deploy(OperationSpec::new(id, id)).unwrap();
    }
    assert_eq!(sandbox.complete_streams(), 2);
    for id in &ids {
        assert_eq!(stream.event().await["data"]["operationsStream"]["id"], **id);
        assert_eq!(socket.hear().await["payload"]["data"]["operationsStream"]["id"], **id);
    }
    assert_eq!(stream.chunk().await, "event: complete\ndata:\n\n");
    assert_eq!(stream.chunk().await, "", "the last chunk");
    assert_eq!(socket.hear().await, json!({ "id": "1", "type": "complete" }));
    until(|| sandbox.open_streams().sse + sandbox.open_streams().web_socket == 0).await;
    // The socket stays open, and what begins now is not touched by what was ordered before.
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("z", "Z")).unwrap();
    assert_eq!(socket.hear().await["payload"]["data"]["operationsStream"]["id"], "z");
    let ended = control(&sandbox, "POST", "complete-streams", None).await;
    assert_eq!(ended, (200, json!({ "completed": 1 })));
    assert_eq!(socket.hear().await, json!({ "id": "1", "type": "complete" }));
}

#[tokio::test]
async fn all_sockets_are_closed_with_the_code_that_is_given_and_event_streams_go_on() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    let mut legacy = Socket::offer(&sandbox, "/graphql", "graphql-ws", None).await.0;
    legacy.say(json!({ "type": "connection_init" })).await;
    assert_eq!(legacy.hear().await["type"], "connection_ack");
    assert_eq!(legacy.hear().await["type"], "ka");
    let body = json!({ "code": 1012, "reason": "restart" });
    assert_eq!(control(&sandbox, "POST", "close-ws", Some(body)).await, (200, json!({ "closed": 2 })));
    assert_eq!(socket.close().await, (1012, "restart".to_owned()));
    assert_eq!(legacy.close().await, (1012, "restart".to_owned()));
    sandbox.deploy(OperationSpec::new("a", "A")).unwrap();
    stream.event().await;
    let mut again = Socket::ready(&sandbox).await;
    assert_eq!(sandbox.close_web_sockets(4999, "ö".repeat(100)), 1);
    assert_eq!(again.close().await, (4999, "ö".repeat(61)));
    for (body, text) in [
        (json!({ "code": 5 }), "code: must be from 1000 to 4999"),
        (json!({ "reason": "x" }), "missing field `code`"),
    ] {
        let (status, reply) = control(&sandbox, "POST", "close-ws", Some(body)).await;
        assert_eq!(status, 400);
        assert!(reply["error"].as_str().unwrap().contains(text), "{reply}");
    }
}

#[tokio::test]
async fn the_fault_closes_open_sockets_at_once_and_new_ones_in_place_of_an_ack() {
    let sandbox = start().await;
    let (_stream, mut socket) = two_streams(&sandbox).await;
    sandbox.set_faults(Fault::close_ws(4500, "broken").times(3));
    assert_eq!(socket.close().await, (4500, "broken".to_owned()));
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let (mut socket, _) = Socket::offer(&sandbox, "/graphql", protocol, None).await;
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.close().await, (4500, "broken".to_owned()));
    }
    Socket::ready(&sandbox).await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_everywhere_and_ends_what_is_open() {
    let sandbox = start_with(Config { token: Some("right".into()), ..Config::default() }).await;
    let request = |accept| {
        let request = post_json(sandbox.endpoint(), &json!({ "query": STREAM }));
        request.header("x-pico-api-org", "right").header("accept", accept)
    };
    let init = json!({ "type": "connection_init", "payload": { "x-pico-api-org": "right" } });
    let stream = request("text/event-stream").send().await.unwrap();
    let mut socket = Socket::open(&sandbox, "/graphql", None).await;
    socket.say(init.clone()).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();

    let revoke = |revoked| control(&sandbox, "POST", "token", Some(json!({ "revoked": revoked })));
    assert_eq!(revoke(true).await, (200, json!({ "revoked": true })));
    assert_eq!(socket.close_code().await, 4403);
    assert!(stream.text().await.is_err(), "the stream breaks off");
    assert_eq!(send(request("application/json")).await.0, 401);
    assert_eq!(send(request("text/event-stream")).await.0, 401);
    let mut socket = Socket::open(&sandbox, "/graphql", Some("right")).await;
    socket.say(init.clone()).await;
    assert_eq!(socket.close_code().await, 4403);

    assert_eq!(revoke(false).await, (200, json!({ "revoked": false })));
    assert_eq!(request("text/event-stream").send().await.unwrap().status(), 200);
    let mut socket = Socket::open(&sandbox, "/graphql", Some("right")).await;
    socket.say(init).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn a_token_can_be_revoked_where_none_is_set_and_the_control_api_still_works() {
    let sandbox = start().await;
    let (mut stream, mut socket) = two_streams(&sandbox).await;
    sandbox.revoke_token();
    // At once, before anything open has had its turn: a stream must not miss that it was revoked in between.
    sandbox.restore_token();
    assert_eq!(socket.close_code().await, 4403);
    while let Ok(Some(_)) = stream.read().await {}
    sandbox.revoke_token();
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 401);
    assert_eq!(control(&sandbox, "GET", "state", None).await.1["tokenRevoked"], json!(true));

    let config =
        Config { listen: "0.0.0.0:0".parse().unwrap(), token: Some("right".into()), ..Config::default() };
    let open = start_with(config).await;
    open.revoke_token();
    let url = format!("http://127.0.0.1:{}/sandbox/state", open.addr().port());
    assert_eq!(send(http().get(url).header("x-pico-api-org", "right")).await.0, 200);
}
