//! JSON lines: one object on each line, with the columns of the CSV as its fields.

use serde_json::{Map, Value};

use super::order::{Column, ImportedOrder, Texts, at};
use crate::error::Error;

/// The lines of a file.
pub(super) struct JsonLines<'a> {
    rest: &'a [u8],
    size: usize,
    line: u64,
    lenient: bool,
}

impl<'a> JsonLines<'a> {
    pub(super) fn new(text: &'a [u8], lenient: bool) -> Self {
        Self { rest: text, size: text.len(), line: 0, lenient }
    }

    /// How many bytes have been read.
    pub(super) fn read(&self) -> u64 {
        (self.size - self.rest.len()) as u64
    }

    fn order(&self, text: &[u8]) -> Result<ImportedOrder, Error> {
        let line = self.line;
        let object: Map<String, Value> = serde_json::from_slice(text).map_err(|error| {
            at(line, &format!("column {}", error.column()), format!("is no JSON object: {error}"))
        })?;
        let mut texts = Texts::default();
        for (name, value) in &object {
            let Some(column) = Column::named(name) else {
                if self.lenient {
                    continue;
                }
                return Err(at(line, name, format!("is not known; it can be {}", Column::names())));
            };
            match value {
                Value::Null => {}
                Value::String(text) => texts.set(column, text),
                Value::Number(number) => texts.set(column, &number.to_string()),
                Value::Array(ids) if column == Column::SelectOptionalOperationIds => {
                    let ids: Option<Vec<_>> = ids.iter().map(Value::as_str).collect();
                    let ids = ids.ok_or_else(|| at(line, name, "must be a list of texts"))?;
                    texts.set(column, &ids.join(";"));
                }
                _ => return Err(at(line, name, "must be a text or a number")),
            }
        }
        texts.order(line)
    }
}

impl Iterator for JsonLines<'_> {
    type Item = (u64, Result<ImportedOrder, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            self.line += 1;
            if !text.trim_ascii().is_empty() {
                return Some((self.line, self.order(text.trim_ascii_end())));
            }
        }
        None
    }
}
