//! [`Outbox::import`]: a file's orders into the outbox, a chunk at a time, each once however often it is run.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::order::{ImportedOperation, ImportedOrder, PartRevision, at};
use super::reader::ImportReader;
use crate::error::{Error, ErrorKind};
use crate::orders::OrderSave;
use crate::outbox::Outbox;
use crate::store::outbox_table::{Enqueued, NewOrder, Reason};

/// How many orders go into one transaction.
const CHUNK: usize = 500;
/// How many refused lines a report holds; all are in the store.
const REPORTED: usize = 100;

/// Finds the id of a part's operation. [`ErrorKind::InvalidArgument`] refuses the line; any other error ends the import,
/// which can be run again.
pub type ResolvePart =
    Arc<dyn Fn(PartRevision) -> Pin<Box<dyn Future<Output = Result<String, Error>> + Send>> + Send + Sync>;

/// What is told how far an import has come.
pub type OnProgress = Arc<dyn Fn(&ImportProgress) + Send + Sync>;

/// How a file is imported.
#[derive(Clone)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Tells imports of the same content apart; default the file's name. The same content under the same name is the same
    /// import, and queued once.
    pub name: Option<String>,
    /// Finds operations by part. Without one, lines that name a part are refused.
    pub resolve: Option<ResolvePart>,
    /// Called after each chunk.
    pub on_progress: Option<OnProgress>,
    /// How many orders go into one transaction. Default 500.
    pub chunk: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { name: None, resolve: None, on_progress: None, chunk: CHUNK }
    }
}

impl ImportOptions {
    /// Sets the name of the import.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how operations are found by part.
    #[must_use]
    pub fn resolve<F>(mut self, resolve: impl Fn(PartRevision) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Error>> + Send + 'static,
    {
        self.resolve = Some(Arc::new(move |part| Box::pin(resolve(part))));
        self
    }

    /// Sets what is called after each chunk.
    #[must_use]
    pub fn on_progress(mut self, on_progress: impl Fn(&ImportProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(on_progress));
        self
    }

    /// Sets how many orders go into one transaction.
    #[must_use]
    pub fn chunk(mut self, orders: usize) -> Self {
        self.chunk = orders;
        self
    }
}

impl fmt::Debug for ImportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("name", &self.name)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

/// What an import has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Lines read, without the header and empty ones.
    pub lines: u64,
    /// Orders queued; a line of several units is several.
    pub queued: u64,
    /// Orders that an earlier run of the same import had queued.
    pub known: u64,
    /// Lines that were refused.
    pub refused: u64,
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportProgress {
    /// What it has done.
    pub counts: ImportCounts,
    /// How many bytes of the file it has read.
    pub read: u64,
    /// The size of the file.
    pub size: u64,
}

/// A line that could not become an order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RefusedLine {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, with line and column.
    pub error: Error,
}

/// What came of an import.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportReport {
    /// What tells it from every other, for [`Outbox::import_results`].
    pub digest: String,
    /// What it has done.
    pub counts: ImportCounts,
    /// The first hundred refused lines. All are among the results.
    pub refused: Vec<RefusedLine>,
}

/// One transaction's worth.
#[derive(Default)]
struct Chunk {
    orders: Vec<NewOrder>,
    refused: Vec<(u64, Reason)>,
}

impl Outbox {
    /// Queues all orders of a file. When it ends early, by an error, a crash or because it is dropped, run it again: what
    /// it had queued is known by the file's content, the name, the line and the unit, and is not queued twice.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a setting or a header; those of the store; those of
    /// [`ImportOptions::resolve`] that are about more than a line. A bad line is no error: it is in the report and
    /// among the results.
    pub async fn import(&self, reader: &ImportReader, options: ImportOptions) -> Result<ImportReport, Error> {
        if options.chunk == 0 {
            return Err(Error::invalid("chunk", "is 0; it must be at least 1"));
        }
        let digest = reader.digest(options.name.as_deref().unwrap_or(reader.name()));
        let mut import = Import {
            outbox: self,
            options,
            size: reader.size(),
            resolved: HashMap::new(),
            chunk: Chunk::default(),
            report: ImportReport { digest, counts: ImportCounts::default(), refused: Vec::new() },
        };
        let mut lines = reader.counted_lines()?;
        while let Some((line, order)) = lines.next() {
            import.report.counts.lines += 1;
            let order = match order {
                Ok(order) => import.operation(line, &order).await?.map(|operation| (operation, order)),
                Err(error) => Err(error),
            };
            match order {
                Ok((operation, order)) => import.units(line, &operation, &order, lines.read()).await?,
                Err(error) => import.refuse(line, error),
            }
            import.flush_if_full(lines.read()).await?;
        }
        import.flush(reader.size()).await?;
        Ok(import.report)
    }
}

struct Import<'a> {
    outbox: &'a Outbox,
    options: ImportOptions,
    size: u64,
    resolved: HashMap<PartRevision, Result<String, Error>>,
    chunk: Chunk,
    report: ImportReport,
}

impl Import<'_> {
    /// The operation's id; an inner error refuses the line, an outer one ends the import.
    async fn operation(&mut self, line: u64, order: &ImportedOrder) -> Result<Result<String, Error>, Error> {
        let part = match &order.operation {
            ImportedOperation::Id(id) => return Ok(Ok(id.clone())),
            ImportedOperation::Part(part) => part,
        };
        let Some(resolve) = &self.options.resolve else {
            let problem = "cannot be looked up without a catalogue; give operationId";
            return Ok(Err(at(line, "partNumber", problem)));
        };
        let found = match self.resolved.get(part) {
            Some(found) => found.clone(),
            None => {
                let found = resolve(part.clone()).await;
                if let Err(error) = &found
                    && error.kind() != ErrorKind::InvalidArgument
                {
                    return Err(error.clone().context(format!("line {line}, partNumber")));
                }
                self.resolved.insert(part.clone(), found.clone());
                found
            }
        };
        Ok(found.map_err(|error| error.context(format!("line {line}, partNumber"))))
    }

    async fn units(
        &mut self,
        line: u64,
        operation: &str,
        order: &ImportedOrder,
        read: u64,
    ) -> Result<(), Error> {
        for unit in 0..order.quantity {
            let save = OrderSave::new(operation, &order.external_order_id)
                .order_index(order.order_index + unit)
                .select_optional_operations(&order.select_optional_operation_ids);
            let request_id = format!("{}:{line}:{unit}", self.report.digest);
            match NewOrder::try_from(save.request_id(request_id)) {
                Ok(row) => self.chunk.orders.push(row),
                // It is the same for every unit.
                Err(error) => {
                    self.refuse(line, error.context(format!("line {line}")));
                    return Ok(());
                }
            }
            self.flush_if_full(read).await?;
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, error: Error) {
        self.report.counts.refused += 1;
        self.chunk.refused.push((line, Reason::of(&error)));
        if self.report.refused.len() < REPORTED {
            self.report.refused.push(RefusedLine { line, error });
        }
    }

    async fn flush_if_full(&mut self, read: u64) -> Result<(), Error> {
        if self.chunk.orders.len() + self.chunk.refused.len() < self.options.chunk {
            return Ok(());
        }
        self.flush(read).await
    }

    async fn flush(&mut self, read: u64) -> Result<(), Error> {
        let chunk = std::mem::take(&mut self.chunk);
        if !(chunk.orders.is_empty() && chunk.refused.is_empty()) {
            let now = self.outbox.store().now();
            let import = self.report.digest.clone();
            let (queued, known) = self
                .outbox
                .change(move |backend| {
                    let (mut queued, mut known) = (0, 0);
                    for row in &chunk.orders {
                        match backend.enqueue(row, now)? {
                            Enqueued::New { .. } => queued += 1,
                            // Also when it differs: a part may lead to another operation by now, and the line was queued.
                            Enqueued::Known { .. } => known += 1,
                        }
                    }
                    for (line, reason) in &chunk.refused {
                        backend.refuse_line(&import, *line, reason, now)?;
                    }
                    Ok((queued, known))
                })
                .await?;
            self.report.counts.queued += queued;
            self.report.counts.known += known;
        }
        if let Some(on_progress) = &self.options.on_progress {
            on_progress(&ImportProgress { counts: self.report.counts, read, size: self.size });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
