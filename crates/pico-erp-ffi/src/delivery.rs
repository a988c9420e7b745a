//! [`pico_delivery_t`]: a completion or a note of a feed in the caller's hands, which owes an answer: by the return value of a callback,
//! or by a function that waits until the answer is on disk.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pico_erp::{Error, ErrorKind, NoteEvent, OrderComplete, Source, runtime};

use crate::call::{control, limit, pico_call_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{optional_text, required, text};
use crate::options::milliseconds;
use crate::returns::{
    ReturnDelivery, ReturnInt32, ReturnInt64, ReturnNote, ReturnNothing, ReturnOrderComplete, ReturnStatus,
    ReturnText, ReturnUint32,
};
use crate::subject::{AnyDelivery, Subject, whichever};
use crate::text::{CText, JsonText};
use crate::views::{PICO_NO_TIME, Typed};

/// The completion is booked: never again.
pub const PICO_ACK: i32 = 0;
/// Not booked: again, after a wait that grows with each attempt, or as pico_delivery_retry_after() has said.
pub const PICO_RETRY: i32 = 1;
/// Trying again would be of no use: it becomes a dead letter.
pub const PICO_REJECT: i32 = 2;
/// The callback has kept the delivery with pico_delivery_retain(), and it is answered later. Meanwhile the next one
/// comes.
pub const PICO_LATER: i32 = 3;

/// By a live stream over Server-Sent Events.
pub const PICO_SOURCE_SSE: i32 = 1;
/// By a live stream over WebSocket.
pub const PICO_SOURCE_WEBSOCKET: i32 = 2;
/// By polling, where no stream gets through.
pub const PICO_SOURCE_POLL: i32 = 3;
/// By a POST of Pico's to a receiver.
pub const PICO_SOURCE_WEBHOOK: i32 = 4;
/// By the catch-up query: no live source had brought it.
pub const PICO_SOURCE_CATCH_UP: i32 = 5;

/// A completion of a feed, which is handed out again until it is acknowledged; a note of a feed of notes, where these
/// functions say completion. Any thread.
pub struct pico_delivery_t(Arc<Given>);

/// What the handles of one delivery share.
struct Given {
    id: i64,
    attempt: u32,
    source: i32,
    arrived_ms: i64,
    arrived: CText,
    key: CText,
    plant: CText,
    json: JsonText,
    item: Subject<Typed<OrderComplete>, Typed<NoteEvent>>,
    /// The duty to answer, until somebody does. With the last handle it is let go of: handed out again.
    open: Mutex<Option<AnyDelivery>>,
    wish: Mutex<Wish>,
}

/// What a callback has said of its answer before it gives it.
#[derive(Default)]
struct Wish {
    wait: Option<Duration>,
    reason: Option<String>,
}

enum Answer {
    Ack,
    Retry { wait: Option<Duration>, reason: String },
    Reject { reason: String },
}

impl Answer {
    async fn give(self, delivery: AnyDelivery) -> Result<(), Error> {
        whichever!(delivery, delivery => match self {
            Self::Ack => delivery.ack().await,
            Self::Retry { wait, reason } => delivery.retry(wait, &reason).await,
            Self::Reject { reason } => delivery.reject(&reason).await,
        })
    }
}

fn source_of(source: Source) -> i32 {
    match source {
        Source::Sse => PICO_SOURCE_SSE,
        Source::WebSocket => PICO_SOURCE_WEBSOCKET,
        Source::Poll => PICO_SOURCE_POLL,
        Source::Webhook => PICO_SOURCE_WEBHOOK,
        Source::CatchUp => PICO_SOURCE_CATCH_UP,
        // One that this version of the C ABI has no word for.
        _ => 0,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl pico_delivery_t {
    pub(crate) fn new(delivery: impl Into<AnyDelivery>) -> Self {
        let delivery = delivery.into();
        let item = match &delivery {
            Subject::Completions(delivery) => Subject::Completions(Typed::new(delivery.completion().clone())),
            Subject::Notes(delivery) => Subject::Notes(Typed::new(delivery.note().clone())),
        };
        whichever!(&delivery, given => {
            let arrived = given.arrived();
            Self(Arc::new(Given {
                id: given.id(),
                attempt: given.attempt(),
                source: source_of(given.source()),
                arrived_ms: arrived.as_millisecond(),
                arrived: CText::new(&arrived.to_string()),
                key: CText::new(&given.key()),
                plant: CText::new(given.plant()),
                json: JsonText::value(given.raw().clone()),
                item,
                open: Mutex::new(Some(delivery)),
                wish: Mutex::default(),
            }))
        })
    }

    /// Carries out what a callback returned, on a thread that may block.
    pub(crate) fn answered(&self, code: i32) {
        if code == PICO_LATER {
            return;
        }
        // None when another thread has answered a handle that was kept.
        let Some(delivery) = locked(&self.0.open).take() else { return };
        let Wish { wait, reason } = std::mem::take(&mut *locked(&self.0.wish));
        let or = |default: &str| reason.clone().unwrap_or_else(|| default.to_owned());
        let answer = match code {
            PICO_ACK => Answer::Ack,
            PICO_REJECT => Answer::Reject { reason: or("rejected by the callback") },
            PICO_RETRY => Answer::Retry { wait, reason: or("the callback asked for it again") },
            other => Answer::Retry {
                wait,
                reason: or(&format!("the callback returned {other}, which is no answer")),
            },
        };
        if let Err(error) = runtime::block_on(answer.give(delivery), None, None) {
            tracing::error!(id = self.0.id, %error, "an answer was not stored; the completion is handed out again");
        }
    }
}

/// Gives an answer and waits until it is on disk. Once begun it is carried out, whether somebody waits for it or not.
fn answer(
    delivery: Option<&pico_delivery_t>,
    call: Option<&pico_call_t>,
    answer: Answer,
) -> Result<(), Error> {
    let given = Arc::clone(&required("delivery", delivery)?.0);
    let (limit, cancel) = control(call);
    let answering = async move {
        let open = locked(&given.open).take();
        let delivery = open.ok_or_else(|| Error::invalid("delivery", "has been answered already"))?;
        tokio::spawn(answer.give(delivery)).await.unwrap_or_else(|error| {
            Err(match error.try_into_panic() {
                Ok(payload) => guard::panicked(payload.as_ref()),
                Err(_) => Error::new(ErrorKind::Internal, "the answer was ended from outside"),
            })
        })
    };
    runtime::block_on(answering, limit, cancel.as_ref())
}

/// The completed order. Lives as long as the delivery. NULL for NULL, and for a delivery of a note.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_completion(delivery: Option<&pico_delivery_t>) -> ReturnOrderComplete {
    guard::get(ptr::null(), || match delivery.map(|delivery| &delivery.0.item) {
        Some(Subject::Completions(completion)) => completion.view(),
        Some(Subject::Notes(_)) | None => ptr::null(),
    })
}

/// The note, as it was at this event, of a feed of notes. Lives as long as the delivery. NULL for NULL, and for a delivery of
/// a completion.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_note(delivery: Option<&pico_delivery_t>) -> ReturnNote {
    guard::get(ptr::null(), || match delivery.map(|delivery| &delivery.0.item) {
        Some(Subject::Notes(note)) => note.view(),
        Some(Subject::Completions(_)) | None => ptr::null(),
    })
}

/// The completed order, or the note, as Pico sent it. `length` (may be NULL) receives the length without the NUL. Lives as
/// long as the delivery. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_json(
    delivery: Option<&pico_delivery_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || delivery.map_or(ptr::null(), |delivery| delivery.0.json.give(length)))
}

/// A text that stands for this completion in this and every other store, the same however often it is handed out:
/// book by it, so that booking twice does no harm. Lives as long as the delivery. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_key(delivery: Option<&pico_delivery_t>) -> ReturnText {
    guard::get(ptr::null(), || delivery.map_or(ptr::null(), |delivery| delivery.0.key.as_ptr()))
}

/// The name of the plant that it is of; "" where the store is used without plants. Lives as long as the delivery. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_plant(delivery: Option<&pico_delivery_t>) -> ReturnText {
    guard::get(ptr::null(), || delivery.map_or(ptr::null(), |delivery| delivery.0.plant.as_ptr()))
}

/// Its number in the store's inbox, 1 or more; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_id(delivery: Option<&pico_delivery_t>) -> ReturnInt64 {
    guard::get(0, || delivery.map_or(0, |delivery| delivery.0.id))
}

/// How often it has been handed out, this time included. Above 1, an earlier time may have booked it. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_attempt(delivery: Option<&pico_delivery_t>) -> ReturnUint32 {
    guard::get(0, || delivery.map_or(0, |delivery| delivery.0.attempt))
}

/// How it came in first: PICO_SOURCE_*. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_source(delivery: Option<&pico_delivery_t>) -> ReturnInt32 {
    guard::get(0, || delivery.map_or(0, |delivery| delivery.0.source))
}

/// When it came in, RFC 3339 in UTC. Lives as long as the delivery. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_arrived(delivery: Option<&pico_delivery_t>) -> ReturnText {
    guard::get(ptr::null(), || delivery.map_or(ptr::null(), |delivery| delivery.0.arrived.as_ptr()))
}

/// The same in milliseconds since 1970. PICO_NO_TIME for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_arrived_ms(delivery: Option<&pico_delivery_t>) -> ReturnInt64 {
    guard::get(PICO_NO_TIME, || delivery.map_or(PICO_NO_TIME, |delivery| delivery.0.arrived_ms))
}

/// Says that the completion is booked. On PICO_OK that is on disk, and it is never handed out again. `call` may be
/// NULL; PICO_E_TIMEOUT and PICO_E_CANCELLED end the wait only: the answer is still stored. A delivery is answered
/// once: PICO_E_INVALID_ARGUMENT after that. When the store refuses it is handed out again. PICO_E_LEASE_LOST when it was
/// handed out to somebody else meanwhile, whose answer counts: the feed was closed, the node was not heard of for too
/// long, or the time of pico_feed_options_set_visible_ms() was over. Frees nothing. Waits: inside a callback, return PICO_ACK instead.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_ack(
    delivery: Option<&pico_delivery_t>,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || answer(delivery, call, Answer::Ack))
}

/// Asks for the completion again: after wait_ms, or, when that is negative, after a wait that grows with each
/// attempt. `reason` (may be NULL) is kept for whoever looks at the inbox. At the feed's limit of attempts it
/// becomes a dead letter. All else as pico_delivery_ack(). Waits: inside a callback, return PICO_RETRY instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_delivery_retry(
    delivery: Option<&pico_delivery_t>,
    wait_ms: i64,
    reason: *const c_char,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let reason = unsafe { optional_text("reason", reason) }?.unwrap_or("asked for again").to_owned();
        answer(delivery, call, Answer::Retry { wait: limit(wait_ms), reason })
    })
}

/// Says that trying again would be of no use: the completion becomes a dead letter, kept with the reason (may be
/// NULL), and can be replayed by pico_inbox_replay(). All else as pico_delivery_ack(). Waits: inside a callback,
/// return PICO_REJECT instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_delivery_reject(
    delivery: Option<&pico_delivery_t>,
    reason: *const c_char,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        // SAFETY: a text or NULL, by the header.
        let reason = unsafe { optional_text("reason", reason) }?.unwrap_or("rejected").to_owned();
        answer(delivery, call, Answer::Reject { reason })
    })
}

/// Asks for more time, where several nodes share the store: the completion is not handed out to another for visible_ms
/// from now on. `call` may be NULL. PICO_E_LEASE_LOST when another has it already; PICO_E_INVALID_ARGUMENT when it has been
/// answered. Waits.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_extend(
    delivery: Option<&pico_delivery_t>,
    visible_ms: i64,
    call: Option<&pico_call_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let given = Arc::clone(&required("delivery", delivery)?.0);
        let visible = milliseconds("visible_ms", visible_ms)?;
        let (limit, cancel) = control(call);
        let extending = match &*locked(&given.open) {
            Some(delivery) => whichever!(delivery, delivery => {
                Box::pin(delivery.extend(visible)) as Pin<Box<dyn Future<Output = _> + Send>>
            }),
            None => return Err(Error::invalid("delivery", "has been answered already")),
        };
        runtime::block_on(extending, limit, cancel.as_ref())
    })
}

/// Inside a callback: chooses after how many milliseconds the completion comes again, and why (may be NULL), when
/// the callback then returns PICO_RETRY. Returns at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_delivery_retry_after(
    delivery: Option<&pico_delivery_t>,
    wait_ms: i64,
    reason: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let delivery = required("delivery", delivery)?;
        let wait = milliseconds("wait_ms", wait_ms)?;
        // SAFETY: a text or NULL, by the header.
        let reason = unsafe { optional_text("reason", reason) }?;
        let mut wish = locked(&delivery.0.wish);
        wish.wait = Some(wait);
        if let Some(reason) = reason {
            wish.reason = Some(reason.to_owned());
        }
        Ok(())
    })
}

/// Inside a callback: says why, for whoever looks at the inbox, when the callback then returns PICO_RETRY or
/// PICO_REJECT. Returns at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_delivery_set_reason(
    delivery: Option<&pico_delivery_t>,
    reason: *const c_char,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let delivery = required("delivery", delivery)?;
        // SAFETY: a text or NULL, by the header.
        locked(&delivery.0.wish).reason = Some(unsafe { text("reason", reason) }?.to_owned());
        Ok(())
    })
}

/// Keeps a delivery beyond the callback, which then returns PICO_LATER: returns another handle of it, which is
/// yours to answer and to free. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_retain(delivery: Option<&pico_delivery_t>) -> ReturnDelivery {
    guard::get(ptr::null_mut(), || {
        delivery.map_or(ptr::null_mut(), |delivery| {
            Box::into_raw(Box::new(pico_delivery_t(Arc::clone(&delivery.0))))
        })
    })
}

/// Frees a delivery that pico_feed_next(), pico_plants_next() or pico_delivery_retain() gave; not one that a callback was lent. When its
/// last handle is gone without an answer, the completion is handed out again. Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_delivery_free(delivery: Option<Box<pico_delivery_t>>) -> ReturnNothing {
    guard::free(delivery);
}
