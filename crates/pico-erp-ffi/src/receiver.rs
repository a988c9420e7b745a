//! The receiver: the HTTP end that Pico's webhooks post to, which puts what it is posted into a feed.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pico_erp::{Error, ErrorKind, ReceiverCounts, WebhookReceiver, runtime};

use crate::call::limit;
use crate::error::pico_error_t;
use crate::feed::pico_feed_t;
use crate::guard;
use crate::input::{Sized32, fill_struct, required};
use crate::receiver_options::pico_receiver_options_t;
use crate::returns::{ReturnInt32, ReturnNothing, ReturnStatus, ReturnText};
use crate::text::CText;

/// A running receiver of webhook posts. Thread-safe.
pub struct pico_receiver_t {
    address: CText,
    port: u16,
    path: CText,
    metrics_address: Option<CText>,
    /// `None` once it was closed.
    core: Mutex<Option<WebhookReceiver>>,
}

impl pico_receiver_t {
    fn core(&self) -> MutexGuard<'_, Option<WebhookReceiver>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many posts a receiver has answered, by what became of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_receiver_counts_t {
    /// sizeof(pico_receiver_counts_t); set it before the call.
    pub struct_size: u32,
    /// Posts that were stored.
    pub accepted: u64,
    /// Posts without a right secret.
    pub refused_by_secret: u64,
    /// Requests that could not be right: path, method, type, size, form.
    pub refused: u64,
    /// Posts that the store had no room for or failed on.
    pub unavailable: u64,
    /// Posts on which storing broke off.
    pub failed: u64,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers.
unsafe impl Sized32 for pico_receiver_counts_t {
    const NAME: &'static str = "pico_receiver_counts_t";
}

/// Starts an HTTP server whose posts go into the feed: each is answered with 200 once its completion is on disk, so
/// that Pico never takes for delivered what is not kept. `options` may be NULL for defaults; they stay yours.
/// PICO_E_INVALID_ARGUMENT names the setting that is wrong, also an address that cannot be listened on. When the
/// feed ends first, posts are answered with 503. Waits until it listens.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_start(
    feed: Option<&pico_feed_t>,
    options: Option<&pico_receiver_options_t>,
    receiver: Option<&mut MaybeUninit<*mut pico_receiver_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (feed, out) = (pico_feed_t::open(feed)?, required("receiver", receiver)?);
        let builder = feed.core.completions()?.receiver();
        let builder = match options {
            Some(options) => options.apply(builder),
            None => builder,
        };
        let core = runtime::block_on(builder.start(), None, None)?;
        let address = core.local_addr();
        out.write(Box::into_raw(Box::new(pico_receiver_t {
            address: CText::new(&address.to_string()),
            port: address.port(),
            path: CText::new(core.url_path()),
            metrics_address: core.metrics_addr().map(|address| CText::new(&address.to_string())),
            core: Mutex::new(Some(core)),
        })));
        Ok(())
    })
}

/// The address that it listens on, such as "127.0.0.1:8080". Lives as long as the receiver. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_address(receiver: Option<&pico_receiver_t>) -> ReturnText {
    guard::get(ptr::null(), || receiver.map_or(ptr::null(), |receiver| receiver.address.as_ptr()))
}

/// The port that it listens on, also where 0 was asked for. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_port(receiver: Option<&pico_receiver_t>) -> ReturnInt32 {
    guard::get(0, || receiver.map_or(0, |receiver| receiver.port.into()))
}

/// The path that it takes posts on. Lives as long as the receiver. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_path(receiver: Option<&pico_receiver_t>) -> ReturnText {
    guard::get(ptr::null(), || receiver.map_or(ptr::null(), |receiver| receiver.path.as_ptr()))
}

/// The address that the metrics are served at, where that was asked for; otherwise NULL. Lives as long as the receiver.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_metrics_address(receiver: Option<&pico_receiver_t>) -> ReturnText {
    guard::get(ptr::null(), || {
        let address = receiver.and_then(|receiver| receiver.metrics_address.as_ref());
        address.map_or(ptr::null(), CText::as_ptr)
    })
}

/// Tells what it has answered since it was started. `counts` has its struct_size set. PICO_E_CLOSED after
/// pico_receiver_close(). Any thread, callbacks included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_receiver_counts(
    receiver: Option<&pico_receiver_t>,
    counts: *mut pico_receiver_counts_t,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let core = required("receiver", receiver)?.core();
        let closed = || Error::new(ErrorKind::Closed, "the receiver is closed");
        let ReceiverCounts { accepted, refused_by_secret, refused, unavailable, failed, .. } =
            core.as_ref().ok_or_else(closed)?.counts();
        let found = pico_receiver_counts_t {
            struct_size: 0,
            accepted,
            refused_by_secret,
            refused,
            unavailable,
            failed,
        };
        // SAFETY: a struct or NULL, by the header.
        unsafe { fill_struct("counts", counts, found) }
    })
}

/// Takes no more posts, lets those that are being received or stored finish, and ends; what is not done after
/// timeout_ms (negative: no limit) is broken off, and PICO_E_TIMEOUT says that something was still being stored.
/// Close it before its feed. It must still be freed. Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_close(
    receiver: Option<&pico_receiver_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = required("receiver", receiver)?.core().take();
        match core {
            Some(core) => {
                runtime::block_on(core.close(limit(timeout_ms).unwrap_or(Duration::MAX)), None, None)
            }
            None => Ok(()),
        }
    })
}

/// Frees the receiver, ending it at once, with what is being stored. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_receiver_free(receiver: Option<Box<pico_receiver_t>>) -> ReturnNothing {
    guard::free(receiver);
}
