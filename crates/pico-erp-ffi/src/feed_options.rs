//! The settings of a feed: an opaque object with a setter for each. Whether they make sense is checked when the feed starts.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use pico_erp::{Backoff, Error, FeedPolicy, FeedStart, OrderCompleteFilter};

use crate::error::pico_error_t;
use crate::guard::{self, ErrorOut};
use crate::input::{optional_text, required};
use crate::options::milliseconds;
use crate::queries::{order_complete_filter, pico_order_complete_filter_t};
use crate::returns::{ReturnNothing, ReturnStatus};

/// All completions that Pico lists are handed out. The default.
pub const PICO_START_BEGINNING: i32 = 1;
/// None of those that Pico lists when it is first asked.
pub const PICO_START_NOW: i32 = 2;
/// Those completed at a time or later.
pub const PICO_START_SINCE: i32 = 3;

/// The settings of a feed. Used by one thread at a time.
pub struct pico_feed_options_t {
    pub(crate) filter: OrderCompleteFilter,
    pub(crate) policy: FeedPolicy,
}

fn set(
    options: Option<&mut pico_feed_options_t>,
    error: ErrorOut<'_>,
    change: impl FnOnce(&mut pico_feed_options_t) -> Result<(), Error>,
) -> ReturnStatus {
    guard::status(error, || change(required("options", options)?))
}

/// Makes settings with nothing but defaults in *options.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_new(
    options: Option<&mut MaybeUninit<*mut pico_feed_options_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let new = pico_feed_options_t { filter: OrderCompleteFilter::all(), policy: FeedPolicy::default() };
        required("options", options)?.write(Box::into_raw(Box::new(new)));
        Ok(())
    })
}

/// Frees the settings. Feeds started with them are not touched.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_free(options: Option<Box<pico_feed_options_t>>) -> ReturnNothing {
    guard::free(options);
}

/// Narrows the feed to some completions; what does not fit is not stored. NULL for all, the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_feed_options_set_filter(
    options: Option<&mut pico_feed_options_t>,
    filter: *const pico_order_complete_filter_t,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a filter or NULL, by the header.
        options.filter = unsafe { order_complete_filter(filter) }?;
        Ok(())
    })
}

/// Which of the completions from before the feed are handed out: PICO_START_*. It counts only until the first
/// catch-up of a store is through. `since`, RFC 3339, is for PICO_START_SINCE, else NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_feed_options_set_start(
    options: Option<&mut pico_feed_options_t>,
    start: i32,
    since: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        // SAFETY: a text or NULL, by the header.
        let since = unsafe { optional_text("since", since) }?;
        options.policy.start = match (start, since) {
            (PICO_START_BEGINNING, None) => FeedStart::Beginning,
            (PICO_START_NOW, None) => FeedStart::Now,
            (PICO_START_SINCE, since) => {
                FeedStart::Since(required("since", since)?.parse().map_err(|_| {
                    Error::invalid("since", "is not RFC 3339; give a time such as 2025-01-15T14:22:00Z")
                })?)
            }
            (PICO_START_BEGINNING | PICO_START_NOW, Some(_)) => {
                return Err(Error::invalid("since", "is for PICO_START_SINCE only; give NULL"));
            }
            (other, _) => return Err(Error::invalid("start", format!("is {other}; give PICO_START_*"))),
        };
        Ok(())
    })
}

/// Not 0: holds a live stream, as the client's options say; the default. 0: webhooks and the catch-up query only.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_live(
    options: Option<&mut pico_feed_options_t>,
    live: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.live = live != 0;
        Ok(())
    })
}

/// How often to ask Pico for what the live sources missed, besides at the start and after each reconnect; 1000
/// or more. Default 10 minutes.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_catch_up_every_ms(
    options: Option<&mut pico_feed_options_t>,
    every_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.catch_up_every = milliseconds("every_ms", every_ms)?;
        Ok(())
    })
}

/// Where Pico can list by time: how far before the last catch-up to begin, for completions that Pico gets to know
/// late or dates back. Default 24 hours.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_catch_up_overlap_ms(
    options: Option<&mut pico_feed_options_t>,
    overlap_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.catch_up_overlap = milliseconds("overlap_ms", overlap_ms)?;
        Ok(())
    })
}

/// The wait before a completion is handed out again, where the consumer names none: from base_ms, doubled with each
/// time, to cap_ms. Default 1 s to 1 hour.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_backoff_ms(
    options: Option<&mut pico_feed_options_t>,
    base_ms: i64,
    cap_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.backoff =
            Backoff { base: milliseconds("base_ms", base_ms)?, cap: milliseconds("cap_ms", cap_ms)? };
        Ok(())
    })
}

/// Where several nodes share the store: how long a completion may be in a consumer's hands before it is handed out to
/// another, because this one seems to hang; 1000 or more. pico_delivery_extend() asks for more. Default 15 minutes. No
/// meaning for a file: there nothing is handed out again while its consumer lives.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_visible_ms(
    options: Option<&mut pico_feed_options_t>,
    visible_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.visible = milliseconds("visible_ms", visible_ms)?;
        Ok(())
    })
}

/// How often a completion is handed out before it becomes a dead letter, 1 or more. Default 50, which with the
/// default waits is more than a day.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_options_set_max_attempts(
    options: Option<&mut pico_feed_options_t>,
    attempts: u32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.policy.max_attempts = attempts;
        Ok(())
    })
}
