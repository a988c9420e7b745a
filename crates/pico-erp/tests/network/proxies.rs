//! Calls and both sorts of stream through a proxy, which is decided in one place for all of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use pico_erp::{
    Client, ErrorKind, OperationFilter, OrderCompleteFilter, Proxy, RetryPolicy, StreamPolicy,
    StreamTransport, Token,
};
use pico_erp_sandbox::{Config, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::scripted::read_request;
use crate::waiting::DEADLINE;

/// `user:s3cret` in base 64.
const CREDENTIALS: &str = "Basic dXNlcjpzM2NyZXQ=";

/// A proxy for CONNECT and for plain requests that takes one user, or for SOCKS5, which takes anyone.
struct ProxyServer {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl ProxyServer {
    async fn start(socks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    if socks { serve_socks(stream, &seen).await } else { serve_http(stream, &seen).await }
                });
            }
        });
        Self { address, targets, task }
    }

    fn used(&self) -> Vec<String> {
        std::mem::take(&mut *self.targets.lock().unwrap())
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve_http(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let line = request.lines().next().unwrap().to_owned();
    seen.lock().unwrap().push(line.clone());
    if !request
        .to_ascii_lowercase()
        .contains(&format!("proxy-authorization: {}", CREDENTIALS.to_ascii_lowercase()))
    {
        let _ = stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            .await;
        return;
    }
    let target = line.split(' ').nth(1).unwrap().trim_start_matches("http://").split('/').next().unwrap();
    let mut server = TcpStream::connect(target).await.unwrap();
    if line.starts_with("CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        // Servers take the absolute form too (RFC 9112, section 3.2.2), so the request goes on as it is.
        server.write_all(request.as_bytes()).await.unwrap();
    }
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

/// RFC 1928, as far as CONNECT to a name or an IPv4 address without a password goes.
async fn serve_socks(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    stream.read_exact(&mut vec![0; usize::from(head[1])]).await.unwrap();
    stream.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    let host = if request[3] == 3 {
        let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
        stream.read_exact(&mut name).await.unwrap();
        String::from_utf8(name).unwrap()
    } else {
        let mut address = [0; 4];
        stream.read_exact(&mut address).await.unwrap();
        std::net::Ipv4Addr::from(address).to_string()
    };
    let port = stream.read_u16().await.unwrap();
    seen.lock().unwrap().push(format!("{host}:{port}"));
    let mut server = TcpStream::connect((host.as_str(), port)).await.unwrap();
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut server).await;
}

fn client(sandbox: &Sandbox, proxy: &str, transport: StreamTransport) -> Client {
    Client::builder(sandbox.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::Explicit { url: proxy.to_owned(), no_proxy: String::new() })
        .stream(StreamPolicy { transport, ..StreamPolicy::default() })
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

#[tokio::test]
async fn calls_and_streams_go_through_the_proxy_that_is_set() {
    for socks in [false, true] {
        let server = ProxyServer::start(socks).await;
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        let url = if socks {
            format!("socks5h://{}", server.address)
        } else {
            format!("http://user:s3cret@{}", server.address)
        };
        let host = sandbox.addr().to_string();
        for transport in [StreamTransport::Sse, StreamTransport::WebSocket] {
            let client = client(&sandbox, &url, transport);
            assert!(!client.operations(&OperationFilter::all()).await.unwrap().is_empty());
            assert!(server.used().iter().any(|target| target.contains(&host)), "the call, socks {socks}");
            let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
            timeout(DEADLINE, stream.opened()).await.expect("it opens in time").unwrap();
            // SSE may go on over the connection that the call left.
            let used = server.used();
            let through = used.iter().any(|target| target.contains(&host));
            assert!(through || transport == StreamTransport::Sse, "{transport:?}, socks {socks}: {used:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_password_is_told_from_the_server_on_a_websocket_too() {
    let server = ProxyServer::start(false).await;
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client =
        client(&sandbox, &format!("http://user:wrong@{}", server.address), StreamTransport::WebSocket);
    let stream = client.order_completes_stream(&OrderCompleteFilter::all()).unwrap();
    loop {
        match timeout(DEADLINE, stream.next_notification()).await.unwrap().unwrap() {
            pico_erp::Notification::State(pico_erp::StreamState::Retrying { cause, .. }) => {
                assert_eq!(cause.kind(), ErrorKind::Proxy, "{cause}");
                assert!(!cause.to_string().contains("wrong"), "{cause}");
                break;
            }
            pico_erp::Notification::State(_) => {}
            other => panic!("{}", matches!(other, pico_erp::Notification::Closed(_))),
        }
    }
}
