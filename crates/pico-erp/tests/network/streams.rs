//! One subscription over SSE for its whole life: events, cuts, silence, garbage, and the end.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, ErrorKind, Notification, OperationFilter, OrderCompleteFilter, Proxy, Request,
    SizeLimits, StreamPolicy, StreamState, StreamTransport, Token,
};

use crate::scripted::{Server, Step, reply, stream_head};
use crate::waiting::{next_fact, within};

fn policy() -> StreamPolicy {
    let instant = Duration::from_micros(1);
    StreamPolicy {
        transport: StreamTransport::Sse,
        backoff: Backoff { base: instant, cap: instant },
        ..StreamPolicy::default()
    }
}

fn client(server: &Server, policy: StreamPolicy) -> Client {
    Client::builder(server.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .stream(policy)
        .build()
        .unwrap()
}

fn completion(order: &str) -> String {
    format!(
        r#"{{"data":{{"operationOrderCompletesStream":{{"externalOrderId":"{order}","at":"2025-01-15T14:22:00.000Z","operationSummary":{{"consumedSerials":[]}}}}}}}}"#
    )
}

fn next_event(data: &str) -> Step {
    Step::Write(format!("event: next\ndata: {data}\n\n").into_bytes())
}

#[tokio::test]
async fn events_arrive_and_the_stream_connects_again_after_a_cut() {
    let server = Server::start(vec![
        vec![stream_head(), next_event(&completion("E-1")), Step::Close],
        vec![stream_head(), next_event(&completion("E-2")), Step::Silence],
    ])
    .await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let mut seen = Vec::new();
    loop {
        seen.push(match within(stream.next_notification()).await.unwrap() {
            Notification::State(StreamState::Connecting { .. }) => "connecting".to_owned(),
            Notification::State(StreamState::Open { gap, .. }) => format!("open, gap {}", gap.is_some()),
            Notification::State(StreamState::Retrying { failures, cause, .. }) => {
                format!("retrying {failures} {:?}", cause.kind())
            }
            Notification::Event(done) => done.external_order_id,
            other => panic!("{other:?}"),
        });
        if seen.last().unwrap() == "E-2" {
            break;
        }
    }
    assert_eq!(
        seen,
        [
            "connecting",
            "open, gap false",
            "E-1",
            "retrying 1 ConnectionLost",
            "connecting",
            "open, gap true",
            "E-2"
        ]
    );
    let head = server.requests()[0].to_ascii_lowercase();
    assert!(head.contains("accept: text/event-stream") && head.contains("x-pico-api-org: tok"), "{head}");
}

#[tokio::test]
async fn an_event_is_delivered_however_its_bytes_are_cut() {
    let text = format!(": hello\r\n\r\nevent: next\r\nid: 7\r\ndata: {}\r\n\r\n", completion("E-1"));
    let mut script = vec![stream_head()];
    script.extend(text.as_bytes().chunks(1).map(|byte| Step::Write(byte.to_vec())));
    script.push(Step::Silence);
    let server = Server::start(vec![script]).await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let done = within(stream.next()).await.unwrap().unwrap();
    assert_eq!(done.external_order_id, "E-1");
}

#[tokio::test]
async fn the_last_event_id_is_sent_on_the_next_connection() {
    let first = Step::Write(format!("id: 41\ndata: {}\n\n", completion("E-1")).into_bytes());
    let server = Server::start(vec![
        vec![stream_head(), first, Step::Close],
        vec![stream_head(), next_event(&completion("E-2")), Step::Silence],
    ])
    .await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    for order in ["E-1", "E-2"] {
        assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, order);
    }
    assert!(server.requests()[1].contains("last-event-id: 41\r\n"), "{:?}", server.requests());
}

#[tokio::test]
async fn a_silent_stream_is_given_up_and_opened_again() {
    let server = Server::start(vec![
        vec![stream_head(), Step::Silence],
        vec![stream_head(), next_event(&completion("E-1")), Step::Silence],
    ])
    .await;
    let idle = StreamPolicy { idle_timeout: Duration::from_millis(200), ..policy() };
    let stream = client(&server, idle).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
    assert!(server.requests().len() >= 2);
}

#[tokio::test]
async fn a_bad_event_is_told_and_the_stream_goes_on() {
    let mut script = vec![stream_head()];
    script.push(next_event("{\"data\":"));
    script.push(next_event(r#"{"data":{"somethingElse":{}}}"#));
    script.push(next_event(r#"{"data":{"operationOrderCompletesStream":{"at":"2025-01-15T14:22:00Z"}}}"#));
    script.push(next_event(r#"{"data":null,"errors":[{"message":"field failed"}]}"#));
    script.push(next_event(&completion("E-1")));
    script.push(Step::Silence);
    let server = Server::start(vec![script]).await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    for kind in [ErrorKind::Decode, ErrorKind::Decode, ErrorKind::Decode, ErrorKind::Graphql] {
        match next_fact(&stream).await {
            Notification::Problem(error) => assert_eq!(error.kind(), kind, "{error}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(next_fact(&stream).await, Notification::Event(done) if done.external_order_id == "E-1"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_event_past_the_limit_is_told_and_the_stream_connects_again() {
    let server = Server::start(vec![
        vec![stream_head(), Step::Write(format!("data: {}", "x".repeat(10_000)).into_bytes()), Step::Silence],
        vec![stream_head(), next_event(&completion("E-1")), Step::Silence],
    ])
    .await;
    let limits = SizeLimits { event: 4096, ..SizeLimits::default() };
    let client = Client::builder(server.endpoint())
        .proxy(Proxy::None)
        .stream(policy())
        .limits(limits)
        .build()
        .unwrap();
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    match next_fact(&stream).await {
        Notification::Problem(error) => assert_eq!(error.kind(), ErrorKind::TooLarge),
        other => panic!("{other:?}"),
    }
    assert!(matches!(next_fact(&stream).await, Notification::Event(_)));
}

#[tokio::test]
async fn what_trying_again_cannot_mend_ends_the_stream_at_once() {
    const BAD: &str = r#"{"errors":[{"message":"Cannot query field"}]}"#;
    for (script, kind) in [
        (
            reply("401 Unauthorized", "application/json", r#"{"errors":[{"message":"no"}]}"#),
            ErrorKind::Unauthorized,
        ),
        (reply("404 Not Found", "text/plain", "no"), ErrorKind::HttpStatus),
        (reply("400 Bad Request", "application/json", BAD), ErrorKind::Graphql),
        // A server that had promised a stream before it looked at the document, as graphql-yoga does.
        (
            vec![stream_head(), next_event(BAD), Step::Write(b"event: complete\ndata:\n\n".to_vec())],
            ErrorKind::Graphql,
        ),
    ] {
        let server = Server::start(vec![script]).await;
        let stream = client(&server, policy()).operations_stream(&OperationFilter::all()).unwrap();
        match next_fact(&stream).await {
            Notification::Closed(Some(error)) => assert_eq!(error.kind(), kind, "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(within(stream.next_notification()).await.is_none());
        assert_eq!(server.requests().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let server = Server::start(vec![
        reply("503 Service Unavailable", "text/plain", "busy"),
        reply("200 OK", "text/html", "<html>login</html>"),
        reply("429 Too Many Requests", "text/plain", "slow"),
        vec![Step::Close],
        vec![stream_head(), next_event(&completion("E-1")), Step::Silence],
    ])
    .await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_raw_subscription_ends_with_complete_and_picos_own_goes_on() {
    let complete = Step::Write(b"event: complete\n\n".to_vec());
    let script = vec![stream_head(), next_event(&completion("E-1")), complete];
    let server = Server::start(vec![script.clone()]).await;
    let document = "subscription { operationOrderCompletesStream { externalOrderId } }";
    let raw = client(&server, policy()).subscribe(&Request::new(document)).unwrap();
    let data = within(raw.next()).await.unwrap().unwrap();
    assert!(data.as_str().starts_with(r#"{"operationOrderCompletesStream":{"#), "{data}");
    assert!(within(raw.next()).await.is_none());

    let server = Server::start(vec![script]).await;
    let typed = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    for _ in 0..2 {
        within(typed.next()).await.unwrap().unwrap();
    }
    assert!(server.requests().len() >= 2);
}

/// WHATWG HTML, section 9.2.3, and LaunchDarkly's sse-contract-tests: 204 means to stop, also for streams that would follow
/// a `complete` with another connection.
#[tokio::test]
async fn http_204_stops_every_subscription() {
    let stop = vec![Step::Write(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())];
    let server = Server::start(vec![stop.clone()]).await;
    let raw = client(&server, policy()).subscribe(&Request::new("subscription { x }")).unwrap();
    assert!(matches!(next_fact(&raw).await, Notification::Closed(None)));

    let server =
        Server::start(vec![vec![stream_head(), next_event(&completion("E-1")), Step::Close], stop]).await;
    let typed = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(typed.next()).await.unwrap().unwrap().external_order_id, "E-1");
    assert!(matches!(next_fact(&typed).await, Notification::Closed(None)));
    assert!(within(typed.next_notification()).await.is_none());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn lists_are_taken_apart_and_filters_are_kept_even_if_the_server_ignores_them() {
    let list = r#"{"data":{"operationsStream":[{"id":"a","name":"A","updatedAt":"2025-01-15T10:00:00Z"},null,{"id":"b","name":"B","updatedAt":"2025-01-15T10:00:00Z"}]}}"#;
    let server = Server::start(vec![vec![stream_head(), next_event(list), Step::Silence]]).await;
    let stream = client(&server, policy()).operations_stream(&OperationFilter::all().id("b")).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().name, "B");
    assert!(server.requests()[0].contains(r#"operationsStream(where: { id: { _eq: \"b\" } })"#));
}

#[tokio::test]
async fn a_consumer_that_is_behind_stops_the_reading_and_loses_nothing() {
    const EVENTS: usize = 20_000;
    // 24 MB in all: more than the buffers of both sockets hold, so the server can get rid of it only if it is read.
    let padding = " ".repeat(1000);
    let events =
        (0..EVENTS).map(|n| Step::Write(format!("data: {}{padding}\n\n", completion(&n.to_string())).into()));
    let script = [stream_head()].into_iter().chain(events).chain([Step::Silence]).collect();
    let server = Server::start(vec![script]).await;
    let stream = client(&server, StreamPolicy { buffer: 4, ..policy() })
        .order_completes_stream(&OrderCompleteFilter::all())
        .unwrap();
    within(stream.opened()).await.unwrap();

    // On this single-threaded runtime every task that can move does so while we yield.
    let mut idle_rounds = 0;
    let mut before = 0;
    while idle_rounds < 1000 {
        tokio::task::yield_now().await;
        idle_rounds = if server.written() == before { idle_rounds + 1 } else { 0 };
        before = server.written();
    }
    assert!(before < EVENTS, "the server got rid of all {before} events though nobody took one");

    for number in 0..EVENTS {
        let done = within(stream.next()).await.unwrap().unwrap();
        assert_eq!(done.external_order_id, number.to_string());
    }
}

#[tokio::test]
async fn opened_waits_for_the_connection_and_takes_no_event_away() {
    let server = Server::start(vec![
        reply("503 Service Unavailable", "text/plain", "busy"),
        vec![stream_head(), next_event(&completion("E-1")), Step::Silence],
    ])
    .await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    within(stream.opened()).await.unwrap();
    within(stream.opened()).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
    stream.close();
    assert_eq!(within(stream.opened()).await.unwrap_err().kind(), ErrorKind::Closed);

    let server = Server::start(vec![reply("401 Unauthorized", "text/plain", "no")]).await;
    let refused = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(refused.opened()).await.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[tokio::test]
async fn close_ends_a_waiting_consumer_and_hangs_up() {
    let mut server = Server::start(vec![vec![stream_head(), Step::Silence]]).await;
    let stream = client(&server, policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    server.request().await;
    let (next, ()) = tokio::join!(within(stream.next()), async { stream.close() });
    assert!(next.is_none());
}

#[tokio::test]
async fn a_subscription_of_the_wrong_sort_is_refused() {
    let server = Server::start(vec![vec![Step::Close]]).await;
    let client = client(&server, policy());
    assert_eq!(client.subscribe(&Request::new("{ a }")).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let error = client.execute(Request::new("subscription { a }")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(client.operations_stream(&OperationFilter::all().id("")).is_err());
    assert!(server.requests().is_empty());
}
