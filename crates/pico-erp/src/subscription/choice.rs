//! Which way a stream travels next, sans-IO: it is told how a connection ended and answers with the next transport.
//!
//! With a transport set there is nothing to choose. With `Auto`: SSE first; where it is held back or is no event stream
//! at all, WebSocket; where that is not to be had either, polling, if there is a query that lists what the stream tells.

use crate::client::StreamTransport;
use crate::error::{Error, ErrorKind};

/// The choice of one subscription.
#[derive(Debug)]
pub(super) struct Choice {
    automatic: bool,
    current: StreamTransport,
    can_poll: bool,
    /// SSE has brought bytes on this subscription, so it gets through.
    sse_proven: bool,
    /// WebSocket has been tried and is not to be had: silence on SSE is no longer a reason to leave it.
    sse_is_all: bool,
}

impl Choice {
    pub(super) fn new(wanted: StreamTransport, can_poll: bool) -> Self {
        let automatic = wanted == StreamTransport::Auto;
        let current = if automatic { StreamTransport::Sse } else { wanted };
        Self { automatic, current, can_poll, sse_proven: false, sse_is_all: false }
    }

    /// The transport to use now; never `Auto`.
    pub(super) fn current(&self) -> StreamTransport {
        self.current
    }

    /// Whether the first byte of an SSE connection is to be waited for with suspicion.
    pub(super) fn doubts_sse(&self) -> bool {
        self.automatic && !self.sse_proven && !self.sse_is_all
    }

    /// Whether polling is only a makeshift, to be ended after a while.
    pub(super) fn polls_for_a_while(&self) -> bool {
        self.automatic
    }

    /// SSE brought a byte.
    pub(super) fn sse_works(&mut self) {
        self.sse_proven = true;
    }

    /// A connection ended, `opened` if events could have arrived on it. Returns the new transport when it changes.
    pub(super) fn ended(&mut self, cause: &Error, opened: bool) -> Option<StreamTransport> {
        if !self.automatic || is_refused(cause) {
            return None;
        }
        let next = match self.current {
            StreamTransport::Sse if self.doubts_sse() && holds_sse_back(cause) => StreamTransport::WebSocket,
            // Nothing gets through at present: start over, rather than blame the WebSocket.
            StreamTransport::WebSocket if !opened && is_network_down(cause) => StreamTransport::Sse,
            StreamTransport::WebSocket if !opened && self.can_poll => StreamTransport::Poll,
            StreamTransport::WebSocket if !opened => {
                self.sse_is_all = true;
                StreamTransport::Sse
            }
            StreamTransport::Poll if opened => StreamTransport::Sse,
            other => other,
        };
        (std::mem::replace(&mut self.current, next) != next).then_some(next)
    }
}

/// No byte in time, or an answer that is no event stream: what proxies do to SSE.
fn holds_sse_back(cause: &Error) -> bool {
    matches!(cause.kind(), ErrorKind::Timeout | ErrorKind::NotJson | ErrorKind::Decode) && !cause.never_sent()
}

/// The server has understood, and refuses: it would do so any other way too.
fn is_refused(cause: &Error) -> bool {
    matches!(cause.kind(), ErrorKind::Unauthorized | ErrorKind::Graphql | ErrorKind::InvalidArgument)
        && !cause.is_retryable()
}

fn is_network_down(cause: &Error) -> bool {
    matches!(cause.kind(), ErrorKind::Connect | ErrorKind::Dns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use StreamTransport::{Auto, Poll, Sse, WebSocket};

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "x")
    }

    #[test]
    fn a_transport_that_was_asked_for_is_kept() {
        for wanted in [Sse, WebSocket, Poll] {
            let mut choice = Choice::new(wanted, true);
            for kind in
                [ErrorKind::Timeout, ErrorKind::NotJson, ErrorKind::HttpStatus, ErrorKind::ConnectionLost]
            {
                assert_eq!(choice.ended(&error(kind), false), None);
                assert_eq!(choice.current(), wanted);
            }
        }
    }

    #[test]
    fn silence_leads_to_websocket_and_from_there_to_polling() {
        let mut choice = Choice::new(Auto, true);
        assert_eq!(choice.current(), Sse);
        assert_eq!(choice.ended(&error(ErrorKind::Timeout), true), Some(WebSocket));
        assert_eq!(choice.ended(&error(ErrorKind::HttpStatus), false), Some(Poll));
        assert_eq!(choice.ended(&error(ErrorKind::Timeout), true), Some(Sse), "streams are tried again");
        assert_eq!(choice.ended(&error(ErrorKind::NotJson), false), Some(WebSocket));
    }

    #[test]
    fn a_stream_without_a_query_stays_with_sse_when_websocket_is_not_to_be_had() {
        let mut choice = Choice::new(Auto, false);
        assert_eq!(choice.ended(&error(ErrorKind::Timeout), true), Some(WebSocket));
        assert_eq!(choice.ended(&error(ErrorKind::Decode), false), Some(Sse));
        assert!(!choice.doubts_sse());
        assert_eq!(choice.ended(&error(ErrorKind::Timeout), true), None);
    }

    #[test]
    fn sse_that_has_worked_is_kept_whatever_happens_later() {
        let mut choice = Choice::new(Auto, true);
        choice.sse_works();
        for kind in [ErrorKind::Timeout, ErrorKind::ConnectionLost, ErrorKind::NotJson] {
            assert_eq!(choice.ended(&error(kind), true), None);
        }
    }

    #[test]
    fn a_refusal_is_no_reason_to_try_another_way() {
        let mut choice = Choice::new(Auto, true);
        choice.ended(&error(ErrorKind::Timeout), true);
        assert_eq!(choice.current(), WebSocket);
        for kind in [ErrorKind::Unauthorized, ErrorKind::Graphql] {
            assert_eq!(choice.ended(&error(kind), false), None, "{kind:?}");
        }
    }

    #[test]
    fn an_ordinary_failure_is_no_reason_to_change() {
        let mut choice = Choice::new(Auto, true);
        for kind in
            [ErrorKind::Connect, ErrorKind::Dns, ErrorKind::Tls, ErrorKind::Proxy, ErrorKind::ConnectionLost]
        {
            assert_eq!(choice.ended(&error(kind), false), None, "{kind:?}");
        }
        choice.ended(&error(ErrorKind::Timeout), true);
        assert_eq!(
            choice.ended(&error(ErrorKind::ConnectionLost), true),
            None,
            "a WebSocket that was open is kept"
        );
        assert_eq!(
            choice.ended(&error(ErrorKind::Connect), false),
            Some(Sse),
            "a network that is down says nothing"
        );
    }
}
