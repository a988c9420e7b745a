//! [`CatalogueEntry`]: an operation of the catalogue, and its way into the store and out of it.

use jiff::Timestamp;

use crate::error::Error;
use crate::model::{Model as _, Operation};
use crate::store::LONGEST_ID;
use crate::store::operation_table::{OperationRow, StoredOperation};

/// An operation as the catalogue has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CatalogueEntry {
    /// The operation as Pico last told of it.
    pub operation: Operation,
    /// The codes that [`super::Catalogue::by_code`] finds it by.
    pub codes: Vec<String>,
    /// Since when Pico does not list it any more; `None` while it does.
    pub unlisted: Option<Timestamp>,
}

impl CatalogueEntry {
    /// Whether it can be ordered: it is listed and not archived.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.unlisted.is_none() && self.operation.archived_at.is_none()
    }

    pub(super) fn from_stored(stored: StoredOperation) -> Result<Self, Error> {
        let operation = Operation::from_json(stored.body)?;
        let codes = codes(&operation);
        Ok(Self {
            operation,
            codes,
            unlisted: stored.unlisted.and_then(|at| Timestamp::from_microsecond(at).ok()),
        })
    }
}

/// What Pico's newer API sends as `externalCodes`; where it does not, the same by the same rule: the part number split
/// at the bar character.
pub(super) fn codes(operation: &Operation) -> Vec<String> {
    let mut codes: Vec<String> = match &operation.external_codes {
        Some(sent) => sent.iter().filter_map(|code| trimmed(code)).collect(),
        None => operation.external_id.iter().flat_map(|part| part.split('|')).filter_map(trimmed).collect(),
    };
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// What is stored of an operation; `None` without an id, by which alone it can be told from others and ordered.
pub(super) fn row_of(operation: &Operation) -> Option<OperationRow> {
    Some(OperationRow {
        id: operation.id.clone().filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)?,
        external_id: operation.external_id.as_deref().and_then(trimmed),
        external_revision: operation.external_revision.as_deref().and_then(trimmed),
        name: operation.name.clone(),
        updated: operation.updated_at.as_microsecond(),
        archived: operation.archived_at.map(Timestamp::as_microsecond),
        codes: codes(operation),
        body: operation.raw().detached(),
    })
}

/// The text without blanks around it, where there is any that can be looked up by.
pub(super) fn trimmed(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= LONGEST_ID).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn operation(more: &str) -> Operation {
        let text = format!(r#"{{"id":"a","name":"A","updatedAt":"2025-01-15T10:00:00Z",{more}}}"#);
        Operation::from_json(Json::new(text).unwrap()).unwrap()
    }

    #[test]
    fn codes_are_those_that_pico_sends_or_the_parts_of_the_part_number() {
        for (more, expected) in [
            (r#""externalId":" P-1 | P-2||P-1 ""#, vec!["P-1", "P-2"]),
            (r#""externalId":"P-1","externalCodes":["Q", null, " R ", ""]"#, vec!["Q", "R"]),
            (r#""externalId":"P-1","externalCodes":null"#, vec!["P-1"]),
            (r#""externalId":"P-1","externalCodes":[]"#, vec![]),
            (r#""externalId":null"#, vec![]),
            (r#""externalId":" | ""#, vec![]),
        ] {
            assert_eq!(codes(&operation(more)), expected, "{more}");
        }
    }

    #[test]
    fn a_row_has_no_blanks_and_no_empty_texts() {
        let row = row_of(&operation(r#""externalId":" P-1 ","externalRevision":" ""#)).unwrap();
        assert_eq!((row.external_id.as_deref(), row.external_revision), (Some("P-1"), None));
        let nameless = Json::new(r#"{"id":"","name":"A","updatedAt":"2025-01-15T10:00:00Z"}"#).unwrap();
        assert!(row_of(&Operation::from_json(nameless).unwrap()).is_none());
    }
}
