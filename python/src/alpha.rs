//! Pico's alpha APIs: media upload and work instructions. `pico_erp/alpha.py` is their Python half. An upload runs on the
//! thread that asks for it, which calls back between its steps.

use std::path::PathBuf;

use pico_erp::Error;
use pico_erp::alpha::{
    MediaUpload, ProcessCreate, ProductCreate, StationCreate, UploadMode, UploadTicket, UploadedMedia,
};
use pyo3::prelude::*;
use tokio::sync::mpsc;

use crate::client::BaseClient;
use crate::error::raise;
use crate::json::{dumps, loads};
use crate::settings::limit;
use crate::wait::wait;

/// The arguments of upload_media.
struct ToldUpload {
    path: PathBuf,
    destination: Option<String>,
    ticket: Option<String>,
    mode: String,
    chunk_bytes: Option<i64>,
    max_bytes: Option<i64>,
    unlimited: bool,
    file_name: Option<String>,
    uploads_url: Option<String>,
}

impl ToldUpload {
    fn upload(self) -> Result<MediaUpload, Error> {
        let mut upload = match (self.ticket, self.destination) {
            (Some(ticket), destination) => {
                let ticket = UploadTicket::from_json(&ticket)?;
                destination.map_or(Ok(()), |destination| ticket.check_destination(&destination))?;
                MediaUpload::resume(self.path, ticket)
            }
            (None, Some(destination)) => {
                let Ok(destination) = destination.parse();
                MediaUpload::file(self.path, destination)
            }
            (None, None) => {
                return Err(Error::invalid("destination", "is missing; give it, or the ticket of an upload"));
            }
        };
        upload = upload.mode(match self.mode.as_str() {
            "auto" => UploadMode::Auto,
            "single" => UploadMode::Single,
            "chunked" => UploadMode::Chunked,
            other => {
                let message = format!("is {other:?}; give \"auto\", \"single\" or \"chunked\"");
                return Err(Error::invalid("mode", message));
            }
        });
        if let Some(bytes) = self.chunk_bytes {
            upload = upload.chunk_bytes(count("chunk_bytes", bytes)?);
        }
        if self.unlimited {
            upload = upload.max_bytes(None);
        } else if let Some(bytes) = self.max_bytes {
            upload = upload.max_bytes(Some(count("max_bytes", bytes)?));
        }
        if let Some(name) = self.file_name {
            upload = upload.file_name(name);
        }
        if let Some(url) = self.uploads_url {
            upload = upload.uploads_url(url);
        }
        Ok(upload)
    }
}

fn count(field: &str, bytes: i64) -> Result<u64, Error> {
    u64::try_from(bytes).map_err(|_| Error::invalid(field, format!("is {bytes}; give a number of bytes")))
}

/// What comes next of an upload.
enum Step {
    Told(u64, u64, Option<String>),
    Done(UploadedMedia),
}

/// Uploads a file; pico_erp.alpha.upload_media is the way to call it.
#[pyfunction]
#[pyo3(signature = (
    client, path, destination, ticket, mode, chunk_bytes, max_bytes, unlimited, file_name, uploads_url, open_fields,
    on_progress, timeout
))]
#[expect(clippy::too_many_arguments, reason = "the Python half has keyword arguments for them")]
pub(crate) fn alpha_upload(
    py: Python<'_>,
    client: &BaseClient,
    path: PathBuf,
    destination: Option<String>,
    ticket: Option<String>,
    mode: String,
    chunk_bytes: Option<i64>,
    max_bytes: Option<i64>,
    unlimited: bool,
    file_name: Option<String>,
    uploads_url: Option<String>,
    open_fields: Option<&Bound<'_, PyAny>>,
    on_progress: Option<&Bound<'_, PyAny>>,
    timeout: Option<f64>,
) -> PyResult<String> {
    let told = ToldUpload {
        path,
        destination,
        ticket,
        mode,
        chunk_bytes,
        max_bytes,
        unlimited,
        file_name,
        uploads_url,
    };
    let mut upload = told.upload().map_err(|error| raise(py, &error))?;
    if let Some(fields) = open_fields {
        let fields = dumps(py, "open_fields", fields)?;
        upload = upload.open_fields(&fields).map_err(|error| raise(py, &error))?;
    }
    // Holds what one step of the upload has told, for the upload only goes on while it is waited for.
    let (tell, mut told) = mpsc::unbounded_channel();
    if on_progress.is_some() {
        upload = upload.on_progress(move |progress| {
            let ticket = progress.ticket.and_then(|ticket| Some(ticket.to_json().ok()?.as_str().to_owned()));
            let _ = tell.send(Step::Told(progress.sent, progress.total, ticket));
        });
    }
    let call_back = |step| match (on_progress, step) {
        (Some(on_progress), Step::Told(sent, total, ticket)) => {
            on_progress.call1((sent, total, ticket)).map(drop)
        }
        _ => Ok(()),
    };
    let prepared = client.client.get().and_then(|client| Ok((client, limit("timeout", timeout)?)));
    let (core, limit) = prepared.map_err(|error| raise(py, &error))?;
    let started = std::time::Instant::now();
    let mut sending = Box::pin(core.upload_media(&upload));
    loop {
        let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
        let step = wait(py, left, Some(&client.closing), async {
            tokio::select! {
                biased;
                Some(told) = told.recv() => Ok(told),
                media = sending.as_mut() => media.map(Step::Done),
            }
        });
        if let Ok(step @ Step::Told(..)) = step {
            call_back(step)?;
            continue;
        }
        // The last that was confirmed must not be lost by a failure.
        while let Ok(step) = told.try_recv() {
            call_back(step)?;
        }
        match step? {
            Step::Done(media) => return Ok(media.path),
            Step::Told(..) => {}
        }
    }
}

/// Creates or overwrites a process, a product or a station; pico_erp.alpha has functions for each.
#[pyfunction]
#[pyo3(signature = (client, kind, input, input_type, timeout))]
pub(crate) fn alpha_create<'py>(
    py: Python<'py>,
    client: &BaseClient,
    kind: &str,
    input: &Bound<'py, PyAny>,
    input_type: Option<String>,
    timeout: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let input = dumps(py, "input", input)?;
    let given = match kind {
        "product" => {
            let mut product = ProductCreate::from_json(input).map_err(|error| raise(py, &error))?;
            if let Some(name) = input_type {
                product = product.input_type(name);
            }
            client.call(py, timeout, |client| async move { client.product_create(&product).await })?
        }
        "station" => {
            let mut station = StationCreate::from_json(input).map_err(|error| raise(py, &error))?;
            if let Some(name) = input_type {
                station = station.input_type(name);
            }
            client.call(py, timeout, |client| async move { client.station_create(&station).await })?
        }
        _ => {
            let process = ProcessCreate::from_json(input).map_err(|error| raise(py, &error))?;
            client.call(py, timeout, |client| async move { client.process_create(&process).await })?
        }
    };
    loads(py, given.as_str())
}
