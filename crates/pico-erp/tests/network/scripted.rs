//! An HTTP server of a few lines that says exactly what a test tells it to, byte for byte.
//!
//! It is for what no well-behaved server does: half a body, silence, a page of HTML, one event in seven pieces.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Closes the connection.
    Close,
    /// Keeps the connection open and says nothing more.
    Silence,
}

/// A whole reply.
pub(crate) fn reply(status: &str, content_type: &str, body: &str) -> Vec<Step> {
    vec![Step::Write(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )]
}

/// The head of an event stream, sent as it comes and ended by closing.
pub(crate) fn stream_head() -> Step {
    Step::Write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec())
}

/// The server. Connection after connection plays the next script; the last one is played again for all that follow.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    written: Arc<AtomicUsize>,
    arrivals: mpsc::UnboundedReceiver<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let script = scripts[number.min(scripts.len() - 1)].clone();
                let (seen, arrived, count) = (Arc::clone(&seen), arrived.clone(), Arc::clone(&count));
                tokio::spawn(async move { play(stream, script, &seen, &arrived, &count).await });
            }
        });
        Self { address, requests, written, arrivals, task }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    /// Waits for the next request.
    pub(crate) async fn request(&mut self) {
        self.arrivals.recv().await.unwrap();
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Server {
    /// How many `Write` steps the sockets have taken.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(
    mut stream: TcpStream,
    script: Vec<Step>,
    seen: &Mutex<Vec<String>>,
    arrived: &mpsc::UnboundedSender<()>,
    written: &AtomicUsize,
) {
    stream.set_nodelay(true).unwrap();
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    let _ = arrived.send(());
    perform(&mut stream, script, written).await;
}

/// Performs the steps; an end of the script ends the connection.
pub(crate) async fn perform(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: Vec<Step>,
    written: &AtomicUsize,
) {
    for step in script {
        match step {
            Step::Write(bytes) => {
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
                written.fetch_add(1, Ordering::Relaxed);
            }
            Step::Close => break,
            Step::Silence => {
                // Until the client hangs up.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// Reads one request, head and body; `None` when the client hung up.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text[..end]
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
