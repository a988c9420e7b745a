//! Which way a stream goes when one of them is blocked, against the sandbox.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, Notification, OrderCompleteFilter, OrderSave, Proxy, Request, StreamPolicy, StreamState,
    StreamTransport, Subscription, Token,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

fn policy(transport: StreamTransport) -> StreamPolicy {
    let instant = Duration::from_micros(1);
    StreamPolicy {
        transport,
        backoff: Backoff { base: instant, cap: instant },
        first_byte_timeout: Duration::from_millis(300),
        poll_interval: Duration::from_millis(20),
        ..StreamPolicy::default()
    }
}

async fn start(config: Config, transport: StreamTransport) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Config { token: Some("tok".into()), ..config }).await.unwrap();
    let client = Client::builder(sandbox.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .stream(policy(transport))
        .build()
        .unwrap();
    (sandbox, client)
}

/// The transports that the stream went through until it was open.
async fn opened_by<T: pico_erp::Model>(stream: &Subscription<T>) -> Vec<StreamTransport> {
    let mut ways = Vec::new();
    loop {
        match timeout(DEADLINE, stream.next_notification()).await.expect("it opens in time").unwrap() {
            Notification::State(StreamState::Connecting { transport }) => ways.push(transport),
            Notification::State(StreamState::Open { transport, .. }) => {
                assert_eq!(ways.last(), Some(&transport));
                return ways;
            }
            Notification::State(_) => {}
            other => panic!("{:?}", matches!(other, Notification::Closed(_))),
        }
    }
}

#[tokio::test]
async fn every_transport_brings_the_completion() {
    for transport in
        [StreamTransport::Auto, StreamTransport::Sse, StreamTransport::WebSocket, StreamTransport::Poll]
    {
        let (sandbox, client) = start(Config::default(), transport).await;
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        timeout(DEADLINE, stream.opened()).await.unwrap().unwrap();
        client.save_order(&OrderSave::new("op-abc-123", "E-1")).await.unwrap();
        sandbox.complete(CompletionSpec::new("E-1").produced("SN-7")).unwrap();
        let done = timeout(DEADLINE, stream.next()).await.expect("the event in time").unwrap().unwrap();
        assert_eq!(
            (done.external_order_id.as_str(), done.produced_serial()),
            ("E-1", Some("SN-7")),
            "{transport:?}"
        );
    }
}

#[tokio::test]
async fn a_document_cannot_be_polled_and_is_told_so() {
    let (_sandbox, client) = start(Config::default(), StreamTransport::Poll).await;
    let raw = client.subscribe(&Request::new("subscription { operationsStream { id } }")).unwrap();
    let error = timeout(DEADLINE, raw.next()).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("transport: "), "{error}");
}

#[tokio::test]
async fn sse_is_kept_where_it_works() {
    let (_sandbox, client) = start(Config::default(), StreamTransport::Auto).await;
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(opened_by(&stream).await, [StreamTransport::Sse]);
}
