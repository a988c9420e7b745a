//! The store: the file that keeps completions over restarts, crashes and power cuts. Opened, closed, set aside.
//!
//! What is in it is told by [`crate::inbox`]; [`crate::feed`] works on it.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use pico_erp::{Error, Retention, Store, runtime};
use tokio::sync::watch;

use crate::call::limit;
use crate::error::pico_error_t;
use crate::guard::{self, ErrorOut};
use crate::input::{required, text};
use crate::options::milliseconds;
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus, ReturnText};
use crate::text::CText;

/// The settings of a store. Used by one thread at a time.
pub struct pico_store_options_t {
    must_exist: bool,
    max_size: Option<u64>,
    retention: Retention,
}

/// One file that keeps what must not be lost. Thread-safe; one is enough for a program.
pub struct pico_store_t {
    core: Store,
    path: CText,
    /// Whether it is closed, once that was asked for.
    closed: OnceLock<watch::Receiver<bool>>,
}

impl pico_store_t {
    /// The core's store of one that must be there.
    pub(crate) fn core(store: Option<&Self>) -> Result<&Store, Error> {
        Ok(&required("store", store)?.core)
    }
}

fn set(
    options: Option<&mut pico_store_options_t>,
    error: ErrorOut<'_>,
    change: impl FnOnce(&mut pico_store_options_t) -> Result<(), Error>,
) -> ReturnStatus {
    guard::status(error, || change(required("options", options)?))
}

/// Makes settings with nothing but defaults in *options.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_new(
    options: Option<&mut MaybeUninit<*mut pico_store_options_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let new = pico_store_options_t { must_exist: false, max_size: None, retention: Retention::default() };
        required("options", options)?.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Not 0: opens only a store that is there already, so that a mistyped path is PICO_E_INVALID_ARGUMENT and
/// not a new, empty store. Default 0.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_must_exist(
    options: Option<&mut pico_store_options_t>,
    must_exist: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.must_exist = must_exist != 0;
        Ok(())
    })
}

/// How large the file may grow, in bytes, so that it does not fill a disk that others need; beyond that the
/// store refuses with PICO_E_STORE_FULL. The log beside it may grow by some 16 MB more. 0 means no limit, the
/// default.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_max_size(
    options: Option<&mut pico_store_options_t>,
    bytes: u64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.max_size = (bytes > 0).then_some(bytes);
        Ok(())
    })
}

/// How long the text of an acknowledged completion is kept; without it, it cannot be replayed any more. That it
/// was acknowledged is known for ever. Default 90 days.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_keep_acked_ms(
    options: Option<&mut pico_store_options_t>,
    keep_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.retention.acked = milliseconds("keep_ms", keep_ms)?;
        Ok(())
    })
}

/// How long an order is kept that was sent. Default 90 days.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_keep_sent_ms(
    options: Option<&mut pico_store_options_t>,
    keep_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.retention.sent = milliseconds("keep_ms", keep_ms)?;
        Ok(())
    })
}

/// Frees the settings. Stores opened with them are not touched.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_free(options: Option<Box<pico_store_options_t>>) -> ReturnNothing {
    guard::free(options);
}

/// Opens the store in the file `path`, on a local disk, and makes the file when there is none. `options` may
/// be NULL for defaults; they stay yours. Several processes may open the same file; a feed runs in one of them.
/// PICO_E_STORE_DAMAGED when the file is damaged or no store: it is left as it is, for you to look at and to move
/// away by pico_store_set_aside(). PICO_E_STORE_VERSION when a newer library wrote it; otherwise PICO_E_STORE,
/// PICO_E_STORE_FULL or PICO_E_STORE_READ_ONLY. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_store_open(
    path: *const c_char,
    options: Option<&pico_store_options_t>,
    store: Option<&mut MaybeUninit<*mut pico_store_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let path = unsafe { text("path", path) }?;
        let out = required("store", store)?;
        let mut builder = Store::builder(path);
        if let Some(options) = options {
            builder = builder.retention(options.retention);
            if options.must_exist {
                builder = builder.must_exist();
            }
            if let Some(bytes) = options.max_size {
                builder = builder.max_size(bytes);
            }
        }
        let core = runtime::block_on(builder.open(), None, None)?;
        let path = CText::new(&core.location());
        out.write(Box::into_raw(Box::new(pico_store_t { core, path, closed: OnceLock::new() })));
        Ok(())
    })
}

/// Where the file is, as an absolute path. Lives as long as the store. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_path(store: Option<&pico_store_t>) -> ReturnText {
    guard::get(ptr::null(), || store.map_or(ptr::null(), |store| store.path.as_ptr()))
}

/// Moves a store's files out of the way, to names that begin with `<path>.set-aside-`, for when somebody has
/// decided to go on without a damaged store: what was acknowledged is forgotten with it. `new_path` (may be NULL)
/// receives the new path of the file, to be freed with pico_text_free(). PICO_E_STORE_IN_USE while a feed runs
/// on it. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_store_set_aside(
    path: *const c_char,
    new_path: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let moved = Store::set_aside(Path::new(unsafe { text("path", path) }?))?;
        if let Some(out) = new_path {
            out.write(pico_text_t::give(&moved.to_string_lossy()));
        }
        Ok(())
    })
}

/// Closes the file when all that was asked of the store is on disk; close its feeds and senders first. Their functions and
/// those of this store give PICO_E_CLOSED from then on. Waits, timeout_ms at most (negative: for ever):
/// PICO_E_TIMEOUT when it was not done by then; it may be called again to wait on. The store must still be freed.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_close(
    store: Option<&pico_store_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let store = required("store", store)?;
        let runtime = runtime::handle()?;
        let mut closed = store
            .closed
            .get_or_init(|| {
                let (done, closed) = watch::channel(false);
                let core = store.core.clone();
                runtime.spawn(async move {
                    core.close().await;
                    done.send_replace(true);
                });
                closed
            })
            .clone();
        let closing = async {
            // The sender goes only after it has sent, or with a panic, which is the end too.
            let _ = closed.wait_for(|closed| *closed).await;
            Ok(())
        };
        runtime::block_on(closing, limit(timeout_ms), None)
    })
}

/// Frees the store. Never waits: feeds on it keep the file open until they are freed too, and what was asked of
/// it is still done.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_free(store: Option<Box<pico_store_t>>) -> ReturnNothing {
    guard::free(store);
}
