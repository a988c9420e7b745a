//! The catalogue: a local copy of Pico's operations, found by id, part number and code, and orders by part number.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pico_erp::{Catalogue, CatalogueEntry, Error, Operation, runtime};

use crate::call::{control, pico_call_t};
use crate::client::{ClientInner, pico_client_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{optional_text, required, text, texts};
use crate::lifecycle::Child;
use crate::lists::{List, pico_operations_t};
use crate::options::milliseconds;
use crate::outbox::{outbox_of, queue_save};
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus};
use crate::store::pico_store_t;

/// A copy of Pico's operations in a store. Thread-safe.
pub struct pico_catalogue_t {
    inner: Arc<CatalogueInner>,
}

/// What the handle and the client share.
struct CatalogueInner {
    core: Catalogue,
    /// Keeps the client's settings and connections for as long as the catalogue.
    _client: Option<Arc<ClientInner>>,
}

impl Child for CatalogueInner {
    fn end(&self) {
        let core = self.core.clone();
        if let Ok(runtime) = runtime::handle() {
            runtime.spawn(async move { core.close().await });
        }
    }

    /// Nothing calls back.
    fn wait(&self, _deadline: Option<Instant>) -> Result<(), Error> {
        Ok(())
    }
}

impl pico_catalogue_t {
    /// The core's catalogue.
    pub(crate) fn core(&self) -> Catalogue {
        self.inner.core.clone()
    }

    fn there(catalogue: Option<&Self>) -> Result<Catalogue, Error> {
        Ok(required("catalogue", catalogue)?.core())
    }

    fn give(core: Catalogue, client: Option<Arc<ClientInner>>) -> (*mut Self, Arc<CatalogueInner>) {
        let inner = Arc::new(CatalogueInner { core, _client: client });
        (Box::into_raw(Box::new(Self { inner: Arc::clone(&inner) })), inner)
    }
}

/// The id of the one operation that is meant.
pub(crate) async fn operation_of(
    catalogue: &Catalogue,
    part_number: &str,
    revision: Option<&str>,
) -> Result<String, Error> {
    // The order's own id is not looked at, beyond that it must not be blank.
    let order = catalogue.order_by_part("any", part_number, revision).await?;
    Ok(order.operation_id)
}

fn operations(entries: Vec<CatalogueEntry>) -> *mut pico_operations_t {
    let operations: Vec<Operation> = entries.into_iter().map(|entry| entry.operation).collect();
    Box::into_raw(Box::new(pico_operations_t(List::new(&operations))))
}

/// Starts to keep a copy of Pico's operations in the store: by the stream of operations, and by the whole list, which is
/// read now, after each interruption of the stream, and every refresh_every_ms; 0 means the default of 10 minutes. It
/// does not wait for Pico: see pico_catalogue_ready(). Lookups ask the copy only, so they are quick, and work while Pico is
/// away. PICO_E_STORE_IN_USE while another catalogue is kept on the store, in this process or another. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_start(
    client: Option<&pico_client_t>,
    store: Option<&pico_store_t>,
    refresh_every_ms: i64,
    catalogue: Option<&mut MaybeUninit<*mut pico_catalogue_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, store) = (pico_client_t::open(client)?, pico_store_t::core(store)?);
        let out = required("catalogue", catalogue)?;
        let mut builder = Catalogue::builder(&client.core, store);
        match milliseconds("refresh_every_ms", refresh_every_ms)? {
            Duration::ZERO => {}
            interval => builder = builder.refresh_every(interval),
        }
        let core = client.wait(None, builder.start())?;
        let (new, inner) = pico_catalogue_t::give(core, Some(Arc::clone(client)));
        let child: Arc<dyn Child> = inner;
        // Where the client was closed meanwhile the catalogue is not kept, as it would not be a moment later.
        let _ = client.adopt(&child);
        out.write(new);
        Ok(())
    })
}

/// Makes a catalogue that is only read: another process keeps it, or none does. Never waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_offline(
    store: Option<&pico_store_t>,
    catalogue: Option<&mut MaybeUninit<*mut pico_catalogue_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let (store, out) = (pico_store_t::core(store)?, required("catalogue", catalogue)?);
        out.write(pico_catalogue_t::give(Catalogue::offline(store), None).0);
        Ok(())
    })
}

/// Waits until the store holds a whole list of operations, one from an earlier run or the first of this, as long as
/// `call` (may be NULL) allows. PICO_E_CLOSED when there is none and nobody here will read one. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_ready(
    catalogue: Option<&pico_catalogue_t>,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        let (limit, cancel) = control(call);
        runtime::block_on(core.ready(), limit, cancel.as_ref())
    })
}

/// Finds the operation with an id as a JSON object with "operation" (as Pico sent it), "codes" (what
/// pico_catalogue_by_code() finds it by), "unlisted" (since when Pico does not list it any more; null while it does) and
/// "usable" (whether it can be ordered: listed, and not archived); null when there is none. Free the text with
/// pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_catalogue_by_id_json(
    catalogue: Option<&pico_catalogue_t>,
    id: *const c_char,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        // SAFETY: a text or NULL, by the header.
        let id = unsafe { text("id", id) }?;
        let out = required("json", json)?;
        let found = runtime::block_on(core.by_id(id), None, None)?;
        let found = found.map(|entry| entry.to_json()).unwrap_or_default();
        out.write(pico_text_t::give(found.as_str()));
        Ok(())
    })
}

/// Finds all operations with a part number, and with a revision where that is not NULL, those that are archived or no
/// longer listed included (pico_catalogue_by_id_json() tells which). Blanks around either do not count. Free the list with
/// pico_operations_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_catalogue_by_part(
    catalogue: Option<&pico_catalogue_t>,
    part_number: *const c_char,
    revision: *const c_char,
    list: Option<&mut MaybeUninit<*mut pico_operations_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        // SAFETY: texts or NULL, by the header.
        let (part, revision) =
            unsafe { (text("part_number", part_number)?, optional_text("revision", revision)?) };
        let out = required("list", list)?;
        out.write(operations(runtime::block_on(core.by_part(part, revision), None, None)?));
        Ok(())
    })
}

/// Finds all operations with a code: one of those that Pico sends, or else one of the pieces of the part number between
/// bars (|). All else as pico_catalogue_by_part(). Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_catalogue_by_code(
    catalogue: Option<&pico_catalogue_t>,
    code: *const c_char,
    list: Option<&mut MaybeUninit<*mut pico_operations_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        // SAFETY: a text or NULL, by the header.
        let code = unsafe { text("code", code) }?;
        let out = required("list", list)?;
        out.write(operations(runtime::block_on(core.by_code(code), None, None)?));
        Ok(())
    })
}

/// Tells how current the catalogue is, as a JSON object with "lastList" (the last whole list: "at", "count",
/// "unreadable"; null before the first), "stream" (an object with "state"), "lastError" (what failed since the last list)
/// and "revision" (grows with each change in this process); what is absent is null. Free the text with pico_text_free().
/// Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_status_json(
    catalogue: Option<&pico_catalogue_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (core, out) = (pico_catalogue_t::there(catalogue)?, required("json", json)?);
        let status = runtime::block_on(core.status(), None, None)?;
        out.write(pico_text_t::give(status.to_json().as_str()));
        Ok(())
    })
}

/// Gives the id of the one operation that a part number means, and a revision where that is not NULL, for
/// pico_order_save_t. PICO_E_INVALID_ARGUMENT when none, several, or only ones that are archived or no longer listed are
/// meant; the message says which, and names part_number or revision. Free the text with pico_text_free(). Waits for the
/// disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_catalogue_operation_id(
    catalogue: Option<&pico_catalogue_t>,
    part_number: *const c_char,
    revision: *const c_char,
    operation_id: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        // SAFETY: texts or NULL, by the header.
        let (part, revision) =
            unsafe { (text("part_number", part_number)?, optional_text("revision", revision)?) };
        let out = required("operation_id", operation_id)?;
        let id = runtime::block_on(operation_of(&core, part, revision), None, None)?;
        out.write(pico_text_t::give(&id));
        Ok(())
    })
}

/// Queues an order to be saved for the operation that a part number means, and a revision where that is not NULL: as
/// pico_catalogue_operation_id() and then pico_outbox_save(), whose failures it has. Asks the copy only, so it works while
/// Pico is away; what is queued keeps the operation that was found now. `select_optional_operation_ids` are so many ids
/// of optional operations to include, or NULL; `request_id` and `id` may be NULL. Waits for the disk, not for Pico.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_outbox_save_by_part(
    store: Option<&pico_store_t>,
    catalogue: Option<&pico_catalogue_t>,
    external_order_id: *const c_char,
    part_number: *const c_char,
    revision: *const c_char,
    order_index: u32,
    select_optional_operation_ids: *const *const c_char,
    select_optional_operation_ids_count: usize,
    request_id: *const c_char,
    id: Option<&mut MaybeUninit<i64>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (outbox, core) = (outbox_of(store)?, pico_catalogue_t::there(catalogue)?);
        // SAFETY: texts or NULL, and an array or NULL, by the header.
        unsafe {
            let external = text("external_order_id", external_order_id)?;
            let part = text("part_number", part_number)?;
            let revision = optional_text("revision", revision)?;
            let optional = texts(
                "select_optional_operation_ids",
                select_optional_operation_ids,
                select_optional_operation_ids_count,
            )?;
            let order = runtime::block_on(core.order_by_part(external, part, revision), None, None)?;
            let order = order.order_index(order_index).select_optional_operations(optional);
            queue_save(&outbox, order, request_id, id)
        }
    })
}

/// Stops keeping the catalogue, and waits until another may, which is at once. Lookups go on to work. It must still be
/// freed. Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_close(
    catalogue: Option<&pico_catalogue_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = pico_catalogue_t::there(catalogue)?;
        let closing = async {
            core.close().await;
            Ok(())
        };
        runtime::block_on(closing, None, None)
    })
}

/// Frees the catalogue, which is not kept any more then; the copy stays in the store. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_catalogue_free(catalogue: Option<Box<pico_catalogue_t>>) -> ReturnNothing {
    guard::free(catalogue);
}
