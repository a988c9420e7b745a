//! What a feed is about: completions of orders, or operators' notes. Everything else in a feed is the same for both.

use jiff::Timestamp;
use serde::Deserialize;

use super::arrival;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::filter::{Filter as _, NoteFilter, OrderCompleteFilter};
use crate::graphql::documents::{self, Document};
use crate::json::Json;
use crate::model::{Model, NoteEvent, OrderComplete, lenient};
use crate::store::Store;
use crate::store::inbox_table::{Arrival, Key, Source};
use crate::subscription::Subscription;

/// What comes through a [`Feed`](super::Feed): [`OrderComplete`] or [`NoteEvent`].
pub trait FeedItem: Model + sealed::Sealed {
    /// What makes it the same one, as text, for remembering what was done about it.
    #[must_use]
    fn feed_key(&self) -> String;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OrderComplete {}
    impl Sealed for super::NoteEvent {}
}

impl FeedItem for OrderComplete {
    fn feed_key(&self) -> String {
        format!(
            "{}/{}/{}/{}/{}",
            self.external_order_id,
            self.operation_id().unwrap_or_default(),
            self.order_index.unwrap_or(0).max(0),
            self.at,
            self.produced_serial().unwrap_or_default()
        )
    }
}

impl FeedItem for NoteEvent {
    fn feed_key(&self) -> String {
        format!("{}/{}/{}", self.id.as_deref().unwrap_or_default(), self.at, self.seq)
    }
}

/// What a feed is about, and what of it.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Completions(OrderCompleteFilter),
    Notes(NoteFilter),
}

impl Subject {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Completions(filter) => filter.check(),
            Self::Notes(filter) => filter.check(),
        }
    }

    /// Where what comes is kept.
    pub(super) fn inbox(&self, store: &Store) -> Store {
        match self {
            Self::Completions(_) => store.clone(),
            Self::Notes(_) => store.of_notes(),
        }
    }

    /// Opens the live stream.
    pub(super) fn stream(&self, client: &Client) -> Result<Subscription<Json>, Error> {
        match self {
            Self::Completions(filter) => Ok(client.order_completes_stream(filter)?.into_json()),
            Self::Notes(filter) => Ok(client.note_events_stream(filter)?.into_json()),
        }
    }

    /// The query that lists everything.
    pub(super) fn list(&self) -> Document {
        match self {
            Self::Completions(_) => documents::ORDER_COMPLETES,
            Self::Notes(_) => documents::NOTE_EVENTS,
        }
    }

    /// What that query is narrowed to.
    pub(super) fn condition(&self) -> Option<String> {
        match self {
            Self::Completions(filter) => filter.condition(),
            Self::Notes(filter) => filter.condition(),
        }
    }

    /// Whether the filter wants this. What does not decode is wanted: it becomes a dead letter, and is not lost.
    pub(super) fn wants(&self, body: &Json) -> bool {
        match self {
            Self::Notes(filter) => {
                *filter == NoteFilter::all()
                    || NoteEvent::from_json(body.clone()).map_or(true, |note| filter.matches(&note))
            }
            Self::Completions(filter) => {
                *filter == OrderCompleteFilter::all()
                    || OrderComplete::from_json(body.clone()).map_or(true, |done| filter.matches(&done))
            }
        }
    }

    /// Reads the key of a report.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] naming the field that a key needs and that is missing or of another type.
    pub(super) fn arrival(&self, body: Json, source: Source) -> Result<Arrival, Error> {
        match self {
            Self::Completions(_) => arrival::arrival(body, source),
            Self::Notes(_) => note(body, source),
        }
    }
}

#[derive(Deserialize)]
struct Note {
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
    seq: i64,
    at: Timestamp,
}

/// A note has versions, each with a number of its own. Those of one note are handed out one after the other, in the order
/// of their times.
fn note(body: Json, source: Source) -> Result<Arrival, Error> {
    let note: Note = body.decode()?;
    let id = note
        .id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::new(ErrorKind::Decode, "a note without an id").with_body(body.as_bytes()))?;
    arrival::check_length("id", &id)?;
    let key = Key { order_id: id, operation_id: String::new(), order_index: 0, at: note.at.as_microsecond() };
    // A piece of a list would keep the whole list in memory.
    Ok(Arrival { key, serial: Some(note.seq.to_string()), body: body.detached(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_known_by_its_id_its_time_and_its_number() {
        let subject = Subject::Notes(NoteFilter::all());
        let read = |text: &str| subject.arrival(Json::new(text.to_owned()).unwrap(), Source::Sse);
        let first = read(r#"{"seq":7,"id":"n-1","at":"2025-01-15T10:00:00Z","text":"scratch"}"#).unwrap();
        let same = read(r#"{"at":"2025-01-15T11:00:00+01:00","id":"n-1","seq":7}"#).unwrap();
        assert_eq!((&first.key, &first.serial), (&same.key, &same.serial));
        let changed = read(r#"{"seq":8,"id":"n-1","at":"2025-01-15T10:00:00Z"}"#).unwrap();
        assert_eq!(first.key, changed.key);
        assert_ne!(first.serial, changed.serial);
        for (text, named) in [
            (r#"{"seq":7,"at":"2025-01-15T10:00:00Z"}"#, "id"),
            (r#"{"id":"n","at":"2025-01-15T10:00:00Z"}"#, "seq"),
            (r#"{"id":"n","seq":1}"#, "at"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }
}
