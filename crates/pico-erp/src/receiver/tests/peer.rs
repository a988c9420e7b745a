//! [`Peer`]: a client of a few lines that sends exactly what a test tells it to.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::SECRET;

/// Everything here happens on this machine; what takes longer has gone wrong.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it happens in time")
}

/// A whole post of `body` with the right secret and type, and `more` header lines.
pub(super) fn post(body: &str, more: &str) -> String {
    format!(
        "POST /pico HTTP/1.1\r\nhost: erp\r\nx-pico-secret: {SECRET}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

/// An answer as it was sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Status line and header lines, in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) struct Peer<I = TcpStream> {
    pub(super) stream: I,
    read: Vec<u8>,
}

impl Peer {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::over(within(TcpStream::connect(address)).await.unwrap())
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Peer<I> {
    pub(super) fn over(stream: I) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
        within(self.stream.flush()).await.unwrap();
    }

    /// The next answer, with the body that its content-length promises.
    pub(super) async fn reply(&mut self) -> Reply {
        self.reply_of("POST").await
    }

    pub(super) async fn reply_of(&mut self, method: &str) -> Reply {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill().await, "the connection ended within a head: {:?}", self.read);
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = if method == "HEAD" { 0 } else { length.map_or(0, |length| length.parse().unwrap()) };
        while self.read.len() < length {
            assert!(self.fill().await, "the connection ended within a body");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Reply { status, head, body }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    /// Waits for the end of the connection. A reset is one too.
    pub(super) async fn ended(&mut self) {
        while self.fill().await {}
        assert!(
            self.read.is_empty(),
            "something came before the end: {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }

    async fn fill(&mut self) -> bool {
        within(self.stream.read_buf(&mut self.read)).await.is_ok_and(|count| count > 0)
    }
}
