//! What stands between a probe and the sandbox, or in its place: a port that refuses, a server that cuts a frame at a
//! byte, a front that speaks TLS, a proxy.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::probe::Transport;

/// A port that is nobody else's and refuses connections, until something of ours listens on it.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    socket: TcpSocket,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // A server may bind it as well: this one never listens.
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        Self { address: socket.local_addr().expect("an address"), socket }
    }

    /// Refuses no longer.
    pub(crate) fn listen(self) -> TcpListener {
        self.socket.listen(16).expect("it is bound")
    }
}

/// A task that ends with its owner.
pub(crate) struct Server {
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn completion(order: &str) -> Value {
    json!({ "data": { "operationOrderCompletesStream": {
        "externalOrderId": order, "at": "2025-01-15T14:22:00.000Z", "operationSummary": { "consumedSerials": [] },
    } } })
}

/// One completion as it travels, and how many bytes of it make it whole.
fn frame(transport: Transport, order: &str) -> (Vec<u8>, usize) {
    match transport {
        Transport::Sse => {
            let event = format!("event: next\ndata: {}\n\n", completion(order));
            // RFC 9112, section 7.1: a chunk. The line feed that follows its data is not the event's.
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            let whole = chunk.len() - 2;
            (chunk.into_bytes(), whole)
        }
        Transport::WebSocket => {
            let text = json!({ "id": "1", "type": "next", "payload": completion(order) }).to_string();
            // RFC 6455, section 5.2: one unmasked text frame with a length of two bytes.
            let mut frame = vec![0x81, 126];
            frame.extend_from_slice(&u16::try_from(text.len()).expect("a short text").to_be_bytes());
            frame.extend_from_slice(text.as_bytes());
            let whole = frame.len();
            (frame, whole)
        }
    }
}

/// The order on the connection that is cut after `bytes`.
pub(crate) fn order_at(bytes: usize) -> String {
    format!("E-{bytes:04}")
}

/// How long such a frame is, and from how many bytes on it is whole.
pub(crate) fn frame_length(transport: Transport) -> (usize, usize) {
    let (frame, whole) = frame(transport, &order_at(0));
    (frame.len(), whole)
}

/// Serves one stream after the other: on each, as many bytes of a frame as the next of `cuts` says, then the end of the
/// connection. After the last of them, one whole frame, and the connection stays.
pub(crate) fn cutting(transport: Transport, port: Reserved, cuts: RangeInclusive<usize>) -> Server {
    let listener = port.listen();
    let task = tokio::spawn(async move {
        for cut in cuts.map(Some).chain([None]) {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            match transport {
                Transport::Sse => open_sse(&mut stream).await,
                Transport::WebSocket => stream = open_web_socket(stream).await,
            }
            let (mut frame, whole) = frame(transport, &order_at(cut.unwrap_or(9999)));
            frame.truncate(cut.unwrap_or(whole));
            stream.write_all(&frame).await.expect("the probe reads");
            if cut.is_some() {
                stream.shutdown().await.expect("an end");
            }
            // Until the probe goes too: closing with bytes unread would reset the connection.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    Server { task }
}

async fn open_sse(stream: &mut TcpStream) {
    let head = read_head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("a body");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("the probe reads");
}

/// Speaks until the probe has seen its subscription acknowledged, then hands the bare connection back.
async fn open_web_socket(stream: TcpStream) -> TcpStream {
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let choose = |_: &Request, mut response: Response| {
        let name = "graphql-transport-ws".parse().expect("a header");
        response.headers_mut().insert("sec-websocket-protocol", name);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, choose).await.expect("an upgrade");
    loop {
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("the probe left") };
        let said: Value = serde_json::from_str(&text).expect("JSON");
        let (answer, done) = match said["type"].as_str() {
            Some("connection_init") => ("connection_ack", false),
            Some("ping") => ("pong", true),
            _ => continue,
        };
        socket.send(Message::text(json!({ "type": answer }).to_string())).await.expect("the probe reads");
        if done {
            return socket.into_inner();
        }
    }
}

/// Reads byte by byte, so that nothing behind the head is taken.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("a head is text")
}

/// A proxy on `port` that lets everything pass, and serves one after the other.
pub(crate) fn proxy(port: Reserved) -> Server {
    let listener = port.listen();
    let task = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let head = read_head(&mut client).await;
                let target = head.split(' ').nth(1).expect("a target").trim_start_matches("http://");
                let target = target.split('/').next().expect("a host");
                let mut server = TcpStream::connect(target).await.expect("the sandbox listens");
                let passed = if head.starts_with("CONNECT ") {
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await
                } else {
                    // Servers take the absolute form too (RFC 9112, section 3.2.2).
                    server.write_all(head.as_bytes()).await
                };
                passed.expect("both are there");
                // Either side may go at any time.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Server { task }
}

/// A certificate authority of the test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A server on loopback that this authority vouches for.
    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("the key fits");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Speaks TLS in front of a server that does not, at first with a certificate that nobody trusts.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    authority: Authority,
    acceptor: Arc<Mutex<TlsAcceptor>>,
    _server: Server,
}

impl TlsFront {
    pub(crate) fn start(target: String) -> Self {
        let port = Reserved::new();
        let (address, listener) = (port.address, port.listen());
        let acceptor = Arc::new(Mutex::new(Authority::new().acceptor()));
        let current = Arc::clone(&acceptor);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = current.lock().unwrap().clone();
                let target = target.clone();
                tokio::spawn(async move {
                    // A client that does not trust us breaks the handshake off.
                    let Ok(mut client) = acceptor.accept(stream).await else { return };
                    let mut server = TcpStream::connect(target).await.expect("the sandbox listens");
                    // Either side may go at any time.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, authority: Authority::new(), acceptor, _server: Server { task } }
    }

    /// The authority that its clients are told to trust.
    pub(crate) fn authority_pem(&self) -> String {
        self.authority.0.pem()
    }

    /// From now on it shows a certificate of that authority.
    pub(crate) fn become_trusted(&self) {
        *self.acceptor.lock().unwrap() = self.authority.acceptor();
    }
}
