//! The library's log, handed to a callback.
//!
//! A minimal [`tracing::Subscriber`] formats each line of this library's own and puts it into a bounded
//! queue; a thread takes the lines out and calls. So no caller's function runs inside the library, where a
//! lock of the caller's could meet one of ours. Nothing is ever written to standard error.

use std::ffi::c_void;
use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use pico_erp::{Error, ErrorKind};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::callback::{UserData, pico_log_callback_t};
use crate::error::pico_error_t;
use crate::guard;
use crate::input::required;
use crate::returns::ReturnStatus;
use crate::text::CText;

/// Calls and streams that failed for good.
pub const PICO_LOG_ERROR: i32 = 1;
/// What may need attention.
pub const PICO_LOG_WARN: i32 = 2;
/// Connections lost and made again.
pub const PICO_LOG_INFO: i32 = 3;
/// Retries of calls, and other detail.
pub const PICO_LOG_DEBUG: i32 = 4;
/// Everything.
pub const PICO_LOG_TRACE: i32 = 5;

/// How many lines may wait. More are counted and left out, and the count is told.
const QUEUE: usize = 1024;

/// The level that is wanted; 0 while nobody listens.
static LEVEL: AtomicI32 = AtomicI32::new(0);
/// Lines that found the queue full.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
/// The queue of the thread that calls now. Held for a look only, never while a caller's function runs.
static SINK: Mutex<Option<SyncSender<Line>>> = Mutex::new(None);
/// Whether the subscriber is in place.
static INSTALLED: AtomicBool = AtomicBool::new(false);

struct Line {
    level: i32,
    target: &'static str,
    message: String,
}

/// Hands the library's log to a function, from this level (PICO_LOG_*) up, in place of the one before; NULL
/// removes it. The function is called on a thread of the library, one line at a time, and must be quick: at
/// most 1,024 lines wait, those beyond are counted and the count is logged. On PICO_OK the library owns
/// user_data; `drop` is called when the function was replaced or removed and the lines that wait are told.
/// Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_log_set(
    level: i32,
    callback: Option<&pico_log_callback_t>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        let Some(callback) = callback else {
            replace(0, None);
            return Ok(());
        };
        if !(PICO_LOG_ERROR..=PICO_LOG_TRACE).contains(&level) {
            return Err(Error::invalid(
                "level",
                format!("is {level}; give PICO_LOG_ERROR to PICO_LOG_TRACE"),
            ));
        }
        let call = required("callback.call", callback.call)?;
        install()?;
        let (sender, lines) = sync_channel(QUEUE);
        let (hand_over, taken) = sync_channel(1);
        thread::Builder::new()
            .name("pico-erp-log".to_owned())
            .spawn(move || {
                // The function is handed over only once there is a thread, so that a failure leaves it the
                // caller's.
                if let Ok(user) = taken.recv() {
                    tell(&lines, call, user);
                }
            })
            .map_err(|error| {
                Error::new(
                    ErrorKind::Internal,
                    format!("the thread for the log could not be started: {error}"),
                )
            })?;
        // The thread is there and waits for exactly this, so it cannot fail.
        let _ = hand_over.send(UserData::new(callback.user_data, callback.drop));
        replace(level, Some(sender));
        Ok(())
    })
}

/// Puts the subscriber into place, once.
fn install() -> Result<(), Error> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    tracing::subscriber::set_global_default(LogSubscriber).map_err(|_| {
        INSTALLED.store(false, Ordering::SeqCst);
        Error::new(ErrorKind::Internal, "another subscriber takes this library's log already")
    })
}

fn replace(level: i32, sink: Option<SyncSender<Line>>) {
    let previous = {
        let mut current = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        LEVEL.store(level, Ordering::SeqCst);
        std::mem::replace(&mut *current, sink)
    };
    // The previous thread ends when its queue has no sender any more.
    drop(previous);
    tracing::callsite::rebuild_interest_cache();
}

/// The thread: tells the lines until the queue is at its end, then lets go of `user`.
fn tell(
    lines: &Receiver<Line>,
    call: unsafe extern "C" fn(*mut c_void, i32, *const std::ffi::c_char, *const std::ffi::c_char),
    user: UserData,
) {
    let say = |line: &Line| {
        let (target, message) = (CText::new(line.target), CText::new(&line.message));
        // SAFETY: the caller gave the function for this, and the texts live for the call.
        guard::in_callback(|| unsafe { call(user.get(), line.level, target.as_ptr(), message.as_ptr()) });
    };
    for line in lines {
        say(&line);
        let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let message =
                format!("{left_out} lines were left out here, because the log function was too slow");
            say(&Line { level: PICO_LOG_WARN, target: "pico_erp::log", message });
        }
    }
}

fn level_of(level: &Level) -> i32 {
    match *level {
        Level::ERROR => PICO_LOG_ERROR,
        Level::WARN => PICO_LOG_WARN,
        Level::INFO => PICO_LOG_INFO,
        Level::DEBUG => PICO_LOG_DEBUG,
        Level::TRACE => PICO_LOG_TRACE,
    }
}

/// Only this library's own lines: its dependencies may log what a server sent.
fn ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    metadata.is_event() && (target == "pico_erp" || target.starts_with("pico_erp::"))
}

struct LogSubscriber;

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ours(metadata) && level_of(metadata.level()) <= LEVEL.load(Ordering::SeqCst)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = LineText::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let line = Line {
            level: level_of(metadata.level()),
            target: metadata.target(),
            message: text.message + &text.fields,
        };
        let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink
            && let Err(TrySendError::Full(_)) = sink.try_send(line)
        {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
    }

    // Spans are not shown.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A line: the message, and the fields as ` name=value` behind it.
#[derive(Default)]
struct LineText {
    message: String,
    fields: String,
}

impl Visit for LineText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::status::{PICO_E_INVALID_ARGUMENT, PICO_OK};

    type Told = mpsc::Sender<Option<String>>;

    unsafe extern "C" fn call(data: *mut c_void, level: i32, target: *const c_char, message: *const c_char) {
        // SAFETY: the test's sender, and texts of the library's.
        let (told, target, message) =
            unsafe { (&*data.cast::<Told>(), CStr::from_ptr(target), CStr::from_ptr(message)) };
        let line = format!("{level} {} {}", target.to_str().unwrap(), message.to_str().unwrap());
        told.send(Some(line)).unwrap();
    }

    unsafe extern "C" fn end(data: *mut c_void) {
        // SAFETY: the box that the test gave, once.
        let told = unsafe { Box::from_raw(data.cast::<Told>()) };
        told.send(None).unwrap();
    }

    #[test]
    fn lines_of_the_wanted_level_are_told_and_drop_comes_last() {
        let (told, lines): (Told, _) = mpsc::channel();
        let user_data = Box::into_raw(Box::new(told)).cast();
        let callback = pico_log_callback_t { call: Some(call), drop: Some(end), user_data };
        assert_eq!(pico_log_set(9, Some(&callback), None), PICO_E_INVALID_ARGUMENT);
        assert_eq!(pico_log_set(PICO_LOG_INFO, Some(&callback), None), PICO_OK);
        tracing::info!(target: "pico_erp::test", failures = 2, "a line");
        tracing::debug!(target: "pico_erp::test", "too fine");
        tracing::error!(target: "somebody_else", "not ours");
        assert_eq!(pico_log_set(0, None, None), PICO_OK);
        let mut all = Vec::new();
        while let Some(line) = lines.recv_timeout(Duration::from_secs(10)).unwrap() {
            all.push(line);
        }
        all.retain(|line| line.contains("pico_erp::test") || line.contains("somebody_else"));
        assert_eq!(all, ["3 pico_erp::test a line failures=2"]);
        assert!(lines.recv().is_err(), "nothing may follow drop");
    }
}
