//! [`ImportReader`]: a file of orders, whole in memory, so that its digest is known before its first order is queued.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::csv::CsvLines;
use super::json_lines::JsonLines;
use super::order::ImportedOrder;
use crate::error::Error;

/// The largest file: some millions of orders.
const LARGEST: u64 = 512 << 20;

/// How a file of orders is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportFormat {
    /// CSV with a header, separated by commas, semicolons or tabs.
    Csv,
    /// One JSON object on each line.
    JsonLines,
}

/// Reads orders from a CSV file or from JSON lines.
///
/// The columns are `externalOrderId`, `operationId` or `partNumber` and `revision`, `orderIndex`, `quantity`, and
/// `selectOptionalOperationIds` with `;` between ids, in any order and also in snake case. Each item is the number of
/// the line, from 1, and the order or what is wrong with it; the file goes on after a bad line.
///
/// ```
/// use pico_erp::{ImportFormat, ImportReader};
///
/// let file = "externalOrderId;operationId;quantity\nERP-1;op-abc-123;3\nERP-2;;1\n";
/// let reader = ImportReader::from_reader(file.as_bytes(), ImportFormat::Csv)?;
/// let lines: Vec<_> = reader.lines()?.collect();
/// assert_eq!(lines[0].1.as_ref().unwrap().quantity, 3);
/// assert_eq!(lines[1].1.as_ref().unwrap_err().to_string(), "line 3, operationId: is empty; give it or a partNumber");
/// # Ok::<(), pico_erp::Error>(())
/// ```
#[must_use]
pub struct ImportReader {
    content: Vec<u8>,
    format: ImportFormat,
    name: String,
    lenient: bool,
}

impl ImportReader {
    /// Reads the file at `path` whole. Its format is told by its first character: `{` begins JSON lines. Blocks.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when it cannot be read, or is larger than 512 MiB.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let shown = path.display();
        let unreadable =
            |error: std::io::Error| Error::invalid("path", format!("{shown} cannot be read: {error}"));
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut reader = Self::from_reader(file, ImportFormat::Csv)?;
        if reader.text().trim_ascii_start().starts_with(b"{") {
            reader.format = ImportFormat::JsonLines;
        }
        reader.name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(reader)
    }

    /// Reads all that `reader` gives. Blocks.
    ///
    /// # Errors
    /// As [`ImportReader::open`].
    pub fn from_reader(reader: impl Read, format: ImportFormat) -> Result<Self, Error> {
        let mut content = Vec::new();
        reader
            .take(LARGEST + 1)
            .read_to_end(&mut content)
            .map_err(|error| Error::invalid("reader", format!("cannot be read: {error}")))?;
        if content.len() as u64 > LARGEST {
            return Err(Error::invalid("reader", format!("holds more than {LARGEST} bytes; split the file")));
        }
        Ok(Self { content, format, name: String::new(), lenient: false })
    }

    /// Lets columns be that are not known. Without this they are an error, so that a misspelt `quantity` is not taken for 1.
    pub fn ignore_unknown_columns(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// How the file is written.
    #[must_use]
    pub fn format(&self) -> ImportFormat {
        self.format
    }

    /// The file's name, without its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }

    /// What tells this import from every other: a SHA-256 of `name` and the content, in hexadecimal.
    #[must_use]
    pub fn digest(&self, name: &str) -> String {
        let mut digest = Sha256::new();
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name.as_bytes());
        digest.update(&self.content);
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The lines that hold orders.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when a CSV file's header is not one of orders.
    pub fn lines(&self) -> Result<impl Iterator<Item = (u64, Result<ImportedOrder, Error>)> + '_, Error> {
        self.counted_lines()
    }

    pub(super) fn counted_lines(&self) -> Result<Lines<'_>, Error> {
        Ok(match self.format {
            ImportFormat::Csv => Lines::Csv(Box::new(CsvLines::new(self.text(), self.lenient)?)),
            ImportFormat::JsonLines => Lines::Json(JsonLines::new(self.text(), self.lenient)),
        })
    }

    /// The content without the byte order mark that spreadsheets begin a file with.
    fn text(&self) -> &[u8] {
        self.content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.content)
    }
}

impl fmt::Debug for ImportReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportReader")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

/// The lines of either format.
pub(super) enum Lines<'a> {
    Csv(Box<CsvLines<'a>>),
    Json(JsonLines<'a>),
}

impl Lines<'_> {
    /// How many bytes have been read.
    pub(super) fn read(&self) -> u64 {
        match self {
            Self::Csv(lines) => lines.read(),
            Self::Json(lines) => lines.read(),
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = (u64, Result<ImportedOrder, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv(lines) => lines.next(),
            Self::Json(lines) => lines.next(),
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
