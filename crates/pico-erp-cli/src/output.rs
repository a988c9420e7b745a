//! Printing: tables for people, JSON for programs.

use std::io::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use pico_erp::{Json, Model};

use crate::exit::Failure;

/// Prints one line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    // A line is complete for whoever waits for it at the other end of a pipe.
    Ok(out.flush()?)
}

/// Prints a JSON value that was made here.
pub(crate) fn value(value: &serde_json::Value) -> Result<(), Failure> {
    line(&value.to_string())
}

/// Prints a list: as a JSON array of the objects just as Pico sent them, or as a table.
pub(crate) fn list<T: Model>(
    items: &[T],
    json: bool,
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    if json {
        let objects: Vec<&str> = items.iter().map(|item| item.raw().as_str()).collect();
        return line(&format!("[{}]", objects.join(",")));
    }
    table(header, items.iter().map(row))?;
    line(&format!("{} in all", items.len()))
}

/// Prints a table that fits the terminal.
pub(crate) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    line(&table.to_string())
}

/// An optional text for a table's cell.
pub(crate) fn cell(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// An optional time for a table's cell.
pub(crate) fn time(at: Option<impl std::fmt::Display>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}

/// Prints JSON that came from the server, on one line.
pub(crate) fn json_line(json: &Json) -> Result<(), Failure> {
    // A server may send pretty JSON; inside strings a line end is always escaped, so this is only layout.
    line(&json.as_str().replace(['\n', '\r'], " "))
}
