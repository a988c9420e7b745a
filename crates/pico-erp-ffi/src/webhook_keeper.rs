//! Webhooks that are to stay registered: by a keeper for as long as it is held, or once.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use pico_erp::{Error, ErrorKind, KeeperPolicy, WebhookFingerprint, WebhookKeeper, WebhookOutcome, runtime};
use tokio::sync::RwLock;
use tokio::time::timeout;

use crate::call::{control, limit, pico_call_t};
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::feed::pico_feed_t;
use crate::guard;
use crate::input::{optional_text, required};
use crate::options::milliseconds;
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus};
use crate::webhooks::{pico_webhook_subscribe_t, subscribe_of};

/// It was registered as it should be, and nothing was done.
pub const PICO_WEBHOOK_UNCHANGED: i32 = 1;
/// It was registered differently, or possibly so: it was removed and registered anew.
pub const PICO_WEBHOOK_REPLACED: i32 = 2;
/// It was not there, and has been registered.
pub const PICO_WEBHOOK_REGISTERED: i32 = 3;

/// Keeps a webhook registered. Thread-safe.
pub struct pico_webhook_keeper_t {
    /// Shared by those who wait for a check; `None` once it was closed.
    core: Arc<RwLock<Option<WebhookKeeper>>>,
}

/// Keeps a webhook registered with Pico for as long as the keeper is held: registers it now, makes it anew when it is
/// gone or changed, notices when posts do not arrive, and catches up after each. It looks every check_interval_ms;
/// 0 means the default of 60 s. The feed's notices tell what it does. The keeper must be freed; the webhook stays
/// registered then. Never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_feed_keep_webhook(
    feed: Option<&pico_feed_t>,
    webhook: *const pico_webhook_subscribe_t,
    check_interval_ms: i64,
    keeper: Option<&mut MaybeUninit<*mut pico_webhook_keeper_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let feed = pico_feed_t::open(feed)?;
        // SAFETY: passed on to the caller.
        let webhook = unsafe { subscribe_of(webhook) }?;
        let out = required("keeper", keeper)?;
        let mut policy = KeeperPolicy::default();
        match milliseconds("check_interval_ms", check_interval_ms)? {
            Duration::ZERO => {}
            interval => policy.check_interval = interval,
        }
        let _entered = runtime::handle()?.enter();
        let core = feed.core.completions()?.keep_webhook(webhook, policy)?;
        let new = pico_webhook_keeper_t { core: Arc::new(RwLock::new(Some(core))) };
        out.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Looks now, and waits until that is done, as long as `call` (may be NULL) allows. What it found and did the feed's
/// notices tell. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhook_keeper_check_now(
    keeper: Option<&pico_webhook_keeper_t>,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = Arc::clone(&required("keeper", keeper)?.core);
        let (limit, cancel) = control(call);
        let checking = async {
            if let Some(keeper) = &*core.read().await {
                keeper.check_now().await;
            }
            Ok(())
        };
        runtime::block_on(checking, limit, cancel.as_ref())
    })
}

/// Ends it, after the check that is under way: one that takes longer than timeout_ms (negative: no limit) is broken
/// off, PICO_E_TIMEOUT, and the webhook may be unregistered then, which the next start mends. It must still be freed.
/// Waits: it must not be called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhook_keeper_close(
    keeper: Option<&pico_webhook_keeper_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let core = Arc::clone(&required("keeper", keeper)?.core);
        let limit = limit(timeout_ms).unwrap_or(Duration::MAX);
        let closing = async {
            // Held by threads that wait for a check.
            let held = timeout(limit, core.write()).await;
            let held = held.map_err(|_| Error::new(ErrorKind::Timeout, "another thread waits for a check"));
            match held?.take() {
                Some(keeper) => keeper.close(limit).await,
                None => Ok(()),
            }
        };
        runtime::block_on(closing, None, None)
    })
}

/// Frees the keeper, ending it at once, with a check that is under way. The webhook stays registered. Never waits;
/// any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_webhook_keeper_free(keeper: Option<Box<pico_webhook_keeper_t>>) -> ReturnNothing {
    guard::free(keeper);
}

/// Sees to it once that a webhook is registered just like this, and does nothing where it is. `known` is the fingerprint
/// that the last call gave, or NULL: without it a listed webhook is replaced, because Pico does not show the headers
/// that it posts with. `outcome` (may be NULL) receives PICO_WEBHOOK_*, `fingerprint` (may be NULL) the text to keep
/// for the next call, to be freed with pico_text_free(). After an error the webhook may be gone: repeat the call.
/// `call` may be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_client_webhook_ensure(
    client: Option<&pico_client_t>,
    webhook: *const pico_webhook_subscribe_t,
    known: *const c_char,
    call: Option<&pico_call_t>,
    outcome: Option<&mut MaybeUninit<i32>>,
    fingerprint: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: a struct or NULL, and a text or NULL, by the header.
        let (webhook, known) = unsafe { (subscribe_of(webhook)?, optional_text("known", known)?) };
        // One of another version is as good as none.
        let known: Option<WebhookFingerprint> = known.and_then(|text| text.parse().ok());
        let ensured = client.wait(call, client.core.ensure_webhook(&webhook, known.as_ref()))?;
        if let Some(outcome) = outcome {
            outcome.write(match ensured.outcome {
                WebhookOutcome::Unchanged => PICO_WEBHOOK_UNCHANGED,
                WebhookOutcome::Replaced => PICO_WEBHOOK_REPLACED,
                WebhookOutcome::Registered => PICO_WEBHOOK_REGISTERED,
                // One that this version of the C ABI has no word for.
                _ => 0,
            });
        }
        if let Some(out) = fingerprint {
            out.write(pico_text_t::give(ensured.fingerprint.as_str()));
        }
        Ok(())
    })
}
