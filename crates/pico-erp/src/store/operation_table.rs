//! [`OperationTable`]: operations as Pico last told of them, and the decision whether news of one is news.

use crate::error::Error;
use crate::json::Json;

/// What is told of an operation, ready to be stored. Times are microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct OperationRow {
    pub(crate) id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) external_revision: Option<String>,
    pub(crate) name: String,
    pub(crate) updated: i64,
    pub(crate) archived: Option<i64>,
    pub(crate) codes: Vec<String>,
    pub(crate) body: Json,
}

/// An operation that is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredOperation {
    pub(crate) body: Json,
    /// Since when Pico does not list it any more.
    pub(crate) unlisted: Option<i64>,
}

/// Who tells of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The stream.
    Event,
    /// The list.
    List,
}

/// What is known of an operation when something is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// When it was changed, by what is stored.
    pub(crate) updated: i64,
    /// Whether the text is the same.
    pub(crate) same: bool,
    /// Whether it counts as listed.
    pub(crate) listed: bool,
    /// Whether an event told of it since the list was begun that is being read.
    pub(crate) heard_since: bool,
}

/// What becomes of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is new or another now.
    Written,
    /// Its text stays; it is listed again.
    Listed,
    /// It stays as it is.
    Kept,
}

/// Decides what becomes of a row when something is told of it that was changed at `updated`.
///
/// The stream may repeat itself or be late, so an older event is no news. The list is the whole truth of its moment,
/// and a Pico that was set back to an older state has only older times to show; but an event that came while the list
/// was under way may be newer than that moment.
pub(crate) fn put(known: Option<Known>, origin: Origin, updated: i64) -> Put {
    let Some(known) = known else { return Put::Written };
    let older = updated < known.updated;
    match origin {
        Origin::Event if older => Put::Kept,
        _ if known.same || (older && known.heard_since) => {
            if known.listed {
                Put::Kept
            } else {
                Put::Listed
            }
        }
        _ => Put::Written,
    }
}

/// The store of operations. All methods are called inside a transaction.
pub(crate) trait OperationTable {
    /// Begins to note which operations are told of, until [`OperationTable::end_list`].
    fn begin_list(&mut self) -> Result<(), Error>;
    /// Takes in what is told of an operation. `listing` says whether a list was begun and not ended.
    fn put_operation(&mut self, row: &OperationRow, origin: Origin, listing: bool) -> Result<Put, Error>;
    /// Takes in what is told of several; returns how many changed.
    fn put_operations(&mut self, rows: &[OperationRow], origin: Origin, listing: bool) -> Result<u64, Error> {
        let mut changes = 0;
        for row in rows {
            changes += u64::from(self.put_operation(row, origin, listing)? != Put::Kept);
        }
        Ok(changes)
    }
    /// Notes an operation that is listed, but cannot be read.
    fn touch_operation(&mut self, id: &str) -> Result<(), Error>;
    /// Marks as not listed since `now` what nobody told of since the list was begun; returns how many.
    fn end_list(&mut self, now: i64) -> Result<u64, Error>;
    /// One by its id.
    fn operation(&mut self, id: &str) -> Result<Option<StoredOperation>, Error>;
    /// All with that part number, and that revision where one is given.
    fn operations_by_part(
        &mut self,
        part: &str,
        revision: Option<&str>,
    ) -> Result<Vec<StoredOperation>, Error>;
    /// All with that code.
    fn operations_by_code(&mut self, code: &str) -> Result<Vec<StoredOperation>, Error>;
    /// Those with an id after `after`, in the order of ids, at most `limit`.
    fn operations_page(&mut self, after: &str, limit: usize) -> Result<Vec<StoredOperation>, Error>;
    /// How many are listed.
    fn operation_count(&mut self) -> Result<u64, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_an_operation_is_weighed_against_what_is_known() {
        use Origin::{Event, List};
        use Put::{Kept, Listed, Written};
        assert_eq!(put(None, Event, 1), Written);
        assert_eq!(put(None, List, 1), Written);
        for (origin, updated, same, listed, heard_since, expected) in [
            (Event, 9, false, true, false, Kept),
            (Event, 9, false, false, false, Kept),
            (Event, 10, false, true, false, Written),
            (Event, 11, false, false, false, Written),
            (Event, 10, true, true, true, Kept),
            (Event, 10, true, false, true, Listed),
            (List, 10, true, true, false, Kept),
            (List, 10, true, false, false, Listed),
            (List, 10, false, true, true, Written),
            (List, 11, false, true, true, Written),
            // The list was made before the event.
            (List, 9, false, true, true, Kept),
            (List, 9, false, false, true, Listed),
            // Pico was set back.
            (List, 9, false, true, false, Written),
        ] {
            let known = Known { updated: 10, same, listed, heard_since };
            assert_eq!(put(Some(known), origin, updated), expected, "{origin:?} {updated} {known:?}");
        }
    }
}
