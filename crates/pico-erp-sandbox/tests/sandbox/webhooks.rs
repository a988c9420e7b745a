//! Webhooks: what is registered, what is delivered in which order, and that what is lost stays lost.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use pico_erp_sandbox::{
    CompletionSpec, Config, DuplicateWebhook, NoteSpec, OperationSpec, Sandbox, Waits, WebhookPosts,
};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::client::{DEADLINE, Receiver, control, data, graphql, http, save, send, start, start_with};

async fn subscribe(
    sandbox: &Sandbox,
    id: &str,
    url: &str,
    fragment: &str,
    headers: Json,
) -> Result<Json, String> {
    let body = json!({
        "query": "mutation S($input: SubscribeRequestInput!) { webhookSubscribe(input: $input) { subscriptionId } }",
        "variables": { "input": {
            "subscriptionID": id, "webhookUrl": url, "responseFragment": fragment, "webhookHeaders": headers,
        } },
    });
    let (_, mut reply) = graphql(sandbox, &body).await;
    match reply["errors"][0]["message"].as_str() {
        Some(message) => Err(message.to_owned()),
        None => Ok(reply["data"]["webhookSubscribe"].take()),
    }
}

const ORDER: &str = "fragment F on OperationOrderComplete { externalOrderId orderIndex }";

async fn deliveries(sandbox: &Sandbox, count: usize) -> Vec<pico_erp_sandbox::Delivery> {
    sandbox.wait_for(Waits { deliveries: count, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deliveries()
}

#[tokio::test]
async fn events_of_one_webhook_arrive_in_order_with_exactly_the_selected_fields() {
    let sandbox = start().await;
    let mut receiver = Receiver::start(204).await;
    let fragment =
        "fragment F on OperationOrderComplete { order: externalOrderId orderIndex operation { name } }";
    subscribe(&sandbox, "one", &receiver.url, fragment, json!({ "X-Key": "k", "X-Number": 7 }))
        .await
        .unwrap();
    for index in 0..30 {
        save(&sandbox, "A", index).await;
        sandbox.complete(CompletionSpec::new("A").index(index)).unwrap();
    }
    for index in 0..30 {
        let received = receiver.next().await;
        let expected =
            format!(r#"{{"order":"A","orderIndex":{index},"operation":{{"name":"Main Assembly"}}}}"#);
        assert_eq!(received.body, expected);
        assert_eq!(received.headers["x-key"], "k");
        assert_eq!(received.headers["x-number"], "7");
    }
    let all = deliveries(&sandbox, 30).await;
    assert!(all.iter().all(|delivery| delivery.delivered && delivery.status == Some(204)), "{all:?}");
    assert!(sandbox.webhooks()[0].last_event_at.is_some());
}

#[tokio::test]
async fn each_of_the_four_types_picks_its_own_events() {
    let sandbox = start().await;
    let mut receiver = Receiver::start(200).await;
    let fragments = [
        ("op", "fragment A on Operation { id }"),
        ("edge", "fragment B on SubOperation { parentId subId }"),
        ("done", ORDER),
        ("note", "fragment D on NoteEvent { text eventType }"),
    ];
    for (id, fragment) in fragments {
        subscribe(&sandbox, id, &receiver.url, fragment, json!(null)).await.unwrap();
    }
    sandbox.deploy(OperationSpec::new("new", "New")).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"id":"new"}"#);
    sandbox.link("prod-123", "new", None).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"parentId":"prod-123","subId":"new"}"#);
    save(&sandbox, "A", 0).await;
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"externalOrderId":"A","orderIndex":0}"#);
    sandbox.add_note(NoteSpec { id: Some("n".into()), ..NoteSpec::new("loose screw") }).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"text":"loose screw","eventType":"new"}"#);
    sandbox.add_note(NoteSpec { id: Some("n".into()), ..NoteSpec::new("tightened") }).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"text":"tightened","eventType":"update"}"#);
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn a_failed_event_is_dropped_and_never_sent_again_but_later_ones_are_tried() {
    let sandbox = start().await;
    let mut failing = Receiver::start(500).await;
    subscribe(&sandbox, "w", &failing.url, ORDER, json!(null)).await.unwrap();
    for index in 0..2 {
        save(&sandbox, "A", index).await;
        sandbox.complete(CompletionSpec::new("A").index(index)).unwrap();
    }
    let all = deliveries(&sandbox, 2).await;
    assert!(all.iter().all(|one| !one.delivered && one.status == Some(500)), "{all:?}");
    assert_eq!(all[0].error.as_deref(), Some("the receiver answered 500 Internal Server Error"));
    assert!(failing.next().await.body.contains(r#""orderIndex":0"#));
    assert!(failing.next().await.body.contains(r#""orderIndex":1"#));
    assert!(failing.is_empty());
    // The registration is still there, and a new receiver under the same id gets only what is new.
    let mut healed = Receiver::start(200).await;
    subscribe(&sandbox, "w", &healed.url, ORDER, json!(null)).await.unwrap();
    assert_eq!(sandbox.webhooks().len(), 1);
    save(&sandbox, "B", 0).await;
    sandbox.complete(CompletionSpec::new("B")).unwrap();
    assert_eq!(healed.next().await.body, r#"{"externalOrderId":"B","orderIndex":0}"#);
    deliveries(&sandbox, 3).await;
    assert!(healed.is_empty() && failing.is_empty());
}

#[tokio::test]
async fn an_unreachable_a_silent_and_a_redirecting_receiver_are_failures() {
    let sandbox =
        start_with(Config { webhook_timeout: Duration::from_millis(100), ..Config::default() }).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // Bound and never accepted from: the request is sent and no answer comes.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redirecting = Receiver::start(307).await;
    let urls = [
        format!("http://{nobody}/"),
        format!("http://{}/", silent.local_addr().unwrap()),
        redirecting.url.clone(),
    ];
    for (id, url) in ["gone", "silent", "redirect"].iter().zip(&urls) {
        subscribe(&sandbox, id, url, ORDER, json!(null)).await.unwrap();
    }
    save(&sandbox, "A", 0).await;
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    let all = deliveries(&sandbox, 3).await;
    assert!(all.iter().all(|delivery| !delivery.delivered), "{all:?}");
    let of = |id: &str| all.iter().find(|one| one.subscription_id == id).unwrap();
    assert_eq!(of("gone").status, None);
    assert!(of("silent").error.as_ref().unwrap().contains("timed out"), "{:?}", of("silent"));
    assert_eq!(of("redirect").status, Some(307));
}

#[tokio::test]
async fn a_receiver_with_a_certificate_of_our_own_is_trusted_only_when_it_is_given() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let server = tokio::spawn(serve_tls(listener, tls));
    for (pem, delivered) in [(Some(certified.cert.pem()), true), (None, false)] {
        let sandbox = start_with(Config { webhook_ca_pem: pem, ..Config::default() }).await;
        subscribe(&sandbox, "tls", &url, ORDER, json!(null)).await.unwrap();
        save(&sandbox, "A", 0).await;
        sandbox.complete(CompletionSpec::new("A")).unwrap();
        let all = deliveries(&sandbox, 1).await;
        assert_eq!(all[0].delivered, delivered, "{:?}", all[0].error);
    }
    server.abort();
}

/// Answers 200 to whatever comes over TLS. Blocking rustls on a blocking task: two connections are all there are.
async fn serve_tls(listener: TcpListener, tls: rustls::ServerConfig) {
    use std::io::{Read, Write};
    let tls = std::sync::Arc::new(tls);
    while let Ok((socket, _)) = listener.accept().await {
        let tls = std::sync::Arc::clone(&tls);
        tokio::task::spawn_blocking(move || {
            let mut socket = socket.into_std().unwrap();
            socket.set_nonblocking(false).unwrap();
            let mut session = rustls::ServerConnection::new(tls).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            if stream.read(&mut [0; 4096]).is_ok() {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        });
    }
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused_with_the_field_and_the_reason() {
    let sandbox = start().await;
    let url = "http://127.0.0.1:9/";
    let bad_fragments = [
        ("", "there are 0"),
        ("fragment A on Operation { id } fragment B on Operation { id }", "there are 2"),
        ("fragment A on Query { operations { id } }", "is on `Query`"),
        ("fragment A on State { producedSerial }", "is on `State`"),
        ("fragment A on Operation { nope }", "does not validate"),
        ("fragment A on Operation { id", "does not parse"),
        ("query Q { operations { id } } fragment A on Operation { id }", "responseFragment"),
        ("fragment A on Operation { consumedSerials }", "does not validate"),
    ];
    for (fragment, text) in bad_fragments {
        let message = subscribe(&sandbox, "w", url, fragment, json!(null)).await.unwrap_err();
        assert!(
            message.starts_with("responseFragment: ") && message.contains(text),
            "{fragment:?}: {message}"
        );
    }
    for id in ["", "a b", "a/b", "ä"] {
        let message = subscribe(&sandbox, id, url, ORDER, json!(null)).await.unwrap_err();
        assert!(message.starts_with("subscriptionID: must be URL-safe"), "{message}");
    }
    for bad in ["ftp://x/", "not a url", "/path"] {
        let message = subscribe(&sandbox, "w", bad, ORDER, json!(null)).await.unwrap_err();
        assert!(message.contains("URL"), "{message}");
    }
    for (headers, text) in [
        (json!(["x"]), "webhookHeaders: must be an object"),
        (json!({ "a b": "x" }), "webhookHeaders.a b: is no valid header name"),
        (json!({ "x": "line\nbreak" }), "webhookHeaders.x: is no valid header value"),
        (json!({ "x": {} }), "webhookHeaders.x: must be a string"),
    ] {
        let message = subscribe(&sandbox, "w", url, ORDER, headers).await.unwrap_err();
        assert!(message.starts_with(text), "{message}");
    }
    assert_eq!(sandbox.webhooks(), []);
}

#[tokio::test]
async fn a_forgotten_webhook_is_gone_and_can_be_registered_again() {
    let sandbox = start().await;
    let mut receiver = Receiver::start(200).await;
    let complete = async |order| {
        save(&sandbox, order, 0).await;
        sandbox.complete(CompletionSpec::new(order)).unwrap();
    };
    for id in ["a", "b"] {
        subscribe(&sandbox, id, &receiver.url, ORDER, json!(null)).await.unwrap();
    }
    assert!(sandbox.forget_webhook("a") && !sandbox.forget_webhook("a"));
    let forget = || control(&sandbox, "POST", "webhooks/forget", Some(json!({ "subscriptionId": "b" })));
    assert_eq!(forget().await, (200, json!({ "forgotten": "b" })));
    assert_eq!(forget().await, (404, json!({ "error": "subscriptionId: no webhook `b`" })));
    let list = data(&sandbox, "{ webhookSubscriptions { subscriptionId } }").await;
    assert_eq!(list, json!({ "webhookSubscriptions": [] }));
    complete("A").await;
    subscribe(&sandbox, "a", &receiver.url, ORDER, json!(null)).await.unwrap();
    complete("B").await;
    assert_eq!(receiver.next().await.body, r#"{"externalOrderId":"B","orderIndex":0}"#);
    deliveries(&sandbox, 1).await;
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn posts_can_be_dropped_although_the_webhook_says_that_they_were_sent() {
    let sandbox = start_with(Config { webhook_posts: WebhookPosts::Dropped, ..Config::default() }).await;
    let mut receiver = Receiver::start(200).await;
    subscribe(&sandbox, "w", &receiver.url, ORDER, json!(null)).await.unwrap();
    for order in ["A", "B"] {
        save(&sandbox, order, 0).await;
    }
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    let dropped = deliveries(&sandbox, 1).await;
    assert_eq!((dropped[0].status, dropped[0].delivered), (None, false));
    assert!(dropped[0].error.as_ref().unwrap().starts_with("not sent"), "{dropped:?}");
    assert_eq!(sandbox.webhooks()[0].last_event_at, Some(dropped[0].at));
    sandbox.set_webhook_posts(WebhookPosts::Once);
    sandbox.complete(CompletionSpec::new("B")).unwrap();
    assert_eq!(receiver.next().await.body, r#"{"externalOrderId":"B","orderIndex":0}"#);
    assert!(deliveries(&sandbox, 2).await[1].delivered && receiver.is_empty());
}

#[tokio::test]
async fn posts_can_come_twice_at_the_same_time() {
    let sandbox = start().await;
    // Answers only when both are there, which they never would be one after the other.
    let (mut receiver, gate) = (Receiver::start(200).await, Arc::new(Barrier::new(2)));
    let both = {
        let (gate, url) = (Arc::clone(&gate), receiver.url.clone());
        Router::new().route(
            "/",
            post(async move |body: String| {
                gate.wait().await;
                send(http().post(url).body(body)).await.0.to_string()
            }),
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, both).await.unwrap() });
    subscribe(&sandbox, "w", &url, ORDER, json!(null)).await.unwrap();
    let twice = json!({ "posts": "twice" });
    let put = |body| control(&sandbox, "PUT", "webhook-posts", Some(body));
    assert_eq!(put(twice.clone()).await, (200, twice));
    assert_eq!(control(&sandbox, "GET", "state", None).await.1["webhookPosts"], "twice");
    assert_eq!(put(json!({ "posts": "thrice" })).await.0, 400);
    for order in ["A", "B"] {
        save(&sandbox, order, 0).await;
        sandbox.complete(CompletionSpec::new(order)).unwrap();
    }
    for order in ["A", "A", "B", "B"] {
        let expected = format!(r#"{{"externalOrderId":"{order}","orderIndex":0}}"#);
        assert_eq!(receiver.next().await.body, expected);
    }
    let all = deliveries(&sandbox, 4).await;
    assert!(all.iter().all(|delivery| delivery.delivered), "{all:?}");
    server.abort();
}

#[tokio::test]
async fn a_taken_id_can_be_refused_and_a_removed_webhook_gets_nothing() {
    let sandbox =
        start_with(Config { duplicate_webhook: DuplicateWebhook::Refuse, ..Config::default() }).await;
    let first = Receiver::start(200).await;
    let mut second = Receiver::start(200).await;
    subscribe(&sandbox, "a", &first.url, ORDER, json!(null)).await.unwrap();
    let message = subscribe(&sandbox, "a", &second.url, ORDER, json!(null)).await.unwrap_err();
    assert_eq!(message, "subscriptionID: `a` is already registered");
    subscribe(&sandbox, "b", &second.url, ORDER, json!(null)).await.unwrap();
    data(&sandbox, r#"mutation { webhookUnsubscribe(subscriptionId: "a") { success } }"#).await;
    save(&sandbox, "A", 0).await;
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    second.next().await;
    let all = deliveries(&sandbox, 1).await;
    assert_eq!(all.iter().map(|one| one.subscription_id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(first.is_empty());
}
