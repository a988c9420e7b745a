//! The sender: brings the orders of an outbox to Pico, and tells a callback of those that are settled.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pico_erp::{Error, OutboxEntry, OutboxSender, runtime};

use crate::call::{control, limit, pico_call_t};
use crate::callback::{UserData, pico_drop_fn};
use crate::client::{ClientInner, pico_client_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, optional_struct, required};
use crate::lifecycle::{Child, Lifecycle, deadline};
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus};
use crate::store::pico_store_t;
use crate::text::CText;

/// Receives an order that is settled. The header has it by hand, with PICO_CALL.
pub type pico_settled_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, json: *const c_char)>;

type SettledFn = unsafe extern "C" fn(*mut c_void, *const c_char);

/// A function for the orders that a sender settles. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_settled_callback_t {
    /// Called for each order, in the order of settling, one at a time.
    pub call: pico_settled_fn,
    /// Called once at the end; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// How a sender sends. 0 in a field means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_sender_options_t {
    /// sizeof(pico_sender_options_t).
    pub struct_size: u32,
    /// How many saves go into one request at most, 1 to 1000. Default 50; 1 sends each by itself.
    pub batch: usize,
    /// How many requests may be under way at once, 1 to 64. Default 4.
    pub concurrency: usize,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers.
unsafe impl Sized32 for pico_sender_options_t {
    const NAME: &'static str = "pico_sender_options_t";
}

/// Sends what is in the outbox of a store. Thread-safe.
pub struct pico_sender_t {
    inner: Arc<SenderInner>,
}

/// What the handle and the client share.
struct SenderInner {
    core: Arc<OutboxSender>,
    telling: Arc<Lifecycle>,
    /// Keeps the client's settings and connections for as long as the sender.
    _client: Arc<ClientInner>,
}

impl SenderInner {
    /// Ends it without waiting: a request that is under way is broken off, and sent again by the next sender.
    fn end_now(&self) {
        self.telling.end();
        let core = Arc::clone(&self.core);
        if let Ok(runtime) = runtime::handle() {
            // It is an error that something was under way; that is what was asked for.
            runtime.spawn(async move { drop(core.close(Duration::ZERO).await) });
        }
    }
}

impl Child for SenderInner {
    fn end(&self) {
        self.end_now();
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), Error> {
        self.telling.wait(deadline)
    }
}

impl Drop for pico_sender_t {
    fn drop(&mut self) {
        self.inner.end_now();
    }
}

/// A caller's function for settled orders, for as long as the sender may call it.
struct Telling {
    call: SettledFn,
    user: Option<UserData>,
    /// Whether `user_data` is the library's: not before the sender runs.
    taken: AtomicBool,
    lifecycle: Arc<Lifecycle>,
}

impl Telling {
    fn new(callback: &pico_settled_callback_t, lifecycle: &Arc<Lifecycle>) -> Result<Self, Error> {
        let call = required("on_settled.call", callback.call)?;
        let user = Some(UserData::new(callback.user_data, callback.drop));
        Ok(Self { call, user, taken: AtomicBool::new(false), lifecycle: Arc::clone(lifecycle) })
    }

    fn tell(&self, entry: &OutboxEntry) {
        let Some(user) = self.user.as_ref().filter(|_| !self.lifecycle.is_ending()) else { return };
        let json = CText::new(entry.to_json().as_str());
        // SAFETY: the caller gave the function for this, and the text lives for the call.
        guard::in_callback(|| unsafe { (self.call)(user.get(), json.as_ptr()) });
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let (user, lifecycle) = (self.user.take(), Arc::clone(&self.lifecycle));
        match runtime::handle() {
            // Who lets go of it may be a thread of the runtime, which must not block.
            Ok(runtime) if self.taken.load(Ordering::SeqCst) => {
                drop(runtime.spawn_blocking(move || {
                    drop(user);
                    lifecycle.finish();
                }));
            }
            // Still the caller's, or no threads: a forked child.
            _ => std::mem::forget(user),
        }
    }
}

/// Starts to send what is in the outbox of the store, now and from now on, by the client. Network, time-outs, busy or
/// restarting servers, login pages, a refused token and a wrong path are waited out, and pico_sender_status_json() tells
/// of them; only an order that Pico refuses fails. What a sender that is gone was sending is sent again: a save that Pico
/// has already is the same order. `options` may be NULL for defaults. `on_settled` (may be NULL) is called for each order
/// that this sender settles, once that is on disk: sent, failed, or superseded while it was being sent. On PICO_OK the
/// library owns its user_data; calls come one at a time, on threads that may block, and `drop` is called once, after
/// the last. A sender that ends early may not have told of the last orders; the outbox knows them. PICO_E_STORE_IN_USE
/// while another sender runs on the store, in this process or another. Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_sender_start(
    client: Option<&pico_client_t>,
    store: Option<&pico_store_t>,
    options: *const pico_sender_options_t,
    on_settled: Option<&pico_settled_callback_t>,
    sender: Option<&mut MaybeUninit<*mut pico_sender_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, store) = (pico_client_t::open(client)?, pico_store_t::core(store)?);
        let out = required("sender", sender)?;
        let mut builder = OutboxSender::builder(&client.core, store);
        // SAFETY: a struct or NULL, by the header.
        if let Some(options) = unsafe { optional_struct(options) }? {
            if options.batch > 0 {
                builder = builder.batch(options.batch);
            }
            if options.concurrency > 0 {
                builder = builder.concurrency(options.concurrency);
            }
        }
        let lifecycle = Arc::new(Lifecycle::default());
        // Held until it is taken, so that the sender cannot let go of it before.
        let telling =
            on_settled.map(|callback| Telling::new(callback, &lifecycle)).transpose()?.map(Arc::new);
        if let Some(telling) = telling.clone() {
            builder = builder.on_settled(Arc::new(move |entry| telling.tell(entry)));
        }
        let core = Arc::new(client.wait(None, builder.start())?);
        match &telling {
            Some(telling) => telling.taken.store(true, Ordering::SeqCst),
            None => lifecycle.finish(),
        }
        let inner = Arc::new(SenderInner { core, telling: lifecycle, _client: Arc::clone(client) });
        let child: Arc<dyn Child> = inner.clone();
        // Where the client was closed meanwhile the sender has ended, as it would have a moment later; its callback may
        // have been called, so this does not fail any more.
        let _ = client.adopt(&child);
        out.write(Box::into_raw(Box::new(pico_sender_t { inner })));
        Ok(())
    })
}

/// Tells how the sender is doing, as a JSON object with "counts" (orders by state), "lastError" (what went wrong last,
/// other than the refusal of an order; null once requests get through again), "pausedUntil" (nothing is sent before,
/// after a failure) and "batching" (not for ten minutes after the server refused a batch); what is absent is null. Free the text
/// with pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sender_status_json(
    sender: Option<&pico_sender_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = Arc::clone(&required("sender", sender)?.inner.core);
        let out = required("json", json)?;
        let status = runtime::block_on(core.status(), None, None)?;
        out.write(pico_text_t::give(status.to_json().as_str()));
        Ok(())
    })
}

/// Waits until nothing is to be sent any more, as long as `call` (may be NULL) allows. Orders that failed are settled
/// too. PICO_E_CLOSED when the sender ends first. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sender_drained(
    sender: Option<&pico_sender_t>,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = Arc::clone(&required("sender", sender)?.inner.core);
        let (limit, cancel) = control(call);
        runtime::block_on(core.drained(), limit, cancel.as_ref())
    })
}

/// Sends nothing new, and waits, grace_ms at most (negative: for ever), until the requests that are under way are
/// answered, what they settled was told, and `drop` has returned. PICO_E_TIMEOUT when that was not done by then: what
/// had no answer is sent again by the next sender; it may be called again to wait for the callback. What is queued stays
/// queued. Close it before its store. The sender must still be freed. Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sender_close(
    sender: Option<&pico_sender_t>,
    grace_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("sender", sender)?.inner);
        let grace = limit(grace_ms);
        let deadline = deadline(grace);
        runtime::block_on(inner.core.close(grace.unwrap_or(Duration::MAX)), None, None)
            .inspect_err(|_| inner.telling.end())?;
        inner.telling.wait(deadline)
    })
}

/// Frees the sender, ending it without waiting: requests that are under way are broken off, and sent again by the next
/// sender, which can be started a moment later; a call that is under way is finished, `drop` follows. Never waits; any
/// thread, its own callback included.
#[unsafe(no_mangle)]
pub extern "C" fn pico_sender_free(sender: Option<Box<pico_sender_t>>) -> ReturnNothing {
    guard::free(sender);
}
