//! CSV as ERPs and spreadsheets write it (RFC 4180, but for what they do differently): any of three separators, told
//! from the header; a byte order mark; either line end; empty lines.

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use super::order::{Column, ImportedOrder, Texts, at};
use crate::error::Error;

/// The lines of a CSV file.
pub(super) struct CsvLines<'a> {
    reader: Reader<&'a [u8]>,
    columns: Vec<Option<Column>>,
    record: ByteRecord,
    count: LineCount<'a>,
}

/// Which line a byte is in. The reader's own count is behind after `\r\n` and after empty lines.
struct LineCount<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl LineCount<'_> {
    /// The line of the record that the reader found from this byte on; it never goes back.
    fn of_record(&mut self, from: u64) -> u64 {
        let mut start = usize::try_from(from).unwrap_or(usize::MAX).clamp(self.counted, self.text.len());
        while matches!(self.text.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        let passed = &self.text[self.counted..start];
        // The reader ends a record at a lone `\r` as well; two records must never have the same line.
        let ends = passed.iter().zip(passed.iter().skip(1).chain([&b' ']));
        self.line += ends
            .filter(|pair| matches!(pair, (b'\n', _)) || *pair.0 == b'\r' && *pair.1 != b'\n')
            .count() as u64;
        self.counted = start;
        self.line
    }
}

/// The separator that stands most often outside quotes in the header.
fn separator(text: &[u8]) -> u8 {
    let header = text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let count = |separator: u8| {
        let mut quoted = false;
        header.unwrap_or_default().iter().fold(0, |count, &byte| {
            quoted ^= byte == b'"';
            count + usize::from(byte == separator && !quoted)
        })
    };
    // The comma where none is there: then there is one column.
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

impl<'a> CsvLines<'a> {
    /// Reads the header. `lenient` lets columns be that are not known.
    pub(super) fn new(text: &'a [u8], lenient: bool) -> Result<Self, Error> {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator(text))
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text);
        let mut header = ByteRecord::new();
        let there = reader.read_byte_record(&mut header).map_err(|error| unreadable(1, &error))?;
        if !there {
            return Err(Error::invalid(
                "header",
                format!("is missing; the first line has the names of the columns: {}", Column::names()),
            ));
        }
        let mut count = LineCount { text, counted: 0, line: 1 };
        let line = count.of_record(header.position().map_or(0, csv::Position::byte));
        let mut columns: Vec<Option<Column>> = Vec::new();
        for (place, name) in (1..).zip(&header) {
            let name = String::from_utf8_lossy(name);
            let column = Column::named(&name);
            if column.is_none() && !lenient && !name.is_empty() {
                return Err(at(
                    line,
                    &format!("column {place}"),
                    format!("\"{name}\" is not known; it can be {}", Column::names()),
                ));
            }
            if column.is_some() && columns.contains(&column) {
                return Err(at(line, &format!("column {place}"), format!("\"{name}\" is there twice")));
            }
            columns.push(column);
        }
        let has = |column| columns.contains(&Some(column));
        if !has(Column::ExternalOrderId) || !(has(Column::OperationId) || has(Column::PartNumber)) {
            return Err(at(line, "header", "must name externalOrderId, and operationId or partNumber"));
        }
        Ok(Self { reader, columns, record: ByteRecord::new(), count })
    }

    /// How many bytes have been read.
    pub(super) fn read(&self) -> u64 {
        self.reader.position().byte()
    }

    fn order(&self, line: u64) -> Result<ImportedOrder, Error> {
        if self.record.len() > self.columns.len() {
            return Err(at(
                line,
                &format!("column {}", self.columns.len() + 1),
                "is one more than the header has; a text that holds the separator must stand in quotes",
            ));
        }
        let mut texts = Texts::default();
        for (column, value) in self.columns.iter().zip(&self.record) {
            let Some(column) = *column else { continue };
            let text = std::str::from_utf8(value)
                .map_err(|_| at(line, column.name(), "is not UTF-8; save the file as UTF-8"))?;
            texts.set(column, text);
        }
        texts.order(line)
    }
}

fn unreadable(line: u64, error: &csv::Error) -> Error {
    at(line, "column 1", format!("cannot be read: {error}"))
}

impl Iterator for CsvLines<'_> {
    type Item = (u64, Result<ImportedOrder, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                // Spreadsheets end a file with lines of separators only.
                Ok(true) if self.record.iter().all(<[u8]>::is_empty) => {}
                Ok(true) => {
                    let line = self.count.of_record(self.record.position().map_or(0, csv::Position::byte));
                    return Some((line, self.order(line)));
                }
                Err(error) => {
                    let line = self.count.of_record(self.reader.position().byte());
                    return Some((line, Err(unreadable(line, &error))));
                }
            }
        }
    }
}
