//! Pico's alpha APIs: media that is uploaded in one request and in chunks, interrupted and resumed, and work instructions.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pico_erp::alpha::{
    Destination, MediaUpload, ProcessCreate, ProductCreate, StationCreate, UploadMode, UploadTicket,
    WorkAction, WorkProcess, WorkStep,
};
use pico_erp::{Backoff, Client, Error, ErrorKind, Json, Proxy, RetryPolicy, Token};
use pico_erp_sandbox::{Config, Fault, FaultKind, Faults, Sandbox};
use tempfile::TempDir;

use crate::scripted::{Server, Step, reply};
use crate::waiting::within;

const TOKEN: &str = "s3cret-token";
const CHUNK: u64 = 10_000;

async fn sandbox() -> Sandbox {
    Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap()
}

fn client(endpoint: &str, max_attempts: u32) -> Client {
    let backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(1) };
    Client::builder(endpoint)
        .token(Token::fixed(TOKEN))
        .proxy(Proxy::None)
        .retry(RetryPolicy { max_attempts, backoff, ..RetryPolicy::default() })
        .build()
        .unwrap()
}

/// A file that begins with `start`, and goes on in a way that no two chunks of it are alike.
fn file(name: &str, start: &[u8], length: usize) -> (TempDir, PathBuf, Vec<u8>) {
    let mut bytes: Vec<u8> = (0..length as u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    bytes[..start.len()].copy_from_slice(start);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, &bytes).unwrap();
    (folder, path, bytes)
}

fn video(length: usize) -> (TempDir, PathBuf, Vec<u8>) {
    file("step 1.mp4", b"\0\0\0\x18ftypmp42", length)
}

fn chunked(path: &PathBuf) -> MediaUpload {
    MediaUpload::file(path, Destination::StepVideo).mode(UploadMode::Chunked).chunk_bytes(CHUNK)
}

/// What a progress function was told: the bytes sent, and the newest ticket as JSON.
#[derive(Default)]
struct Told {
    sent: Vec<u64>,
    ticket: Option<String>,
}

fn told(upload: MediaUpload) -> (MediaUpload, Arc<Mutex<Told>>) {
    let told = Arc::new(Mutex::new(Told::default()));
    let tell = Arc::clone(&told);
    let upload = upload.on_progress(move |progress| {
        let mut told = tell.lock().unwrap();
        told.sent.push(progress.sent);
        if let Some(ticket) = progress.ticket {
            told.ticket = Some(ticket.to_json().unwrap().as_str().to_owned());
        }
    });
    (upload, told)
}

fn ticket(told: &Mutex<Told>) -> UploadTicket {
    UploadTicket::from_json(told.lock().unwrap().ticket.as_ref().expect("a ticket was told")).unwrap()
}

#[tokio::test]
async fn a_small_file_travels_in_one_request() {
    let sandbox = sandbox().await;
    let (_folder, path, bytes) = file("step1.jpg", b"\xff\xd8\xff\xe0", 300_000);
    let (upload, told) = told(MediaUpload::file(&path, Destination::StepImage));
    let media = within(client(&sandbox.endpoint(), 1).upload_media(&upload)).await.unwrap();
    let kept = &sandbox.media()[0];
    assert_eq!(media.path, kept.path);
    assert_eq!((kept.file_name.as_str(), kept.chunks, sandbox.requests()), ("step1.jpg", 0, 1));
    assert!(kept.content == bytes, "the file came as it was");
    let told = told.lock().unwrap();
    assert!(told.sent.is_sorted() && told.sent.last() == Some(&300_000), "{:?}", told.sent);
    assert!(told.ticket.is_none());
}

#[tokio::test]
async fn a_large_file_travels_in_chunks_by_itself() {
    let sandbox = sandbox().await;
    let (_folder, path, bytes) = video(10_000_000);
    let (upload, told) = told(MediaUpload::file(&path, Destination::StepVideo).file_name("other.mp4"));
    within(client(&sandbox.endpoint(), 1).upload_media(&upload)).await.unwrap();
    let kept = &sandbox.media()[0];
    assert_eq!((kept.file_name.as_str(), kept.chunks, sandbox.requests()), ("other.mp4", 2, 3));
    assert!(kept.content == bytes, "the file came as it was");
    let sent = &told.lock().unwrap().sent;
    assert!(sent.is_sorted() && sent.len() > 4 && sent.last() == Some(&10_000_000), "{sent:?}");
}

#[tokio::test]
async fn a_chunk_that_fails_for_a_passing_cause_is_sent_again_alone() {
    let sandbox = sandbox().await;
    let (_folder, path, bytes) = video(35_000);
    sandbox.set_faults(
        Faults::new()
            .with(Fault::refuse_upload(Some(1), 500).times(1))
            .with(Fault::cut_upload(Some(2), 100).times(2)),
    );
    within(client(&sandbox.endpoint(), 4).upload_media(&chunked(&path))).await.unwrap();
    assert!(sandbox.media()[0].content == bytes, "the file came as it was");
    assert_eq!(sandbox.requests(), 1 + 4 + 3, "to open it, for each chunk, and again");
}

#[tokio::test]
async fn an_interrupted_upload_is_resumed_by_another_client() {
    let sandbox = sandbox().await;
    let (_folder, path, bytes) = video(45_000);
    sandbox.set_faults(Fault::cut_upload(Some(2), 5_000).times(1));
    let (upload, told) = told(chunked(&path));
    let error = within(client(&sandbox.endpoint(), 1).upload_media(&upload)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert!(sandbox.media().is_empty());
    let ticket = ticket(&told);
    assert_eq!((ticket.confirmed_bytes(), ticket.file_bytes()), (20_000, 45_000));

    // A copy will do, under any name.
    let moved = path.with_file_name("moved.bin");
    std::fs::rename(&path, &moved).unwrap();
    let before = sandbox.requests();
    let resumed = MediaUpload::resume(&moved, ticket);
    let media = within(client(&sandbox.endpoint(), 1).upload_media(&resumed)).await.unwrap();
    assert_eq!(sandbox.requests() - before, 3, "only what was missing");
    assert_eq!(sandbox.media()[0].path, media.path);
    assert!(sandbox.media()[0].content == bytes, "the file came as it was");
}

#[tokio::test]
async fn a_lost_reply_to_the_last_chunk_is_asked_for_again() {
    let sandbox = Arc::new(sandbox().await);
    let (_folder, path, _) = video(25_000);
    let breaks = Arc::clone(&sandbox);
    let newest = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&newest);
    let upload = chunked(&path).on_progress(move |progress| {
        if let Some(ticket) = progress.ticket {
            if ticket.confirmed_bytes() == 20_000 && progress.sent == 20_000 {
                breaks.set_faults(Fault::new(FaultKind::CutAfter).times(1));
            }
            *keep.lock().unwrap() = Some(ticket.clone());
        }
    });
    within(client(&sandbox.endpoint(), 1).upload_media(&upload)).await.unwrap_err();
    assert_eq!(sandbox.media().len(), 1, "it was carried out");
    let ticket = newest.lock().unwrap().clone().unwrap();
    let resumed = MediaUpload::resume(&path, ticket);
    let media = within(client(&sandbox.endpoint(), 1).upload_media(&resumed)).await.unwrap();
    assert_eq!((sandbox.media().len(), &sandbox.media()[0].path), (1, &media.path));
}

#[tokio::test]
async fn a_dropped_upload_sends_nothing_more_and_can_be_resumed() {
    let sandbox = sandbox().await;
    let (_folder, path, bytes) = video(25_000);
    let halfway = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&halfway);
    let newest = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&newest);
    let upload = chunked(&path).on_progress(move |progress| {
        *keep.lock().unwrap() = progress.ticket.cloned();
        if progress.sent >= 10_000 {
            notify.notify_one();
        }
    });
    let client = client(&sandbox.endpoint(), 1);
    tokio::select! {
        biased;
        () = halfway.notified() => {}
        done = client.upload_media(&upload) => panic!("{done:?}"),
    }
    assert!(sandbox.media().is_empty());
    let ticket = newest.lock().unwrap().clone().unwrap();
    within(client.upload_media(&MediaUpload::resume(&path, ticket))).await.unwrap();
    assert!(sandbox.media()[0].content == bytes, "the file came as it was");
}

#[tokio::test]
async fn a_ticket_of_another_file_or_another_pico_is_refused() {
    let sandbox = sandbox().await;
    let (_folder, path, mut bytes) = video(25_000);
    sandbox.set_faults(Fault::refuse_upload(Some(1), 400).times(1));
    let (upload, told) = told(chunked(&path));
    let client = client(&sandbox.endpoint(), 1);
    within(client.upload_media(&upload)).await.unwrap_err();
    let (ticket, before) = (ticket(&told), sandbox.requests());

    let elsewhere = MediaUpload::resume(&path, ticket.clone()).uploads_url("http://127.0.0.1:9/uploads");
    let error = within(client.upload_media(&elsewhere)).await.unwrap_err();
    assert!(error.to_string().starts_with("ticket: is of an upload to"), "{error}");
    bytes[20_000] ^= 1;
    for changed in [bytes.clone(), bytes[..24_999].to_vec()] {
        std::fs::write(&path, changed).unwrap();
        let error =
            within(client.upload_media(&MediaUpload::resume(&path, ticket.clone()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().starts_with("file: is not the one"), "{error}");
    }
    assert_eq!(sandbox.requests(), before, "nothing was sent");
}

#[tokio::test]
async fn a_file_that_is_changed_while_it_is_sent_is_no_upload() {
    let sandbox = sandbox().await;
    let (_folder, path, _) = video(25_000);
    let change = path.clone();
    let upload = chunked(&path).on_progress(move |progress| {
        if progress.ticket.is_some_and(|ticket| ticket.confirmed_bytes() == 10_000) {
            std::fs::write(&change, b"\0\0\0\x18ftypmp42, and short").unwrap();
        }
    });
    let error = within(client(&sandbox.endpoint(), 4).upload_media(&upload)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("was changed while it was sent"), "{error}");
    assert!(sandbox.media().is_empty());
}

#[tokio::test]
async fn what_pico_would_refuse_is_refused_before_anything_is_sent() {
    let sandbox = sandbox().await;
    let client = client(&sandbox.endpoint(), 1);
    let (_folder, gif, _) = file("a.jpg", b"GIF89a", 100);
    let (_other, png, _) = file("b.png", b"\x89PNG\r\n\x1a\n", 1_000);
    let image = |path: &PathBuf| MediaUpload::file(path, Destination::StepImage);
    for (upload, says) in [
        (image(&gif), "file: is a GIF, but stepImage takes JPEG or PNG"),
        (image(&png).max_bytes(Some(999)), "file: has 1000 bytes, but stepImage takes 999 at most"),
        (image(&png).chunk_bytes(0), "chunk_bytes: must be"),
        (image(&png.with_file_name("none.png")), "file: "),
        (MediaUpload::file(&png, Destination::Other(String::new())), "destination: is empty"),
    ] {
        let error = within(client.upload_media(&upload)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().starts_with(says), "{error}");
    }
    assert_eq!(sandbox.requests(), 0);
    // And what Pico itself refuses says why.
    let poster = MediaUpload::file(&png, Destination::Other("poster".into()));
    let error = within(client.upload_media(&poster)).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::HttpStatus, Some(400)));
    assert!(error.to_string().contains("destinationId: `poster` is none of"), "{error}");
}

#[tokio::test]
async fn an_upload_that_pico_has_forgotten_says_what_to_do() {
    let first = sandbox().await;
    let (_folder, path, _) = video(25_000);
    first.set_faults(Fault::refuse_upload(Some(1), 400).times(1));
    let (upload, told) = told(chunked(&path));
    within(client(&first.endpoint(), 1).upload_media(&upload)).await.unwrap_err();
    // Another sandbox at the same address knows nothing of it.
    let listen = first.addr();
    first.shutdown().await;
    let second =
        Sandbox::start(Config { listen, token: Some(TOKEN.into()), ..Config::default() }).await.unwrap();
    let resumed = MediaUpload::resume(&path, ticket(&told));
    let error = within(client(&second.endpoint(), 1).upload_media(&resumed)).await.unwrap_err();
    assert_eq!(error.http_status(), Some(404));
    assert!(error.to_string().contains("start it anew without the ticket"), "{error}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_a_timeout() {
    let server = Server::start(vec![vec![Step::Silence]]).await;
    let (_folder, path, _) = file("a.png", b"\x89PNG\r\n\x1a\n", 100);
    let client = Client::builder(server.endpoint())
        .proxy(Proxy::None)
        .request_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error =
        within(client.upload_media(&MediaUpload::file(&path, Destination::StepImage))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn the_token_is_sent_with_uploads_and_never_in_an_error() {
    let (_folder, path, _) = file("a.png", b"\x89PNG\r\n\x1a\n", 100);
    let upload = MediaUpload::file(&path, Destination::StepImage);
    let body = format!(r#"{{"error":"the token {TOKEN} is not good"}}"#);
    let check = |error: &Error| {
        assert!(!format!("{error} {error:?} {:?}", error.body_start()).contains(TOKEN), "{error:?}");
    };
    for status in ["401 Unauthorized", "500 Internal Server Error", "200 OK"] {
        let server = Server::start(vec![reply(status, "application/json", &body)]).await;
        check(&within(client(&server.endpoint(), 1).upload_media(&upload)).await.unwrap_err());
        assert!(server.requests()[0].contains(&format!("x-pico-api-org: {TOKEN}")), "the token was sent");
    }
    let sandbox = sandbox().await;
    sandbox.revoke_token();
    let error = within(client(&sandbox.endpoint(), 4).upload_media(&upload)).await.unwrap_err();
    assert_eq!((error.kind(), sandbox.requests()), (ErrorKind::Unauthorized, 1));
    check(&error);
}

#[tokio::test]
async fn an_upload_in_one_request_is_not_sent_twice() {
    let sandbox = sandbox().await;
    let (_folder, path, _) = file("a.png", b"\x89PNG\r\n\x1a\n", 100);
    sandbox.set_faults(Fault::new(FaultKind::CutAfter).times(1));
    let upload = MediaUpload::file(&path, Destination::StepImage);
    within(client(&sandbox.endpoint(), 4).upload_media(&upload)).await.unwrap_err();
    assert_eq!((sandbox.requests(), sandbox.media().len()), (1, 1));
}

#[tokio::test]
async fn the_requests_have_the_documented_form_and_what_is_assumed_can_be_changed() {
    let (_folder, path, _) = file("a.png", b"\x89PNG\r\n\x1a\n", 100);
    let ok = |body: &str| reply("200 OK", "application/json", body);
    let server = Server::start(vec![
        ok(r#"{"id":"u 1"}"#),
        ok(r#"{"streamId":"u 1","chunkIndex":0}"#),
        ok(r#"{"streamId":"u 1","chunkIndex":1,"path":"/api/v1/images/a.png"}"#),
    ])
    .await;
    let upload = MediaUpload::file(&path, Destination::StepImage)
        .mode(UploadMode::Chunked)
        .chunk_bytes(60)
        .uploads_url(format!("http://{}/base/uploads", server.address))
        .open_fields(&Json::new(r#"{"name":"n","fileSize":null}"#).unwrap())
        .unwrap();
    let media = within(client(&server.endpoint(), 1).upload_media(&upload)).await.unwrap();
    assert_eq!(media.path, "/api/v1/images/a.png");
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /base/uploads HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains(r#""destinationId":"stepImage""#) && requests[0].contains(r#""name":"n""#));
    assert!(!requests[0].contains("fileSize"), "{}", requests[0]);
    for (index, request) in requests[1..].iter().enumerate() {
        assert!(request.starts_with("PATCH /base/uploads/u%201 HTTP/1.1\r\n"), "{request}");
        for part in [
            format!("name=\"chunkIndex\"\r\n\r\n{index}\r\n"),
            "name=\"totalChunks\"\r\n\r\n2\r\n".to_owned(),
            "name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n".to_owned(),
        ] {
            assert!(request.to_ascii_lowercase().contains(&part.to_ascii_lowercase()), "{part} {request}");
        }
    }
}

#[tokio::test]
async fn a_process_is_created_then_overwritten() {
    let sandbox = sandbox().await;
    let client = client(&sandbox.endpoint(), 1);
    let image = Json::new(r#"{"path":"/api/v1/images/a.jpg"}"#).unwrap();
    let process = |name: &str| {
        let step = WorkStep::new("step_1", "Cover")
            .instruction("Fit it.")
            .action(WorkAction::new("action_1").description("fitted"))
            .extra("image", &image)
            .unwrap();
        ProcessCreate::new(WorkProcess::new("Assembly_1", name).step(step))
    };
    let given = within(client.process_create(&process("first"))).await.unwrap();
    assert_eq!(given.as_str(), "\"assembly_1\"");
    // A lost reply does no harm: it is the same once more.
    sandbox.set_faults(Fault::new(FaultKind::CutAfter).times(1));
    within(self::client(&sandbox.endpoint(), 2).process_create(&process("second"))).await.unwrap();
    let kept = sandbox.work_instructions();
    assert_eq!((kept.len(), kept[0].kind.as_str(), kept[0].writes), (1, "process", 3));
    assert_eq!(kept[0].input["process"]["name"], "second");
    assert_eq!(kept[0].input["process"]["steps"][0]["image"]["path"], "/api/v1/images/a.jpg");
}

#[tokio::test]
async fn products_and_stations_are_created_from_json() {
    let sandbox = sandbox().await;
    let client = client(&sandbox.endpoint(), 1);
    let json = |text: &'static str| Json::new(text).unwrap();
    let product = ProductCreate::from_json(json(r#"{"product":{"id":"prod_1","any":1.50}}"#)).unwrap();
    within(client.product_create(&product)).await.unwrap();
    let station = StationCreate::from_json(json(r#"{"id":"station_1"}"#)).unwrap();
    within(client.station_create(&station)).await.unwrap();
    let kept: Vec<_> = sandbox.work_instructions().into_iter().map(|one| (one.kind, one.id)).collect();
    let expected = [("product", "prod_1"), ("station", "station_1")];
    assert_eq!(kept, expected.map(|(kind, id)| (kind.to_owned(), id.to_owned())));

    let error = within(client.station_create(&station.input_type("StationInput"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Graphql, "{error}");
}

#[tokio::test]
async fn an_id_that_pico_would_refuse_is_named_by_its_place_and_nothing_is_sent() {
    let sandbox = sandbox().await;
    let client = client(&sandbox.endpoint(), 1);
    let step = |id: &str, action: &str| WorkStep::new(id, "s").action(WorkAction::new(action));
    for (process, place) in [
        (WorkProcess::new("a-b", "n"), "process.id: "),
        (
            WorkProcess::new("abc", "n").step(step("ok_1", "ok_1")).step(step("s2", "ok_1")),
            "process.steps[1].id: ",
        ),
        (WorkProcess::new("abc", "n").step(step("ok_1", "é")), "process.steps[0].actions[0].id: "),
    ] {
        let error = within(client.process_create(&ProcessCreate::new(process))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().starts_with(place), "{error}");
    }
    let product = ProductCreate::from_json(Json::new(r#"{"parts":[{"id":"x y"}]}"#).unwrap()).unwrap();
    let error = within(client.product_create(&product)).await.unwrap_err();
    assert!(error.to_string().starts_with("parts[0].id: "), "{error}");
    assert_eq!(sandbox.requests(), 0);
}
