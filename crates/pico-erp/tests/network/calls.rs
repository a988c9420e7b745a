//! The calls and the streams of a whole client against the sandbox.

use pico_erp::{
    Client, ErrorKind, Model, NoteFilter, Notification, OperationFilter, OrderCancel, OrderCompleteFilter,
    OrderSave, OrderSaved, Proxy, Request, RetryPolicy, SubOperationFilter, Token, Units, WebhookSubscribe,
};
use pico_erp_sandbox::{CompletionSpec, Config, Fault, NoteSpec, OperationSpec, Sandbox, Waits};

use crate::waiting::{DEADLINE, within};

const FRAGMENT: &str =
    "fragment Done on OperationOrderComplete { externalOrderId at endState { producedSerial } }";

async fn sandbox() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Config { token: Some("tok".into()), ..Config::default() }).await.unwrap();
    let client =
        Client::builder(sandbox.endpoint()).token(Token::fixed("tok")).proxy(Proxy::None).build().unwrap();
    (sandbox, client)
}

#[tokio::test]
async fn operations_are_listed_whole_and_narrowed() {
    let (_sandbox, client) = sandbox().await;
    let all = client.operations(&OperationFilter::all()).await.unwrap();
    let main = all.iter().find(|it| it.id.as_deref() == Some("op-abc-123")).unwrap();
    assert_eq!(main.external_id.as_deref(), Some("PROD-101"));
    assert_eq!(main.updated_at.to_string(), "2025-01-15T10:00:00Z");
    assert_eq!(main.consumed_serials.len(), 2);
    assert!(main.raw().as_str().contains(r#""updatedAt":"2025-01-15T10:00:00.000Z""#), "{}", main.raw());

    let by_id = client.operations(&OperationFilter::all().id("op-abc-123")).await.unwrap();
    assert_eq!(by_id.len(), 1);
    let by_part = client.operations(&OperationFilter::all().external_id("PROD-101")).await.unwrap();
    assert_eq!(by_part.len(), 1);
    assert!(client.operations(&OperationFilter::all().id("no \"such\" id")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_structure_is_listed() {
    let (_sandbox, client) = sandbox().await;
    let edges = client.sub_operations(&SubOperationFilter::all().parent_id("prod-pump")).await.unwrap();
    assert!(!edges.is_empty());
    assert!(
        edges.iter().all(|edge| edge.parent_id.as_deref() == Some("prod-pump") && edge.sub_group.is_some())
    );
}

#[tokio::test]
async fn an_order_is_created_updated_and_cancelled() {
    let (sandbox, client) = sandbox().await;
    let order = OrderSave::new("op-abc-123", "ERP-1");
    assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Created);
    assert_eq!(client.save_order(&order).await.unwrap(), OrderSaved::Updated);
    assert_eq!(client.save_order(&order.clone().order_index(1)).await.unwrap(), OrderSaved::Created);
    assert_eq!(sandbox.orders().len(), 2);

    let cancel = |units| OrderCancel::new("op-abc-123", "ERP-1", units);
    assert_eq!(client.cancel_order(&cancel(Units::One(1))).await.unwrap(), "canceled");
    assert_eq!(client.cancel_order(&cancel(Units::All)).await.unwrap(), "canceled");
    assert_eq!(client.cancel_order(&cancel(Units::All)).await.unwrap_err().kind(), ErrorKind::Graphql);

    let unknown = client.save_order(&OrderSave::new("no-such-operation", "ERP-2")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Graphql);
    assert!(unknown.to_string().contains("no-such-operation"), "{unknown}");
}

#[tokio::test]
async fn a_save_that_was_answered_with_503_is_repeated_and_the_order_is_there_once() {
    let (sandbox, client) = sandbox().await;
    sandbox.set_faults(Fault::status(503).times(2));
    client.save_order(&OrderSave::new("op-abc-123", "ERP-1")).await.unwrap();
    assert_eq!(sandbox.orders().len(), 1);
}

#[tokio::test]
async fn a_completion_comes_by_stream_and_by_query() {
    let (sandbox, client) = sandbox().await;
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    client.save_order(&OrderSave::new("op-abc-123", "ERP-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("ERP-1").produced("SN-7")).unwrap();

    let streamed = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(streamed.external_order_id, "ERP-1");
    assert_eq!(streamed.produced_serial(), Some("SN-7"));
    let filter =
        OrderCompleteFilter::all().operation_id("op-abc-123").external_order_id("ERP-1").order_index(0);
    let listed = client.order_completes(&filter).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].raw().as_str(), streamed.raw().as_str());
    let other = client.order_completes(&OrderCompleteFilter::all().operation_id("prod-123")).await.unwrap();
    assert!(other.is_empty());
}

#[tokio::test]
async fn the_other_streams_tell_what_changes() {
    let (sandbox, client) = sandbox().await;
    let operations = client.operations_stream(&OperationFilter::all().id("op-new")).unwrap();
    let edges = client.sub_operations_stream(&SubOperationFilter::all()).unwrap();
    let notes = client.note_events_stream(&NoteFilter::all()).unwrap();
    let raw = client.subscribe(&Request::new("subscription { n: operationsStream { name } }")).unwrap();
    sandbox.wait_for(Waits { streams: 4, ..Waits::default() }, DEADLINE).await.unwrap();

    sandbox.deploy(OperationSpec::new("op-other", "Other")).unwrap();
    sandbox.deploy(OperationSpec::new("op-new", "New")).unwrap();
    assert_eq!(within(operations.next()).await.unwrap().unwrap().name, "New");
    for name in ["Other", "New"] {
        assert_eq!(
            within(raw.next()).await.unwrap().unwrap().as_str(),
            format!(r#"{{"n":{{"name":"{name}"}}}}"#)
        );
    }
    sandbox.link("op-other", "op-new", Some(3)).unwrap();
    let edge = within(edges.next()).await.unwrap().unwrap();
    assert_eq!((edge.sub_id.as_deref(), edge.sub_group.as_deref()), (Some("op-new"), Some("3")));
    sandbox.add_note(NoteSpec { text: Some("worn".into()), ..NoteSpec::default() }).unwrap();
    assert_eq!(within(notes.next()).await.unwrap().unwrap().text.as_deref(), Some("worn"));
}

#[tokio::test]
async fn a_cut_stream_comes_back_and_tells_of_the_gap() {
    let (sandbox, client) = sandbox().await;
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.cut_connections();
    loop {
        match within(stream.next_notification()).await.unwrap() {
            Notification::State(pico_erp::StreamState::Open { gap: Some(_), .. }) => break,
            Notification::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
    client.save_order(&OrderSave::new("op-abc-123", "ERP-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("ERP-1")).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "ERP-1");
}

#[tokio::test]
async fn webhooks_are_registered_listed_and_removed() {
    let (_sandbox, client) = sandbox().await;
    let webhook =
        WebhookSubscribe::new("erp-1", FRAGMENT, "http://127.0.0.1:9/pico").header("X-API-Key", "k");
    let registered = client.webhook_subscribe(&webhook).await.unwrap();
    assert_eq!(registered.subscription_id.as_deref(), Some("erp-1"));
    let listed = client.webhooks().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].response_fragment.as_deref(), Some(FRAGMENT));
    assert!(client.webhook_unsubscribe("erp-1").await.unwrap().success);
    assert!(!client.webhook_unsubscribe("erp-1").await.unwrap().success);
    let wrong_field = "fragment Done on OperationOrderComplete { noSuchField }";
    let error =
        client.webhook_subscribe(&WebhookSubscribe::new("b", wrong_field, "http://127.0.0.1:9/")).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Graphql);
}

#[tokio::test]
async fn nothing_is_sent_for_what_cannot_be_right() {
    let (sandbox, client) = sandbox().await;
    let before = sandbox.requests();
    client.save_order(&OrderSave::new("", "ERP-1")).await.unwrap_err();
    client.webhook_unsubscribe("not safe").await.unwrap_err();
    client.execute(Request::new("{ broken")).await.unwrap_err();
    assert_eq!(sandbox.requests(), before);
}

#[tokio::test]
async fn a_wrong_token_is_told_as_such_by_calls_and_streams() {
    let (sandbox, _) = sandbox().await;
    let stranger =
        Client::builder(sandbox.endpoint()).token(Token::fixed("wrong")).proxy(Proxy::None).build().unwrap();
    let error = stranger.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Unauthorized, Some(401)));
    let stream = stranger.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap_err().kind(), ErrorKind::Unauthorized);
    assert!(within(stream.next()).await.is_none());
}

#[tokio::test]
async fn ten_thousand_operations_come_in_one_reply() {
    let (sandbox, client) = sandbox().await;
    let before = client.operations(&OperationFilter::all()).await.unwrap().len();
    sandbox.deploy_many(10_000);
    assert_eq!(client.operations(&OperationFilter::all()).await.unwrap().len(), before + 10_000);
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_without_being_kept() {
    let (sandbox, _) = sandbox().await;
    let client = Client::builder(sandbox.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    sandbox.set_faults(Fault::new(pico_erp_sandbox::FaultKind::HugeBody { bytes: 100_000_000 }));
    let error = client.operations(&OperationFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}
