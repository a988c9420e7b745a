//! The same subscriptions over WebSocket: against a server that says exactly what a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pico_erp::{
    Backoff, Client, ErrorKind, Notification, OperationFilter, OrderCompleteFilter, Proxy, Request,
    SizeLimits, StreamPolicy, StreamState, StreamTransport, Token,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::scripted::{self, Server};
use crate::waiting::{next_fact, within};

/// What the server does, step by step.
#[derive(Clone, Debug)]
enum Step {
    /// Waits for a message of this type.
    Expect(&'static str),
    /// Sends a message.
    Say(Value),
    /// Sends a text as it is.
    SayText(String),
    /// Closes with a code.
    Close(u16),
    /// Ends the TCP connection without a word.
    Cut,
    /// Answers pings and says nothing more, until the client goes.
    Listen,
    /// Answers nothing at all, until the client goes.
    Silence,
}

/// The steps up to the point where the first subscription is seen.
fn greeting() -> Vec<Step> {
    vec![
        Step::Expect("connection_init"),
        Step::Say(json!({ "type": "connection_ack" })),
        Step::Expect("subscribe"),
    ]
}

fn script(then: impl IntoIterator<Item = Step>) -> Vec<Step> {
    greeting().into_iter().chain(then).collect()
}

fn completion(order: &str) -> Step {
    let done = json!({
        "externalOrderId": order, "at": "2025-01-15T14:22:00.000Z", "operationSummary": { "consumedSerials": [] },
    });
    Step::Say(
        json!({ "id": "1", "type": "next", "payload": { "data": { "operationOrderCompletesStream": done } } }),
    )
}

/// Plays the next script on each connection, the last one again for all that follow.
struct WsServer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Value>>>,
    upgrades: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl WsServer {
    async fn start(protocol: &'static str, scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let upgrades = Arc::new(Mutex::new(Vec::new()));
        let (messages, heads) = (Arc::clone(&heard), Arc::clone(&upgrades));
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let script = scripts[number.min(scripts.len() - 1)].clone();
                let (messages, heads) = (Arc::clone(&messages), Arc::clone(&heads));
                tokio::spawn(async move {
                    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
                    let look = |request: &Upgrade, mut response: Response| {
                        heads.lock().unwrap().push(format!("{:?}", request.headers()));
                        if !protocol.is_empty() {
                            response
                                .headers_mut()
                                .insert("sec-websocket-protocol", protocol.parse().unwrap());
                        }
                        Ok(response)
                    };
                    if let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, look).await {
                        play(socket, script, &messages).await;
                    }
                });
            }
        });
        Self { address, heard, upgrades, task }
    }

    fn client(&self, policy: StreamPolicy) -> Client {
        Client::builder(format!("http://{}", self.address))
            .token(Token::fixed("tok"))
            .proxy(Proxy::None)
            .stream(policy)
            .build()
            .unwrap()
    }

    fn connections(&self) -> usize {
        self.upgrades.lock().unwrap().len()
    }
}

impl Drop for WsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(mut socket: WebSocketStream<TcpStream>, script: Vec<Step>, heard: &Mutex<Vec<Value>>) {
    for step in script {
        let sent = match step {
            Step::Say(value) => socket.send(Message::text(value.to_string())).await,
            Step::SayText(text) => socket.send(Message::text(text)).await,
            Step::Close(code) => {
                socket.send(Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))).await
            }
            Step::Cut => return,
            Step::Silence => {
                let mut stream = socket.into_inner();
                let mut rest = Vec::new();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
                return;
            }
            Step::Expect(kind) => hear_until(&mut socket, heard, |message| message["type"] == kind).await,
            Step::Listen => hear_until(&mut socket, heard, |_| false).await,
        };
        if sent.is_err() {
            return;
        }
    }
    // What the client still says, its own close included.
    let _ = hear_until(&mut socket, heard, |_| false).await;
}

async fn hear_until(
    socket: &mut WebSocketStream<TcpStream>,
    heard: &Mutex<Vec<Value>>,
    found: impl Fn(&Value) -> bool,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            let message: Value = serde_json::from_str(&text).unwrap();
            heard.lock().unwrap().push(message.clone());
            if found(&message) {
                return Ok(());
            }
            if message["type"] == "ping" {
                socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?;
            }
        }
    }
    Err(tokio_tungstenite::tungstenite::Error::ConnectionClosed)
}

fn policy() -> StreamPolicy {
    let instant = Duration::from_micros(1);
    StreamPolicy {
        transport: StreamTransport::WebSocket,
        backoff: Backoff { base: instant, cap: instant },
        ..StreamPolicy::default()
    }
}

#[tokio::test]
async fn the_token_travels_in_the_upgrade_and_in_the_init() {
    let server =
        WsServer::start("graphql-transport-ws", vec![script([completion("E-1"), Step::Listen])]).await;
    let stream = server.client(policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
    let head = server.upgrades.lock().unwrap()[0].clone();
    assert!(head.contains(r#""x-pico-api-org": "tok""#), "{head}");
    assert!(head.contains("graphql-transport-ws, graphql-ws") && head.contains("pico-erp/"), "{head}");
    let heard = server.heard.lock().unwrap().clone();
    assert_eq!(heard[0], json!({ "type": "connection_init", "payload": { "x-pico-api-org": "tok" } }));
    assert!(
        heard[1]["payload"]["query"].as_str().unwrap().contains("operationOrderCompletesStream"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn the_stream_connects_again_after_every_sort_of_end() {
    let server = WsServer::start(
        "graphql-transport-ws",
        vec![
            script([Step::Cut]),
            script([Step::Close(1001)]),
            script([Step::Close(4500)]),
            script([Step::Close(4408)]),
            script([Step::SayText("{".into())]),
            script([Step::Say(json!({ "id": "1", "type": "complete" }))]),
            script([completion("E-1"), Step::Listen]),
        ],
    )
    .await;
    let stream = server.client(policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
    assert_eq!(server.connections(), 7);
}

#[tokio::test]
async fn what_trying_again_cannot_mend_ends_the_stream_at_once() {
    let bad =
        Step::Say(json!({ "id": "1", "type": "error", "payload": [{ "message": "Cannot query field" }] }));
    for (steps, kind) in [
        (vec![Step::Expect("connection_init"), Step::Close(4403)], ErrorKind::Unauthorized),
        (vec![Step::Expect("connection_init"), Step::Close(4401)], ErrorKind::Unauthorized),
        (script([Step::Close(4400)]), ErrorKind::Graphql),
        (script([bad]), ErrorKind::Graphql),
    ] {
        let server = WsServer::start("graphql-transport-ws", vec![steps]).await;
        let stream = server.client(policy()).operations_stream(&OperationFilter::all()).unwrap();
        match next_fact(&stream).await {
            Notification::Closed(Some(error)) => assert_eq!(error.kind(), kind, "{error}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_refused_upgrade_is_told_by_its_status() {
    for (status, kind) in
        [("401 Unauthorized", ErrorKind::Unauthorized), ("404 Not Found", ErrorKind::HttpStatus)]
    {
        let server = Server::start(vec![scripted::reply(status, "text/plain", "no")]).await;
        let client = Client::builder(server.endpoint()).proxy(Proxy::None).stream(policy()).build().unwrap();
        let stream = client.operations_stream(&OperationFilter::all()).unwrap();
        let error = within(stream.next()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn silence_ends_a_connection_and_answers_to_pings_keep_it() {
    let times = StreamPolicy {
        ping_interval: Duration::from_millis(500),
        idle_timeout: Duration::from_secs(5),
        ..policy()
    };
    let server = WsServer::start(
        "graphql-transport-ws",
        vec![
            script([Step::Silence]),
            script([
                Step::Expect("ping"),
                Step::Say(json!({ "type": "pong" })),
                Step::Expect("ping"),
                completion("E-1"),
                Step::Listen,
            ]),
        ],
    )
    .await;
    let stream = server.client(times).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let mut causes = Vec::new();
    loop {
        match within(stream.next_notification()).await.unwrap() {
            Notification::State(StreamState::Retrying { cause, .. }) => causes.push(cause.kind()),
            Notification::Event(_) => break,
            _ => {}
        }
    }
    assert_eq!(causes, [ErrorKind::Timeout]);
}

#[tokio::test]
async fn an_event_past_the_limit_is_told_and_the_stream_connects_again() {
    let huge = json!({ "id": "1", "type": "next", "payload": { "data": { "x": "y".repeat(20_000) } } });
    let server = WsServer::start(
        "graphql-transport-ws",
        vec![script([Step::Say(huge)]), script([completion("E-1"), Step::Listen])],
    )
    .await;
    let client = Client::builder(format!("http://{}", server.address))
        .proxy(Proxy::None)
        .stream(policy())
        .limits(SizeLimits { event: 8192, ..SizeLimits::default() })
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
async fn many_subscriptions_share_one_connection_and_each_gets_its_own() {
    const STREAMS: usize = 50;
    let mut steps = vec![Step::Expect("connection_init"), Step::Say(json!({ "type": "connection_ack" }))];
    steps.extend((0..STREAMS).map(|_| Step::Expect("subscribe")));
    steps.extend((1..=STREAMS).rev().map(|id| {
        Step::Say(json!({ "id": id.to_string(), "type": "next", "payload": { "data": { "n": id } } }))
    }));
    steps.push(Step::Listen);
    let server = WsServer::start("graphql-transport-ws", vec![steps]).await;
    let client = server.client(policy());
    let streams: Vec<_> = (0..STREAMS)
        .map(|n| client.subscribe(&Request::new(format!("subscription {{ s{n} }}"))).unwrap())
        .collect();
    let mut got = Vec::new();
    for stream in &streams {
        got.push(within(stream.next()).await.unwrap().unwrap().as_str().to_owned());
    }
    got.sort_unstable();
    got.dedup();
    assert_eq!((got.len(), server.connections()), (STREAMS, 1));
}

#[tokio::test]
async fn the_predecessor_is_spoken_where_the_server_chooses_it() {
    let done = json!({ "data": { "operationOrderCompletesStream": {
        "externalOrderId": "E-1", "at": "2025-01-15T14:22:00Z", "operationSummary": { "consumedSerials": [] } } } });
    let steps = vec![
        Step::Expect("connection_init"),
        Step::Say(json!({ "type": "connection_ack" })),
        Step::Say(json!({ "type": "ka" })),
        Step::Expect("start"),
        Step::Say(json!({ "id": "1", "type": "data", "payload": done })),
        Step::Listen,
    ];
    let server = WsServer::start("graphql-ws", vec![steps]).await;
    let stream = server.client(policy()).order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap().external_order_id, "E-1");
}

#[tokio::test]
async fn a_document_that_costs_the_connection_ends_its_own_stream_and_no_other() {
    let first = script([Step::Expect("subscribe"), Step::Close(4400)]);
    let server =
        WsServer::start("graphql-transport-ws", vec![first, script([completion("E-1"), Step::Listen])]).await;
    let client = server.client(policy());
    let good = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    let bad = client.subscribe(&Request::new("subscription { too { deep } }")).unwrap();
    let error = within(bad.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Graphql);
    assert!(error.to_string().contains("code 4400"), "{error}");
    assert!(within(bad.next()).await.is_none());
    assert_eq!(within(good.next()).await.unwrap().unwrap().external_order_id, "E-1");
}

#[tokio::test]
async fn dropping_the_last_stream_says_goodbye() {
    let server =
        WsServer::start("graphql-transport-ws", vec![script([completion("E-1"), Step::Listen])]).await;
    let client = server.client(policy());
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    within(stream.next()).await.unwrap().unwrap();
    drop(stream);
    within(async {
        while !server.heard.lock().unwrap().iter().any(|message| message["type"] == "complete") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
