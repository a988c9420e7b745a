//! Which way a stream goes when one of them is blocked, against the sandbox.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, ErrorKind, Notification, OrderCompleteFilter, OrderSave, Proxy, Request, StreamPolicy,
    StreamState, StreamTransport, Subscription, Token,
};
use pico_erp_sandbox::{CompletionSpec, Config, Fault, Sandbox, Waits, WebSocketProtocols};
use tokio::time::timeout;

use crate::waiting::DEADLINE;

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
async fn the_predecessor_of_the_protocol_brings_the_completion_too() {
    let old = Config { web_socket_protocols: WebSocketProtocols::LegacyOnly, ..Config::default() };
    let (sandbox, client) = start(old, StreamTransport::WebSocket).await;
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    timeout(DEADLINE, stream.opened()).await.unwrap().unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    client.save_order(&OrderSave::new("op-abc-123", "E-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("E-1")).unwrap();
    assert_eq!(timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap().external_order_id, "E-1");
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

#[tokio::test]
async fn a_proxy_that_holds_sse_back_leads_to_websocket_and_one_that_blocks_that_too_to_polling() {
    for head in [true, false] {
        let (sandbox, client) = start(Config::default(), StreamTransport::Auto).await;
        sandbox.set_faults(Fault::buffer_sse(head, None));
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        let ways = opened_by(&stream).await;
        if head {
            // With its head the stream looks open until the first byte is missed.
            assert_eq!(ways, [StreamTransport::Sse]);
            assert_eq!(opened_by(&stream).await, [StreamTransport::WebSocket]);
        } else {
            assert_eq!(ways, [StreamTransport::Sse, StreamTransport::WebSocket]);
        }
        client.save_order(&OrderSave::new("op-abc-123", "E-1")).await.unwrap();
        sandbox.complete(CompletionSpec::new("E-1")).unwrap();
        assert_eq!(
            timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap().external_order_id,
            "E-1"
        );
    }

    let blocked = Config { web_socket_protocols: WebSocketProtocols::None, ..Config::default() };
    let (sandbox, client) = start(blocked, StreamTransport::Auto).await;
    sandbox.set_faults(Fault::buffer_sse(false, None));
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let ways = opened_by(&stream).await;
    assert_eq!(ways, [StreamTransport::Sse, StreamTransport::WebSocket, StreamTransport::Poll]);
    client.save_order(&OrderSave::new("op-abc-123", "E-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("E-1")).unwrap();
    assert_eq!(timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap().external_order_id, "E-1");
}

#[tokio::test]
async fn a_peer_that_vanished_is_noticed_on_both_transports() {
    for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
        let sandbox =
            Sandbox::start(Config { token: Some("tok".into()), ..Config::default() }).await.unwrap();
        let policy = StreamPolicy {
            idle_timeout: Duration::from_secs(1),
            ping_interval: Duration::from_millis(500),
            ..policy(transport)
        };
        let client = Client::builder(sandbox.endpoint())
            .token(Token::fixed("tok"))
            .proxy(Proxy::None)
            .stream(policy)
            .build()
            .unwrap();
        sandbox.set_ping_interval(Some(Duration::from_millis(50)));
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened_by(&stream).await;
        sandbox.set_faults(Fault::half_open(false));
        loop {
            match timeout(DEADLINE, stream.next_notification()).await.expect("it is noticed in time").unwrap()
            {
                Notification::State(StreamState::Retrying { cause, .. }) => {
                    assert_eq!(cause.kind(), ErrorKind::Timeout, "{transport:?}");
                    break;
                }
                Notification::State(_) => {}
                _ => panic!("nothing else was to be told"),
            }
        }
        opened_by(&stream).await;
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_the_stream_with_that_reason() {
    for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
        let (sandbox, client) = start(Config::default(), transport).await;
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened_by(&stream).await;
        sandbox.revoke_token();
        let error = timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn an_orderly_end_by_the_server_is_followed_by_another_connection() {
    for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
        let (sandbox, client) = start(Config::default(), transport).await;
        let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
        opened_by(&stream).await;
        sandbox.complete_streams();
        opened_by(&stream).await;
    }
}

#[tokio::test]
async fn from_polling_a_stream_is_tried_again_and_nothing_is_lost_or_doubled_on_the_way() {
    let blocked = Config { web_socket_protocols: WebSocketProtocols::None, ..Config::default() };
    let sandbox = Sandbox::start(Config { token: Some("tok".into()), ..blocked }).await.unwrap();
    let policy = StreamPolicy { poll_period: Duration::from_millis(100), ..policy(StreamTransport::Auto) };
    let client = Client::builder(sandbox.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .stream(policy)
        .build()
        .unwrap();
    sandbox.set_faults(Fault::buffer_sse(false, None));
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(opened_by(&stream).await.last(), Some(&StreamTransport::Poll));
    // SSE is held back a second time, so the stream goes through both changes, with orders completed all the while.
    let mut orders = Vec::new();
    let mut polled_again = false;
    for number in 0.. {
        client.save_order(&OrderSave::new("op-abc-123", format!("E-{number}"))).await.unwrap();
        sandbox.complete(CompletionSpec::new(format!("E-{number}"))).unwrap();
        if polled_again {
            sandbox.clear_faults();
        }
        let on_sse = loop {
            match timeout(DEADLINE, stream.next_notification()).await.expect("it goes on").unwrap() {
                Notification::Event(done) => orders.push(done.external_order_id),
                Notification::State(StreamState::Open { transport: StreamTransport::Poll, .. }) => {
                    polled_again = true
                }
                Notification::State(StreamState::Open { transport, .. }) => {
                    break transport == StreamTransport::Sse;
                }
                Notification::State(_) => {}
                other => panic!("{}", matches!(other, Notification::Closed(_))),
            }
            if orders.len() > number {
                break false;
            }
        };
        if on_sse {
            break;
        }
    }
    let expected: Vec<_> = (0..orders.len()).map(|number| format!("E-{number}")).collect();
    assert_eq!(orders, expected);
    assert!(polled_again);
}
