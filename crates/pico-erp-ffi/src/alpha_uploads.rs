//! Alpha: media upload, in one request or in chunks that can be resumed. It waits for Pico's answer, and calls back on the
//! thread that waits.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use pico_erp::alpha::{MediaUpload, UploadMode, UploadTicket, UploadedMedia};
use pico_erp::{Error, Json, runtime};
use tokio::sync::mpsc;

use crate::call::{control, pico_call_t};
use crate::callback::{UserData, pico_drop_fn};
use crate::client::pico_client_t;
use crate::error::pico_error_t;
use crate::guard;
use crate::input::{Sized32, optional_text, required, required_struct, text};
use crate::owned_text::pico_text_t;
use crate::returns::ReturnStatus;
use crate::text::CText;

/// In one request when the file is small enough for that (below 10,000,000 bytes), else in chunks.
pub const PICO_ALPHA_UPLOAD_AUTO: i32 = 0;
/// In one request.
pub const PICO_ALPHA_UPLOAD_SINGLE: i32 = 1;
/// In chunks, which can be resumed.
pub const PICO_ALPHA_UPLOAD_CHUNKED: i32 = 2;

/// Receives how far an upload has come. The header has it by hand, with PICO_CALL.
pub type pico_alpha_progress_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, sent: u64, total: u64, ticket_json: *const c_char)>;

type ProgressFn = unsafe extern "C" fn(*mut c_void, u64, u64, *const c_char);

/// Alpha. A function for the progress of an upload. The struct is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_alpha_progress_callback_t {
    /// Called on the thread that uploads, one call at a time.
    pub call: pico_alpha_progress_fn,
    /// Called once, before pico_alpha_upload() returns PICO_OK; may be NULL. When that fails, user_data stays yours.
    pub drop: pico_drop_fn,
    /// Handed to both.
    pub user_data: *mut c_void,
}

/// Alpha. A file to upload. 0 and NULL in a field mean the default, except where a field says that it must be there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pico_alpha_upload_t {
    /// sizeof(pico_alpha_upload_t).
    pub struct_size: u32,
    /// PICO_ALPHA_UPLOAD_*.
    pub mode: i32,
    /// The file's path; must be there. It must not change while it is sent.
    pub path: *const c_char,
    /// What it is for: stepImage (JPEG or PNG, 8 MB at most), stepVideo (MP4, 500 MB), stepVideoGif (GIF, 150 MB), or a name that
    /// this library does not know. Must be there, unless ticket_json is.
    pub destination: *const c_char,
    /// The ticket of an interrupted upload, to go on with it. The file must be the same, by length and SHA-256.
    pub ticket_json: *const c_char,
    /// The name that Pico is told. NULL: the file's own.
    pub file_name: *const c_char,
    /// Where to upload to; the token is sent there. NULL: /uploads at scheme, host and port of the client's endpoint.
    pub uploads_url: *const c_char,
    /// A JSON object laid over the body that opens an upload in chunks, which Pico does not document; null leaves a field out.
    pub open_fields_json: *const c_char,
    /// Bytes of a chunk. 0: 5,000,000. Pico does not say what it takes.
    pub chunk_bytes: u64,
    /// The most bytes the file may have. 0: what Pico documents for the destination. UINT64_MAX leaves it to Pico.
    pub max_bytes: u64,
}

// SAFETY: `repr(C)`, starts with a `u32`, and is made of numbers and pointers.
unsafe impl Sized32 for pico_alpha_upload_t {
    const NAME: &'static str = "pico_alpha_upload_t";
}

/// # Safety
/// `upload` is NULL or a struct as the header describes it.
unsafe fn upload_of(upload: *const pico_alpha_upload_t) -> Result<MediaUpload, Error> {
    // SAFETY: a struct or NULL, with texts as the header describes them.
    let (mut upload, given, name, url, fields) = unsafe {
        let given = required_struct("upload", upload)?;
        let path = text("path", given.path)?;
        let upload = match optional_text("ticket_json", given.ticket_json)? {
            Some(ticket) => {
                let ticket = UploadTicket::from_json(ticket)?;
                if let Some(destination) = optional_text("destination", given.destination)? {
                    ticket.check_destination(destination)?;
                }
                MediaUpload::resume(path, ticket)
            }
            None => {
                let Ok(destination) = text("destination", given.destination)?.parse();
                MediaUpload::file(path, destination)
            }
        };
        (
            upload,
            given,
            optional_text("file_name", given.file_name)?,
            optional_text("uploads_url", given.uploads_url)?,
            optional_text("open_fields_json", given.open_fields_json)?,
        )
    };
    upload = upload.mode(match given.mode {
        PICO_ALPHA_UPLOAD_AUTO => UploadMode::Auto,
        PICO_ALPHA_UPLOAD_SINGLE => UploadMode::Single,
        PICO_ALPHA_UPLOAD_CHUNKED => UploadMode::Chunked,
        other => {
            return Err(Error::invalid("mode", format!("{other} is none; give PICO_ALPHA_UPLOAD_*")));
        }
    });
    if let Some(name) = name {
        upload = upload.file_name(name);
    }
    if let Some(url) = url {
        upload = upload.uploads_url(url);
    }
    if let Some(fields) = fields {
        let fields =
            Json::new(fields.to_owned()).map_err(|error| Error::invalid("open_fields_json", error))?;
        upload = upload.open_fields(&fields)?;
    }
    if given.chunk_bytes > 0 {
        upload = upload.chunk_bytes(given.chunk_bytes);
    }
    Ok(match given.max_bytes {
        0 => upload,
        u64::MAX => upload.max_bytes(None),
        most => upload.max_bytes(Some(most)),
    })
}

/// A caller's function for progress. `user_data` is only borrowed: it stays the caller's should the upload fail.
struct ProgressCallback {
    call: ProgressFn,
    user_data: *mut c_void,
}

impl ProgressCallback {
    fn call(&self, sent: u64, total: u64, ticket: Option<&CText>) {
        let ticket = ticket.map_or(ptr::null(), CText::as_ptr);
        // SAFETY: the caller gave the function for this, and the text lives for the call.
        guard::in_callback(|| unsafe { (self.call)(self.user_data, sent, total, ticket) });
    }
}

/// One thing that the upload told.
struct Told {
    sent: u64,
    total: u64,
    ticket: Option<UploadTicket>,
}

/// What the caller was told last, so that a ticket is written as JSON once.
struct Telling {
    callback: ProgressCallback,
    ticket: Option<(UploadTicket, CText)>,
}

impl Telling {
    fn tell(&mut self, told: Told) {
        let known = self.ticket.as_ref().map(|(ticket, _)| ticket);
        if known != told.ticket.as_ref() {
            self.ticket = told.ticket.and_then(|ticket| {
                let json = ticket.to_json().ok()?;
                Some((ticket, CText::new(json.as_str())))
            });
        }
        self.callback.call(told.sent, told.total, self.ticket.as_ref().map(|(_, json)| json));
    }
}

/// Alpha: Pico may change this API. Uploads a file for a step of a work instruction; *path receives where it is, a path of the
/// Pico instance, as a text of your own. Size and format (by the first bytes) are checked before anything is sent, and
/// PICO_E_INVALID_ARGUMENT names what is wrong. The file is read as it is sent. An upload in one request is tried again only
/// when it certainly never reached Pico, a chunk by the client's settings: that a chunk may be sent twice is an assumption.
/// `progress` (may be NULL) is called on this thread with the bytes sent, which go back when something is sent again, and for
/// an upload in chunks with the ticket as of what Pico has confirmed: keep the newest, and pass it as ticket_json to go on
/// after a failure, pico_call_cancel() or a crash, in any process. `call` may be NULL. Waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pico_alpha_upload(
    client: Option<&pico_client_t>,
    upload: *const pico_alpha_upload_t,
    progress: Option<&pico_alpha_progress_callback_t>,
    call: Option<&pico_call_t>,
    path: Option<&mut MaybeUninit<*mut pico_text_t>>,
    error: Option<&mut MaybeUninit<*mut pico_error_t>>,
) -> ReturnStatus {
    guard::waiting(error, || {
        let client = pico_client_t::open(client)?;
        // SAFETY: passed on to the caller.
        let mut upload = unsafe { upload_of(upload) }?;
        let out = required("path", path)?;
        let call_back = progress.map(|progress| required("progress.call", progress.call)).transpose()?;
        let media = match (progress, call_back) {
            (Some(progress), Some(call_back)) => {
                let callback = ProgressCallback { call: call_back, user_data: progress.user_data };
                let mut telling = Telling { callback, ticket: None };
                let (tell, told) = mpsc::unbounded_channel();
                upload = upload.on_progress(move |progress| {
                    let ticket = progress.ticket.cloned();
                    // Gone only when the upload is.
                    let _ = tell.send(Told { sent: progress.sent, total: progress.total, ticket });
                });
                let sending = client.unless_closed(client.core.upload_media(&upload));
                let media = stepwise(sending, told, call, |told| telling.tell(told))?;
                drop(UserData::new(progress.user_data, progress.drop));
                media
            }
            _ => client.wait(call, client.core.upload_media(&upload))?,
        };
        out.write(pico_text_t::give(&media.path));
        Ok(())
    })
}

/// Waits for the upload, and leaves the runtime for each call back, so that the caller's function may do whatever a callback
/// may. What is told waits here, and no more than one step of the upload tells, for it only goes on while it is waited for.
fn stepwise(
    sending: impl Future<Output = Result<UploadedMedia, Error>>,
    mut told: mpsc::UnboundedReceiver<Told>,
    call: Option<&pico_call_t>,
    mut tell: impl FnMut(Told),
) -> Result<UploadedMedia, Error> {
    enum Step {
        Told(Told),
        Done(UploadedMedia),
    }
    let (limit, cancel) = control(call);
    let started = std::time::Instant::now();
    let mut sending = Box::pin(sending);
    loop {
        let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
        let next = async {
            tokio::select! {
                biased;
                Some(told) = told.recv() => Ok(Step::Told(told)),
                media = sending.as_mut() => media.map(Step::Done),
            }
        };
        let step = runtime::block_on(next, left, cancel.as_ref());
        let media = match step {
            Ok(Step::Told(told)) => {
                tell(told);
                continue;
            }
            Ok(Step::Done(media)) => Ok(media),
            Err(error) => Err(error),
        };
        // The last that was confirmed must not be lost by a failure.
        while let Ok(told) = told.try_recv() {
            tell(told);
        }
        return media;
    }
}
