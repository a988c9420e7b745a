//! [`Client::upload_media`]: the driver of an upload. It sends what `upload`, `ticket` and `media_file` decide.

use std::pin::pin;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use url::Url;

use super::answer::{answer_of, text_field};
use super::media_file::MediaFile;
use super::ticket::total_chunks;
use super::upload::{MediaUpload, UploadMode, UploadProgress, UploadedMedia};
use super::{Destination, UploadTicket};
use crate::client::{Client, Transport, UploadBody};
use crate::error::{Error, ErrorKind};
use crate::json::Json;

impl Client {
    /// Uploads a file for a step of a work instruction, and returns the path that Pico gives it. **Alpha: Pico may change
    /// this API.**
    ///
    /// Size and format (by the first bytes) are checked before anything is sent. The file is read as it is sent. The client's
    /// request time-out limits the silence, not the whole. An upload in one request is tried again only when it certainly
    /// never reached Pico. A chunk is tried again by the client's retry policy: that a chunk may be sent twice under its index
    /// is an assumption. So it is that a reply which names a `path` before the last chunk has no meaning.
    ///
    /// Dropping the future cancels the upload; one in chunks can then be resumed with the newest ticket.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming `file`, `destination`, `ticket` or the setting that is wrong, with nothing sent,
    /// or when the file changed while it was sent; otherwise as the network and the server have it. A refused upload is
    /// [`ErrorKind::HttpStatus`].
    pub async fn upload_media(&self, upload: &MediaUpload) -> Result<UploadedMedia, Error> {
        upload.check()?;
        let url = upload.url(self.endpoint())?;
        let file = MediaFile::open(&upload.path).await?;
        upload.destination.check(file.length, file.format, upload.max_bytes)?;
        let sending = Sending { transport: self.transport(), upload, url, file: &file };
        let chunked = match upload.mode {
            UploadMode::Auto => upload.ticket.is_some() || file.length >= upload.single_below,
            UploadMode::Single => false,
            UploadMode::Chunked => true,
        };
        if !chunked {
            return sending.single().await;
        }
        let ticket = match &upload.ticket {
            Some(ticket) => sending.checked(ticket).await?,
            None => sending.open().await?,
        };
        sending.chunks(ticket).await
    }
}

/// The names that the id of an upload may have; Pico documents the first, in another reply.
const STREAM_ID: &[&str] = &["streamId", "id", "uploadId"];
const PATH: &[&str] = &["path"];

/// One upload under way.
struct Sending<'a> {
    transport: &'a Transport,
    upload: &'a MediaUpload,
    url: Url,
    file: &'a MediaFile,
}

/// One request of it.
enum Step<'a> {
    Single,
    Open(&'a Bytes),
    Chunk { ticket: &'a UploadTicket, index: u64, url: Url },
}

impl Step<'_> {
    /// Which field the reply must have.
    fn needs(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Single => Some(PATH),
            Self::Open(_) => Some(STREAM_ID),
            Self::Chunk { ticket, index, .. } => (index + 1 == ticket.total_chunks()).then_some(PATH),
        }
    }
}

impl Sending<'_> {
    async fn single(&self) -> Result<UploadedMedia, Error> {
        self.report(0, None);
        let reply = self.send(&Step::Single, None, false).await?;
        self.file.unchanged().await?;
        self.report(self.file.length, None);
        uploaded(reply)
    }

    /// The ticket of an earlier try, when it is of this file and of this Pico.
    async fn checked(&self, ticket: &UploadTicket) -> Result<UploadTicket, Error> {
        if ticket.uploads_url != self.url.as_str() {
            let message = format!("is of an upload to {}, this one goes to {}", ticket.uploads_url, self.url);
            return Err(Error::invalid("ticket", message));
        }
        if ticket.file_bytes != self.file.length || ticket.sha256 != self.file.digest().await? {
            return Err(Error::invalid(
                "file",
                "is not the one that the ticket was made for; start the upload anew",
            ));
        }
        Ok(ticket.clone())
    }

    /// Opens an upload in chunks. A try that Pico took without our knowing leaves an upload that nobody uses.
    async fn open(&self) -> Result<UploadTicket, Error> {
        let (bytes, chunk_bytes) = (self.file.length, self.upload.chunk_bytes);
        let sha256 = self.file.digest().await?;
        let body = open_body(
            &self.upload.destination,
            self.file_name(),
            self.file.content_type(),
            bytes,
            total_chunks(bytes, chunk_bytes),
            &self.upload.open_fields,
        );
        let reply = self.send(&Step::Open(&body), None, true).await?;
        let id = needed_text(&reply, STREAM_ID)?;
        let destination = &self.upload.destination;
        Ok(UploadTicket::new(self.url.as_str(), id, destination, chunk_bytes, bytes, sha256))
    }

    async fn chunks(&self, mut ticket: UploadTicket) -> Result<UploadedMedia, Error> {
        let total = ticket.total_chunks();
        let url = chunk_url(&self.url, &ticket.stream_id)?;
        self.report(ticket.confirmed_bytes(), Some(&ticket));
        loop {
            self.file.unchanged().await?;
            let index = ticket.next_chunk;
            let step = Step::Chunk { ticket: &ticket, index, url: url.clone() };
            let reply = self.send(&step, Some(&ticket), true).await.map_err(|error| hint(error, &ticket))?;
            if index + 1 == total {
                // The last chunk's ticket stays the newest: sent again, it gives the path again.
                self.file.unchanged().await?;
                self.report(self.file.length, Some(&ticket));
                return uploaded(reply);
            }
            ticket.next_chunk += 1;
            self.report(ticket.confirmed_bytes(), Some(&ticket));
        }
    }

    /// Sends one request until it succeeds, fails for good, or the tries are used up.
    async fn send(
        &self,
        step: &Step<'_>,
        ticket: Option<&UploadTicket>,
        repeatable: bool,
    ) -> Result<Json, Error> {
        let retry = self.transport.retry_policy();
        let mut attempt = 1;
        loop {
            let error = match self.try_once(step, ticket).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let safe = repeatable || error.never_sent();
            if !(safe && error.is_retryable() && attempt < retry.max_attempts) {
                return Err(error);
            }
            let wait =
                retry.backoff.wait(attempt, fastrand::f64(), error.retry_after(), retry.retry_after_ceiling);
            tracing::debug!(attempt, ?wait, %error, "a request of an upload is tried again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn try_once(&self, step: &Step<'_>, ticket: Option<&UploadTicket>) -> Result<Json, Error> {
        let (count, mut counted) = watch::channel(0);
        let (method, url, body, confirmed) = match step {
            Step::Single => {
                let form = Form::new()
                    .text("destinationId", self.upload.destination.id().to_owned())
                    .part("file", self.part(0, self.file.length, count)?);
                (Method::POST, self.url.clone(), UploadBody::Form(form), 0)
            }
            Step::Open(body) => (Method::POST, self.url.clone(), UploadBody::Json((*body).clone()), 0),
            Step::Chunk { ticket, index, url } => {
                let (start, length) = ticket.chunk(*index);
                let form = Form::new()
                    .text("chunkIndex", index.to_string())
                    .text("totalChunks", ticket.total_chunks().to_string())
                    .part("file", self.part(start, length, count)?);
                (Method::PATCH, url.clone(), UploadBody::Form(form), start)
            }
        };
        let silence = self.transport.request_timeout();
        let needs = step.needs();
        // Looked at here already, where errors still lose what must not be shown.
        let read = move |status, headers: &HeaderMap, body| {
            let reply = answer_of(status, headers, body)?;
            needs.map_or(Ok(()), |names| needed_text(&reply, names).map(drop))?;
            Ok(reply)
        };
        let mut answer = pin!(self.transport.upload(method, url, body, read));
        loop {
            tokio::select! {
                biased;
                result = &mut answer => {
                    // A file that cannot be read breaks the request off; say so, and not that the network did.
                    if result.is_err() {
                        self.file.unchanged().await?;
                    }
                    return result;
                }
                Ok(()) = counted.changed() => {
                    let sent = *counted.borrow_and_update();
                    self.report(confirmed + sent, ticket);
                }
                () = tokio::time::sleep(silence) => {
                    let message = format!("an upload made no progress for {silence:?}");
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
            }
        }
    }

    /// A part of the file as a part of a form.
    fn part(&self, start: u64, length: u64, count: watch::Sender<u64>) -> Result<Part, Error> {
        let pieces = self.file.pieces(start, length, move |sent| {
            count.send_replace(sent);
        });
        Part::stream_with_length(Body::wrap_stream(pieces), length)
            .file_name(self.file_name().to_owned())
            .mime_str(self.file.content_type())
            .map_err(|error| Error::new(ErrorKind::Internal, "a media type").with_source(error))
    }

    fn file_name(&self) -> &str {
        self.upload.file_name.as_deref().unwrap_or(&self.file.name)
    }

    fn report(&self, sent: u64, ticket: Option<&UploadTicket>) {
        if let Some(on_progress) = &self.upload.on_progress {
            on_progress(UploadProgress { sent, total: self.file.length, ticket });
        }
    }
}

/// The body that opens an upload. Assumed but for `destinationId`, which the upload in one request has.
fn open_body(
    destination: &Destination,
    file_name: &str,
    content_type: &str,
    bytes: u64,
    chunks: u64,
    given: &Map<String, Value>,
) -> Bytes {
    let mut body = json!({
        "destinationId": destination.id(),
        "fileName": file_name,
        "contentType": content_type,
        "fileSize": bytes,
        "totalChunks": chunks,
    });
    if let Value::Object(fields) = &mut body {
        fields.extend(given.clone());
        fields.retain(|_, value| !value.is_null());
    }
    body.to_string().into()
}

fn chunk_url(uploads: &Url, stream_id: &str) -> Result<Url, Error> {
    let mut url = uploads.clone();
    // The two that a URL would take for a step in its path.
    if !matches!(stream_id, "." | "..")
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().push(stream_id);
    } else {
        return Err(Error::new(ErrorKind::Decode, format!("\"{stream_id}\" cannot be the id of an upload")));
    }
    Ok(url)
}

fn uploaded(reply: Json) -> Result<UploadedMedia, Error> {
    Ok(UploadedMedia { path: needed_text(&reply, PATH)?, raw: reply })
}

/// A text that the reply must have.
fn needed_text(reply: &Json, names: &[&str]) -> Result<String, Error> {
    text_field(reply, names).ok_or_else(|| {
        let message = format!("the reply to an upload has no {}", names.join(", nor "));
        Error::new(ErrorKind::Decode, message).with_body(reply.as_bytes())
    })
}

/// Says what to do where Pico does not know the upload.
fn hint(error: Error, ticket: &UploadTicket) -> Error {
    match error.http_status() {
        Some(404 | 410) => error.context(format!(
            "the upload {} cannot go on, start it anew without the ticket",
            ticket.stream_id
        )),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_that_opens_an_upload_can_be_changed() {
        let given = json!({ "fileSize": null, "name": "a", "fileName": "b" });
        let body =
            open_body(&Destination::StepVideo, "a.mp4", "video/mp4", 25, 3, given.as_object().unwrap());
        assert_eq!(
            String::from_utf8_lossy(&body),
            r#"{"contentType":"video/mp4","destinationId":"stepVideo","fileName":"b","name":"a","totalChunks":3}"#
        );
    }

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
        let uploads = Url::parse("https://a.example/uploads").unwrap();
        for (id, path) in [("abc123", "/uploads/abc123"), ("a/../b?c", "/uploads/a%2F..%2Fb%3Fc")] {
            assert_eq!(chunk_url(&uploads, id).unwrap().path(), path);
        }
        assert!(chunk_url(&uploads, "..").is_err());
    }
}
