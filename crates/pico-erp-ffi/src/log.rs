//! The library's log, handed to a callback.
//!
//! The core's [`LogLines`] makes each line of this library's own, and it is put into a bounded
//! queue; a thread takes the lines out and calls. So no caller's function runs inside the library, where a
//! lock of the caller's could meet one of ours. Nothing is ever written to standard error.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use pico_erp::{Error, ErrorKind, LogLine, LogLines};
use tracing::Level;

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

/// Lines as text: the message, and name=value for each field. The default.
pub const PICO_LOG_FORMAT_TEXT: i32 = 0;
/// Lines as JSON objects.
pub const PICO_LOG_FORMAT_JSON: i32 = 1;

/// How many lines may wait. More are counted and left out, and the count is told.
const QUEUE: usize = 1024;

/// The level that is wanted; 0 while nobody listens.
static LEVEL: AtomicI32 = AtomicI32::new(0);
/// Lines that found the queue full.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
/// The queue of the thread that calls now. Held for a look only, never while a caller's function runs.
static SINK: Mutex<Option<SyncSender<LogLine>>> = Mutex::new(None);
/// Whether the subscriber is in place.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The form of the lines (PICO_LOG_FORMAT_*).
static FORMAT: AtomicI32 = AtomicI32::new(PICO_LOG_FORMAT_TEXT);

/// Gives the lines of the log, from the next one told on, as text, the default, or as JSON objects on one line each:
/// {"timestamp","level","target","message", ...}, where what the line is about has a field each, such as "error",
/// "transport", "attempt", "trace_id". Never waits; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn pico_log_set_format(
    format: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::status(error, || {
        if !(PICO_LOG_FORMAT_TEXT..=PICO_LOG_FORMAT_JSON).contains(&format) {
            let model = "give PICO_LOG_FORMAT_TEXT or PICO_LOG_FORMAT_JSON";
            return Err(Error::invalid("format", format!("is {format}; {model}")));
        }
        FORMAT.store(format, Ordering::SeqCst);
        Ok(())
    })
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
    let wanted = |level: &Level| level_of(level) <= LEVEL.load(Ordering::SeqCst);
    LogLines::new(wanted, queue).install().inspect_err(|_| INSTALLED.store(false, Ordering::SeqCst))
}

fn replace(level: i32, sink: Option<SyncSender<LogLine>>) {
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
    lines: &Receiver<LogLine>,
    call: unsafe extern "C" fn(*mut c_void, i32, *const std::ffi::c_char, *const std::ffi::c_char),
    user: UserData,
) {
    let say = |line: &LogLine| {
        let json = FORMAT.load(Ordering::SeqCst) == PICO_LOG_FORMAT_JSON;
        let (target, message) = (CText::new(line.target), if json { line.to_json() } else { line.to_text() });
        let (level, message) = (level_of(&line.level), CText::new(&message));
        // SAFETY: the caller gave the function for this, and the texts live for the call.
        guard::in_callback(|| unsafe { call(user.get(), level, target.as_ptr(), message.as_ptr()) });
    };
    for line in lines {
        say(&line);
        let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let message =
                format!("{left_out} lines were left out here, because the log function was too slow");
            say(&LogLine::new(Level::WARN, "pico_erp::log", message));
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

/// Puts a line into the queue, and never waits for a place.
fn queue(line: LogLine) {
    let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(sink) = sink
        && let Err(TrySendError::Full(_)) = sink.try_send(line)
    {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
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

    /// The next line of this test's, or of somebody whose lines must not come; other tests may log too.
    fn next_of(lines: &mpsc::Receiver<Option<String>>) -> Option<String> {
        loop {
            let line = lines.recv_timeout(Duration::from_secs(10)).unwrap()?;
            if line.contains("pico_erp::test") || line.contains("somebody_else") {
                return Some(line);
            }
        }
    }

    #[test]
    fn lines_of_the_wanted_level_are_told_and_drop_comes_last() {
        let (told, lines): (Told, _) = mpsc::channel();
        let user_data = Box::into_raw(Box::new(told)).cast();
        let callback = pico_log_callback_t { call: Some(call), drop: Some(end), user_data };
        assert_eq!(pico_log_set(9, Some(&callback), None), PICO_E_INVALID_ARGUMENT);
        assert_eq!(pico_log_set(PICO_LOG_INFO, Some(&callback), None), PICO_OK);
        tracing::debug!(target: "pico_erp::test", "too fine");
        tracing::error!(target: "somebody_else", "not ours");
        tracing::info!(target: "pico_erp::test", failures = 2, "a line");
        let mut all = vec![next_of(&lines).unwrap()];
        assert_eq!(pico_log_set_format(2, None), PICO_E_INVALID_ARGUMENT);
        assert_eq!(pico_log_set_format(PICO_LOG_FORMAT_JSON, None), PICO_OK);
        tracing::warn!(target: "pico_erp::test", attempt = 2, error = %"a \"b\"", "as JSON");
        all.push(next_of(&lines).unwrap());
        assert_eq!(pico_log_set_format(PICO_LOG_FORMAT_TEXT, None), PICO_OK);
        assert_eq!(pico_log_set(0, None, None), PICO_OK);
        all.extend(std::iter::from_fn(|| next_of(&lines)));
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0], "3 pico_erp::test a line failures=2");
        assert!(all[1].starts_with("2 pico_erp::test {\"timestamp\":\"2"), "{all:?}");
        let rest = r#"Z","level":"warn","target":"pico_erp::test","message":"as JSON","attempt":2,"error":"a \"b\""}"#;
        assert!(all[1].ends_with(rest), "{all:?}");
        assert!(lines.recv().is_err(), "nothing may follow drop");
    }
}
