//! Callers' functions: their types, and when `drop` is called.
//!
//! Ownership of `user_data` is the value [`UserData`]: whoever holds it may call, and when it is let go of,
//! the caller's `drop` runs, once. Holders see to it that this happens on a library thread that may block.

use std::ffi::{c_char, c_void};
use std::ptr;

use pico_erp::{Error, Reply, runtime};

use crate::delivery::pico_delivery_t;
use crate::error::pico_error_t;
use crate::event::pico_event_t;
use crate::guard;
use crate::input::required;
use crate::options::pico_token_answer_t;
use crate::reply::pico_reply_t;
use crate::status::PICO_OK;
use crate::text::{CText, Opaque};

/// Ends a callback. The header has it by hand, with PICO_CALL.
pub type pico_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;
/// Receives an event.
pub type pico_event_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const pico_event_t) -> i32>;
/// Receives events.
pub type pico_events_fn = Option<
    unsafe extern "C" fn(user_data: *mut c_void, events: *const *const pico_event_t, count: usize) -> i32,
>;
/// Receives a completion of a feed.
pub type pico_delivery_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, delivery: *const pico_delivery_t) -> i32>;
/// Receives a notice of a feed.
pub type pico_notice_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, text: *const c_char, json: *const c_char)>;
/// Receives the outcome of a call.
pub type pico_reply_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: i32,
        reply: *mut pico_reply_t,
        error: *mut pico_error_t,
    ),
>;
/// Gives a token.
pub type pico_token_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, answer: *mut pico_token_answer_t)>;
/// Receives a line of the log.
pub type pico_log_fn = Option<
    unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char),
>;

/// An event callback returns this to go on; so does any other value but PICO_STOP.
#[allow(dead_code, reason = "for C")]
pub const PICO_CONTINUE: i32 = 0;
/// An event callback returns this to end the subscription: no further call, then `drop`.
pub const PICO_STOP: i32 = 1;

/// A function for events. The struct is copied; it need not outlive the call that takes it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_event_callback_t {
    /// Called for each event, in order, one at a time.
    pub call: pico_event_fn,
    /// Called once at the end; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function for events by the batch. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_events_callback_t {
    /// Called with one event or more, in order, one call at a time.
    pub call: pico_events_fn,
    /// Called once at the end; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function for the completions of a feed. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_delivery_callback_t {
    /// Called for each completion, one at a time; what it returns is the answer: PICO_ACK and its like.
    pub call: pico_delivery_fn,
    /// Called once at the end; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function for the notices of a feed. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_notice_callback_t {
    /// Called for each notice, in order, one at a time.
    pub call: pico_notice_fn,
    /// Called once at the end; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function for the outcome of a call. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_reply_callback_t {
    /// Called exactly once.
    pub call: pico_reply_fn,
    /// Called once, after it; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function that gives the token. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_token_provider_t {
    /// Called before every request, also from several threads at once.
    pub call: pico_token_fn,
    /// Called once, when the options and every client made from them are gone; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// A function for the log. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_log_callback_t {
    /// Called for each line, one at a time.
    pub call: pico_log_fn,
    /// Called once, after it was replaced or removed; may be NULL.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// `user_data` as long as it is the library's.
pub(crate) struct UserData {
    data: Opaque,
    drop: pico_drop_fn,
}

impl UserData {
    pub(crate) fn new(data: *mut c_void, drop: pico_drop_fn) -> Self {
        Self { data: Opaque(data), drop }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.data.0
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop.take() {
            // SAFETY: the caller gave a function that may be called once with its user_data, from any thread.
            guard::in_callback(|| unsafe { drop(self.get()) });
        }
    }
}

/// `user_data` whose last holder may be anywhere, also a thread of the runtime that must not block: it is
/// let go of on a thread that may.
pub(crate) struct SharedUserData(Option<UserData>);

impl SharedUserData {
    pub(crate) fn new(user: UserData) -> Self {
        Self(Some(user))
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.0.as_ref().map_or(ptr::null_mut(), UserData::get)
    }
}

impl Drop for SharedUserData {
    fn drop(&mut self) {
        let Some(user) = self.0.take() else { return };
        match runtime::handle() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(user))),
            // No threads: a forked child, in which the caller's function has no business either.
            Err(_) => std::mem::forget(user),
        }
    }
}

type EventFn = unsafe extern "C" fn(*mut c_void, *const pico_event_t) -> i32;
type EventsFn = unsafe extern "C" fn(*mut c_void, *const *const pico_event_t, usize) -> i32;
type DeliveryFn = unsafe extern "C" fn(*mut c_void, *const pico_delivery_t) -> i32;
type NoticeFn = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char);
type ReplyFn = unsafe extern "C" fn(*mut c_void, i32, *mut pico_reply_t, *mut pico_error_t);

/// A caller's function for events, one by one or by the batch.
pub(crate) struct EventCallback {
    call: OneOrMany,
    user: UserData,
}

#[derive(Clone, Copy)]
enum OneOrMany {
    One(EventFn),
    Many { call: EventsFn, most: usize },
}

impl pico_event_callback_t {
    /// The function, checked before anything is begun.
    pub(crate) fn function(&self) -> Result<EventFn, Error> {
        required("callback.call", self.call)
    }

    /// Takes `user_data` over: from here on `drop` will be called.
    pub(crate) fn take(&self, call: EventFn) -> EventCallback {
        EventCallback { call: OneOrMany::One(call), user: UserData::new(self.user_data, self.drop) }
    }
}

impl pico_events_callback_t {
    /// The function, checked before anything is begun.
    pub(crate) fn function(&self) -> Result<EventsFn, Error> {
        required("callback.call", self.call)
    }

    /// Takes `user_data` over: from here on `drop` will be called. `most` events go into one call.
    pub(crate) fn take(&self, call: EventsFn, most: usize) -> EventCallback {
        EventCallback { call: OneOrMany::Many { call, most }, user: UserData::new(self.user_data, self.drop) }
    }
}

impl EventCallback {
    /// How many events go into one call at most.
    pub(crate) fn most(&self) -> usize {
        match self.call {
            OneOrMany::One(_) => 1,
            OneOrMany::Many { most, .. } => most,
        }
    }

    /// Calls; whether to go on.
    pub(crate) fn call(&self, events: &[pico_event_t]) -> bool {
        match self.call {
            OneOrMany::One(call) => events.iter().all(|event| {
                // SAFETY: the caller gave the function for this, and the event lives for the call.
                guard::in_callback(|| unsafe { call(self.user.get(), event) }) != PICO_STOP
            }),
            OneOrMany::Many { call, .. } => {
                let events: Vec<*const pico_event_t> = events.iter().map(ptr::from_ref).collect();
                let (first, count) = (events.as_ptr(), events.len());
                // SAFETY: the caller gave the function for this; events and array live for the call.
                guard::in_callback(|| unsafe { call(self.user.get(), first, count) }) != PICO_STOP
            }
        }
    }
}

/// A caller's function for completions.
pub(crate) struct DeliveryCallback {
    call: DeliveryFn,
    user: UserData,
}

impl pico_delivery_callback_t {
    /// The function, checked before anything is begun.
    pub(crate) fn function(&self) -> Result<DeliveryFn, Error> {
        required("callback.call", self.call)
    }

    /// Takes `user_data` over: from here on `drop` will be called.
    pub(crate) fn take(&self, call: DeliveryFn) -> DeliveryCallback {
        DeliveryCallback { call, user: UserData::new(self.user_data, self.drop) }
    }
}

impl DeliveryCallback {
    /// Calls; what was answered.
    pub(crate) fn call(&self, delivery: &pico_delivery_t) -> i32 {
        // SAFETY: the caller gave the function for this, and the delivery lives for the call.
        guard::in_callback(|| unsafe { (self.call)(self.user.get(), delivery) })
    }
}

/// A caller's function for notices.
pub(crate) struct NoticeCallback {
    call: NoticeFn,
    user: UserData,
}

impl pico_notice_callback_t {
    /// The function, checked before anything is begun.
    pub(crate) fn function(&self) -> Result<NoticeFn, Error> {
        required("callback.call", self.call)
    }

    /// Takes `user_data` over: from here on `drop` will be called.
    pub(crate) fn take(&self, call: NoticeFn) -> NoticeCallback {
        NoticeCallback { call, user: UserData::new(self.user_data, self.drop) }
    }
}

impl NoticeCallback {
    /// Calls with a notice for people and as JSON.
    pub(crate) fn call(&self, text: &CText, json: &CText) {
        // SAFETY: the caller gave the function for this, and the texts live for the call.
        guard::in_callback(|| unsafe { (self.call)(self.user.get(), text.as_ptr(), json.as_ptr()) });
    }
}

/// A caller's function for one reply.
pub(crate) struct ReplyCallback {
    call: ReplyFn,
    user: UserData,
}

impl pico_reply_callback_t {
    /// The function, checked before anything is begun.
    pub(crate) fn function(&self) -> Result<ReplyFn, Error> {
        required("callback.call", self.call)
    }

    /// Takes `user_data` over: from here on `call` and `drop` will be called.
    pub(crate) fn take(&self, call: ReplyFn) -> ReplyCallback {
        ReplyCallback { call, user: UserData::new(self.user_data, self.drop) }
    }
}

impl ReplyCallback {
    /// Calls, handing the reply or the error over, and then lets go of `user_data`.
    pub(crate) fn call(self, result: Result<Reply, Error>) {
        let (status, reply, error) = match result {
            Ok(reply) => (PICO_OK, Box::into_raw(Box::new(pico_reply_t::new(reply))), ptr::null_mut()),
            Err(error) => {
                let error = pico_error_t::new(error);
                (error.status(), ptr::null_mut(), Box::into_raw(Box::new(error)))
            }
        };
        // SAFETY: the caller gave the function for this; the one object that is there is its own from now on.
        guard::in_callback(|| unsafe { (self.call)(self.user.get(), status, reply, error) });
    }
}
