//! What became of the orders of an imported file, from the store alone; and the file that says so, line by line.

use std::io;

use crate::error::{Error, ErrorKind};
use crate::orders::Units;
use crate::outbox::Outbox;
use crate::store::outbox_table::{OutboxEntry, OutboxState};

/// How many rows are read at a time, so that others get their turn with the store.
const CHUNK: usize = 1000;

/// What became of one order of an imported file, or of a line that never became one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportResult {
    /// The line of the file, from 1.
    pub line: u64,
    /// Which unit of the line, from 0.
    pub unit: u32,
    /// The ERP's order id; empty for a refused line.
    pub external_order_id: String,
    /// What is to be built; empty for a refused line.
    pub operation_id: String,
    /// Which unit of the order; `None` for a refused line.
    pub order_index: Option<u32>,
    /// Where the order stands; `None` for a refused line.
    pub state: Option<OutboxState>,
    /// What Pico said.
    pub message: Option<String>,
    /// Why it was refused or failed, or what went wrong the last time.
    pub error: Option<String>,
}

impl ImportResult {
    /// The result in one word: the state, or `refused`.
    #[must_use]
    pub fn result(&self) -> &'static str {
        self.state.map_or("refused", OutboxState::name)
    }
}

impl Outbox {
    /// What became of each order and each refused line of an import, in the order of the file.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when nothing is known of such an import; otherwise those of the store.
    pub async fn import_results(&self, digest: &str) -> Result<Vec<ImportResult>, Error> {
        let prefix = format!("{digest}:");
        let mut after = String::new();
        let mut results = Vec::new();
        loop {
            let (prefix_now, from) = (prefix.clone(), after);
            let entries =
                self.read(move |backend| backend.outbox_requests(&prefix_now, &from, CHUNK)).await?;
            let Some(last) = entries.last().and_then(|entry| entry.request_id.clone()) else { break };
            after = last;
            results.extend(entries.into_iter().filter_map(|entry| result_of(entry, &prefix)));
        }
        let import = digest.to_owned();
        let refused = self.read(move |backend| backend.refused_lines(&import)).await?;
        // A line that was refused at first and queued by a later run, with a fuller catalogue, is no longer refused.
        let queued: std::collections::HashSet<u64> = results.iter().map(|result| result.line).collect();
        results.extend(refused.into_iter().filter(|(line, _)| !queued.contains(line)).map(
            |(line, reason)| ImportResult {
                line,
                unit: 0,
                external_order_id: String::new(),
                operation_id: String::new(),
                order_index: None,
                state: None,
                message: None,
                error: Some(reason.text),
            },
        ));
        if results.is_empty() {
            return Err(Error::invalid("digest", format!("nothing is known of an import \"{digest}\"")));
        }
        results.sort_by_key(|result| (result.line, result.unit));
        Ok(results)
    }
}

fn result_of(entry: OutboxEntry, prefix: &str) -> Option<ImportResult> {
    let (line, unit) = entry.request_id.as_deref()?.strip_prefix(prefix)?.split_once(':')?;
    Some(ImportResult {
        line: line.parse().ok()?,
        unit: unit.parse().ok()?,
        external_order_id: entry.external_order_id,
        operation_id: entry.operation_id,
        order_index: match entry.units {
            Units::One(index) => Some(index),
            Units::All => None,
        },
        state: Some(entry.state),
        message: entry.message,
        error: entry.error.map(|error| error.message),
    })
}

/// Writes results as CSV: `line,external_order_id,operation_id,order_index,result,message,error`.
///
/// # Errors
/// [`ErrorKind::Internal`] when `to` cannot be written to.
pub fn write_import_results(results: &[ImportResult], to: impl io::Write) -> Result<(), Error> {
    let mut writer = csv::Writer::from_writer(to);
    let mut write = || -> csv::Result<()> {
        writer.write_record([
            "line",
            "external_order_id",
            "operation_id",
            "order_index",
            "result",
            "message",
            "error",
        ])?;
        for result in results {
            writer.write_record([
                result.line.to_string().as_str(),
                &result.external_order_id,
                &result.operation_id,
                &result.order_index.map(|index| index.to_string()).unwrap_or_default(),
                result.result(),
                result.message.as_deref().unwrap_or_default(),
                result.error.as_deref().unwrap_or_default(),
            ])?;
        }
        Ok(writer.flush()?)
    };
    write().map_err(|error| {
        Error::new(ErrorKind::Internal, "the results of the import could not be written").with_source(error)
    })
}
