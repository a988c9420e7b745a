//! `pico-erp alpha`: Pico's alpha APIs, media upload and work instructions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pico_erp::Json;
use pico_erp::alpha::{MediaUpload, ProcessCreate, ProductCreate, StationCreate, UploadMode, UploadTicket};

use crate::alpha_args::{Alpha, AlphaUpload, CreateFrom};
use crate::args::Connection;
use crate::calls::client;
use crate::exit::Failure;
use crate::output::{json_line, line, value};
use crate::progress::Bar;

pub(crate) async fn run(connection: &Connection, command: Alpha) -> Result<(), Failure> {
    match command {
        Alpha::Upload(command) => upload(connection, command).await,
        Alpha::Process(CreateFrom::Create { file }) => {
            let process = ProcessCreate::from_json(input(&file)?)?;
            created(connection, client(connection)?.process_create(&process).await?)
        }
        Alpha::Product(CreateFrom::Create { file }) => {
            let product = ProductCreate::from_json(input(&file)?)?;
            created(connection, client(connection)?.product_create(&product).await?)
        }
        Alpha::Station(CreateFrom::Create { file }) => {
            let station = StationCreate::from_json(input(&file)?)?;
            created(connection, client(connection)?.station_create(&station).await?)
        }
    }
}

async fn upload(connection: &Connection, command: AlphaUpload) -> Result<(), Failure> {
    let client = client(connection)?;
    let kept = command.resume.as_deref().map(kept).transpose()?.flatten();
    let mut upload = match kept {
        Some(ticket) => {
            command.destination.map_or(Ok(()), |wanted| ticket.check_destination(&wanted))?;
            MediaUpload::resume(&command.file, ticket)
        }
        None => {
            let destination = command.destination.ok_or_else(|| {
                Failure::usage(
                    "no destination; give --destination, such as stepImage, stepVideo or stepVideoGif",
                )
            })?;
            let Ok(destination) = destination.parse();
            // Only an upload in chunks can be resumed.
            let mode = match command.mode {
                Some(mode) => mode.into(),
                None if command.resume.is_some() => UploadMode::Chunked,
                None => UploadMode::Auto,
            };
            MediaUpload::file(&command.file, destination).mode(mode)
        }
    };
    if let Some(bytes) = command.chunk_bytes {
        upload = upload.chunk_bytes(bytes);
    }
    if let Some(url) = command.uploads_url {
        upload = upload.uploads_url(url);
    }
    let length = fs::metadata(&command.file).map_or(0, |metadata| metadata.len());
    let bar = Arc::new(Bar::new("uploading", length, connection.json));
    let keeping = command.resume.clone().map(|path| Keeping { path, last: None, failed: None });
    let keeping = Arc::new(Mutex::new(keeping));
    let (progress, keeper) = (Arc::clone(&bar), Arc::clone(&keeping));
    upload = upload.on_progress(move |now| {
        progress.set(now.sent);
        if let Some(keeping) = keeper.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            keeping.keep(now.ticket);
        }
    });
    let uploaded = tokio::select! {
        uploaded = client.upload_media(&upload) => uploaded.map_err(Failure::from),
        _ = tokio::signal::ctrl_c() => Err(Failure::other("stopped")),
    };
    bar.end();
    let keeping = keeping.lock().unwrap_or_else(PoisonError::into_inner).take();
    match uploaded {
        Ok(media) if connection.json => value(&serde_json::json!({ "path": media.path }))?,
        Ok(media) => line(&media.path)?,
        Err(failure) => {
            match keeping {
                Some(Keeping { path, failed: Some(error), .. }) => {
                    anstream::eprintln!("--resume {}: {error}", path.display());
                }
                Some(Keeping { path, last: Some(_), .. }) => {
                    anstream::eprintln!("run it again with --resume {} to go on", path.display());
                }
                _ => {}
            }
            return Err(failure);
        }
    }
    // There is nothing to go on with any more.
    keeping.map_or(Ok(()), |keeping| remove(&keeping.path))
}

/// The ticket in a file; none when there is no file yet.
fn kept(path: &Path) -> Result<Option<UploadTicket>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(UploadTicket::from_json(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("--resume {}: {error}", path.display()))),
    }
}

/// Keeps the newest ticket in a file.
struct Keeping {
    path: PathBuf,
    last: Option<UploadTicket>,
    failed: Option<io::Error>,
}

impl Keeping {
    fn keep(&mut self, ticket: Option<&UploadTicket>) {
        let Some(ticket) = ticket.filter(|ticket| self.last.as_ref() != Some(*ticket)) else { return };
        self.last = Some(ticket.clone());
        let Ok(json) = ticket.to_json() else { return };
        // Beside it first: a crash while it is written must not cost the ticket that was there.
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let written = fs::write(&beside, json.as_bytes()).and_then(|()| fs::rename(&beside, &self.path));
        self.failed = written.err();
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The input of a mutation, from a file.
fn input(file: &Path) -> Result<Json, Failure> {
    let text = fs::read(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Json::new(text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// What Pico gave is not documented: it is printed as it came.
fn created(connection: &Connection, given: Json) -> Result<(), Failure> {
    if connection.json {
        return json_line(&given);
    }
    line(&format!("created or overwritten: {given}"))
}
