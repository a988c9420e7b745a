//! [`UploadTicket`]: how far a chunked upload has come, so that another process can go on with it.
//!
//! Pure: a value and its JSON form.

use serde::{Deserialize, Serialize};

use super::Destination;
use crate::error::Error;
use crate::json::Json;

const FIELD: &str = "ticket";
const VERSION: u32 = 1;

/// Where a chunked upload stands: enough to go on with it after a crash, in any process. It holds no secret.
///
/// The progress function hands one out as soon as Pico has opened the upload, and a new one for each chunk that Pico has
/// confirmed. Keep the newest, as [JSON](UploadTicket::to_json). How long Pico keeps an unfinished upload is not documented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadTicket {
    version: u32,
    /// The URL that the upload was opened at.
    pub(crate) uploads_url: String,
    /// Pico's id of the upload.
    pub(crate) stream_id: String,
    destination_id: String,
    /// The first chunk that is not confirmed.
    pub(crate) next_chunk: u64,
    /// Bytes of each chunk but the last.
    pub(crate) chunk_bytes: u64,
    /// Bytes of the file.
    pub(crate) file_bytes: u64,
    /// SHA-256 of the file, as hexadecimal digits: a file that was changed meanwhile must not be mixed with the old one.
    pub(crate) sha256: String,
}

impl UploadTicket {
    pub(crate) fn new(
        uploads_url: &str,
        stream_id: String,
        destination: &Destination,
        chunk_bytes: u64,
        file_bytes: u64,
        sha256: String,
    ) -> Self {
        Self {
            version: VERSION,
            uploads_url: uploads_url.to_owned(),
            stream_id,
            destination_id: destination.id().to_owned(),
            next_chunk: 0,
            chunk_bytes,
            file_bytes,
            sha256,
        }
    }

    /// Reads what [`UploadTicket::to_json`] wrote.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when it is no ticket, or one of a newer version.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let ticket: Self = serde_json::from_str(text)
            .map_err(|error| Error::invalid(FIELD, format!("is no ticket of an upload ({error})")))?;
        if ticket.version != VERSION {
            return Err(Error::invalid(
                FIELD,
                format!(
                    "is of version {}, this library knows {VERSION}; start the upload anew",
                    ticket.version
                ),
            ));
        }
        if ticket.chunk_bytes == 0 || ticket.next_chunk >= ticket.total_chunks() {
            return Err(Error::invalid(FIELD, "contradicts itself; start the upload anew"));
        }
        Ok(ticket)
    }

    /// The JSON form. Version 1: `version`, `uploadsUrl`, `streamId`, `destinationId`, `nextChunk`, `chunkBytes`,
    /// `fileBytes`, `sha256`.
    ///
    /// # Errors
    /// None that can happen: all fields have a JSON form.
    pub fn to_json(&self) -> Result<Json, Error> {
        Json::from_value(self)
    }

    /// What the file is uploaded for.
    #[must_use]
    pub fn destination(&self) -> Destination {
        let Ok(destination) = self.destination_id.parse();
        destination
    }

    /// Checks a destination that was given beside the ticket.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when the ticket is of an upload for another one.
    pub fn check_destination(&self, destination: &str) -> Result<(), Error> {
        if destination == self.destination_id {
            return Ok(());
        }
        let message = format!(
            "is {destination}, but the ticket is of an upload for {}; leave one of them out",
            self.destination_id
        );
        Err(Error::invalid("destination", message))
    }

    /// Pico's id of the upload.
    #[must_use]
    pub fn stream_id(&self) -> &str {
        &self.stream_id
    }

    /// Bytes of the file that Pico has confirmed.
    #[must_use]
    pub fn confirmed_bytes(&self) -> u64 {
        self.next_chunk.saturating_mul(self.chunk_bytes).min(self.file_bytes)
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(crate) fn total_chunks(&self) -> u64 {
        total_chunks(self.file_bytes, self.chunk_bytes)
    }

    /// Where a chunk lies in the file: its start and its length.
    pub(crate) fn chunk(&self, index: u64) -> (u64, u64) {
        let start = index.saturating_mul(self.chunk_bytes).min(self.file_bytes);
        (start, (self.file_bytes - start).min(self.chunk_bytes))
    }
}

/// How many chunks a file makes.
pub(crate) fn total_chunks(file_bytes: u64, chunk_bytes: u64) -> u64 {
    file_bytes.div_ceil(chunk_bytes.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(file_bytes: u64, chunk_bytes: u64) -> UploadTicket {
        UploadTicket::new(
            "http://127.0.0.1:1/uploads",
            "abc123".into(),
            &Destination::StepVideo,
            chunk_bytes,
            file_bytes,
            "00".into(),
        )
    }

    #[test]
    fn chunks_cover_the_file_once_and_without_a_gap() {
        for (file, chunk) in [(1, 1), (1, 10), (10, 10), (11, 10), (30, 10), (31, 7)] {
            let ticket = ticket(file, chunk);
            let mut end = 0;
            for index in 0..ticket.total_chunks() {
                let (start, length) = ticket.chunk(index);
                assert_eq!(start, end, "{file} {chunk} {index}");
                assert!(length > 0 && length <= chunk, "{file} {chunk} {index}");
                end = start + length;
            }
            assert_eq!(end, file);
        }
    }

    #[test]
    fn a_ticket_survives_its_json() {
        let mut ticket = ticket(25, 10);
        ticket.next_chunk = 2;
        let back = UploadTicket::from_json(ticket.to_json().unwrap().as_str()).unwrap();
        assert_eq!(back, ticket);
        assert_eq!((back.confirmed_bytes(), back.destination()), (20, Destination::StepVideo));
    }

    #[test]
    fn what_is_no_usable_ticket_is_refused() {
        let good = ticket(25, 10).to_json().unwrap().as_str().to_owned();
        for (text, says) in [
            ("".to_owned(), "is no ticket"),
            ("{}".to_owned(), "is no ticket"),
            (good.replace("\"version\":1", "\"version\":2"), "is of version 2"),
            (good.replace("\"nextChunk\":0", "\"nextChunk\":3"), "contradicts itself"),
            (good.replace("\"chunkBytes\":10", "\"chunkBytes\":0"), "contradicts itself"),
        ] {
            let error = UploadTicket::from_json(&text).unwrap_err().to_string();
            assert!(error.starts_with("ticket: ") && error.contains(says), "{error}");
        }
    }
}
