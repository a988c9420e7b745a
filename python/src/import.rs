//! Orders from a file into the outbox, and their results into a file. The import runs on the thread that asks for it,
//! which calls back between its steps.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use pico_erp::{Catalogue, Error, ImportOptions, ImportReader, ImportResult, Outbox, write_import_results};
use pyo3::prelude::*;
use tokio::sync::mpsc;

use crate::error::raise;
use crate::record;
use crate::wait::wait;

/// The arguments of Outbox.import_orders.
pub(crate) struct ToldImport {
    pub(crate) path: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) catalogue: Option<Catalogue>,
    pub(crate) ignore_unknown_columns: bool,
}

impl ToldImport {
    fn reader(&self) -> Result<ImportReader, Error> {
        let reader = ImportReader::open(&self.path)?;
        Ok(if self.ignore_unknown_columns { reader.ignore_unknown_columns() } else { reader })
    }

    fn options(self) -> ImportOptions {
        let mut options = ImportOptions::default();
        options.name = self.name;
        if let Some(catalogue) = self.catalogue {
            options = options.resolve(move |part| {
                let catalogue = catalogue.clone();
                async move {
                    // Before its first list it would refuse every line.
                    catalogue.ready().await?;
                    let revision = part.revision.as_deref();
                    // The order's own id is not known here, and not looked at.
                    let order = catalogue.order_by_part("import", &part.part_number, revision).await?;
                    Ok(order.operation_id)
                }
            });
        }
        options
    }
}

/// What comes next of an import.
enum Step<P, R> {
    Progress(P),
    Done(R),
}

/// Imports a file, and tells `on_progress` how far it has come, attached and outside the runtime, so that it may do
/// whatever it likes.
pub(crate) fn import<'py>(
    py: Python<'py>,
    outbox: Outbox,
    told: ToldImport,
    on_progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let reader = py.detach(|| told.reader()).map_err(|error| raise(py, &error))?;
    // Holds what one step of the import has told, for the import only goes on while it is waited for.
    let (tell, mut told_progress) = mpsc::unbounded_channel();
    let options = told.options().on_progress(move |progress| {
        let _ = tell.send(*progress);
    });
    let call_back = |progress| match on_progress {
        Some(on_progress) => on_progress.call1((record::import_progress(py, progress)?,)).map(drop),
        None => Ok(()),
    };
    let mut importing = Box::pin(outbox.import(&reader, options));
    let report = loop {
        let step = wait(py, None, None, async {
            tokio::select! {
                biased;
                Some(progress) = told_progress.recv() => Ok(Step::Progress(progress)),
                report = importing.as_mut() => report.map(Step::Done),
            }
        })?;
        match step {
            Step::Progress(progress) => call_back(progress)?,
            Step::Done(report) => break report,
        }
    };
    while let Ok(progress) = told_progress.try_recv() {
        call_back(progress)?;
    }
    record::import_report(py, report)
}

/// Writes results to a file as CSV.
pub(crate) fn write(results: &[ImportResult], path: &Path) -> Result<(), Error> {
    let file = File::create(path)
        .map_err(|error| Error::invalid("path", format!("{} cannot be written: {error}", path.display())))?;
    write_import_results(results, BufWriter::new(file))
}
