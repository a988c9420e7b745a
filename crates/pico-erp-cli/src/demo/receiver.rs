//! The demo's end of a webhook: an HTTP server that hands on what is posted to it with the right secret.
//!
//! It keeps nothing on disk, so it is no model for a real receiver, which must not answer before it has.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::exit::Failure;

/// The header that Pico is asked to send.
pub(super) const SECRET_HEADER: &str = "X-API-Key";

pub(super) struct Receiver {
    url: String,
    secret: String,
    posts: mpsc::Receiver<Bytes>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Inbox {
    secret: String,
    posts: mpsc::Sender<Bytes>,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/pico", listener.local_addr()?);
        let secret = "demo-secret".to_owned();
        let (sender, posts) = mpsc::channel(16);
        let inbox = Inbox { secret: secret.clone(), posts: sender };
        let app = Router::new().route("/pico", post(receive)).with_state(inbox);
        let server = tokio::spawn(async move {
            // `serve` only returns with an error, and then the demo times out and says for what.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, secret, posts, server })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// The next post's body.
    pub(super) async fn next(&mut self) -> Bytes {
        self.posts.recv().await.unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get(SECRET_HEADER).is_none_or(|secret| secret.as_bytes() != inbox.secret.as_bytes()) {
        return StatusCode::UNAUTHORIZED;
    }
    match inbox.posts.send(body).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
