//! The events of a posted body: one object, or a list of them.
//!
//! Pico posts "the selected fields" as a bare object (ERP Example Calls, section 6). A list is taken as well, because
//! nothing rules out that events are bundled one day, and a refused post is a lost one.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::json::Json;

/// Splits a body into its events, or says what is wrong with it.
pub(super) fn events(body: Bytes) -> Result<Vec<Json>, String> {
    const EXPECTED: &str = "expected an object, or a list of objects";
    if body.trim_ascii().is_empty() {
        return Err(format!("the body is empty; {EXPECTED}"));
    }
    let whole = Json::new(body).map_err(|error| format!("the body is {}", error.message()))?;
    match kind(whole.as_str()) {
        "an object" => Ok(vec![whole]),
        "a list" => {
            let elements: Vec<&RawValue> =
                whole.decode_borrowed().map_err(|error| format!("the body is no list: {error}"))?;
            if let Some((index, element)) =
                elements.iter().enumerate().find(|(_, element)| kind(element.get()) != "an object")
            {
                return Err(format!("the body's element [{index}] is {}; {EXPECTED}", kind(element.get())));
            }
            Ok(elements.into_iter().map(|element| whole.piece(element)).collect())
        }
        other => Err(format!("the body is {other}; {EXPECTED}")),
    }
}

/// What a valid JSON text holds, by its first character.
fn kind(text: &str) -> &'static str {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_one_event_and_a_list_is_as_many_as_it_holds() {
        for (body, expected) in [
            (r#"{"a": 1.50}"#, &[r#"{"a": 1.50}"#][..]),
            (" \r\n{}\n", &[" \r\n{}\n"][..]),
            (r#" [ {"a":1} , {"b":[2]} ] "#, &[r#"{"a":1}"#, r#"{"b":[2]}"#][..]),
            ("[]", &[][..]),
        ] {
            let events = events(Bytes::from(body)).unwrap();
            assert_eq!(events.iter().map(Json::as_str).collect::<Vec<_>>(), expected, "{body}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_it_is() {
        for (body, says) in [
            (&b""[..], "the body is empty"),
            (b" \n", "the body is empty"),
            (b"null", "the body is null"),
            (b"\"x\"", "the body is a string"),
            (b"-1", "the body is a number"),
            (b"true", "the body is a boolean"),
            (b"{\"a\":", "the body is not valid JSON"),
            (b"{} {}", "the body is not valid JSON"),
            (b"{\"a\":\"\xff\"}", "the body is not valid JSON"),
            (b"[{},null]", "element [1] is null"),
            (b"[[]]", "element [0] is a list"),
            (b"<html>", "the body is not valid JSON"),
        ] {
            let refusal = events(Bytes::from_static(body)).unwrap_err();
            assert!(refusal.contains(says), "{body:?}: {refusal}");
        }
    }

    #[test]
    fn depth_does_no_harm() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        // Whether it is taken matters less than that the stack holds.
        let _ = events(Bytes::from(deep));
    }
}
