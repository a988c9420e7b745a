//! `/uploads` over HTTP: one file in a form, or a stream of chunks; and the media that came of it. Faults first, then the
//! token, as for GraphQL. What is taken is decided in `uploads`.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use bytes::{Bytes, BytesMut};
use serde_json::{Value as Json, json};

use crate::faults::FaultKind;
use crate::http::{LARGEST_REQUEST, Site, html_reply, json_reply, status_reply};
use crate::uploads::{Refusal, SINGLE_LIMIT};
use crate::wire::Connection;

type Shared = State<Arc<Site>>;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/uploads", post(upload))
        .route("/uploads/{id}", patch(chunk))
        .route("/api/v1/{folder}/{name}", get(media))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
}

/// The fields of a form.
#[derive(Default)]
struct Form {
    destination: Option<String>,
    index: Option<u64>,
    total: Option<u64>,
    file: Option<(String, Bytes)>,
}

async fn upload(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
) -> Response {
    with_faults(&site, connection, request, async |site, connection, request| {
        let form = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            value.to_str().is_ok_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"))
        });
        if !form {
            return open(site, request).await;
        }
        let form = read_form(site, connection, request).await?;
        let destination = form.destination.ok_or_else(|| missing("destinationId"))?;
        let (name, content) = form.file.ok_or_else(|| missing("file"))?;
        let path = site.floor.change(|state| state.uploads.whole(&destination, &name, content))?;
        Ok(json!({ "path": path }))
    })
    .await
}

async fn open(site: &Site, request: Request<Body>) -> Result<Json, Refusal> {
    let body = to_bytes(request.into_body(), LARGEST_REQUEST).await;
    let body: Json = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok())
        .ok_or_else(|| Refusal(400, "the body is neither a form nor JSON".to_owned()))?;
    let destination = body["destinationId"].as_str().ok_or_else(|| missing("destinationId"))?;
    let name = body["fileName"].as_str().unwrap_or("file");
    let id = site.floor.change(|state| state.uploads.open(destination, name))?;
    Ok(json!({ "streamId": id }))
}

async fn chunk(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Response {
    with_faults(&site, connection, request, async |site, connection, request| {
        let form = read_form(site, connection, request).await?;
        let index = form.index.ok_or_else(|| missing("chunkIndex"))?;
        let total = form.total.ok_or_else(|| missing("totalChunks"))?;
        let (_, content) = form.file.ok_or_else(|| missing("file"))?;
        let path = site.floor.change(|state| state.uploads.chunk(&id, index, total, content))?;
        let mut reply = json!({ "streamId": id, "chunkIndex": index });
        if let Some(path) = path {
            reply["path"] = json!(path);
        }
        Ok(reply)
    })
    .await
}

/// Media that was uploaded. Pico documents the paths, and not that they can be fetched.
async fn media(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
) -> Response {
    connection.serves_control(false);
    if !site.admits(Site::token_of(request.headers())) {
        return site.refuse_token();
    }
    let path = request.uri().path();
    let found = site
        .floor
        .read(|state| state.uploads.media().iter().find(|it| it.path == path).map(|it| it.content.clone()));
    match found {
        Some(content) => ([(CONTENT_TYPE, "application/octet-stream")], content).into_response(),
        None => refused(&Refusal(404, format!("no media at {path}"))),
    }
}

/// Lets go wrong what is set to go wrong, refuses a wrong token, and else does what was asked for.
async fn with_faults(
    site: &Arc<Site>,
    connection: Connection,
    request: Request<Body>,
    act: impl AsyncFnOnce(&Arc<Site>, &Connection, Request<Body>) -> Result<Json, Refusal>,
) -> Response {
    site.floor.count_request();
    connection.serves_control(false);
    tokio::time::sleep(site.faults.take_delay()).await;
    let fault = site.faults.take(|kind| {
        matches!(
            kind,
            FaultKind::Status { .. }
                | FaultKind::Html
                | FaultKind::Hang
                | FaultKind::CutBefore
                | FaultKind::CutAfter
        )
    });
    match fault {
        Some(FaultKind::Status { status, retry_after }) => {
            // Read first, for a client that is still sending would see a reset instead of the status.
            let _ = to_bytes(request.into_body(), LARGEST_REQUEST).await;
            return status_reply(status, retry_after);
        }
        Some(FaultKind::Html) => return html_reply(),
        Some(FaultKind::Hang) => std::future::pending().await,
        Some(FaultKind::CutBefore) => {
            let _ = to_bytes(request.into_body(), LARGEST_REQUEST).await;
            connection.cut();
            return std::future::pending().await;
        }
        _ => {}
    }
    if !site.admits(Site::token_of(request.headers())) {
        let _ = to_bytes(request.into_body(), LARGEST_REQUEST).await;
        return site.refuse_token();
    }
    let done = act(site, &connection, request).await;
    if fault == Some(FaultKind::CutAfter) {
        connection.cut();
        return std::future::pending().await;
    }
    match done {
        Ok(reply) => json_reply(StatusCode::OK, &reply),
        Err(refusal) => refused(&refusal),
    }
}

async fn read_form(site: &Site, connection: &Connection, request: Request<Body>) -> Result<Form, Refusal> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Refusal(error.status().as_u16(), format!("the form cannot be read: {}", error.body_text()))
    };
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| Refusal(400, format!("the form cannot be read: {}", error.body_text())))?;
    let mut form = Form::default();
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        match part.name().unwrap_or_default() {
            "destinationId" => form.destination = Some(part.text().await.map_err(broken)?),
            "chunkIndex" => form.index = Some(number("chunkIndex", &part.text().await.map_err(broken)?)?),
            "totalChunks" => form.total = Some(number("totalChunks", &part.text().await.map_err(broken)?)?),
            "file" => {
                let name = part.file_name().unwrap_or("file").to_owned();
                // The fields before the file say which chunk it is.
                let wanted = |chunk: &Option<u64>| chunk.is_none() || *chunk == form.index;
                let cut = match site.faults.take(|kind| match kind {
                    FaultKind::CutUpload { chunk, .. } => wanted(chunk),
                    _ => false,
                }) {
                    Some(FaultKind::CutUpload { bytes, .. }) => Some(bytes),
                    _ => None,
                };
                let mut content = BytesMut::new();
                while let Some(piece) = part.chunk().await.map_err(broken)? {
                    // What is too large is read on, for a client that still sends would see a reset instead of the refusal.
                    if content.len() <= SINGLE_LIMIT {
                        content.extend_from_slice(&piece);
                    }
                    if cut.is_some_and(|bytes| content.len() as u64 >= bytes) {
                        break;
                    }
                }
                if cut.is_some() {
                    connection.cut();
                    std::future::pending::<()>().await;
                }
                if content.len() > SINGLE_LIMIT {
                    return Err(Refusal(413, "file: is too large for one request".to_owned()));
                }
                let refuse = site.faults.take(|kind| match kind {
                    FaultKind::RefuseUpload { chunk, .. } => wanted(chunk),
                    _ => false,
                });
                if let Some(FaultKind::RefuseUpload { status, .. }) = refuse {
                    return Err(Refusal(status, "the sandbox refuses this on purpose".to_owned()));
                }
                form.file = Some((name, content.freeze()));
            }
            // What Pico does with others is not documented.
            _ => {
                part.bytes().await.map_err(broken)?;
            }
        }
    }
    Ok(form)
}

fn number(field: &str, text: &str) -> Result<u64, Refusal> {
    text.trim().parse().map_err(|_| Refusal(400, format!("{field}: must be a whole number from 0")))
}

fn missing(field: &str) -> Refusal {
    Refusal(400, format!("{field}: is required"))
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.0).unwrap_or(StatusCode::BAD_REQUEST);
    json_reply(status, &json!({ "error": refusal.1 }))
}
