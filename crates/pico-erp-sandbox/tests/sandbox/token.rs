//! The token in `x-pico-api-org`: who is let in, and how the others are refused.

use pico_erp_sandbox::{Config, RefusedToken, Sandbox};
use serde_json::json;

use crate::client::{Socket, example, post_json, send, start_with};

fn with_token(refused_token: RefusedToken) -> Config {
    Config { token: Some("right".to_owned()), refused_token, ..Config::default() }
}

#[tokio::test]
async fn a_missing_or_wrong_token_is_refused_in_the_way_that_is_set() {
    let ways =
        [(RefusedToken::Status401, 401), (RefusedToken::Status403, 403), (RefusedToken::OkWithErrors, 200)];
    for (way, expected) in ways {
        let sandbox = start_with(with_token(way)).await;
        for token in [None, Some("wrong"), Some("")] {
            for accept in ["application/json", "text/event-stream"] {
                let mut request =
                    post_json(sandbox.endpoint(), &example("operations.request")).header("accept", accept);
                if let Some(token) = token {
                    request = request.header("x-pico-api-org", token);
                }
                let (status, reply) = send(request).await;
                assert_eq!(status, expected);
                assert_eq!(reply["errors"][0]["message"], "the x-pico-api-org header is missing or wrong");
                assert!(reply.get("data").is_none());
            }
        }
        let request = post_json(sandbox.endpoint(), &example("operations.request"));
        let (status, reply) = send(request.header("x-pico-api-org", "right")).await;
        assert_eq!((status, reply.get("errors")), (200, None));
    }
}

#[tokio::test]
async fn a_websocket_may_carry_the_token_in_either_place() {
    let sandbox = start_with(with_token(RefusedToken::Status401)).await;
    let cases = [
        (Some("right"), json!(null), true),
        (None, json!({ "x-pico-api-org": "right" }), true),
        (Some("wrong"), json!({ "X-Pico-Api-Org": "right" }), true),
        (None, json!(null), false),
        (Some("wrong"), json!(null), false),
        (None, json!({ "x-pico-api-org": "wrong" }), false),
    ];
    for (header, payload, admitted) in cases {
        let mut socket = Socket::open(&sandbox, "/graphql", header).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        if admitted {
            assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        } else {
            assert_eq!(socket.close_code().await, 4403);
        }
    }
}

#[tokio::test]
async fn the_token_is_not_in_the_debug_text() {
    let text = format!("{:?}", with_token(RefusedToken::Status401));
    assert!(text.contains("***") && !text.contains("right"), "{text}");
}

#[tokio::test]
async fn other_machines_are_served_only_with_a_token_and_then_the_control_api_wants_it_too() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let error = Sandbox::start(Config { listen, ..Config::default() }).await.unwrap_err();
    assert!(error.to_string().starts_with("token: is required to listen on 0.0.0.0:0"), "{error}");

    let sandbox = start_with(Config { listen, ..with_token(RefusedToken::Status401) }).await;
    let url = format!("http://127.0.0.1:{}/sandbox/state", sandbox.addr().port());
    let (status, reply) = send(crate::client::http().get(&url)).await;
    assert_eq!((status, reply), (401, json!({ "error": "the x-pico-api-org header is missing or wrong" })));
    let (status, _) = send(crate::client::http().get(&url).header("x-pico-api-org", "right")).await;
    assert_eq!(status, 200);
}
