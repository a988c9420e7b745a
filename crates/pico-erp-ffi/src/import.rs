//! Orders from files: queued from CSV or JSON lines, and the result of each line written to a file.

use std::ffi::c_char;
use std::fs::File;
use std::io::BufWriter;
use std::mem::MaybeUninit;

use pico_erp::{Error, ImportOptions, ImportReader, runtime, write_import_results};

use crate::call::{control, pico_call_t};
use crate::catalogue::{operation_of, pico_catalogue_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{optional_text, required, text};
use crate::outbox::outbox_of;
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;
use crate::store::pico_store_t;

/// Queues all orders of a file: CSV with a header, separated by commas, semicolons or tabs, or one JSON object on each
/// line. The columns are externalOrderId, operationId or partNumber and revision, orderIndex, quantity (one order for
/// each unit), and selectOptionalOperationIds with ; between ids. When it ends early, by an error, a crash or `call` (may
/// be NULL), run it again: what was queued is known by the file's content, the name, the line and the unit, and is not
/// queued twice. `name` tells imports of the same content apart; NULL for the file's name. `catalogue` finds operations by
/// part; with NULL lines that name a part are refused. It is waited for until it has a list. A bad line is no failure:
/// *report receives a JSON object with "digest" (for pico_outbox_import_results()), "lines", "queued", "known" (queued by
/// an earlier run), "refused", and "refusedLines", the first hundred, each with "line" and "message"; free it with
/// pico_text_free(). PICO_E_INVALID_ARGUMENT when the file or its header cannot be read. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_import(
    store: Option<&pico_store_t>,
    path: *const c_char,
    name: *const c_char,
    catalogue: Option<&pico_catalogue_t>,
    call: Option<&pico_call_t>,
    report: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        // SAFETY: texts or NULL, by the header.
        let (path, name) = unsafe { (text("path", path)?, optional_text("name", name)?) };
        let out = required("report", report)?;
        let mut options = ImportOptions::default();
        options.name = name.map(Into::into);
        if let Some(catalogue) = catalogue {
            let catalogue = catalogue.core();
            options = options.resolve(move |part| {
                let catalogue = catalogue.clone();
                async move {
                    // Before its first list it would refuse every line.
                    catalogue.ready().await?;
                    operation_of(&catalogue, &part.part_number, part.revision.as_deref()).await
                }
            });
        }
        let reader = ImportReader::open(path)?;
        let (limit, cancel) = control(call);
        let report = runtime::block_on(outbox.import(&reader, options), limit, cancel.as_ref())?;
        out.write(pico_text_t::give(report.to_json().as_str()));
        Ok(())
    })
}

/// Writes what became of each order and each refused line of an import to a CSV file, in the order of the file, as it is
/// now: line, external_order_id, operation_id, order_index, result (the state, or refused), message and error. `digest`
/// is of the report. A file that is there is replaced. PICO_E_INVALID_ARGUMENT when nothing is known of such an import,
/// or the file cannot be written. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_import_results(
    store: Option<&pico_store_t>,
    digest: *const c_char,
    csv_path: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let outbox = outbox_of(store)?;
        // SAFETY: texts or NULL, by the header.
        let (digest, path) = unsafe { (text("digest", digest)?, text("csv_path", csv_path)?) };
        let results = runtime::block_on(outbox.import_results(digest), None, None)?;
        let file = File::create(path)
            .map_err(|error| Error::invalid("csv_path", format!("{path} cannot be written: {error}")))?;
        write_import_results(&results, BufWriter::new(file))
    })
}
