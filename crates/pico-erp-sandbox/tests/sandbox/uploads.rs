//! The alpha APIs as a client meets them: media in one request and in chunks, faults of uploads, and work instructions.

use pico_erp_sandbox::{Config, Fault, FaultKind, Sandbox};
use serde_json::{Value as Json, json};

use crate::client::{control, example, graphql, http, post_json, send, start, start_with};

const GIF: &[u8] = b"GIF89a, and what follows";

/// A form with these fields, and a file after them.
fn form(request: reqwest::RequestBuilder, fields: &[(&str, &str)], file: &[u8]) -> reqwest::RequestBuilder {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--XX--\r\n");
    request.header("content-type", "multipart/form-data; boundary=XX").body(body)
}

fn single(sandbox: &Sandbox, destination: &str) -> reqwest::RequestBuilder {
    form(http().post(format!("{}/uploads", sandbox.url())), &[("destinationId", destination)], GIF)
}

fn chunk(sandbox: &Sandbox, id: &str, index: &str, file: &[u8]) -> reqwest::RequestBuilder {
    let request = http().patch(format!("{}/uploads/{id}", sandbox.url()));
    form(request, &[("chunkIndex", index), ("totalChunks", "3")], file)
}

async fn open(sandbox: &Sandbox) -> String {
    let body = json!({ "destinationId": "stepVideoGif", "fileName": "a.gif" });
    let (status, reply) = send(post_json(format!("{}/uploads", sandbox.url()), &body)).await;
    assert_eq!(status, 200, "{reply}");
    reply["streamId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_in_one_request_gets_a_path_it_can_be_fetched_from() {
    let sandbox = start().await;
    let (status, reply) = send(single(&sandbox, "stepVideoGif")).await;
    let path = reply["path"].as_str().unwrap();
    assert!(status == 200 && path.starts_with("/api/v1/videos/"), "{reply}");
    let fetched = http().get(format!("{}{path}", sandbox.url())).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), GIF);
    let (_, listed) = control(&sandbox, "GET", "media", None).await;
    assert_eq!(
        listed,
        json!([{ "path": path, "destinationId": "stepVideoGif", "fileName": "a.gif", "bytes": GIF.len(), "chunks": 0 }])
    );
    assert_eq!(send(http().get(format!("{}/api/v1/videos/none", sandbox.url()))).await.0, 404);
}

#[tokio::test]
async fn chunks_are_taken_as_documented() {
    let sandbox = start().await;
    let id = open(&sandbox).await;
    let expected = |name: &str, index: u64| {
        let mut reply = example(name);
        (reply["streamId"], reply["chunkIndex"]) = (json!(id), json!(index));
        reply
    };
    let first = send(chunk(&sandbox, &id, "0", &GIF[..8])).await;
    assert_eq!(first, (200, expected("assumed-upload-chunk.response", 0)));
    send(chunk(&sandbox, &id, "1", &GIF[8..16])).await;
    let (_, mut last) = send(chunk(&sandbox, &id, "2", &GIF[16..])).await;
    assert!(last["path"].is_string(), "{last}");
    let documented = expected("assumed-upload-chunk-last.response", 2);
    last["path"] = documented["path"].clone();
    assert_eq!(last, documented);
    assert_eq!(sandbox.media()[0].content, GIF);
}

#[tokio::test]
async fn what_is_refused_says_which_field() {
    let sandbox = start().await;
    let id = open(&sandbox).await;
    let uploads = || format!("{}/uploads", sandbox.url());
    for (request, status, says) in [
        (single(&sandbox, "stepImage"), 415, "file: is no JPEG or PNG"),
        (single(&sandbox, "poster"), 400, "destinationId: "),
        (form(http().post(uploads()), &[], GIF), 400, "destinationId: is required"),
        (post_json(uploads(), &json!({})), 400, "destinationId: is required"),
        (http().post(uploads()).body("x"), 400, "neither a form nor JSON"),
        (chunk(&sandbox, "other", "0", GIF), 404, "no upload stream"),
        (chunk(&sandbox, &id, "3", GIF), 400, "chunkIndex: must be below"),
        (chunk(&sandbox, &id, "one", GIF), 400, "chunkIndex: must be a whole number"),
        (form(http().patch(format!("{}/{id}", uploads())), &[], GIF), 400, "chunkIndex: is required"),
    ] {
        let (got, reply) = send(request).await;
        assert_eq!(got, status, "{reply}");
        assert!(reply["error"].as_str().unwrap().contains(says), "{reply}");
    }
    let large = form(http().post(uploads()), &[("destinationId", "stepVideo")], &vec![0; 20_000_000]);
    let (status, reply) = send(large).await;
    assert!(status == 413 && reply["error"].as_str().unwrap().starts_with("file: "), "{status} {reply}");
    assert!(sandbox.media().is_empty());
}

#[tokio::test]
async fn uploads_ask_for_the_token() {
    let sandbox = start_with(Config { token: Some("secret".into()), ..Config::default() }).await;
    assert_eq!(send(single(&sandbox, "stepVideoGif")).await.0, 401);
    let with = single(&sandbox, "stepVideoGif").header("x-pico-api-org", "secret");
    let (status, reply) = send(with).await;
    assert_eq!(status, 200);
    let url = format!("{}{}", sandbox.url(), reply["path"].as_str().unwrap());
    assert_eq!(send(http().get(url)).await.0, 401);
}

#[tokio::test]
async fn faults_break_an_upload_or_one_chunk_of_it() {
    let sandbox = start().await;
    let id = open(&sandbox).await;
    let faults = json!([
        { "kind": "cut_upload", "chunk": 1, "bytes": 4, "times": 1 },
        { "kind": "refuse_upload", "chunk": 2, "status": 500, "times": 1 },
    ]);
    let (status, listed) = control(&sandbox, "POST", "faults", Some(faults.clone())).await;
    assert_eq!((status, listed), (200, faults));
    assert_eq!(send(chunk(&sandbox, &id, "0", &GIF[..8])).await.0, 200);
    assert!(chunk(&sandbox, &id, "1", &GIF[8..16]).send().await.is_err(), "the connection was cut");
    assert_eq!(send(chunk(&sandbox, &id, "1", &GIF[8..16])).await.0, 200);
    assert_eq!(send(chunk(&sandbox, &id, "2", &GIF[16..])).await.0, 500);
    assert_eq!(send(chunk(&sandbox, &id, "2", &GIF[16..])).await.0, 200);
    assert_eq!(sandbox.media()[0].content, GIF);

    sandbox.set_faults(Fault::status(503).times(1));
    assert_eq!(send(single(&sandbox, "stepVideoGif")).await.0, 503);
    sandbox.set_faults(Fault::new(FaultKind::CutAfter).times(1));
    assert!(single(&sandbox, "stepVideoGif").send().await.is_err());
    assert_eq!(sandbox.media().len(), 2, "it was carried out");
    let (status, reply) =
        control(&sandbox, "POST", "faults", Some(json!({ "kind": "hang", "chunk": 1 }))).await;
    assert!(status == 400 && reply["error"].as_str().unwrap().starts_with("chunk: "), "{reply}");
}

#[tokio::test]
async fn work_instructions_are_created_and_listed() {
    let sandbox = start().await;
    let request = example("process-create.request");
    assert_eq!(
        graphql(&sandbox, &request).await,
        (200, json!({ "data": { "processCreate": "assembly_step_1" } }))
    );
    let create = |field: &str, ty: &str, input: Json| {
        json!({
            "query": format!("mutation($input: {ty}!) {{ {field}(input: $input) }}"),
            "variables": { "input": input },
        })
    };
    graphql(&sandbox, &create("productCreate", "ProductCreateInput", json!({ "product": { "id": "abc" } })))
        .await;
    graphql(&sandbox, &create("stationCreate", "StationCreateInput", json!({ "id": "abc" }))).await;
    let (_, listed) = control(&sandbox, "GET", "work-instructions", None).await;
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["process", "product", "station"]);
    assert_eq!(listed[0]["input"], request["variables"]["input"]);

    let wrong = create("processCreate", "ProcessCreateInput", json!({ "process": { "id": "a b" } }));
    let (status, reply) = graphql(&sandbox, &wrong).await;
    assert_eq!((status, &reply["data"]["processCreate"]), (200, &Json::Null));
    assert!(reply["errors"][0]["message"].as_str().unwrap().starts_with("process.id: "), "{reply}");
    let (_, reply) = graphql(&sandbox, &create("productCreate", "ProductCreateInput", json!("text"))).await;
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("must be an object"), "{reply}");
    assert_eq!(sandbox.work_instructions().len(), 3);
}
