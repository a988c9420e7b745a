//! The feed: completions, or notes, that are handed out until they are acknowledged, by callback or one by one.
//!
//! [`crate::delivery`] is what it hands out, [`crate::dispatch`] calls back, [`crate::feed_options`] has the settings.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pico_erp::{Error, ErrorKind, Feed, FeedNotice, FeedNotices, OrderCompleteFilter, runtime};
use tokio::sync::Mutex;

use crate::call::{control, limit, pico_call_t};
use crate::callback::{DeliveryCallback, NoticeCallback, pico_delivery_callback_t, pico_notice_callback_t};
use crate::client::{ClientInner, pico_client_t};
use crate::delivery::pico_delivery_t;
use crate::dispatch::{self, Dispatch};
use crate::error::pico_error_t;
use crate::feed_options::pico_feed_options_t;
use crate::guard;
use crate::input::required;
use crate::lifecycle::{Child, Lifecycle, deadline};
use crate::notes::{note_filter, pico_note_filter_t};
use crate::owned_text::pico_text_t;
use crate::returns::{ReturnNothing, ReturnStatus};
use crate::store::pico_store_t;
use crate::subject::{AnyDelivery, AnyFeed, Subject, whichever};
use crate::text::CText;

/// In place of "for ever", where a time can be added to.
pub(crate) const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The completions of a Pico, or its notes, each until it is acknowledged. Thread-safe.
pub struct pico_feed_t {
    inner: Arc<FeedInner>,
}

/// What the handle, the callbacks and the client share.
pub(crate) struct FeedInner {
    pub(crate) core: AnyFeed,
    delivering: Lifecycle,
    noticing: Lifecycle,
    by_callback: AtomicBool,
    with_notices: AtomicBool,
    /// Keeps the client's settings and connections for as long as the feed.
    _client: Arc<ClientInner>,
}

impl FeedInner {
    fn end_now(&self) {
        self.delivering.end();
        self.noticing.end();
        whichever!(&self.core, feed => feed.end());
    }
}

impl pico_feed_t {
    /// A feed that has just been started, which ends with its client.
    fn of(core: AnyFeed, client: &Arc<ClientInner>) -> Result<Self, Error> {
        let inner = Arc::new(FeedInner {
            core,
            delivering: Lifecycle::default(),
            noticing: Lifecycle::default(),
            by_callback: AtomicBool::new(false),
            with_notices: AtomicBool::new(false),
            _client: Arc::clone(client),
        });
        // Nothing calls back yet, so there is nothing to wait for.
        inner.delivering.finish();
        inner.noticing.finish();
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(&child)?;
        Ok(Self { inner })
    }

    /// The inside of a feed that must be there and not ended.
    pub(crate) fn open(feed: Option<&Self>) -> Result<&Arc<FeedInner>, Error> {
        let inner = &required("feed", feed)?.inner;
        if inner.delivering.is_ending() { Err(ended()) } else { Ok(inner) }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the feed is closed")
}

impl Child for FeedInner {
    fn end(&self) {
        self.end_now();
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), Error> {
        self.delivering.wait(deadline)?;
        self.noticing.wait(deadline)
    }
}

impl Drop for pico_feed_t {
    fn drop(&mut self) {
        self.inner.end_now();
    }
}

impl Dispatch for FeedInner {
    type Item = AnyDelivery;
    type Callback = DeliveryCallback;

    fn lifecycle(&self) -> &Lifecycle {
        &self.delivering
    }

    async fn next(&self) -> Option<AnyDelivery> {
        self.core.next().await?.inspect_err(|error| tracing::error!(%error, "the feed ends")).ok()
    }

    fn call(&self, callback: &DeliveryCallback, item: AnyDelivery) -> bool {
        if self.delivering.is_ending() {
            whichever!(item, delivery => delivery.put_back());
            return false;
        }
        let delivery = pico_delivery_t::new(item);
        delivery.answered(callback.call(&delivery));
        true
    }

    fn end(&self) {
        self.end_now();
    }
}

/// The notices of a feed on their way to a callback.
struct Noticing {
    feed: Arc<FeedInner>,
    notices: Mutex<FeedNotices>,
}

impl Dispatch for Noticing {
    type Item = FeedNotice;
    type Callback = NoticeCallback;

    fn lifecycle(&self) -> &Lifecycle {
        &self.feed.noticing
    }

    async fn next(&self) -> Option<FeedNotice> {
        self.notices.lock().await.next().await
    }

    fn call(&self, callback: &NoticeCallback, notice: FeedNotice) -> bool {
        if self.feed.noticing.is_ending() {
            return false;
        }
        callback.call(&CText::new(&notice.to_string()), &CText::new(notice.to_json().as_str()));
        true
    }

    /// The feed goes on without a listener.
    fn end(&self) {}
}

/// Starts a feed: from now on every completion of the client's Pico goes into the store, from a live stream, from
/// webhooks (pico_receiver_start()), and from a query that asks for what these missed; and each is handed out until
/// it is acknowledged, by pico_feed_deliver() or pico_feed_next(). Completions of one unit come in the order of
/// their times, one after the other is answered. `options` may be NULL for defaults; they stay yours.
/// PICO_E_STORE_IN_USE while another feed runs on the store, in this process or another. Failures to connect are
/// notices, not failures of this function. Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_start(
    client: Option<&pico_client_t>,
    store: Option<&pico_store_t>,
    options: Option<&pico_feed_options_t>,
    feed: Option<&mut MaybeUninit<*mut pico_feed_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, store) = (pico_client_t::open(client)?, pico_store_t::core(store)?);
        let out = required("feed", feed)?;
        let mut builder = Feed::builder(&client.core, store);
        if let Some(options) = options {
            builder = builder.filter(options.filter.clone()).policy(options.policy);
        }
        let core = Subject::Completions(client.wait(None, builder.start())?);
        out.write(Box::into_raw(Box::new(pico_feed_t::of(core, client)?)));
        Ok(())
    })
}

/// Starts a feed of operators' notes (generation G3), each change of one by itself. It is as one of completions, which may
/// run beside it on the same store, but that notes come by the stream and the query only: there are no webhooks of them.
/// Changes of one note come in the order of their times. pico_delivery_note() is the note, and pico_store_notes() gives
/// what the inbox functions take. `filter` may be NULL for all notes, and `options` for defaults;
/// PICO_E_INVALID_ARGUMENT when these narrow completions by pico_feed_options_set_filter(). All else as
/// pico_feed_start(). Waits for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_feed_start_notes(
    client: Option<&pico_client_t>,
    store: Option<&pico_store_t>,
    filter: *const pico_note_filter_t,
    options: Option<&pico_feed_options_t>,
    feed: Option<&mut MaybeUninit<*mut pico_feed_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let (client, store) = (pico_client_t::open(client)?, pico_store_t::core(store)?);
        let out = required("feed", feed)?;
        // SAFETY: a filter or NULL, by the header.
        let mut builder = Feed::notes(&client.core, store).filter(unsafe { note_filter(filter) }?);
        if let Some(options) = options {
            if options.filter != OrderCompleteFilter::all() {
                return Err(Error::invalid(
                    "options",
                    "have a filter of completions; give options without one, and the filter of notes",
                ));
            }
            builder = builder.policy(options.policy);
        }
        let core = Subject::Notes(client.wait(None, builder.start())?);
        out.write(Box::into_raw(Box::new(pico_feed_t::of(core, client)?)));
        Ok(())
    })
}

/// Waits until nothing that happens from now on can be missed: the live stream is open, and the catch-up query is
/// through for the first time. Failures that may pass are waited out; `call` (may be NULL) limits the wait.
/// PICO_E_CLOSED when the feed is closed. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_opened(
    feed: Option<&pico_feed_t>,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_feed_t::open(feed)?);
        let (limit, cancel) = control(call);
        runtime::block_on(
            async { whichever!(&inner.core, feed => feed.opened().await) },
            limit,
            cancel.as_ref(),
        )
    })
}

/// Takes the next completion of a feed without a callback; answer it by pico_delivery_ack() and its like, then free it
/// with pico_delivery_free(). Waits for one, as long as `call` (may be NULL) allows: PICO_E_TIMEOUT when there was
/// none; give it some milliseconds at least, since even one that is there is read from the disk. PICO_E_CLOSED after
/// the end; what no waiting mends, such as PICO_E_STORE_DAMAGED. Several threads may take; each completion goes
/// to one of them. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_next(
    feed: Option<&pico_feed_t>,
    call: Option<&pico_call_t>,
    delivery: Option<&mut MaybeUninit<*mut pico_delivery_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(pico_feed_t::open(feed)?);
        if inner.by_callback.load(Ordering::SeqCst) {
            return Err(Error::invalid(
                "feed",
                "delivers to a callback; completions cannot be taken as well",
            ));
        }
        let out = required("delivery", delivery)?;
        let (limit, cancel) = control(call);
        let next = async { inner.core.next().await.unwrap_or_else(|| Err(ended())) };
        let taken = runtime::block_on(next, limit, cancel.as_ref())?;
        out.write(Box::into_raw(Box::new(pico_delivery_t::new(taken))));
        Ok(())
    })
}

/// Delivers the completions of a feed to a function, whose return value answers: PICO_ACK, PICO_RETRY, PICO_REJECT
/// or PICO_LATER; anything else counts as PICO_RETRY. The answer is on disk before the next call. On PICO_OK the
/// library owns user_data; calls come one at a time and in order, on threads that may block, and `drop` is called
/// once, after the last: when the feed is closed or freed, or when the store fails for good, which a notice tells.
/// Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_deliver(
    feed: Option<&pico_feed_t>,
    callback: Option<&pico_delivery_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = pico_feed_t::open(feed)?;
        let callback = required("callback", callback)?;
        let function = callback.function()?;
        let runtime = runtime::handle()?;
        if inner.by_callback.swap(true, Ordering::SeqCst) {
            return Err(Error::invalid("feed", "delivers to a callback already"));
        }
        if !inner.delivering.begin() {
            return Err(ended());
        }
        runtime.spawn(dispatch::run(Arc::clone(inner), callback.take(function)));
        Ok(())
    })
}

/// Tells what happens to the feed from now on to a function, as a text for people and as JSON: an object with "notice",
/// which is part, stream, problem, caught_up, catch_up_failed, dead_letter, store or webhook, with "text", and with what
/// belongs to it. None of it loses a completion. Once for each feed. A function that is far behind misses the oldest.
/// On PICO_OK the library owns user_data; `drop` is called once, after the feed has ended. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_on_notice(
    feed: Option<&pico_feed_t>,
    callback: Option<&pico_notice_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let inner = pico_feed_t::open(feed)?;
        let callback = required("callback", callback)?;
        let function = callback.function()?;
        let runtime = runtime::handle()?;
        if inner.with_notices.swap(true, Ordering::SeqCst) {
            return Err(Error::invalid("feed", "tells its notices to a callback already"));
        }
        if !inner.noticing.begin() {
            return Err(ended());
        }
        let notices = whichever!(&inner.core, feed => feed.notices());
        let noticing = Noticing { feed: Arc::clone(inner), notices: Mutex::new(notices) };
        runtime.spawn(dispatch::run(Arc::new(noticing), callback.take(function)));
        Ok(())
    })
}

/// Asks Pico now for what the live sources missed. Returns at once; a notice tells when it is through.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_catch_up(
    feed: Option<&pico_feed_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        whichever!(&pico_feed_t::open(feed)?.core, feed => feed.catch_up());
        Ok(())
    })
}

/// Tells where the feed stands, as a JSON object with "inbox" (counts by state), "watermarks" (by source), "part" ("live"
/// or "standby") and "liveNode" (the node that has the live source when another has), "stream" (the connection), "caughtUp" (the last query that was through), "catchUpError" and "storeError"; what is absent is
/// null. Free the text with pico_text_free(). Waits for the disk.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_status_json(
    feed: Option<&pico_feed_t>,
    json: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("feed", feed)?.inner);
        let out = required("json", json)?;
        let status =
            runtime::block_on(async { whichever!(&inner.core, feed => feed.status().await) }, None, None)?;
        out.write(pico_text_t::give(status.to_json().as_str()));
        Ok(())
    })
}

/// Ends the feed: nothing more is taken in or handed out. Waits, grace_ms at most (negative: for ever), until the
/// completions that were handed out are answered or freed, and until calls that are under way and every `drop` have
/// returned. PICO_E_TIMEOUT when a callback or its drop had not by then; it may be called again to wait on. What is
/// not answered is handed out by the next feed on this store. The feed must still be freed. Waits: it must not be
/// called from a callback.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_close(
    feed: Option<&pico_feed_t>,
    grace_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let inner = Arc::clone(&required("feed", feed)?.inner);
        let grace = limit(grace_ms);
        let deadline = deadline(grace);
        inner.delivering.end();
        inner.noticing.end();
        let closing = async {
            whichever!(&inner.core, feed => feed.close(grace.unwrap_or(AGES).min(AGES)).await);
            Ok(())
        };
        runtime::block_on(closing, None, None)?;
        inner.wait(deadline)
    })
}

/// Frees the feed, ending it without waiting: a call that is under way is finished and its answer stored, `drop`
/// follows; deliveries that are out can still be answered. Another feed may be started on the store at once. Never
/// waits; any thread, its own callbacks included.
#[unsafe(no_mangle)]
pub extern "C" fn pico_feed_free(feed: Option<Box<pico_feed_t>>) -> ReturnNothing {
    guard::free(feed);
}
