//! [`MediaUpload`]: one file to upload, with every setting, and what is told while it goes. Nothing is sent here.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use super::{Destination, UploadTicket};
use crate::error::Error;
use crate::json::Json;

/// Pico takes a file in one request when it has less than 10 MB; here the smaller reading of "MB" is the safe one.
const SINGLE_BELOW: u64 = 10_000_000;
/// Pico does not say how large a chunk may be. Half of what it takes in one request.
const CHUNK_BYTES: u64 = 5_000_000;

/// How a file travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadMode {
    /// In one request when it is small enough for that, else in chunks.
    #[default]
    Auto,
    /// In one request.
    Single,
    /// In chunks, which can be resumed.
    Chunked,
}

/// How far an upload has come.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UploadProgress<'a> {
    /// Bytes of the file that were handed to the connection. Goes back when a request is tried again.
    pub sent: u64,
    /// Bytes of the file.
    pub total: u64,
    /// What to [resume](MediaUpload::resume) with, for an upload in chunks.
    pub ticket: Option<&'a UploadTicket>,
}

/// A file that Pico has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadedMedia {
    /// Where it is, such as `/api/v1/images/abc123-step1.jpg`: a path of the Pico instance.
    pub path: String,
    /// The reply as it was sent.
    pub raw: Json,
}

pub(crate) type OnProgress = Arc<dyn Fn(UploadProgress<'_>) + Send + Sync>;

/// A file to upload. **Alpha: Pico may change this API.**
///
/// ```no_run
/// use pico_erp::alpha::{Destination, MediaUpload, UploadTicket};
///
/// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
/// let upload = MediaUpload::file("step1.mp4", Destination::StepVideo).on_progress(|progress| {
///     if let Some(Ok(ticket)) = progress.ticket.map(UploadTicket::to_json) {
///         let _ = std::fs::write("step1.ticket", ticket.as_bytes());
///     }
/// });
/// if client.upload_media(&upload).await.is_err() {
///     // Later, and perhaps in another process:
///     let kept = std::fs::read_to_string("step1.ticket").unwrap_or_default();
///     let upload = MediaUpload::resume("step1.mp4", UploadTicket::from_json(&kept)?);
///     println!("{}", client.upload_media(&upload).await?.path);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MediaUpload {
    pub(crate) path: PathBuf,
    pub(crate) destination: Destination,
    pub(crate) ticket: Option<UploadTicket>,
    pub(crate) mode: UploadMode,
    pub(crate) single_below: u64,
    pub(crate) chunk_bytes: u64,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) file_name: Option<String>,
    uploads_url: Option<String>,
    pub(crate) open_fields: Map<String, Value>,
    pub(crate) on_progress: Option<OnProgress>,
}

impl MediaUpload {
    /// An upload of the file at `path`. The file is read while it is sent, and must not change meanwhile.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>, destination: Destination) -> Self {
        Self {
            path: path.into(),
            max_bytes: destination.max_bytes(),
            destination,
            ticket: None,
            mode: UploadMode::Auto,
            single_below: SINGLE_BELOW,
            chunk_bytes: CHUNK_BYTES,
            file_name: None,
            uploads_url: None,
            open_fields: Map::new(),
            on_progress: None,
        }
    }

    /// Goes on with an upload that was interrupted. The file must be the same: length and SHA-256 are compared, its name
    /// and its time are not. Mode, chunk size and the settings for opening have no meaning then; an
    /// [`uploads_url`](MediaUpload::uploads_url) must be given again, for a ticket must not decide where the token is sent.
    #[must_use]
    pub fn resume(path: impl Into<PathBuf>, ticket: UploadTicket) -> Self {
        let upload = Self::file(path, ticket.destination());
        Self { ticket: Some(ticket), ..upload }
    }

    /// Chooses between one request and chunks. Default [`UploadMode::Auto`].
    #[must_use]
    pub fn mode(mut self, mode: UploadMode) -> Self {
        self.mode = mode;
        self
    }

    /// With [`UploadMode::Auto`], files of this many bytes and more travel in chunks. Default 10,000,000 (Pico: "under
    /// 10 MB").
    #[must_use]
    pub fn single_below(mut self, bytes: u64) -> Self {
        self.single_below = bytes;
        self
    }

    /// Bytes of a chunk. Default 5,000,000; Pico does not say what it takes.
    #[must_use]
    pub fn chunk_bytes(mut self, bytes: u64) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// The most bytes that a file may have; `None` leaves it to Pico. Default [`Destination::max_bytes`].
    #[must_use]
    pub fn max_bytes(mut self, bytes: Option<u64>) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The name that Pico is told. Default the file's own.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Where to upload to. Default `/uploads` at scheme, host and port of the client's endpoint. The token is sent there.
    #[must_use]
    pub fn uploads_url(mut self, url: impl Into<String>) -> Self {
        self.uploads_url = Some(url.into());
        self
    }

    /// Changes the JSON body that opens an upload in chunks, which Pico does not document. `destinationId`, `fileName`,
    /// `contentType`, `fileSize` and `totalChunks` are sent, by assumption; a field that is given here replaces its like,
    /// and one that is null is left out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when it is no JSON object.
    pub fn open_fields(mut self, fields: &Json) -> Result<Self, Error> {
        match fields.decode() {
            Ok(Value::Object(fields)) => self.open_fields = fields,
            _ => return Err(Error::invalid("open_fields", "must be a JSON object")),
        }
        Ok(self)
    }

    /// Tells how far the upload has come. The function runs where the upload is awaited and holds nothing up but the upload
    /// itself; what it missed meanwhile is told together. It must not block on a runtime's thread.
    #[must_use]
    pub fn on_progress(mut self, call: impl Fn(UploadProgress<'_>) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(call));
        self
    }

    /// Checks the plain settings.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.chunk_bytes == 0 {
            return Err(Error::invalid("chunk_bytes", "must be at least 1"));
        }
        if self.ticket.is_some() && self.mode == UploadMode::Single {
            return Err(Error::invalid("mode", "an upload in one request cannot be resumed; leave it out"));
        }
        Ok(())
    }

    /// The checked URL to upload to, for a client of that endpoint.
    pub(crate) fn url(&self, endpoint: &str) -> Result<Url, Error> {
        const FIELD: &str = "uploads_url";
        let endpoint =
            Url::parse(endpoint).map_err(|error| Error::invalid("endpoint", format!("{error}")))?;
        let Some(text) = &self.uploads_url else {
            let mut url = endpoint;
            url.set_path("/uploads");
            url.set_query(None);
            return Ok(url);
        };
        let url = Url::parse(text).map_err(|error| {
            Error::invalid(
                FIELD,
                format!("is not a URL such as https://yourcompany.picomes.com/uploads ({error})"),
            )
        })?;
        if url.scheme() != endpoint.scheme() {
            // Another scheme would send the token in the clear, or need trusted certificates that were not loaded.
            let message = format!(
                "has the scheme \"{}\", but the endpoint has \"{}\"",
                url.scheme(),
                endpoint.scheme()
            );
            return Err(Error::invalid(FIELD, message));
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(Error::invalid(FIELD, "holds more than scheme, host, port and path"));
        }
        Ok(url)
    }
}

impl fmt::Debug for MediaUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaUpload")
            .field("path", &self.path)
            .field("destination", &self.destination)
            .field("ticket", &self.ticket)
            .field("mode", &self.mode)
            .field("chunk_bytes", &self.chunk_bytes)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_go_to_the_endpoints_instance_unless_told_otherwise() {
        let upload = MediaUpload::file("a.png", Destination::StepImage);
        for (endpoint, given, url) in [
            ("https://acme.picomes.com/graphql", None, "https://acme.picomes.com/uploads"),
            ("http://127.0.0.1:4000/graph/v2?x=1", None, "http://127.0.0.1:4000/uploads"),
            (
                "https://a.example/graphql",
                Some("https://b.example/api/uploads"),
                "https://b.example/api/uploads",
            ),
        ] {
            let upload = match given {
                Some(given) => upload.clone().uploads_url(given),
                None => upload.clone(),
            };
            assert_eq!(upload.url(endpoint).unwrap().as_str(), url);
        }
        for (given, says) in [
            ("acme", "is not a URL"),
            ("http://a.example/uploads", "has the scheme \"http\", but the endpoint has \"https\""),
            ("https://u:p@a.example/uploads", "holds more"),
            ("https://a.example/uploads?a=b", "holds more"),
        ] {
            let error = upload.clone().uploads_url(given).url("https://a.example/graphql").unwrap_err();
            assert!(error.to_string().starts_with("uploads_url: "), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
