//! Operators' notes: what the control API says of one, and the event that it becomes. Notes have no part in the
//! life of an order.

use std::sync::Arc;

use serde::Deserialize;

use crate::error::Error;
use crate::floor::{Event, State};
use crate::model::{NoteEvent, NoteState, NoteType};

/// A note that an operator writes or changes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoteSpec {
    /// The note's id; absent: a new one. A known id makes the event an `update`.
    #[serde(default)]
    pub id: Option<String>,
    /// The identifier in an outside ticket system.
    #[serde(default)]
    pub external_id: String,
    /// What the operator wrote.
    #[serde(default)]
    pub text: Option<String>,
    /// Extra detail, such as parts.
    #[serde(default)]
    pub metadata: Option<serde_json::Value>,
    /// Paths of images.
    #[serde(default)]
    pub images: Option<Vec<String>>,
    /// The kind of the note.
    #[serde(default, rename = "type")]
    pub note_type: Option<NoteType>,
    /// The state of the build.
    #[serde(default)]
    pub state: Option<NoteState>,
}

impl NoteSpec {
    /// A new note with that text.
    pub fn new(text: impl Into<String>) -> Self {
        NoteSpec { text: Some(text.into()), ..NoteSpec::default() }
    }
}

impl State {
    pub(crate) fn add_note(&mut self, spec: NoteSpec) -> Result<Arc<NoteEvent>, Error> {
        if spec.id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            return Err(Error::invalid("id: must not be empty"));
        }
        let seq = self.notes.len() as i32 + 1;
        let id = spec.id.unwrap_or_else(|| format!("note-{seq:06}"));
        let known = self.notes.iter().any(|note| note.id == id);
        let note = Arc::new(NoteEvent {
            seq,
            at: self.clock.tick(),
            id,
            external_id: spec.external_id,
            text: spec.text,
            metadata: spec.metadata,
            images: spec.images,
            event_type: if known { "update" } else { "new" }.to_owned(),
            note_type: spec.note_type,
            state: spec.state,
        });
        self.notes.push(Arc::clone(&note));
        self.log.push(Event::Note(Arc::clone(&note)));
        Ok(note)
    }
}
