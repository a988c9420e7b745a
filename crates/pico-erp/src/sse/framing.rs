//! GraphQL in an event stream: the distinct-connections mode of the GraphQL-over-SSE protocol (the text in the
//! graphql-sse project, PROTOCOL.md), read tolerantly.
//!
//! Pico documents neither event names nor data; unnamed events therefore count as results too.

use super::decoder::Frame;
use crate::graphql::StreamMessage;

/// The meaning of a frame, or `None` when it has none for GraphQL.
pub(crate) fn interpret(frame: Frame) -> Option<StreamMessage> {
    match frame {
        Frame::Event { name, data } => match name.as_str() {
            // Some servers keep a stream alive with empty events.
            "next" | "message" | "" | "error" if data.iter().all(u8::is_ascii_whitespace) => None,
            "next" | "message" | "" | "error" => Some(StreamMessage::result(data)),
            "complete" => Some(StreamMessage::Complete),
            _ => None,
        },
        Frame::NamedOnly(name) if name == "complete" => Some(StreamMessage::Complete),
        Frame::NamedOnly(_) | Frame::Retry(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(name: &str, data: &'static str) -> Option<StreamMessage> {
        interpret(Frame::Event { name: name.into(), data: Bytes::from_static(data.as_bytes()) })
    }

    #[test]
    fn results_come_named_and_unnamed() {
        for name in ["next", "", "message"] {
            assert!(matches!(read(name, r#"{"data":{"a":1}}"#), Some(StreamMessage::Next(_))), "{name}");
        }
    }

    #[test]
    fn the_end_is_known_with_and_without_data() {
        assert!(matches!(read("complete", ""), Some(StreamMessage::Complete)));
        assert!(matches!(interpret(Frame::NamedOnly("complete".into())), Some(StreamMessage::Complete)));
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
            Some(StreamMessage::Malformed(error)) => assert_eq!(error.body_start(), Some("{\"data\":")),
            other => panic!("{other:?}"),
        }
    }
}
