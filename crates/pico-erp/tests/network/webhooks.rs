//! Registering a webhook again and again, and what happens when that breaks off half way.

use pico_erp::{
    Client, ErrorKind, Proxy, RetryPolicy, Token, WebhookFingerprint, WebhookOutcome, WebhookSubscribe,
};
use pico_erp_sandbox::{Config, DuplicateWebhook, Sandbox};

use crate::scripted::{Server, Step, reply};
use crate::waiting::within;

const URL: &str = "http://127.0.0.1:9/pico";

fn wanted() -> WebhookSubscribe {
    WebhookSubscribe::order_completes("erp", URL).header("x-pico-secret", "s3cret")
}

fn client(endpoint: &str) -> Client {
    Client::builder(endpoint)
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_webhook_is_registered_once_and_replaced_only_when_something_differs() {
    use WebhookOutcome::{Registered, Replaced, Unchanged};
    // Whether Pico takes a second registration under one id is not documented; neither may matter.
    for duplicate_webhook in [DuplicateWebhook::Replace, DuplicateWebhook::Refuse] {
        let sandbox = Sandbox::start(Config { duplicate_webhook, ..Config::default() }).await.unwrap();
        let client = client(&sandbox.endpoint());
        let first = client.ensure_webhook(&wanted(), None).await.unwrap();
        assert_eq!(first.outcome, Registered);
        assert_eq!(first.webhook.subscription_id.as_deref(), Some("erp"));

        let stored = first.fingerprint.as_str().to_owned();
        let known: WebhookFingerprint = stored.parse().unwrap();
        let again = client.ensure_webhook(&wanted(), Some(&known)).await.unwrap();
        assert_eq!((again.outcome, again.fingerprint.as_str()), (Unchanged, stored.as_str()));
        assert_eq!(again.webhook.created_at, first.webhook.created_at);

        // Without the fingerprint, and with another secret, it cannot be told what Pico posts with.
        assert_eq!(client.ensure_webhook(&wanted(), None).await.unwrap().outcome, Replaced);
        let other_secret = wanted().header("x-pico-secret", "next");
        let replaced = client.ensure_webhook(&other_secret, Some(&known)).await.unwrap();
        assert_eq!(replaced.outcome, Replaced);
        let known = replaced.fingerprint;
        assert_eq!(client.ensure_webhook(&other_secret, Some(&known)).await.unwrap().outcome, Unchanged);

        // Somebody else points it elsewhere, then removes it.
        client.webhook_unsubscribe("erp").await.unwrap();
        let elsewhere = WebhookSubscribe::order_completes("erp", "http://127.0.0.1:9/elsewhere");
        client.webhook_subscribe(&elsewhere).await.unwrap();
        let known = match client.ensure_webhook(&other_secret, Some(&known)).await.unwrap() {
            ensured if ensured.outcome == Replaced => ensured.fingerprint,
            other => panic!("{other:?}"),
        };
        client.webhook_unsubscribe("erp").await.unwrap();
        assert_eq!(client.ensure_webhook(&other_secret, Some(&known)).await.unwrap().outcome, Registered);

        // Others are left alone.
        let mine = WebhookSubscribe::order_completes("erp-2", URL);
        assert_eq!(client.ensure_webhook(&mine, None).await.unwrap().outcome, Registered);
        assert_eq!(sandbox.webhooks().len(), 2);
    }
}

#[tokio::test]
async fn nothing_is_sent_for_a_webhook_that_cannot_be_right() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let wrong = WebhookSubscribe::order_completes("erp", "erp.example");
    let error = client(&sandbox.endpoint()).ensure_webhook(&wrong, None).await.unwrap_err();
    assert_eq!((error.kind(), sandbox.requests()), (ErrorKind::InvalidArgument, 0));
}

fn data(field: &str, value: &str) -> Vec<Step> {
    reply("200 OK", "application/json", &format!(r#"{{"data":{{"{field}":{value}}}}}"#))
}

fn listed(entries: &str) -> Vec<Step> {
    data("webhookSubscriptions", &format!("[{entries}]"))
}

#[tokio::test]
async fn what_broke_off_half_way_is_finished_by_the_next_call() {
    let entry = format!(r#"{{"subscriptionId":"erp","webhookUrl":"{URL}"}}"#);
    let refused = r#"{"errors":[{"message":"no such subscription"}]}"#;
    let server = Server::start(vec![
        // Removed, then not added.
        listed(&entry),
        data("webhookUnsubscribe", r#"{"success":true}"#),
        reply("503 Service Unavailable", "text/plain", "busy"),
        // Added, but the answer is lost.
        listed(""),
        vec![Step::Close],
        // So it is listed, and whether just as wanted cannot be told. It vanishes meanwhile, which is no error.
        listed(&entry),
        reply("200 OK", "application/json", refused),
        data("webhookSubscribe", &entry),
    ])
    .await;
    let client = client(&server.endpoint());
    let error = within(client.ensure_webhook(&wanted(), None)).await.unwrap_err();
    assert_eq!(error.http_status(), Some(503));
    let error = within(client.ensure_webhook(&wanted(), None)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let ensured = within(client.ensure_webhook(&wanted(), None)).await.unwrap();
    assert_eq!(ensured.outcome, WebhookOutcome::Replaced);
    assert_eq!(server.requests().len(), 8);
    assert!(server.requests()[7].contains(r#""webhookHeaders":{"x-pico-secret":"s3cret"}"#));
    assert!(!format!("{ensured:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_server_that_repeats_the_secret_does_not_get_it_into_an_error() {
    let echo =
        r#"Variable \"$input\" got invalid value { webhookHeaders: { \"x-pico-secret\": \"s3cret\" } }"#;
    let server = Server::start(vec![
        reply(
            "200 OK",
            "application/json",
            &format!(r#"{{"errors":[{{"message":"{echo}"}}],"data":{{"x":"s3cret"}}}}"#),
        ),
        reply("500 Internal Server Error", "text/html", "<html>s3cret"),
        reply("200 OK", "text/html", "<html>s3cret"),
        data("webhookSubscribe", r#"{"createdAt":"s3cret"}"#),
    ])
    .await;
    let client = client(&server.endpoint());
    for _ in 0..4 {
        let error = within(client.webhook_subscribe(&wanted())).await.unwrap_err();
        let all = format!("{error} {error:?} {:?} {:?}", error.graphql_errors(), error.data());
        assert!(!all.contains("s3cret"), "{all}");
    }
}
