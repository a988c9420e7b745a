//! [`NoteEvent`]: what an operator wrote during a build.

use jiff::Timestamp;
use serde::Deserialize;

use super::{lenient, model};
use crate::json::Json;

/// An operator's note that is new or was changed. Only newer Picos (generation G3) have them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NoteEvent {
    /// A running number.
    pub seq: i64,
    /// When the note was made.
    pub at: Timestamp,
    /// The note's id.
    #[serde(default, deserialize_with = "lenient::text")]
    pub id: Option<String>,
    /// The note's id in an outside ticket system.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<String>,
    /// What the operator wrote.
    #[serde(default)]
    pub text: Option<String>,
    /// Further detail, such as parts, in a form Pico does not describe.
    #[serde(default, deserialize_with = "lenient::json")]
    pub metadata: Option<Json>,
    /// URL paths of pictures.
    #[serde(default, deserialize_with = "lenient::list")]
    pub images: Vec<String>,
    /// Whether it is new or changed; Pico does not list the values.
    #[serde(default, deserialize_with = "lenient::text")]
    pub event_type: Option<String>,
    #[serde(skip)]
    pub(super) raw: Json,
}

model!(NoteEvent, "NoteEvent", ["seq", "at", "id", "externalId", "text", "metadata", "images", "eventType"]);
