//! What makes a report of a completion the same as another: reads the key from the JSON as Pico sent it.
//!
//! Only the key is read here. Whether the rest fits the type is found out when the completion is handed out, so that
//! one with an unexpected field is kept, and told of, and not refused at the door.

use jiff::Timestamp;
use serde::Deserialize;

use crate::error::Error;
use crate::json::Json;
use crate::model::lenient;
use crate::store::LONGEST_ID;
use crate::store::inbox_table::{Arrival, Key, Source};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(default, deserialize_with = "lenient::text")]
    external_order_id: Option<String>,
    #[serde(default)]
    operation: Option<Operation>,
    #[serde(default)]
    order_index: Option<i64>,
    at: Timestamp,
    #[serde(default)]
    end_state: Option<EndState>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndState {
    #[serde(default, deserialize_with = "lenient::text")]
    produced_serial: Option<String>,
}

/// Reads the key of one report.
///
/// # Errors
/// [`crate::ErrorKind::Decode`] naming the field that a key needs and that is missing or of another type.
pub(super) fn arrival(body: Json, source: Source) -> Result<Arrival, Error> {
    let report: Report = body.decode()?;
    let order_id = report.external_order_id.filter(|id| !id.is_empty()).ok_or_else(|| {
        Error::new(crate::ErrorKind::Decode, "a completion without an externalOrderId")
            .with_body(body.as_bytes())
    })?;
    let key = Key {
        order_id,
        operation_id: report.operation.and_then(|operation| operation.id).unwrap_or_default(),
        order_index: report.order_index.unwrap_or(0).max(0),
        at: report.at.as_microsecond(),
    };
    let serial = report.end_state.and_then(|state| state.produced_serial);
    check_length("externalOrderId", &key.order_id)?;
    check_length("operation.id", &key.operation_id)?;
    check_length("endState.producedSerial", serial.as_deref().unwrap_or_default())?;
    // A piece of a list would keep the whole list in memory.
    Ok(Arrival { key, serial, body: body.detached(), source })
}

/// That the store can tell it from others. One that it cannot must not hold up all that comes after it.
pub(super) fn check_length(field: &str, id: &str) -> Result<(), Error> {
    if id.len() <= LONGEST_ID {
        return Ok(());
    }
    Err(Error::new(
        crate::ErrorKind::Decode,
        format!("{field} has {} bytes, and no id of more than {LONGEST_ID} can be kept", id.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Arrival, Error> {
        arrival(Json::new(text.to_owned()).unwrap(), Source::Sse)
    }

    #[test]
    fn reports_of_one_completion_have_one_key_however_they_are_written() {
        let full = r#"{"externalOrderId":"E","operation":{"id":"op","name":"A"},"orderIndex":0,
            "at":"2025-01-15T14:22:00.000Z","operationSummary":{},"endState":{"producedSerial":"S"},"new":1}"#;
        let expected = read(full).unwrap();
        for text in [
            r#"{"at":"2025-01-15T14:22:00Z","externalOrderId":"E","operation":{"id":"op"}}"#,
            r#"{"at":"2025-01-15T15:22:00+01:00","externalOrderId":"E","orderIndex":null,"operation":{"id":"op"}}"#,
        ] {
            assert_eq!(read(text).unwrap().key, expected.key, "{text}");
        }
        assert_eq!(expected.serial.as_deref(), Some("S"));
    }

    #[test]
    fn a_report_without_a_key_is_told_from_one_that_has_it() {
        for (text, named) in [
            ("[]", "invalid length"),
            (r#"{"externalOrderId":"E"}"#, "at"),
            (r#"{"externalOrderId":"E","at":"yesterday"}"#, "year"),
            (r#"{"at":"2025-01-15T14:22:00Z"}"#, "externalOrderId"),
            (r#"{"externalOrderId":"","at":"2025-01-15T14:22:00Z"}"#, "externalOrderId"),
            (
                &format!(r#"{{"externalOrderId":"{}","at":"2025-01-15T14:22:00Z"}}"#, "x".repeat(1001)),
                "externalOrderId has 1001 bytes",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Decode);
            assert!(error.to_string().contains(named), "{text}: {error}");
        }
    }
}
