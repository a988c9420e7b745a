//! The store: the file or the database that keeps completions over restarts, crashes and power cuts. Opened, closed, set
//! aside.
//!
//! What is in it is told by [`crate::inbox`]; [`crate::feed`] works on it; [`crate::store_plants`] parts it into plants.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pico_erp::{Error, Inbox, Retention, Store, runtime};
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
    node_lease: Option<Duration>,
    connections: Option<usize>,
}

/// A file, or a database that several nodes share, that keeps what must not be lost. Thread-safe; one is enough for a
/// program.
pub struct pico_store_t {
    core: Store,
    /// Whether the inbox functions are about notes.
    of_notes: bool,
    location: CText,
    plant_name: CText,
    /// Whether it is closed, once that was asked for. Shared by all plants of the store.
    closed: Arc<OnceLock<watch::Receiver<bool>>>,
}

impl pico_store_t {
    /// The core's store of one that must be there.
    pub(crate) fn core(store: Option<&Self>) -> Result<&Store, Error> {
        Ok(&required("store", store)?.core)
    }

    fn new(core: Store, closed: Arc<OnceLock<watch::Receiver<bool>>>) -> Self {
        let location = CText::new(&core.location());
        let plant_name = CText::new(core.plant_name());
        Self { core, of_notes: false, location, plant_name, closed }
    }

    /// The store of one of its plants.
    pub(crate) fn plant(&self, name: &str) -> Result<Self, Error> {
        Ok(Self { of_notes: self.of_notes, ..Self::new(self.core.plant(name)?, Arc::clone(&self.closed)) })
    }

    /// The same store, whose inbox is that of notes.
    pub(crate) fn notes(&self) -> Self {
        Self { of_notes: true, ..Self::new(self.core.clone(), Arc::clone(&self.closed)) }
    }

    /// What the inbox functions are about, of a store that must be there.
    pub(crate) fn inbox(store: Option<&Self>) -> Result<Inbox, Error> {
        let store = required("store", store)?;
        Ok(if store.of_notes { store.core.notes_inbox() } else { store.core.inbox() })
    }

    /// The handle of a store that somebody else has opened, and closes.
    pub(crate) fn of(core: Store) -> Self {
        Self::new(core, Arc::default())
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
        let new = pico_store_options_t {
            must_exist: false,
            max_size: None,
            retention: Retention::default(),
            node_lease: None,
            connections: None,
        };
        required("options", options)?.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Not 0: opens only a store that is there already, so that a mistyped path is PICO_E_INVALID_ARGUMENT and
/// not a new, empty store. In a database: makes and changes no tables, so a role that may not do so is enough. Default 0.
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
/// default. No meaning for a database.
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

/// How long a node of a database counts as being there after it was last heard of; then the others take over what it was
/// doing. Shorter is a quicker failover, but a node that is only slow is then taken for dead. 1000 or more, default
/// 10 s. No meaning for a file.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_node_lease_ms(
    options: Option<&mut pico_store_options_t>,
    lease_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.node_lease = Some(milliseconds("lease_ms", lease_ms)?);
        Ok(())
    })
}

/// How many connections to a database are used for work, 1 to 64; one more is held for being woken. Default 4. No meaning
/// for a file.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_set_connections(
    options: Option<&mut pico_store_options_t>,
    connections: u32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // A count that does not fit is above the most there can be.
        options.connections = Some(usize::try_from(connections).unwrap_or(usize::MAX));
        Ok(())
    })
}

/// Frees the settings. Stores opened with them are not touched.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_options_free(options: Option<Box<pico_store_options_t>>) -> ReturnNothing {
    guard::free(options);
}

/// Opens the store at `place`: the path of a file on a local disk, which is made when there is none, or the URL of a
/// PostgreSQL database, "postgres://user@host/database", whose tables are made when there are none. `options` may
/// be NULL for defaults; they stay yours. Several processes may open the same file, and a feed runs in one of them; several
/// nodes may open the same database, and share the work. What it gives is the store of the plant without a name: see
/// pico_store_plant(). PICO_E_INVALID_ARGUMENT for a URL that cannot be read. PICO_E_STORE_DAMAGED when the file is damaged or no store: it is left as it is, for you to look at and to move
/// away by pico_store_set_aside(). PICO_E_STORE_VERSION when a newer library wrote it; otherwise PICO_E_STORE,
/// PICO_E_STORE_FULL or PICO_E_STORE_READ_ONLY. Waits for the disk or the network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_store_open(
    place: *const c_char,
    options: Option<&pico_store_options_t>,
    store: Option<&mut MaybeUninit<*mut pico_store_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let place = unsafe { text("place", place) }?;
        let out = required("store", store)?;
        let mut builder = Store::builder(place);
        if let Some(options) = options {
            builder = builder.retention(options.retention);
            if options.must_exist {
                builder = builder.must_exist();
            }
            if let Some(bytes) = options.max_size {
                builder = builder.max_size(bytes);
            }
            if let Some(lease) = options.node_lease {
                builder = builder.node_lease(lease);
            }
            if let Some(count) = options.connections {
                builder = builder.connections(count);
            }
        }
        let core = runtime::block_on(builder.open(), None, None)?;
        out.write(Box::into_raw(Box::new(pico_store_t::of(core))));
        Ok(())
    })
}

/// Where it is: the absolute path of the file, or the URL of the database without the password. Lives as long as the
/// store. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_location(store: Option<&pico_store_t>) -> ReturnText {
    guard::get(ptr::null(), || store.map_or(ptr::null(), |store| store.location.as_ptr()))
}

/// The name of the plant that this is the store of; "" for the one without a name. Lives as long as the store. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_plant_name(store: Option<&pico_store_t>) -> ReturnText {
    guard::get(ptr::null(), || store.map_or(ptr::null(), |store| store.plant_name.as_ptr()))
}

/// Moves a store's files out of the way, to names that begin with `<path>.set-aside-`, for when somebody has
/// decided to go on without a damaged store: what was acknowledged is forgotten with it. `new_path` (may be NULL)
/// receives the new path of the file, to be freed with pico_text_free(). PICO_E_STORE_IN_USE while a feed runs
/// on it, PICO_E_INVALID_ARGUMENT for a database. Waits for the disk.
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

/// Closes the store, for all its plants, when all that was asked of the store is on disk; close its feeds and senders first. Their functions and
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

/// Frees the store. Never waits: feeds and other plants of it keep it open until they are freed too, and what was asked of
/// it is still done.
#[unsafe(no_mangle)]
pub extern "C" fn pico_store_free(store: Option<Box<pico_store_t>>) -> ReturnNothing {
    guard::free(store);
}
