//! [`Backend`]: what a store must be able to do, whatever keeps the data. All methods but those of the transaction are
//! called inside one, on the store's own thread, and may block.

use super::candidacy::Tenure;
use super::{Durability, Role};
use crate::error::Error;
use crate::store::inbox_table::InboxTable;
use crate::store::operation_table::OperationTable;
use crate::store::outbox_table::OutboxTable;

/// When the oldest came in that nothing has become of yet, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OldestUnsettled {
    /// A completion that is neither acknowledged nor dead.
    pub(crate) completion: Option<i64>,
    /// An order that is still to be sent.
    pub(crate) order: Option<i64>,
}

/// A transaction with savepoints, and the tables in it.
pub(crate) trait Backend: InboxTable + OutboxTable + OperationTable + Send {
    /// Begins a transaction that shuts other processes' changes out.
    fn begin(&mut self, durability: Durability) -> Result<(), Error>;
    /// Ends the transaction; when this returns `Ok` it is as durable as was asked for.
    fn commit(&mut self) -> Result<(), Error>;
    /// Undoes the transaction, as far as it was begun.
    fn roll_back(&mut self);
    /// Marks where [`Backend::undo`] goes back to.
    fn save_point(&mut self) -> Result<(), Error>;
    /// Keeps what was done since the mark.
    fn keep(&mut self) -> Result<(), Error>;
    /// Undoes what was done since the mark.
    fn undo(&mut self) -> Result<(), Error>;
    /// Closes the file, outside any transaction.
    fn close(self: Box<Self>);

    /// Since when the oldest of each kind has been waiting for its end.
    fn oldest_unsettled(&mut self) -> Result<OldestUnsettled, Error>;

    /// Gives space that is not used any more back to the file system, a little at a time.
    fn give_space_back(&mut self) -> Result<(), Error>;
    /// Makes the rows of one plant those that the tables are about, until the next call.
    fn enter(&mut self, plant: &str) -> Result<(), Error>;
    /// The plants that have been entered ever, by name.
    fn plant_names(&mut self) -> Result<Vec<String>, Error>;
    /// Says which Pico the plant's rows belong to: `instance`, when none was named before or it is to be named `anew`.
    fn bind(&mut self, instance: &str, anew: bool) -> Result<String, Error>;
    /// Refuses, with [`crate::ErrorKind::LeaseLost`], what only the holder of a role may do, when that is another by now. Held
    /// until the transaction is over.
    fn check_tenure(&mut self, role: Role, tenure: Tenure) -> Result<(), Error>;
    /// A value kept by name, such as when a feed was first started.
    fn note(&mut self, name: &str) -> Result<Option<String>, Error>;
    /// Keeps a value by name.
    fn set_note(&mut self, name: &str, value: &str) -> Result<(), Error>;
}
