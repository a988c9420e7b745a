//! A whole receiver over real sockets, spoken to byte by byte and by a well-behaved client.

mod connections;
mod peer;
mod requests;
mod settings;
mod shelf;
mod storing;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use peer::{DEADLINE, Peer, post, within};
use shelf::{Behaviour, Shelf};

use super::{WebhookReceiver, WebhookReceiverBuilder};

const SECRET: &str = "correct horse";

/// Settings for a test, with a secret. Every limit of time is out of reach.
fn builder(shelf: &Arc<Shelf>) -> WebhookReceiverBuilder {
    let forever = DEADLINE * 10;
    WebhookReceiver::builder(Arc::clone(shelf) as _)
        .secret_header("x-pico-secret", SECRET)
        .header_timeout(forever)
        .body_timeout(forever)
        .idle_timeout(forever)
}

async fn started() -> (WebhookReceiver, Arc<Shelf>) {
    let shelf = Shelf::new();
    (builder(&shelf).start().await.unwrap(), shelf)
}
