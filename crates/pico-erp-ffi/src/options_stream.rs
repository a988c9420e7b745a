//! The settings of a client that are about its streams: more setters of [`pico_options_t`].

use std::mem::MaybeUninit;

use pico_erp::{Error, Overflow, StreamTransport};

use crate::error::pico_error_t;
use crate::options::{milliseconds, pico_options_t, set};
use crate::returns::ReturnStatus;

/// Server-Sent Events, and what else works where those do not get through: WebSocket, then polling. The
/// default. No connection is ever of this kind.
pub const PICO_TRANSPORT_AUTO: i32 = 1;
/// Server-Sent Events.
pub const PICO_TRANSPORT_SSE: i32 = 2;
/// WebSocket, one connection for all streams of a client.
pub const PICO_TRANSPORT_WEBSOCKET: i32 = 3;
/// Asking for the whole list again and again, and telling what is new in it.
pub const PICO_TRANSPORT_POLL: i32 = 4;

/// The socket is not read, which slows the server down. Nothing is lost. The default.
pub const PICO_OVERFLOW_WAIT: i32 = 1;
/// The newest events are dropped and counted: PICO_EVENT_DROPPED. For displays, not for bookings.
pub const PICO_OVERFLOW_DROP: i32 = 2;

/// The constant for a transport.
pub(crate) fn transport_of(transport: StreamTransport) -> i32 {
    match transport {
        StreamTransport::Auto => PICO_TRANSPORT_AUTO,
        StreamTransport::Sse => PICO_TRANSPORT_SSE,
        StreamTransport::WebSocket => PICO_TRANSPORT_WEBSOCKET,
        StreamTransport::Poll => PICO_TRANSPORT_POLL,
        // One that this version of the C ABI has no word for.
        _ => 0,
    }
}

/// How streams travel: PICO_TRANSPORT_*. PICO_TRANSPORT_POLL is only for Pico's own streams, not for
/// pico_client_subscribe(). Default PICO_TRANSPORT_AUTO.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_transport(
    options: Option<&mut pico_options_t>,
    transport: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.transport = match transport {
            PICO_TRANSPORT_AUTO => StreamTransport::Auto,
            PICO_TRANSPORT_SSE => StreamTransport::Sse,
            PICO_TRANSPORT_WEBSOCKET => StreamTransport::WebSocket,
            PICO_TRANSPORT_POLL => StreamTransport::Poll,
            other => {
                return Err(Error::invalid("transport", format!("is {other}; give PICO_TRANSPORT_*")));
            }
        };
        Ok(())
    })
}

/// With PICO_TRANSPORT_AUTO, Server-Sent Events without a byte for this long after the request count as held
/// back by a proxy, and the stream goes another way. Default 15 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_first_byte_timeout_ms(
    options: Option<&mut pico_options_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.first_byte_timeout = milliseconds("timeout_ms", timeout_ms)?;
        Ok(())
    })
}

/// On a WebSocket the server is asked for a sign of life after this much silence. Default 20 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_ping_interval_ms(
    options: Option<&mut pico_options_t>,
    interval_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.ping_interval = milliseconds("interval_ms", interval_ms)?;
        Ok(())
    })
}

/// How long between two questions when polling. Default 30 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_poll_interval_ms(
    options: Option<&mut pico_options_t>,
    interval_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.poll_interval = milliseconds("interval_ms", interval_ms)?;
        Ok(())
    })
}

/// With PICO_TRANSPORT_AUTO, how long to poll before a stream is tried again. Default 10 minutes.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_poll_period_ms(
    options: Option<&mut pico_options_t>,
    period_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.poll_period = milliseconds("period_ms", period_ms)?;
        Ok(())
    })
}

/// With no byte for this long, comments included, a stream's connection counts as dead. Default 5 minutes.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_idle_timeout_ms(
    options: Option<&mut pico_options_t>,
    timeout_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.idle_timeout = milliseconds("timeout_ms", timeout_ms)?;
        Ok(())
    })
}

/// The waits between a stream's connections: up to first_ms, doubling up to most_ms. Default 1 s and 60 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_backoff_ms(
    options: Option<&mut pico_options_t>,
    first_ms: i64,
    most_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        let (base, cap) = (milliseconds("first_ms", first_ms)?, milliseconds("most_ms", most_ms)?);
        (options.stream.backoff.base, options.stream.backoff.cap) = (base, cap);
        Ok(())
    })
}

/// How much of a server's wish to wait a stream honours at most. Default 5 minutes.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_retry_limit_ms(
    options: Option<&mut pico_options_t>,
    limit_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.retry_ceiling = milliseconds("limit_ms", limit_ms)?;
        Ok(())
    })
}

/// After a connection has held this long, a stream's waits start anew from the shortest. Default 60 s.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_stable_after_ms(
    options: Option<&mut pico_options_t>,
    stable_after_ms: i64,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.stable_after = milliseconds("stable_after_ms", stable_after_ms)?;
        Ok(())
    })
}

/// How many events of a stream may wait to be taken before pico_options_set_stream_overflow() says what
/// happens. Default 256.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_buffer(
    options: Option<&mut pico_options_t>,
    events: usize,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.buffer = events;
        Ok(())
    })
}

/// What happens to events that come while the buffer is full: PICO_OVERFLOW_*. Default PICO_OVERFLOW_WAIT.
#[unsafe(no_mangle)]
pub extern "C" fn pico_options_set_stream_overflow(
    options: Option<&mut pico_options_t>,
    overflow: i32,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    set(options, error, |options| {
        options.stream.overflow = match overflow {
            PICO_OVERFLOW_WAIT => Overflow::Wait,
            PICO_OVERFLOW_DROP => Overflow::Drop,
            other => {
                return Err(Error::invalid(
                    "overflow",
                    format!("is {other}; give PICO_OVERFLOW_WAIT or PICO_OVERFLOW_DROP"),
                ));
            }
        };
        Ok(())
    })
}
