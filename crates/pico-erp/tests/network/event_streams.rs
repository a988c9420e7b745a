//! What HTTP has to do with an event stream, row by row: the request, the media type, redirects, how to connect again. The
//! rows are those that the web platform's tests of EventSource and LaunchDarkly's sse-contract-tests look at, and the
//! GraphQL-over-SSE protocol's text; the name in a comment says which. Parsing is tested beside the decoder.

use std::time::Duration;

use pico_erp::{
    Backoff, Client, ErrorKind, Notification, OrderComplete, OrderCompleteFilter, Proxy, Request,
    StreamPolicy, StreamState, StreamTransport, Subscription, Token,
};
use tokio::time::timeout;

use crate::scripted::{Server, Step, reply, stream_head};
use crate::waiting::DEADLINE;

fn client(server: &Server) -> Client {
    let instant = Duration::from_micros(1);
    let policy = StreamPolicy {
        transport: StreamTransport::Sse,
        backoff: Backoff { base: instant, cap: instant },
        ..StreamPolicy::default()
    };
    Client::builder(server.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .stream(policy)
        .build()
        .unwrap()
}

fn completions(server: &Server) -> Subscription<OrderComplete> {
    client(server).order_completes_stream(&OrderCompleteFilter::all()).unwrap()
}

fn completion(order: &str) -> String {
    format!(
        r#"{{"data":{{"operationOrderCompletesStream":{{"externalOrderId":"{order}","at":"2025-01-15T14:22:00.000Z","operationSummary":{{"consumedSerials":[]}}}}}}}}"#
    )
}

fn write(text: String) -> Step {
    Step::Write(text.into_bytes())
}

/// The next notification but for new connections and their openings.
async fn next(stream: &Subscription<OrderComplete>) -> Notification<OrderComplete> {
    loop {
        match timeout(DEADLINE, stream.next_notification()).await.expect("it says something in time").unwrap()
        {
            Notification::State(StreamState::Connecting { .. } | StreamState::Open { .. }) => {}
            other => return other,
        }
    }
}

async fn next_order(stream: &Subscription<OrderComplete>) -> String {
    match next(stream).await {
        Notification::Event(done) => done.external_order_id,
        other => panic!("{other:?}"),
    }
}

/// The wait that the next `Retrying` announces.
async fn next_wait(stream: &Subscription<OrderComplete>) -> Duration {
    match next(stream).await {
        Notification::State(StreamState::Retrying { delay, .. }) => delay,
        other => panic!("{other:?}"),
    }
}

/// eventsource/request-accept; LaunchDarkly, "HTTP behavior"; GraphQL over SSE, "distinct connections mode".
#[tokio::test]
async fn the_request_asks_for_an_event_stream_and_nothing_that_would_delay_it() {
    let server = Server::start(vec![vec![
        stream_head(),
        write(format!("data: {}\n\n", completion("E-1"))),
        Step::Silence,
    ]])
    .await;
    let stream = completions(&server);
    next_order(&stream).await;
    let request = server.requests().remove(0).to_ascii_lowercase();
    assert!(request.starts_with("post /graphql http/1.1\r\n"), "{request}");
    for line in ["accept: text/event-stream", "content-type: application/json", "accept-encoding: identity"] {
        assert!(request.contains(&format!("{line}\r\n")), "{line} in {request}");
    }
    assert!(!request.contains("last-event-id"), "{request}");
}

/// eventsource/format-mime-*.
#[tokio::test]
async fn the_media_type_decides_whether_it_is_an_event_stream() {
    for (media_type, streams) in [
        ("text/event-stream", true),
        ("TEXT/Event-Stream", true),
        ("text/event-stream;", true),
        ("text/event-stream; charset=utf-8", true),
        // The format knows no other encoding, whatever the parameter says.
        ("text/event-stream;charset=windows-1251", true),
        ("text/event-stream; x=y", true),
        ("text/event-streams", false),
        ("text/plain", false),
        ("x bogus", false),
        ("", false),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n\r\n");
        let body = write(format!("data: {}\n\n", completion("…")));
        let server = Server::start(vec![vec![write(head), body, Step::Close]]).await;
        match next(&completions(&server)).await {
            Notification::Event(done) => {
                assert!(streams, "{media_type}");
                assert_eq!(done.external_order_id, "…");
            }
            Notification::State(StreamState::Retrying { cause, .. }) => {
                assert!(!streams && cause.kind() == ErrorKind::NotJson, "{media_type}: {cause}");
            }
            other => panic!("{media_type}: {other:?}"),
        }
    }
}

/// eventsource/request-redirect and LaunchDarkly have redirects followed. Ours are not: the token would go along.
#[tokio::test]
async fn a_redirect_is_told_with_its_target_and_not_followed() {
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"]
    {
        let head =
            format!("HTTP/1.1 {status}\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n");
        let server = Server::start(vec![vec![write(head)]]).await;
        match next(&completions(&server)).await {
            Notification::Closed(Some(error)) => {
                assert_eq!(error.kind(), ErrorKind::HttpStatus, "{status}");
                assert!(error.to_string().contains("https://login.example/"), "{status}: {error}");
            }
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

/// WHATWG HTML, section 9.2.6, "retry"; LaunchDarkly, "reconnection": a later one replaces it, a bogus one does not, and it
/// holds for all connections that follow.
#[tokio::test]
async fn the_wait_that_a_stream_asks_for_holds_from_then_on() {
    let says = |text: &str, order: &str| {
        vec![stream_head(), write(format!("{text}data: {}\n\n", completion(order))), Step::Close]
    };
    let server = Server::start(vec![
        says("", "E-1"),
        says("retry: 30\n\n", "E-2"),
        says("retry: soon\n\n", "E-3"),
        says("retry: 10\n", "E-4"),
        vec![stream_head(), Step::Silence],
    ])
    .await;
    let stream = completions(&server);
    for (order, wait) in [("E-1", 0), ("E-2", 30), ("E-3", 30), ("E-4", 10)] {
        assert_eq!(next_order(&stream).await, order);
        let told = next_wait(&stream).await;
        let asked = Duration::from_millis(wait);
        assert!(told >= asked && told < asked + Duration::from_millis(1), "{order}: {told:?}");
    }
}

/// WHATWG HTML, section 9.2.6; LaunchDarkly, "reconnection": what was cut off never happened, its id included; an empty id
/// is none.
#[tokio::test]
async fn the_last_event_id_is_that_of_the_last_whole_event() {
    let whole = |id: &str, order: &str| format!("{id}data: {}\n\n", completion(order));
    let server = Server::start(vec![
        vec![
            stream_head(),
            write(whole("id: 1\n", "E-1")),
            write(format!("id: 2\ndata: {}\n", completion("E-2"))),
            Step::Close,
        ],
        vec![stream_head(), write(whole("", "E-3")), Step::Close],
        vec![stream_head(), write("id: 3\n\n".into()), Step::Close],
        vec![stream_head(), write(whole("id: 2\0\n", "E-4")), Step::Close],
        vec![stream_head(), write(whole("id\n", "E-5")), Step::Close],
        vec![stream_head(), write(whole("", "E-6")), Step::Silence],
    ])
    .await;
    let stream = completions(&server);
    for order in ["E-1", "E-3", "", "E-4", "E-5", "E-6"] {
        if !order.is_empty() {
            assert_eq!(next_order(&stream).await, order);
        }
        if order != "E-6" {
            next_wait(&stream).await;
        }
    }
    let sent: Vec<Option<String>> = server
        .requests()
        .iter()
        .map(|request| {
            let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("last-event-id: "));
            line.map(|line| line["last-event-id: ".len()..].to_owned())
        })
        .collect();
    let expected = [None, Some("1"), Some("1"), Some("3"), Some("3"), None];
    assert_eq!(sent, expected.map(|id| id.map(str::to_owned)));
}

/// GraphQL over SSE, "complete": the last event of its stream.
#[tokio::test]
async fn nothing_counts_that_follows_a_complete() {
    for complete in ["event: complete\n\n", "event: complete\ndata:\n\n", "event: complete\ndata: {}\n\n"] {
        let (first, second) = (completion("E-1"), completion("E-2"));
        let all = format!("event: next\ndata: {first}\n\n{complete}event: next\ndata: {second}\n\n");
        let server = Server::start(vec![vec![stream_head(), write(all), Step::Silence]]).await;
        let document = "subscription { operationOrderCompletesStream { externalOrderId } }";
        let raw = client(&server).subscribe(&Request::new(document)).unwrap();
        let data = timeout(DEADLINE, raw.next()).await.unwrap().unwrap().unwrap();
        assert!(data.as_str().contains("E-1"), "{complete:?}: {data}");
        assert!(timeout(DEADLINE, raw.next()).await.unwrap().is_none(), "{complete:?}");
    }
}

/// GraphQL over SSE: a request that is refused before it streams is answered like any other, or within the stream.
#[tokio::test]
async fn a_refused_document_is_told_alike_however_the_server_wraps_it() {
    const BAD: &str = r#"{"errors":[{"message":"no such field"}]}"#;
    let wrapped = |text: &str| vec![stream_head(), write(text.to_owned()), Step::Silence];
    for script in [
        reply("400 Bad Request", "application/json", BAD),
        reply("400 Bad Request", "application/graphql-response+json; charset=utf-8", BAD),
        reply("200 OK", "application/json", BAD),
        wrapped(&format!("event: next\ndata: {BAD}\n\nevent: complete\ndata:\n\n")),
        wrapped(&format!("event: next\ndata: {BAD}\n\n")),
        wrapped(&format!("event: error\ndata: {BAD}\n\n")),
    ] {
        let server = Server::start(vec![script]).await;
        match next(&completions(&server)).await {
            Notification::Closed(Some(error)) => {
                assert_eq!(error.kind(), ErrorKind::Graphql, "{error}");
                assert!(error.to_string().contains("no such field"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}
