//! Orders from files: CSV and JSON lines into the outbox, and the result of each line out of it.
//!
//! [`order`] says what an order in a file is; [`csv`] and [`json_lines`] read the two formats; [`reader`] is the
//! iterator over either; [`queue`] puts them into the outbox; [`results`] tells what became of them.

mod csv;
mod json_form;
mod json_lines;
mod order;
mod queue;
mod reader;
mod results;

pub use order::{ImportedOperation, ImportedOrder, PartRevision};
pub use queue::{
    ImportCounts, ImportOptions, ImportProgress, ImportReport, OnProgress, RefusedLine, ResolvePart,
};
pub use reader::{ImportFormat, ImportReader};
pub use results::{ImportResult, write_import_results};
