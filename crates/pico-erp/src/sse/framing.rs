//! GraphQL in an event stream: the distinct-connections mode of the GraphQL-over-SSE protocol (the text in the
//! graphql-sse project, PROTOCOL.md), read tolerantly.
//!
//! Pico documents neither event names nor data; unnamed events therefore count as results too.

use bytes::Bytes;

use super::decoder::Frame;
use crate::error::Error;
use crate::graphql::Reply;
use crate::json::Json;

/// What a frame means to a subscription.
#[derive(Debug)]
pub(crate) enum Message {
    /// A GraphQL result.
    Next(Reply),
    /// The event's data was no GraphQL result.
    Malformed(Error),
    /// The server has finished the operation.
    Complete,
}

/// The meaning of a frame, or `None` when it has none for GraphQL.
pub(crate) fn interpret(frame: Frame) -> Option<Message> {
    match frame {
        Frame::Event { name, data } => match name.as_str() {
            "next" | "message" | "" | "error" => result(data),
            "complete" => Some(Message::Complete),
            _ => None,
        },
        Frame::NamedOnly(name) if name == "complete" => Some(Message::Complete),
        Frame::NamedOnly(_) | Frame::Retry(_) => None,
    }
}

fn result(data: Bytes) -> Option<Message> {
    // Some servers keep a stream alive with empty events.
    if data.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    Some(match Json::new(data.clone()).and_then(|json| Reply::parse(json, None)) {
        Ok(reply) => Message::Next(reply),
        Err(error) => {
            Message::Malformed(error.context("an event of the stream is no GraphQL result").with_body(&data))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, data: &'static str) -> Option<Message> {
        interpret(Frame::Event { name: name.into(), data: Bytes::from_static(data.as_bytes()) })
    }

    #[test]
    fn results_come_named_and_unnamed() {
        for name in ["next", "", "message"] {
            assert!(matches!(read(name, r#"{"data":{"a":1}}"#), Some(Message::Next(_))), "{name}");
        }
    }

    #[test]
    fn the_end_is_known_with_and_without_data() {
        assert!(matches!(read("complete", ""), Some(Message::Complete)));
        assert!(matches!(interpret(Frame::NamedOnly("complete".into())), Some(Message::Complete)));
    }

    #[test]
    fn what_is_not_for_graphql_is_passed_over() {
        assert!(read("ping", "{}").is_none());
        assert!(read("next", " ").is_none());
        assert!(interpret(Frame::NamedOnly("ping".into())).is_none());
    }

    #[test]
    fn broken_data_is_told_and_shown() {
        match read("next", "{\"data\":") {
            Some(Message::Malformed(error)) => assert_eq!(error.body_start(), Some("{\"data\":")),
            other => panic!("{other:?}"),
        }
    }
}
