//! `to_json` of what a catalogue tells, in the form that `json_forms` describes: for the C ABI and `--json`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CatalogueEntry, CatalogueStatus, CatalogueStream};
use crate::error::Error;
use crate::json::Json;
use crate::model::Model as _;

fn json(form: &impl Serialize) -> Json {
    Json::from_value(form).unwrap_or_default()
}

fn verbatim(json: &Json) -> Option<&RawValue> {
    json.decode_borrowed().ok()
}

#[derive(Serialize)]
struct EntryForm<'a> {
    operation: Option<&'a RawValue>,
    codes: &'a [String],
    unlisted: Option<Timestamp>,
    usable: bool,
}

impl CatalogueEntry {
    /// `{"operation","codes","unlisted","usable"}`; `operation` is as Pico sent it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&EntryForm {
            operation: verbatim(self.operation.raw()),
            codes: &self.codes,
            unlisted: self.unlisted,
            usable: self.is_usable(),
        })
    }
}

#[derive(Serialize)]
struct ListForm {
    at: Timestamp,
    count: u64,
    unreadable: u64,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum IdleForm<'a> {
    Offline,
    Closed { delay_seconds: f64, cause: Option<&'a RawValue> },
}

impl CatalogueStream {
    /// `{"state", ...}`: `offline`; `closed` with `delaySeconds`, `cause`; otherwise as the stream's own state.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Offline => json(&IdleForm::Offline),
            Self::Live(state) => state.to_json(),
            Self::Closed { error, delay } => {
                let cause = error.as_deref().map(Error::to_json);
                let cause = cause.as_ref().and_then(verbatim);
                json(&IdleForm::Closed { delay_seconds: delay.as_secs_f64(), cause })
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusForm<'a> {
    last_list: Option<ListForm>,
    stream: Option<&'a RawValue>,
    last_error: Option<&'a RawValue>,
    revision: u64,
}

impl CatalogueStatus {
    /// `{"lastList","stream","lastError","revision"}`; `lastList` has `at`, `count` and `unreadable`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let stream = self.stream.to_json();
        let error = self.last_error.as_deref().map(Error::to_json);
        json(&StatusForm {
            last_list: self.last_list.map(|list| ListForm {
                at: list.at,
                count: list.count,
                unreadable: list.unreadable,
            }),
            stream: verbatim(&stream),
            last_error: error.as_ref().and_then(verbatim),
            revision: self.revision,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::catalogue::CatalogueList;
    use crate::error::ErrorKind;
    use crate::model::Operation;

    #[test]
    fn an_entry_has_the_operation_as_it_was_sent() {
        let raw = r#"{ "id":"a","name":"A","updatedAt":"2025-01-15T10:00:00Z","archivedAt":null }"#;
        let operation = Operation::from_json(Json::new(raw).unwrap()).unwrap();
        let unlisted = Some(Timestamp::from_second(1).unwrap());
        let entry = CatalogueEntry { operation, codes: vec!["P".into()], unlisted };
        let expected = format!(
            r#"{{"operation":{raw},"codes":["P"],"unlisted":"1970-01-01T00:00:01Z","usable":false}}"#
        );
        assert_eq!(entry.to_json().as_str(), expected);
    }

    #[test]
    fn a_status_tells_list_stream_and_error() {
        let refused = Arc::new(Error::new(ErrorKind::StoreFull, "full"));
        let mut status = CatalogueStatus {
            last_list: None,
            stream: CatalogueStream::Offline,
            last_error: None,
            revision: 0,
        };
        assert_eq!(
            status.to_json().as_str(),
            r#"{"lastList":null,"stream":{"state":"offline"},"lastError":null,"revision":0}"#
        );
        let error = refused.to_json();
        status.last_list =
            Some(CatalogueList { at: Timestamp::from_second(1).unwrap(), count: 2, unreadable: 3 });
        status.stream =
            CatalogueStream::Closed { error: Some(Arc::clone(&refused)), delay: Duration::from_millis(1500) };
        status.last_error = Some(refused);
        assert_eq!(
            status.to_json().as_str(),
            format!(
                concat!(
                    r#"{{"lastList":{{"at":"1970-01-01T00:00:01Z","count":2,"unreadable":3}},"#,
                    r#""stream":{{"state":"closed","delaySeconds":1.5,"cause":{}}},"lastError":{},"revision":0}}"#
                ),
                error, error
            )
        );
    }
}
