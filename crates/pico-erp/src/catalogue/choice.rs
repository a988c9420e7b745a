//! Which operation a part number and a revision mean, and what to tell somebody when they mean none or several. Pure.

use std::fmt::Write as _;

use super::entry::{CatalogueEntry, trimmed};
use crate::error::Error;

/// How many operations or revisions an error lists.
const SHOWN: usize = 5;

/// What else is known, for the message when there is no such part.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings {
    /// Whether the catalogue has ever held a whole list.
    pub(super) filled: bool,
    /// How many operations have the part number as one of several codes.
    pub(super) by_code: usize,
}

/// Chooses among `entries`, which are all operations with that part number.
pub(super) fn choose(
    part: &str,
    revision: Option<&str>,
    entries: Vec<CatalogueEntry>,
    around: Surroundings,
) -> Result<CatalogueEntry, Error> {
    if entries.is_empty() {
        return Err(Error::invalid("part_number", unknown(part, around)));
    }
    let revision = revision.and_then(trimmed);
    let field = if revision.is_some() { "revision" } else { "part_number" };
    let (fitting, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| revision.is_none() || revision_of(entry).as_deref() == revision.as_deref());
    let what = match &revision {
        Some(revision) => format!("part number \"{part}\" revision \"{revision}\""),
        None => format!("part number \"{part}\""),
    };
    if fitting.is_empty() {
        let has = list(others.iter().map(|entry| match revision_of(entry) {
            Some(revision) => format!("\"{revision}\""),
            None => "one without a revision".to_owned(),
        }));
        return Err(Error::invalid(field, format!("there is no {what}; the part number has {has}")));
    }
    let (mut usable, gone): (Vec<_>, Vec<_>) = fitting.into_iter().partition(CatalogueEntry::is_usable);
    match (usable.len(), usable.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Error::invalid(
            field,
            format!("{what} cannot be ordered: {}", list(gone.iter().map(why_not))),
        )),
        (count, Some(last)) => {
            usable.push(last);
            let advice = match revision {
                // The same revision twice: only the id tells them apart.
                Some(_) => "order by the id of one of",
                None => "give a revision, or order by the id of one of",
            };
            let candidates = list(usable.iter().map(described));
            Err(Error::invalid(field, format!("{what} means {count} operations; {advice}: {candidates}")))
        }
    }
}

fn unknown(part: &str, around: Surroundings) -> String {
    let mut text = format!("no operation has the part number \"{part}\"");
    if !around.filled {
        text.push_str("; the catalogue has not yet read Pico's list of operations");
    } else if around.by_code > 0 {
        let _ = write!(text, "; {} have it as one of several codes: order by id", around.by_code);
    }
    text
}

fn revision_of(entry: &CatalogueEntry) -> Option<String> {
    entry.operation.external_revision.as_deref().and_then(trimmed)
}

fn described(entry: &CatalogueEntry) -> String {
    let id = entry.operation.id.as_deref().unwrap_or_default();
    let name = &entry.operation.name;
    match revision_of(entry) {
        Some(revision) => format!("{id} (revision \"{revision}\", {name})"),
        None => format!("{id} (no revision, {name})"),
    }
}

fn why_not(entry: &CatalogueEntry) -> String {
    let described = described(entry);
    match (entry.operation.archived_at, entry.unlisted) {
        (Some(at), _) => format!("{described} was archived at {at}"),
        (None, Some(at)) => format!("Pico has not listed {described} since {at}"),
        (None, None) => described,
    }
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = texts.collect();
    let mut text = all[..all.len().min(SHOWN)].join(", ");
    if all.len() > SHOWN {
        let _ = write!(text, " and {} more", all.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::json::Json;
    use crate::store::operation_table::StoredOperation;

    #[derive(Clone, Copy, PartialEq)]
    enum Is {
        There,
        Archived,
        Gone,
    }

    fn entry(id: &str, revision: &str, is: Is) -> CatalogueEntry {
        let archived = if is == Is::Archived { r#""2025-02-01T00:00:00Z""# } else { "null" };
        let body = format!(
            r#"{{"id":"{id}","externalId":"P","externalRevision":"{revision}","name":"Box","updatedAt":"2025-01-15T10:00:00Z","archivedAt":{archived}}}"#
        );
        let unlisted = (is == Is::Gone).then_some(1_740_000_000_000_000);
        CatalogueEntry::from_stored(StoredOperation { body: Json::new(body).unwrap(), unlisted }).unwrap()
    }

    const FILLED: Surroundings = Surroundings { filled: true, by_code: 0 };

    #[test]
    fn one_usable_operation_is_chosen() {
        use Is::{Archived, Gone, There};
        let all = || vec![entry("a", "A", Archived), entry("b", "B", There), entry("g", "B", Gone)];
        for revision in [None, Some("B"), Some(" B "), Some("")] {
            let chosen = choose("P", revision, all(), FILLED).unwrap();
            assert_eq!(chosen.operation.id.as_deref(), Some("b"), "{revision:?}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_field_with_what_would_help() {
        use Is::{Archived, Gone, There};
        let many: Vec<_> = (1..=7).map(|n| entry(&format!("op-{n}"), &format!("R{n}"), There)).collect();
        let unfilled = Surroundings::default();
        let coded = Surroundings { filled: true, by_code: 2 };
        for (revision, entries, around, message) in [
            (None, vec![], FILLED, "part_number: no operation has the part number \"P\""),
            (
                Some("A"),
                vec![],
                unfilled,
                "part_number: no operation has the part number \"P\"; the catalogue has not yet read Pico's list of operations",
            ),
            (
                None,
                vec![],
                coded,
                "part_number: no operation has the part number \"P\"; 2 have it as one of several codes: order by id",
            ),
            (
                Some("C"),
                vec![entry("a", "A", There), entry("b", "", There)],
                FILLED,
                "revision: there is no part number \"P\" revision \"C\"; the part number has \"A\", one without a revision",
            ),
            (
                Some("A"),
                vec![entry("a", "A", Archived), entry("b", "B", There)],
                FILLED,
                "revision: part number \"P\" revision \"A\" cannot be ordered: a (revision \"A\", Box) was archived at 2025-02-01T00:00:00Z",
            ),
            (
                None,
                vec![entry("a", "A", Gone)],
                FILLED,
                "part_number: part number \"P\" cannot be ordered: Pico has not listed a (revision \"A\", Box) since 2025-02-19T21:20:00Z",
            ),
            (
                Some("A"),
                vec![entry("a", "A", There), entry("b", "A", There)],
                FILLED,
                "revision: part number \"P\" revision \"A\" means 2 operations; order by the id of one of: a (revision \"A\", Box), b (revision \"A\", Box)",
            ),
            (
                None,
                many,
                FILLED,
                "part_number: part number \"P\" means 7 operations; give a revision, or order by the id of one of: op-1 (revision \"R1\", Box), op-2 (revision \"R2\", Box), op-3 (revision \"R3\", Box), op-4 (revision \"R4\", Box), op-5 (revision \"R5\", Box) and 2 more",
            ),
        ] {
            let error = choose("P", revision, entries, around).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert_eq!(error.to_string(), message);
        }
    }
}
