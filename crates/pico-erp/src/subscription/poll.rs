//! A stream without a stream: asks for the whole list again and again and tells what is new in it.
//!
//! The last resort where a proxy lets neither SSE nor WebSocket through. What is new is what was not in the list
//! before, byte for byte, so a changed operation counts as new and one that is gone is not told.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::link::LinkEvent;
use crate::client::Transport;
use crate::error::{Error, ErrorKind};
use crate::graphql::{Reply, Request, StreamMessage};
use crate::json::Json;

/// What to ask for.
#[derive(Debug, Clone)]
pub(super) struct PollPlan {
    /// The query that lists what the stream would tell.
    pub(super) request: Request,
    /// Its root field.
    pub(super) list: &'static str,
    /// The root field that the stream would have.
    pub(super) stream: &'static str,
}

/// What has been seen, kept from one polling to the next. Two independent hashes of 64 bits stand for an object: that
/// two of a million objects share both is less likely than 10⁻²⁶.
#[derive(Debug, Default)]
pub(super) struct Seen {
    first: RandomState,
    second: RandomState,
    known: Option<HashSet<(u64, u64)>>,
}

impl Seen {
    fn mark(&self, text: &str) -> (u64, u64) {
        (self.first.hash_one(text), self.second.hash_one(text))
    }

    /// An event came by a stream. When polling has to take over again, it is not new.
    pub(super) fn note(&mut self, event: &Json) {
        let mark = self.mark(event.as_str());
        if let Some(known) = &mut self.known {
            known.insert(mark);
        }
    }

    /// What is new in `list`, in its order. The first list is only remembered: what was before the stream is not told.
    /// A later polling goes on from where the last one ended, so what no stream brought in between is new.
    fn fresh<'a>(&mut self, list: &[&'a RawValue]) -> Vec<&'a RawValue> {
        let marks: Vec<_> = list.iter().map(|it| self.mark(it.get())).collect();
        let fresh = match &self.known {
            None => Vec::new(),
            Some(known) => {
                list.iter().zip(&marks).filter(|(_, mark)| !known.contains(mark)).map(|(it, _)| *it).collect()
            }
        };
        self.known = Some(marks.into_iter().collect());
        fresh
    }
}

/// A polling that goes on until its period is over.
pub(super) struct Poll {
    transport: Arc<Transport>,
    plan: PollPlan,
    seen: Arc<std::sync::Mutex<Seen>>,
    next_at: Instant,
    until: Option<Instant>,
    expired: bool,
    opened: bool,
    pending: std::collections::VecDeque<Reply>,
}

impl Poll {
    /// `period` is `None` where polling was asked for, and not just fallen back to.
    pub(super) fn new(
        transport: Arc<Transport>,
        plan: PollPlan,
        seen: Arc<std::sync::Mutex<Seen>>,
        period: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            transport,
            plan,
            seen,
            next_at: now,
            until: period.map(|period| now + period),
            expired: false,
            opened: false,
            pending: std::collections::VecDeque::new(),
        }
    }

    pub(super) async fn next(&mut self) -> LinkEvent {
        if let Some(reply) = self.pending.pop_front() {
            return LinkEvent::Message(StreamMessage::Next(reply));
        }
        if self.expired {
            let message = "polled for long enough; a stream is tried again";
            return LinkEvent::Failed(Error::new(ErrorKind::Timeout, message));
        }
        sleep_until(self.next_at).await;
        // One last question closes the gap to the stream that follows.
        self.expired = self.until.is_some_and(|until| Instant::now() >= until);
        self.next_at = Instant::now() + self.transport.stream_policy().poll_interval;
        match self.ask().await {
            Ok(()) if !self.opened => {
                self.opened = true;
                LinkEvent::Opened
            }
            Ok(()) => LinkEvent::Heard,
            Err(error) => LinkEvent::Failed(error),
        }
    }

    async fn ask(&mut self) -> Result<(), Error> {
        let list = self.transport.call(&self.plan.request, true).await?.into_field(self.plan.list)?;
        let elements: Vec<&RawValue> = list
            .decode_borrowed()
            .map_err(|error| Error::new(ErrorKind::Decode, format!("data.{}: {error}", self.plan.list)))?;
        let fresh = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fresh(&elements);
        for element in fresh {
            // The same message that the stream would have brought.
            let text = format!(r#"{{"data":{{"{}":{}}}}}"#, self.plan.stream, element.get());
            self.pending.push_back(Reply::parse(Json::new(text)?, None)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_after_the_first_list_is_new_and_only_once() {
        let mut seen = Seen::default();
        let mut fresh = |texts: &[&str]| -> Vec<String> {
            let list: Vec<Box<RawValue>> =
                texts.iter().map(|text| RawValue::from_string((*text).to_owned()).unwrap()).collect();
            let list: Vec<&RawValue> = list.iter().map(|it| &**it).collect();
            seen.fresh(&list).into_iter().map(|it| it.get().to_owned()).collect()
        };
        assert!(fresh(&["1", "2"]).is_empty());
        assert_eq!(fresh(&["1", "3", "2", "4"]), ["3", "4"]);
        assert!(fresh(&["4", "3", "1"]).is_empty());
        assert_eq!(fresh(&["4", "5"]), ["5"]);
    }

    #[test]
    fn what_a_stream_brought_in_between_is_not_new() {
        let mut seen = Seen::default();
        let event = |text: &str| Json::new(text.to_owned()).unwrap();
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        seen.note(&event("1"));
        assert!(seen.known.is_none(), "nothing is kept before the first list");
        seen.fresh(&[&raw("1")]);
        seen.note(&event("2"));
        let (one, two, three) = (raw("1"), raw("2"), raw("3"));
        let fresh: Vec<&str> = seen.fresh(&[&one, &two, &three]).into_iter().map(RawValue::get).collect();
        assert_eq!(fresh, ["3"]);
    }
}
