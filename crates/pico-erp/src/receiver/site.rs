//! [`Site`]: answers requests. Reads a body that the rules let in, and waits for the store before it says 2xx.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::answer::{self, Answer, Refusal};
use super::counts::{Counted, Counts};
use super::payload::events;
use super::rules::{Rules, Verdict};
use super::stores::Stores;

pub(super) struct Site {
    pub(super) rules: Rules,
    pub(super) body_timeout: Duration,
    pub(super) stores: Stores,
    pub(super) counts: Arc<Counts>,
}

/// An answer, and whether the client may still be sending the body it answers.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) unread: bool,
}

impl Site {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answered {
        let (head, body) = request.into_parts();
        match self.rules.judge(&head) {
            Verdict::Take => match self.take(head.uri.path(), body).await {
                Ok(answer) => Answered { answer, unread: false },
                Err(refusal) => self.refuse(&refusal, true),
            },
            Verdict::Health => Answered { answer: self.health(), unread: !body.is_end_stream() },
            Verdict::Refuse(refusal) => self.refuse(&refusal, !body.is_end_stream()),
        }
    }

    fn refuse(&self, refusal: &Refusal, unread: bool) -> Answered {
        tracing::debug!(status = refusal.status().as_u16(), why = %refusal.says(), "a request is refused");
        self.counts.count(match refusal {
            Refusal::Secret => Counted::RefusedBySecret,
            _ => Counted::Refused,
        });
        // A body that was read whole and found malformed leaves nothing unread.
        let unread = unread && !matches!(refusal, Refusal::Malformed(_));
        Answered { answer: refusal.answer(unread), unread }
    }

    async fn take(&self, path: &str, body: Incoming) -> Result<Answer, Refusal> {
        let body = timeout(self.body_timeout, self.read(body)).await.unwrap_or(Err(Refusal::TooSlow))?;
        let events = events(body).map_err(Refusal::Malformed)?;
        // Its door may have been closed while the body came.
        let sink = self
            .rules
            .router
            .as_ref()
            .and_then(|router| router.door(path))
            .map(|door| Arc::clone(&door.sink));
        Ok(match self.stores.store(events, sink).await {
            Ok(Ok(())) => answer::stored(),
            Ok(Err(error)) => answer::not_stored(&error),
            // The store's task ended without a word: it panicked.
            Err(_) => answer::failed(),
        })
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let limit = self.rules.max_body;
        match Limited::new(body, limit).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { limit }),
            Err(_) => Err(Refusal::BrokenOff),
        }
    }

    fn health(&self) -> Answer {
        match catch_unwind(AssertUnwindSafe(|| self.stores.unavailable())) {
            Ok(unavailable) => answer::health(unavailable.as_ref()),
            Err(_) => answer::failed(),
        }
    }
}
