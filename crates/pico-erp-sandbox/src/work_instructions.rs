//! Work instructions that were created: processes by their documented form, products and stations as any JSON. What Pico
//! does not document of them is kept as it came. No GraphQL here: `schema::mutation` asks.

use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use crate::error::Error;

/// What was created or overwritten.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkInstruction {
    /// `process`, `product` or `station`.
    pub kind: String,
    /// Its id, in lower case: case is ignored.
    pub id: String,
    /// The input that made it, the last one.
    pub input: Json,
    /// How often it was created or overwritten.
    pub writes: u64,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Process,
    Product,
    Station,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Product => "product",
            Self::Station => "station",
        })
    }
}

#[derive(Default)]
pub(crate) struct WorkInstructions(Vec<WorkInstruction>);

impl WorkInstructions {
    pub(crate) fn all(&self) -> &[WorkInstruction] {
        &self.0
    }

    /// Creates or overwrites one, and gives its id.
    pub(crate) fn create(&mut self, kind: Kind, input: Json) -> Result<String, Error> {
        check_ids(&input, "")?;
        let kind = kind.to_string();
        // Where the object of a product or a station lies is not documented: inside, as that of a process does, or bare.
        let object = match &input[&kind] {
            Json::Object(_) => &input[&kind],
            _ if kind == "process" => return Err(Error::invalid("process: is required, an object")),
            _ => &input,
        };
        let id = object["id"].as_str().ok_or_else(|| Error::invalid(format!("{kind}.id: is required")))?;
        if kind == "process" {
            check_process(object)?;
        }
        let id = id.to_ascii_lowercase();
        match self.0.iter_mut().find(|one| one.kind == kind && one.id == id) {
            Some(known) => {
                known.input = input;
                known.writes += 1;
            }
            None => self.0.push(WorkInstruction { kind, id: id.clone(), input, writes: 1 }),
        }
        Ok(id)
    }
}

/// What is documented of a process: texts where texts are shown, an id on each part.
fn check_process(process: &Json) -> Result<(), Error> {
    text(process, "name", "process")?;
    text(process, "description", "process")?;
    for (step, place) in list(process, "steps", "process")? {
        text(step, "name", &place)?;
        nested_text(step, "instructionText", &place)?;
        for (action, place) in list(step, "actions", &place)? {
            nested_text(action, "description", &place)?;
        }
    }
    Ok(())
}

fn text(of: &Json, field: &str, place: &str) -> Result<(), Error> {
    match &of[field] {
        Json::Null | Json::String(_) => Ok(()),
        _ => Err(Error::invalid(format!("{place}.{field}: must be a text"))),
    }
}

fn nested_text(of: &Json, field: &str, place: &str) -> Result<(), Error> {
    match &of[field] {
        Json::Null => Ok(()),
        Json::Object(_) => text(&of[field], "text", &format!("{place}.{field}")),
        _ => Err(Error::invalid(format!("{place}.{field}: must be an object with text"))),
    }
}

/// The elements of a list that may be absent, each with its place; each must have an id.
fn list<'a>(of: &'a Json, field: &str, place: &str) -> Result<Vec<(&'a Json, String)>, Error> {
    let place = format!("{place}.{field}");
    let items = match &of[field] {
        Json::Null => return Ok(Vec::new()),
        Json::Array(items) => items,
        _ => return Err(Error::invalid(format!("{place}: must be a list"))),
    };
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let place = format!("{place}[{at}]");
            if item["id"].is_null() {
                return Err(Error::invalid(format!("{place}.id: is required")));
            }
            Ok((item, place))
        })
        .collect()
}

/// Every id must match `^[a-z0-9_]{3,50}$`, ignoring case.
fn check_ids(value: &Json, place: &str) -> Result<(), Error> {
    match value {
        Json::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            match value {
                Json::String(text) if name == "id" => id(text, &place),
                _ if name == "id" => Err(Error::invalid(format!("{place}: must be a text"))),
                _ => check_ids(value, &place),
            }
        }),
        Json::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| check_ids(item, &format!("{place}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn id(text: &str, place: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if (3..=50).contains(&text.len()) && text.chars().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!("{place}: `{text}` does not match ^[a-z0-9_]{{3,50}}$")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_id_overwrites_whatever_its_case() {
        let mut all = WorkInstructions::default();
        let input = |name: &str| json!({ "process": { "id": name, "name": name, "steps": [], "any": 1 } });
        assert_eq!(all.create(Kind::Process, input("ABC")).unwrap(), "abc");
        assert_eq!(all.create(Kind::Process, input("abc")).unwrap(), "abc");
        all.create(Kind::Station, json!({ "id": "abc" })).unwrap();
        let found: Vec<_> = all.all().iter().map(|one| (one.kind.as_str(), one.writes)).collect();
        assert_eq!(found, [("process", 2), ("station", 1)]);
        assert_eq!(all.all()[0].input, input("abc"));
    }

    #[test]
    fn what_is_not_of_the_documented_form_is_refused_by_place() {
        let mut all = WorkInstructions::default();
        for (input, place) in [
            (json!({}), "process: "),
            (json!({ "process": {} }), "process.id: "),
            (json!({ "process": { "id": "a-b" } }), "process.id: "),
            (json!({ "process": { "id": "abc", "name": 1 } }), "process.name: "),
            (json!({ "process": { "id": "abc", "steps": [{}] } }), "process.steps[0].id: "),
            (
                json!({ "process": { "id": "abc", "steps": [{ "id": "abc", "instructionText": "x" }] } }),
                "process.steps[0].instructionText: ",
            ),
        ] {
            let error = all.create(Kind::Process, input).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
        assert!(all.all().is_empty());
    }
}
