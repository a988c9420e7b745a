//! The two sub-protocols of GraphQL over WebSocket as texts: reading what a client says and writing what the server
//! answers. It holds no state: who may say what, and when, is for the session.
//!
//! `graphql-transport-ws` is the protocol of the graphql-ws library (its PROTOCOL.md); the legacy `graphql-ws` is that
//! of subscriptions-transport-ws (its PROTOCOL.md). The names of the one are the other's, which confuses everybody.

use serde_json::{Value as Json, json};

use crate::live::Close;

/// Which sub-protocol a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    TransportWs,
    Legacy,
}

/// What a client says, in either dialect.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Init(Option<Json>),
    Ping(Option<Json>),
    Pong,
    Subscribe {
        id: String,
        payload: Json,
    },
    Unsubscribe {
        id: String,
    },
    /// Legacy only: the client wants the connection closed.
    Terminate,
}

fn invalid(why: &str) -> Close {
    Close::new(4400, format!("Invalid message: {why}"))
}

fn connection_error(reason: &str) -> String {
    json!({ "type": "connection_error", "payload": { "message": reason } }).to_string()
}

impl Dialect {
    /// The name in `Sec-WebSocket-Protocol`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Dialect::TransportWs => "graphql-transport-ws",
            Dialect::Legacy => "graphql-ws",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Dialect::TransportWs, Dialect::Legacy].into_iter().find(|dialect| dialect.name() == name)
    }

    pub(super) fn read(self, text: &str) -> Result<Said, Close> {
        let message: Json = serde_json::from_str(text).map_err(|_| invalid("no JSON"))?;
        let kind = message.get("type").and_then(Json::as_str).ok_or_else(|| invalid("no type"))?;
        let id = || match message.get("id").and_then(Json::as_str) {
            Some(id) if !id.is_empty() => Ok(id.to_owned()),
            _ => Err(invalid("no id")),
        };
        let payload = || message.get("payload").cloned();
        match (self, kind) {
            (_, "connection_init") => Ok(Said::Init(payload())),
            (Dialect::TransportWs, "ping") => Ok(Said::Ping(payload())),
            (Dialect::TransportWs, "pong") => Ok(Said::Pong),
            (Dialect::TransportWs, "subscribe") | (Dialect::Legacy, "start") => {
                let id = id()?;
                let payload = payload().filter(Json::is_object).ok_or_else(|| invalid("no payload"))?;
                Ok(Said::Subscribe { id, payload })
            }
            (Dialect::TransportWs, "complete") | (Dialect::Legacy, "stop") => {
                Ok(Said::Unsubscribe { id: id()? })
            }
            (Dialect::Legacy, "connection_terminate") => Ok(Said::Terminate),
            (_, other) => Err(invalid(&format!("unknown type {other}"))),
        }
    }

    /// The answers to a `connection_init` that is accepted.
    pub(super) fn acknowledged(self, pings: bool) -> Vec<String> {
        let mut messages = vec![json!({ "type": "connection_ack" }).to_string()];
        // "sent right after each GQL_CONNECTION_ACK processed and then periodically" (legacy PROTOCOL.md,
        // GQL_CONNECTION_KEEP_ALIVE).
        if self == Dialect::Legacy && pings {
            messages.push(self.ping());
        }
        messages
    }

    pub(super) fn ping(self) -> String {
        let kind = match self {
            Dialect::TransportWs => "ping",
            Dialect::Legacy => "ka",
        };
        json!({ "type": kind }).to_string()
    }

    pub(super) fn pong(payload: Option<Json>) -> String {
        let mut pong = json!({ "type": "pong" });
        if let Some(payload) = payload {
            pong["payload"] = payload;
        }
        pong.to_string()
    }

    /// A result. The payload is put in as text, so that a spoilt one spoils the message as it would on the wire.
    pub(super) fn next(self, id: &str, payload: &str) -> String {
        let kind = match self {
            Dialect::TransportWs => "next",
            Dialect::Legacy => "data",
        };
        format!(r#"{{"id":{},"type":"{kind}","payload":{payload}}}"#, json!(id))
    }

    /// A document that was not carried out. Both end the subscription by it, without a `complete`.
    pub(super) fn error(self, id: &str, errors: Json) -> String {
        let payload = match self {
            Dialect::TransportWs => errors,
            // "payload: Error" (legacy PROTOCOL.md, GQL_ERROR): one, not a list.
            Dialect::Legacy => errors.get(0).cloned().unwrap_or(errors),
        };
        json!({ "id": id, "type": "error", "payload": payload }).to_string()
    }

    pub(super) fn complete(id: &str) -> String {
        json!({ "id": id, "type": "complete" }).to_string()
    }

    /// The answer to the end of a subscription by the client: "server triggers `onOperationDone` and sends
    /// `GQL_COMPLETE`" (legacy PROTOCOL.md, Connected Phase), but nothing in the other protocol.
    pub(super) fn stopped(self, id: &str) -> Vec<String> {
        match self {
            Dialect::TransportWs => Vec::new(),
            Dialect::Legacy => vec![Dialect::complete(id)],
        }
    }

    /// The answer to what cannot be read: a close, but in the legacy protocol a message, "which does not disconnect
    /// the client, just ignore the message" (legacy PROTOCOL.md, GQL_CONNECTION_ERROR).
    pub(super) fn unreadable(self, close: Close) -> Result<Vec<String>, Close> {
        match self {
            Dialect::TransportWs => Err(close),
            Dialect::Legacy => Ok(vec![connection_error(&close.reason)]),
        }
    }

    /// How the server parts from a client that may not go on. The legacy protocol has no close codes: the reason is
    /// a message, and then the connection is closed with 1011, as its reference server does.
    pub(super) fn refusal(self, close: Close) -> (Option<String>, Close) {
        match self {
            Dialect::TransportWs => (None, close),
            Dialect::Legacy => (Some(connection_error(&close.reason)), Close::new(1011, "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_reads_its_own_words_and_refuses_the_other_ones() {
        let request = r#""id":"1","payload":{"query":"{ a }"}"#;
        let subscribe = Said::Subscribe { id: "1".into(), payload: json!({ "query": "{ a }" }) };
        let cases = [
            (r#"{"type":"subscribe","#.to_owned() + request + "}", Dialect::TransportWs, &subscribe),
            (r#"{"type":"start","#.to_owned() + request + "}", Dialect::Legacy, &subscribe),
            (
                r#"{"type":"complete","id":"1"}"#.to_owned(),
                Dialect::TransportWs,
                &Said::Unsubscribe { id: "1".into() },
            ),
            (
                r#"{"type":"stop","id":"1"}"#.to_owned(),
                Dialect::Legacy,
                &Said::Unsubscribe { id: "1".into() },
            ),
            (r#"{"type":"ping"}"#.to_owned(), Dialect::TransportWs, &Said::Ping(None)),
            (r#"{"type":"connection_terminate"}"#.to_owned(), Dialect::Legacy, &Said::Terminate),
        ];
        for (text, dialect, said) in cases {
            assert_eq!(dialect.read(&text).as_ref(), Ok(said), "{text}");
            let other = if dialect == Dialect::Legacy { Dialect::TransportWs } else { Dialect::Legacy };
            assert_eq!(other.read(&text).unwrap_err().code, 4400, "{text}");
        }
    }
}
