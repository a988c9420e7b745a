//! Pico's rule for the ids of work instructions, `^[a-z0-9_]{3,50}$` ignoring case, applied to a whole JSON value.
//!
//! Pure. Every field that is named `id` is looked at, also in what Pico does not document.

use serde_json::Value;

use crate::error::Error;

/// Whether a text can be an id.
pub(crate) fn is_id(text: &str) -> bool {
    (3..=50).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Checks every id in `value`; the error names the place, such as `process.steps[2].id`.
pub(crate) fn check_ids(value: &Value, place: &str) -> Result<(), Error> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            if name == "id" { check_id(value, &place) } else { check_ids(value, &place) }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| check_ids(value, &format!("{place}[{index}]"))),
        _ => Ok(()),
    }
}

fn check_id(value: &Value, place: &str) -> Result<(), Error> {
    const RULE: &str = "give 3 to 50 letters a to z, digits and underscores";
    match value {
        Value::String(text) if is_id(text) => Ok(()),
        Value::String(text) => {
            let shown: String = text.chars().take(60).collect();
            Err(Error::invalid(place, format!("{shown:?} is no id that Pico takes; {RULE}")))
        }
        _ => Err(Error::invalid(place, format!("is no text; {RULE}"))),
    }
}

/// Checks that an object is there and has an id.
pub(crate) fn need_id(value: &Value, place: &str) -> Result<(), Error> {
    let Value::Object(fields) = value else {
        return Err(Error::invalid(place, "is missing, or no JSON object"));
    };
    if fields.contains_key("id") {
        return Ok(());
    }
    Err(Error::invalid(&format!("{place}.id"), "is missing; Pico knows the object by it"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_three_to_fifty_letters_digits_and_underscores() {
        for (text, good) in [
            ("abc", true),
            ("ABC", true),
            ("Step_1", true),
            ("___", true),
            ("007", true),
            (&"x".repeat(50), true),
            (&"x".repeat(51), false),
            ("ab", false),
            ("", false),
            ("a-b-c", false),
            ("a b c", false),
            ("step.1", false),
            ("größe", false),
            ("abc\n", false),
            ("ＡＢＣ", false),
        ] {
            assert_eq!(is_id(text), good, "{text:?}");
        }
    }

    #[test]
    fn the_error_names_the_place_of_the_id() {
        for (value, place) in [
            (json!({ "process": { "id": "x" } }), "process.id: "),
            (
                json!({ "process": { "id": "abc", "steps": [{ "id": "abc" }, { "id": "a-b" }] } }),
                "process.steps[1].id: ",
            ),
            (
                json!({ "process": { "steps": [{}, {}, { "actions": [{ "id": 7 }] }] } }),
                "process.steps[2].actions[0].id: ",
            ),
            (json!({ "unknown": [[{ "id": "" }]] }), "unknown[0][0].id: "),
        ] {
            let error = check_ids(&value, "").unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
        check_ids(&json!({ "id": "abc", "name": "any", "stepId": "a b" }), "").unwrap();
    }
}
