//! The clients of these tests: GraphQL and control API over HTTP, a raw event stream, a WebSocket, and a receiver of
//! webhooks. Everything that waits has a deadline.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::{SinkExt, StreamExt};
use pico_erp_sandbox::{Config, Sandbox};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take: generous, because machines that run tests are busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long silence is listened to, to call it silence.
const MOMENT: Duration = Duration::from_millis(50);

pub(crate) async fn start() -> Sandbox {
    start_with(Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> Sandbox {
    Sandbox::start(config).await.expect("the sandbox starts")
}

/// Gives way to the other tasks until something holds that has no event of its own to wait for.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, waiting).await.expect("in time");
}

/// A documented wire body, by its file name without `.json`.
pub(crate) fn example(name: &str) -> Json {
    let path = format!("{}/../../examples/curl/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(DEADLINE).build().unwrap()
}

/// Sends a request; the status and the body.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> (u16, Json) {
    let reply = request.send().await.expect("a reply");
    let status = reply.status().as_u16();
    let text = reply.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
}

pub(crate) fn post_json(url: String, body: &Json) -> reqwest::RequestBuilder {
    http().post(url).header("content-type", "application/json").body(body.to_string())
}

/// Posts a GraphQL request body; the status and the reply.
pub(crate) async fn graphql(sandbox: &Sandbox, body: &Json) -> (u16, Json) {
    send(post_json(sandbox.endpoint(), body)).await
}

/// Posts a GraphQL document that has to succeed; its data.
pub(crate) async fn data(sandbox: &Sandbox, document: &str) -> Json {
    let (status, mut reply) = graphql(sandbox, &json!({ "query": document })).await;
    assert_eq!((status, reply.get("errors")), (200, None), "{reply}");
    reply["data"].take()
}

/// Posts a GraphQL document that has to fail; the status and the first message.
pub(crate) async fn refusal(sandbox: &Sandbox, document: &str) -> (u16, String) {
    let (status, reply) = graphql(sandbox, &json!({ "query": document })).await;
    (status, reply["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned())
}

pub(crate) async fn control(sandbox: &Sandbox, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
    let url = format!("{}/sandbox/{path}", sandbox.url());
    let request = http().request(method.parse().unwrap(), url);
    send(match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    })
    .await
}

/// Saves an order for the operation of the documentation.
pub(crate) async fn save(sandbox: &Sandbox, order: &str, index: i32) -> String {
    let document = format!(
        r#"mutation {{ operationOrderSave(input: {{
            externalOrderId: "{order}", operationId: "op-abc-123", orderIndex: {index}
        }}) {{ message }} }}"#
    );
    data(sandbox, &document).await["operationOrderSave"]["message"].as_str().unwrap().to_owned()
}

/// An event stream, read byte by byte from the socket.
pub(crate) struct RawStream {
    socket: TcpStream,
    pub(crate) seen: Vec<u8>,
}

impl RawStream {
    /// Opens a stream and reads its header; panics unless it is answered 200 with an event stream.
    pub(crate) async fn open(sandbox: &Sandbox, body: &Json) -> Self {
        let mut stream = RawStream::send(sandbox, body, "text/event-stream").await;
        let head = stream.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        stream
    }

    /// Sends a POST and reads nothing.
    pub(crate) async fn send(sandbox: &Sandbox, body: &Json, accept: &str) -> Self {
        let socket = TcpStream::connect(sandbox.addr()).await.unwrap();
        let mut stream = RawStream { socket, seen: Vec::new() };
        stream.post(body, accept).await;
        stream
    }

    /// Sends another POST on the same connection and reads nothing.
    pub(crate) async fn send_again(&mut self, body: &Json) {
        self.post(body, "*/*").await;
    }

    async fn post(&mut self, body: &Json, accept: &str) {
        let body = body.to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\nAccept: {accept}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.socket.write_all(head.as_bytes()).await.unwrap();
        self.socket.write_all(body.as_bytes()).await.unwrap();
    }

    /// Reads once; `None` at the end, an error when the connection was reset.
    pub(crate) async fn read(&mut self) -> std::io::Result<Option<usize>> {
        let mut buffer = [0; 8192];
        let count = timeout(DEADLINE, self.socket.read(&mut buffer)).await.expect("bytes in time")?;
        self.seen.extend_from_slice(&buffer[..count]);
        Ok((count > 0).then_some(count))
    }

    /// Whether nothing comes for a moment, not even an end.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let mut buffer = [0; 8192];
        timeout(MOMENT, self.socket.read(&mut buffer)).await.is_err()
    }

    /// Reads until the text occurs; returns what came up to its end and forgets it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let found = self.seen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let rest = self.seen.split_off(at + text.len());
                let read = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8(read).unwrap();
            }
            if self.read().await.expect("no reset").is_none() {
                panic!("ended before {text:?}, after {:?}", String::from_utf8_lossy(&self.seen));
            }
        }
    }

    /// The body's next chunk. hyper sends each piece of a stream as a chunk of its own (RFC 9112, section 7.1).
    pub(crate) async fn chunk(&mut self) -> String {
        let size = self.until("\r\n").await;
        let size =
            usize::from_str_radix(size.trim_end(), 16).unwrap_or_else(|_| panic!("chunk size {size:?}"));
        while self.seen.len() < size + 2 {
            self.read().await.expect("no reset").expect("the rest of the chunk");
        }
        let rest = self.seen.split_off(size + 2);
        let mut chunk = std::mem::replace(&mut self.seen, rest);
        chunk.truncate(size);
        String::from_utf8(chunk).unwrap()
    }

    /// The data of the next `next` event; comments are skipped.
    pub(crate) async fn event(&mut self) -> Json {
        loop {
            let chunk = self.chunk().await;
            if chunk == ":\n\n" {
                continue;
            }
            let text = chunk.strip_prefix("event: next\ndata: ").unwrap_or_else(|| panic!("{chunk:?}"));
            return serde_json::from_str(text.strip_suffix("\n\n").unwrap()).unwrap();
        }
    }
}

/// A WebSocket client of the sandbox.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(sandbox: &Sandbox, path: &str, token: Option<&str>) -> Self {
        let (socket, agreed) = Socket::offer(sandbox, path, "graphql-transport-ws", token).await;
        assert_eq!(agreed, "graphql-transport-ws");
        socket
    }

    /// Opens with these sub-protocols to choose from; the socket and what the server chose.
    pub(crate) async fn offer(
        sandbox: &Sandbox,
        path: &str,
        protocols: &str,
        token: Option<&str>,
    ) -> (Self, String) {
        let opened = Socket::attempt(sandbox, path, protocols, token).await;
        opened.unwrap_or_else(|error| panic!("no upgrade: {error}"))
    }

    /// The same, when the upgrade may be refused.
    pub(crate) async fn attempt(
        sandbox: &Sandbox,
        path: &str,
        protocols: &str,
        token: Option<&str>,
    ) -> Result<(Self, String), String> {
        let mut request = format!("ws://{}{path}", sandbox.addr()).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        if let Some(token) = token {
            headers.insert("x-pico-api-org", token.parse().unwrap());
        }
        let opened = timeout(DEADLINE, tokio_tungstenite::connect_async(request)).await.expect("an answer");
        let (socket, reply) = opened.map_err(|error| error.to_string())?;
        let agreed = reply.headers()["sec-websocket-protocol"].to_str().unwrap().to_owned();
        Ok((Socket(socket), agreed))
    }

    /// Opens and greets in the legacy protocol, without a payload.
    pub(crate) async fn legacy(sandbox: &Sandbox) -> Self {
        let (mut socket, agreed) = Socket::offer(sandbox, "/graphql", "graphql-ws", None).await;
        assert_eq!(agreed, "graphql-ws");
        socket.say(json!({ "type": "connection_init", "payload": {} })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Opens and greets without a payload.
    pub(crate) async fn ready(sandbox: &Sandbox) -> Self {
        let mut socket = Socket::open(sandbox, "/graphql", None).await;
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub(crate) async fn say(&mut self, message: Json) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, document: &str) {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": document } })).await;
    }

    pub(crate) async fn next(&mut self) -> Message {
        let message = timeout(DEADLINE, self.0.next()).await.expect("a message in time");
        message.expect("an open socket").expect("a whole message")
    }

    pub(crate) async fn hear(&mut self) -> Json {
        match self.next().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The close code that the server sends next.
    pub(crate) async fn close_code(&mut self) -> u16 {
        self.close().await.0
    }

    /// The close code and reason that the server sends next.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        match self.next().await {
            Message::Close(Some(CloseFrame { code, reason })) => (code.into(), reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Whether nothing comes for a moment.
    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(MOMENT, self.0.next()).await.is_err()
    }

    /// Whether the connection breaks, rather than closing or going on.
    pub(crate) async fn breaks(&mut self) -> bool {
        matches!(timeout(DEADLINE, self.0.next()).await.expect("an end in time"), Some(Err(_)))
    }
}

/// What a webhook receiver got.
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A receiver of webhooks on a port of its own; it answers with the status it is made with.
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: mpsc::Receiver<Received>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        let (sender, received) = mpsc::channel::<Received>(1024);
        let take = move |State(sender): State<mpsc::Sender<Received>>, headers: HeaderMap, body: String| async move {
            sender.send(Received { headers, body }).await.unwrap();
            (status, [("location", "/elsewhere")])
        };
        let router = Router::new().route("/hook", post(take)).with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Receiver { url, received, server }
    }

    pub(crate) async fn next(&mut self) -> Received {
        timeout(DEADLINE, self.received.recv()).await.expect("a webhook in time").expect("a running receiver")
    }

    /// Whether nothing has arrived that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
