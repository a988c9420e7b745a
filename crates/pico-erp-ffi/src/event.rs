//! The events of a subscription, as C sees them. Typed views are made when they are first asked for.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use pico_erp::{
    Json, Model, NoteEvent, Notification, Operation, OrderComplete, StreamState, StreamTransport,
    SubOperation,
};

use crate::error::pico_error_t;
use crate::guard;
use crate::options_stream::transport_of;
use crate::returns::{
    ReturnError, ReturnEvent, ReturnInt32, ReturnInt64, ReturnNote, ReturnNothing, ReturnOperation,
    ReturnOrderComplete, ReturnSubOperation, ReturnText, ReturnUint32, ReturnUint64,
};
use crate::text::JsonText;
use crate::views::Typed;

/// An operation is new or was changed: pico_event_operation().
pub const PICO_EVENT_OPERATION: i32 = 1;
/// An edge of the product structure is new or was changed: pico_event_sub_operation().
pub const PICO_EVENT_SUB_OPERATION: i32 = 2;
/// An order was completed: pico_event_order_complete().
pub const PICO_EVENT_ORDER_COMPLETE: i32 = 3;
/// A note is new or was changed: pico_event_note().
pub const PICO_EVENT_NOTE: i32 = 4;
/// One result of a raw subscription; its "data" is pico_event_json().
pub const PICO_EVENT_DATA: i32 = 5;
/// The stream's connection changed: pico_event_state().
pub const PICO_EVENT_STATE: i32 = 6;
/// One event could not be used: pico_event_error(). The stream goes on.
pub const PICO_EVENT_PROBLEM: i32 = 7;
/// The stream has ended: by the server, or by pico_event_error(). The last event.
pub const PICO_EVENT_CLOSED: i32 = 8;
/// With PICO_OVERFLOW_DROP: events came while you were behind, and are lost: pico_event_dropped_count().
pub const PICO_EVENT_DROPPED: i32 = 9;

/// A connection is being made.
pub const PICO_STATE_CONNECTING: i32 = 1;
/// Events can arrive: pico_event_gap_ms() says what may have been missed.
pub const PICO_STATE_OPEN: i32 = 2;
/// The connection was lost or could not be made: pico_event_error(). Another follows after
/// pico_event_retry_delay_ms().
pub const PICO_STATE_RETRYING: i32 = 3;
/// With PICO_TRANSPORT_AUTO: the stream goes another way from now on, pico_event_transport();
/// pico_event_error() says why the last one did not do.
pub const PICO_STATE_SWITCHED: i32 = 4;

/// One event of a subscription. Immutable; any thread.
pub struct pico_event_t(Arc<Event>);

/// What happened.
pub(crate) struct Event {
    kind: Kind,
    json: Option<JsonText>,
}

enum Kind {
    Operation(Typed<Operation>),
    SubOperation(Typed<SubOperation>),
    OrderComplete(Typed<OrderComplete>),
    Note(Typed<NoteEvent>),
    Data,
    Connecting { transport: StreamTransport },
    Open { transport: StreamTransport, gap: Option<Duration> },
    Switched { transport: StreamTransport, cause: pico_error_t },
    Retrying { failures: u32, delay: Duration, cause: pico_error_t },
    Problem(pico_error_t),
    Dropped { count: u64 },
    Closed(Option<pico_error_t>),
}

/// A model of the core's that a subscription can deliver.
pub(crate) trait Item: Model {
    #[allow(private_interfaces)]
    fn kind(self) -> Kind;
}

macro_rules! item {
    ($model:ident, $kind:ident) => {
        impl Item for $model {
            #[allow(private_interfaces)]
            fn kind(self) -> Kind {
                Kind::$kind(Typed::new(self))
            }
        }
    };
}
item!(Operation, Operation);
item!(SubOperation, SubOperation);
item!(OrderComplete, OrderComplete);
item!(NoteEvent, Note);

impl Item for Json {
    #[allow(private_interfaces)]
    fn kind(self) -> Kind {
        Kind::Data
    }
}

impl pico_event_t {
    /// The event for what the core tells, or `None` for what this version of the C ABI has no word for.
    pub(crate) fn new<T: Item>(notification: Notification<T>) -> Option<Self> {
        let mut json = None;
        let kind = match notification {
            Notification::Event(item) => {
                json = Some(JsonText::value(item.raw().clone()));
                item.kind()
            }
            Notification::Problem(error) => Kind::Problem(pico_error_t::new(error)),
            Notification::Dropped { count } => Kind::Dropped { count },
            Notification::State(StreamState::Connecting { transport }) => Kind::Connecting { transport },
            Notification::State(StreamState::Open { transport, gap }) => Kind::Open { transport, gap },
            Notification::State(StreamState::Switched { transport, cause }) => {
                Kind::Switched { transport, cause: pico_error_t::new(cause) }
            }
            Notification::State(StreamState::Retrying { failures, delay, cause }) => {
                Kind::Retrying { failures, delay, cause: pico_error_t::new(cause) }
            }
            Notification::Closed(error) => Kind::Closed(error.map(pico_error_t::new)),
            _ => return None,
        };
        Some(Self(Arc::new(Event { kind, json })))
    }
}

fn kind(event: Option<&pico_event_t>) -> Option<&Kind> {
    event.map(|event| &event.0.kind)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What the event is: PICO_EVENT_*. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_kind(event: Option<&pico_event_t>) -> ReturnInt32 {
    guard::get(0, || match kind(event) {
        None => 0,
        Some(Kind::Operation(_)) => PICO_EVENT_OPERATION,
        Some(Kind::SubOperation(_)) => PICO_EVENT_SUB_OPERATION,
        Some(Kind::OrderComplete(_)) => PICO_EVENT_ORDER_COMPLETE,
        Some(Kind::Note(_)) => PICO_EVENT_NOTE,
        Some(Kind::Data) => PICO_EVENT_DATA,
        Some(Kind::Connecting { .. } | Kind::Open { .. } | Kind::Switched { .. } | Kind::Retrying { .. }) => {
            PICO_EVENT_STATE
        }
        Some(Kind::Problem(_)) => PICO_EVENT_PROBLEM,
        Some(Kind::Dropped { .. }) => PICO_EVENT_DROPPED,
        Some(Kind::Closed(_)) => PICO_EVENT_CLOSED,
    })
}

/// The event's object as the server sent it; NULL where the event is not about one. `length` (may be NULL)
/// receives the length without the NUL. Lives as long as the event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_json(
    event: Option<&pico_event_t>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ReturnText {
    guard::get(ptr::null(), || {
        event.and_then(|event| event.0.json.as_ref()).map_or(ptr::null(), |json| json.give(length))
    })
}

/// The operation; NULL when the event is something else. Lives as long as the event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_operation(event: Option<&pico_event_t>) -> ReturnOperation {
    guard::get(ptr::null(), || match kind(event) {
        Some(Kind::Operation(typed)) => typed.view(),
        _ => ptr::null(),
    })
}

/// The edge of the product structure; NULL when the event is something else. Lives as long as the event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_sub_operation(event: Option<&pico_event_t>) -> ReturnSubOperation {
    guard::get(ptr::null(), || match kind(event) {
        Some(Kind::SubOperation(typed)) => typed.view(),
        _ => ptr::null(),
    })
}

/// The completed order; NULL when the event is something else. Lives as long as the event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_order_complete(event: Option<&pico_event_t>) -> ReturnOrderComplete {
    guard::get(ptr::null(), || match kind(event) {
        Some(Kind::OrderComplete(typed)) => typed.view(),
        _ => ptr::null(),
    })
}

/// The note; NULL when the event is something else. Lives as long as the event.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_note(event: Option<&pico_event_t>) -> ReturnNote {
    guard::get(ptr::null(), || match kind(event) {
        Some(Kind::Note(typed)) => typed.view(),
        _ => ptr::null(),
    })
}

/// The error of a problem, of an end that was not the server's own, of a lost connection, or of a way that did
/// not do; else NULL. It belongs to the event and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_error(event: Option<&pico_event_t>) -> ReturnError {
    guard::get(ptr::null(), || match kind(event) {
        Some(
            Kind::Problem(error)
            | Kind::Closed(Some(error))
            | Kind::Retrying { cause: error, .. }
            | Kind::Switched { cause: error, .. },
        ) => ptr::from_ref(error),
        _ => ptr::null(),
    })
}

/// The state of the connection: PICO_STATE_*; 0 when the event is something else.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_state(event: Option<&pico_event_t>) -> ReturnInt32 {
    guard::get(0, || match kind(event) {
        Some(Kind::Connecting { .. }) => PICO_STATE_CONNECTING,
        Some(Kind::Open { .. }) => PICO_STATE_OPEN,
        Some(Kind::Switched { .. }) => PICO_STATE_SWITCHED,
        Some(Kind::Retrying { .. }) => PICO_STATE_RETRYING,
        _ => 0,
    })
}

/// Which way the stream goes, with PICO_STATE_CONNECTING, PICO_STATE_OPEN and PICO_STATE_SWITCHED:
/// PICO_TRANSPORT_*, never PICO_TRANSPORT_AUTO. Else 0.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_transport(event: Option<&pico_event_t>) -> ReturnInt32 {
    guard::get(0, || match kind(event) {
        Some(
            Kind::Connecting { transport } | Kind::Open { transport, .. } | Kind::Switched { transport, .. },
        ) => transport_of(*transport),
        _ => 0,
    })
}

/// With PICO_STATE_OPEN after a lost connection: for how many milliseconds nothing was heard. Events of
/// that time are lost to the stream, since Pico does not send them again; the queries still list them. Else
/// -1.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_gap_ms(event: Option<&pico_event_t>) -> ReturnInt64 {
    guard::get(-1, || match kind(event) {
        Some(Kind::Open { gap: Some(gap), .. }) => milliseconds(*gap),
        _ => -1,
    })
}

/// With PICO_STATE_RETRYING: how many milliseconds until the next try. Else -1.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_retry_delay_ms(event: Option<&pico_event_t>) -> ReturnInt64 {
    guard::get(-1, || match kind(event) {
        Some(Kind::Retrying { delay, .. }) => milliseconds(*delay),
        _ => -1,
    })
}

/// With PICO_STATE_RETRYING: how many times in a row the connection has failed. Else 0.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_failures(event: Option<&pico_event_t>) -> ReturnUint32 {
    guard::get(0, || match kind(event) {
        Some(Kind::Retrying { failures, .. }) => *failures,
        _ => 0,
    })
}

/// With PICO_EVENT_DROPPED: how many events were lost. Else 0.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_dropped_count(event: Option<&pico_event_t>) -> ReturnUint64 {
    guard::get(0, || match kind(event) {
        Some(Kind::Dropped { count }) => *count,
        _ => 0,
    })
}

/// Keeps an event beyond the callback: returns another handle of it, which is yours to free. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_retain(event: Option<&pico_event_t>) -> ReturnEvent {
    guard::get(ptr::null_mut(), || {
        event.map_or(ptr::null_mut(), |event| Box::into_raw(Box::new(pico_event_t(Arc::clone(&event.0)))))
    })
}

/// Frees an event that pico_subscription_next(), pico_subscription_next_batch() or pico_event_retain() gave;
/// not one that a callback was lent.
#[unsafe(no_mangle)]
pub extern "C" fn pico_event_free(event: Option<Box<pico_event_t>>) -> ReturnNothing {
    guard::get((), || drop(event));
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::error::pico_error_status;
    use crate::options_stream::PICO_TRANSPORT_WEBSOCKET;
    use crate::status::{PICO_E_CONNECT, PICO_E_TIMEOUT};
    use pico_erp::{Error, ErrorKind};

    #[test]
    fn an_event_outlives_its_first_handle_once_retained() {
        let json = Json::new(r#"{"parentId":"a","subId":"b"}"#).unwrap();
        let edge = SubOperation::from_json(json).unwrap();
        let event = Box::new(pico_event_t::new(Notification::Event(edge)).unwrap());
        let kept = pico_event_retain(Some(&event));
        pico_event_free(Some(event));
        // SAFETY: retain gave a handle that is ours.
        let kept = unsafe { Box::from_raw(kept) };
        assert_eq!(pico_event_kind(Some(&kept)), PICO_EVENT_SUB_OPERATION);
        // SAFETY: the view and its texts live as long as the event.
        let parent = unsafe { CStr::from_ptr((*pico_event_sub_operation(Some(&kept))).parent_id) };
        assert_eq!(parent, c"a");
        assert!(pico_event_operation(Some(&kept)).is_null());
        pico_event_free(Some(kept));
    }

    #[test]
    fn a_lost_connection_tells_why_and_when_the_next_try_is() {
        let cause = Arc::new(Error::new(ErrorKind::Connect, "refused"));
        let state = StreamState::Retrying { failures: 3, delay: Duration::from_millis(250), cause };
        let event = pico_event_t::new(Notification::<Json>::State(state)).unwrap();
        assert_eq!(pico_event_state(Some(&event)), PICO_STATE_RETRYING);
        assert_eq!((pico_event_retry_delay_ms(Some(&event)), pico_event_failures(Some(&event))), (250, 3));
        assert_eq!(pico_event_gap_ms(Some(&event)), -1);
        // SAFETY: the error lives as long as the event.
        let error = unsafe { pico_event_error(Some(&event)).as_ref() };
        assert_eq!(pico_error_status(error), PICO_E_CONNECT);
        assert_eq!(pico_event_transport(Some(&event)), 0);
    }

    #[test]
    fn a_stream_that_goes_another_way_tells_which_and_why() {
        let cause = Arc::new(Error::new(ErrorKind::Timeout, "silence"));
        let state = StreamState::Switched { transport: StreamTransport::WebSocket, cause };
        let event = pico_event_t::new(Notification::<Json>::State(state)).unwrap();
        assert_eq!((pico_event_kind(Some(&event)), pico_event_state(Some(&event))), (6, PICO_STATE_SWITCHED));
        assert_eq!(pico_event_transport(Some(&event)), PICO_TRANSPORT_WEBSOCKET);
        // SAFETY: the error lives as long as the event.
        let error = unsafe { pico_event_error(Some(&event)).as_ref() };
        assert_eq!(pico_error_status(error), PICO_E_TIMEOUT);
    }

    #[test]
    fn what_was_dropped_is_counted() {
        let event = pico_event_t::new(Notification::<Json>::Dropped { count: 7 }).unwrap();
        assert_eq!(pico_event_kind(Some(&event)), PICO_EVENT_DROPPED);
        assert_eq!((pico_event_dropped_count(Some(&event)), pico_event_state(Some(&event))), (7, 0));
        assert!(pico_event_error(Some(&event)).is_null() && pico_event_json(Some(&event), None).is_null());
    }
}
