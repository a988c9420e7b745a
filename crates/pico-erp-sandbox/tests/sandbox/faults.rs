//! Every fault, as a client meets it.

use std::time::{Duration, Instant};

use pico_erp_sandbox::{Fault, FaultKind, Faults, OpenStreams, OperationSpec, Waits};
use serde_json::{Value as Json, json};

use crate::client::{
    DEADLINE, RawStream, Socket, control, example, graphql, http, post_json, save, send, start, until,
};

const STREAM: &str = "subscription { operationsStream { id } }";

#[tokio::test]
async fn a_status_is_replied_that_often_with_retry_after_on_every_transport() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::status_retry_after(503, Duration::from_secs(7)).times(3));
    let reply = post_json(sandbox.endpoint(), &example("order-save.request")).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].to_str().unwrap()), (503, "7"));
    let events =
        post_json(sandbox.endpoint(), &json!({ "query": STREAM })).header("accept", "text/event-stream");
    assert_eq!(send(events).await.0, 503);
    let upgrade = tokio_tungstenite::connect_async(format!("ws://{}/graphql", sandbox.addr())).await;
    assert!(upgrade.unwrap_err().to_string().contains("503"));
    assert_eq!(
        graphql(&sandbox, &example("order-save.request")).await,
        (200, example("order-save.response"))
    );
    assert_eq!(sandbox.requests(), 4);
}

#[tokio::test]
async fn a_fault_ends_by_its_duration() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::status(500).lasting(Duration::from_millis(150)));
    let deadline = Instant::now() + DEADLINE;
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 500);
    while graphql(&sandbox, &example("operations.request")).await.0 != 200 {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_delay_comes_on_top_of_the_fault_that_follows() {
    let sandbox = start().await;
    let delay = Duration::from_millis(60);
    sandbox.set_faults(Faults::new().with(Fault::delay(delay).times(1)).with(Fault::status(429)));
    let start = Instant::now();
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 429);
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn html_is_a_login_page_with_status_200() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::Html));
    let reply = post_json(sandbox.endpoint(), &example("operations.request")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/html; charset=utf-8");
    assert!(reply.text().await.unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_hanging_request_never_gets_a_byte_and_ends_when_it_is_cut() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::Hang).times(1));
    let mut hung = RawStream::send(&sandbox, &example("order-save.request"), "*/*").await;
    until(|| sandbox.requests() == 1).await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), hung.read()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(sandbox.cut_connections(), 1);
    assert!(hung.read().await.is_err());
    assert!(sandbox.orders().is_empty());
}

#[tokio::test]
async fn a_cut_body_ends_half_way_although_the_order_was_saved() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::CutBody).times(1));
    let mut cut = RawStream::send(&sandbox, &example("order-save.request"), "*/*").await;
    let head = cut.until("\r\n\r\n").await;
    let full = example("order-save.response").to_string();
    assert!(head.contains(&format!("content-length: {}\r\n", full.len())), "{head}");
    while let Ok(Some(_)) = cut.read().await {}
    assert_eq!(cut.seen, &full.as_bytes()[..full.len() / 2]);
    assert_eq!(sandbox.orders().len(), 1);
    assert_eq!(
        graphql(&sandbox, &example("order-save.request")).await.1,
        example("order-save-updated.response")
    );
}

fn batch() -> Json {
    let one = |alias: &str| {
        format!(
            r#"{alias}: operationOrderSave(input: {{ operationId: "prod-123", externalOrderId: "{alias}" }}) {{ message }}"#
        )
    };
    json!({ "query": format!("mutation {{ {} {} {} }}", one("a"), one("b"), one("c")) })
}

#[tokio::test]
async fn a_cut_body_of_a_batch_loses_the_reply_to_orders_that_were_all_saved() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::CutBody).times(1));
    let lost = post_json(sandbox.endpoint(), &batch()).send().await.unwrap().bytes().await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(sandbox.orders().len(), 3);
    let (_, reply) = graphql(&sandbox, &batch()).await;
    let updated = json!({ "message": "updated" });
    assert_eq!(reply["data"], json!({ "a": updated, "b": updated, "c": updated }));
    assert!(sandbox.orders().iter().all(|order| (order.saves, order.creations) == (2, 1)));
}

#[tokio::test]
async fn cut_before_and_cut_after_look_alike_and_only_one_saves() {
    let sandbox = start().await;
    for (kind, saved) in [(FaultKind::CutBefore, 0), (FaultKind::CutAfter, 3)] {
        sandbox.set_faults(Fault::new(kind).times(1));
        let mut raw = RawStream::send(&sandbox, &batch(), "*/*").await;
        let reset = raw.read().await.unwrap_err();
        assert_eq!((reset.kind(), raw.seen.len()), (std::io::ErrorKind::ConnectionReset, 0));
        assert_eq!(sandbox.orders().len(), saved);
    }
    // Only the one connection was meant, and only once.
    assert_eq!(graphql(&sandbox, &batch()).await.0, 200);
}

#[tokio::test]
async fn a_cut_before_is_also_for_streams_and_upgrades_and_a_cut_after_is_not() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::CutBefore).times(2));
    let mut stream = RawStream::send(&sandbox, &json!({ "query": STREAM }), "text/event-stream").await;
    assert!(stream.read().await.is_err());
    assert!(Socket::attempt(&sandbox, "/graphql", "graphql-transport-ws", None).await.is_err());
    sandbox.set_faults(Fault::new(FaultKind::CutAfter));
    RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    Socket::ready(&sandbox).await;
}

#[tokio::test]
async fn a_huge_body_is_valid_json_of_that_size() {
    let sandbox = start().await;
    let bytes = 3_000_000;
    sandbox.set_faults(Fault::new(FaultKind::HugeBody { bytes }));
    let text =
        post_json(sandbox.endpoint(), &example("operations.request")).send().await.unwrap().text().await;
    let text = text.unwrap();
    assert!(text.len() as u64 >= bytes && (text.len() as u64) < bytes + 1000, "{}", text.len());
    let reply: Json = serde_json::from_str(&text).unwrap();
    assert!(reply["data"]["operations"].as_array().unwrap().len() > 20_000);
}

#[tokio::test]
async fn malformed_json_is_half_a_reply_that_ends_properly() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::MalformedJson).times(1));
    let (status, reply) = graphql(&sandbox, &example("order-save.request")).await;
    let full = example("order-save.response").to_string();
    assert_eq!((status, reply), (200, Json::String(full[..full.len() / 2].to_owned())));
}

#[tokio::test]
async fn a_malformed_and_a_huge_event_spoil_one_event_each_over_sse_and_websocket() {
    let sandbox = start().await;
    let spoil = || {
        let huge = Fault::new(FaultKind::HugeEvent { bytes: 200_000 }).times(1);
        Faults::new().with(Fault::new(FaultKind::MalformedEvent).times(1)).with(huge)
    };
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    sandbox.set_faults(spoil());
    for id in ["a", "b", "c"] {
        sandbox.deploy(OperationSpec::new(id, id)).unwrap();
    }
    assert_eq!(stream.chunk().await, ":\n\n");
    assert_eq!(stream.chunk().await, "event: next\ndata: {\"data\":{\"operations\n\n");
    let huge = stream.event().await;
    assert_eq!(huge["data"]["operationsStream"]["id"], "b");
    assert_eq!(huge.to_string().len(), 200_000);
    assert_eq!(stream.event().await, json!({ "data": { "operationsStream": { "id": "c" } } }));
    drop(stream);

    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    until(|| sandbox.open_streams() == OpenStreams { sse: 0, web_socket: 1 }).await;
    sandbox.set_faults(spoil());
    for id in ["a", "b"] {
        sandbox.deploy(OperationSpec::new(id, id)).unwrap();
    }
    let malformed = socket.next().await.into_text().unwrap();
    assert!(serde_json::from_str::<Json>(&malformed).is_err(), "{malformed}");
    let huge = socket.hear().await;
    assert_eq!(huge["payload"]["data"]["operationsStream"]["id"], "b");
    assert_eq!(huge["payload"].to_string().len(), 200_000);
}

#[tokio::test]
async fn a_refused_batch_is_a_graphql_error_and_saves_nothing() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::new(FaultKind::RefuseBatch));
    let one = |alias: &str| {
        format!(
            r#"{alias}: operationOrderSave(input: {{ operationId: "prod-123", externalOrderId: "{alias}" }}) {{ message }}"#
        )
    };
    let batch = json!({ "query": format!("mutation {{ {} {} }}", one("a"), one("b")) });
    let (_, reply) = graphql(&sandbox, &batch).await;
    assert_eq!(reply, json!({ "errors": [{ "message": "only one mutation is allowed in a request" }] }));
    assert!(sandbox.orders().is_empty());
    let (status, reply) =
        graphql(&sandbox, &json!({ "query": format!("mutation {{ {} }}", one("a")) })).await;
    assert_eq!((status, reply.get("errors")), (200, None));
    let queries = json!({ "query": "{ a: operations { id } b: operations { id } }" });
    assert_eq!(graphql(&sandbox, &queries).await.1.get("errors"), None);
}

#[tokio::test]
async fn split_writes_change_no_byte() {
    let sandbox = start().await;
    let whole = graphql(&sandbox, &example("operations.request")).await;
    sandbox.set_faults(Fault::split(1));
    assert_eq!(graphql(&sandbox, &example("operations.request")).await, whole);
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(OperationSpec::new("ä", "Ä")).unwrap();
    let data = json!({ "data": { "operationsStream": { "id": "ä" } } });
    assert_eq!(stream.event().await, data);
    assert_eq!(socket.hear().await, json!({ "id": "1", "type": "next", "payload": data }));
}

#[tokio::test]
async fn split_writes_arrive_in_many_small_reads() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::split(2));
    let mut raw = RawStream::send(&sandbox, &example("operations.request"), "*/*").await;
    let mut smallest = usize::MAX;
    let mut reads = 0;
    while !raw.seen.ends_with(b"]}}") {
        smallest = smallest.min(raw.read().await.unwrap().unwrap());
        reads += 1;
    }
    // How the kernel merges pieces is not ours to say, but it cannot be one read for all.
    assert!(reads > 1 && smallest < raw.seen.len(), "{reads} reads");
}

#[tokio::test]
async fn a_stalled_stream_is_silent_and_then_loses_nothing() {
    let sandbox = start().await;
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    assert_eq!(stream.chunk().await, ":\n\n");
    // Over the control API, whose own reply must get through, and whose later calls too.
    let (status, _) = control(&sandbox, "POST", "faults", Some(json!({ "kind": "stall" }))).await;
    assert_eq!(status, 200);
    for id in ["a", "b"] {
        sandbox.deploy(OperationSpec::new(id, id)).unwrap();
    }
    let nothing = tokio::time::timeout(Duration::from_millis(50), stream.read()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(control(&sandbox, "DELETE", "faults", None).await, (200, json!([])));
    for id in ["a", "b"] {
        assert_eq!(stream.event().await, json!({ "data": { "operationsStream": { "id": id } } }));
        assert_eq!(socket.hear().await["payload"]["data"]["operationsStream"]["id"], id);
    }
}

#[tokio::test]
async fn a_stall_with_a_duration_ends_by_itself() {
    let sandbox = start().await;
    sandbox.set_faults(Fault::stall().lasting(Duration::from_millis(80)));
    let start = Instant::now();
    assert_eq!(graphql(&sandbox, &example("operations.request")).await.0, 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_cut_resets_streams_and_sockets_and_a_new_connection_works() {
    let sandbox = start().await;
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    let (status, reply) = control(&sandbox, "POST", "cut", None).await;
    assert_eq!((status, reply), (200, json!({ "cut": 2 })));
    assert!(socket.breaks().await);
    let error = loop {
        match stream.read().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("an orderly end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    save(&sandbox, "A", 0).await;
}

#[tokio::test]
async fn the_control_api_sets_lists_and_clears_faults_and_names_what_is_wrong() {
    let sandbox = start().await;
    let two = json!([
        { "kind": "status", "status": 503, "retryAfterSeconds": 2, "times": 3 },
        { "kind": "delay", "seconds": 0.25, "forSeconds": 60.0 },
    ]);
    assert_eq!(control(&sandbox, "POST", "faults", Some(two.clone())).await, (200, two.clone()));
    graphql(&sandbox, &example("operations.request")).await;
    let (_, left) = control(&sandbox, "GET", "faults", None).await;
    assert_eq!(left[0]["times"], 2);
    control(&sandbox, "DELETE", "faults", None).await;
    for kind in [
        "split",
        "stall",
        "html",
        "hang",
        "cut_before",
        "cut_after",
        "cut_body",
        "huge_body",
        "malformed_json",
    ] {
        let mut fault = json!({ "kind": kind, "forSeconds": 0 });
        if kind == "split" {
            fault["bytes"] = json!(1);
        }
        assert_eq!(control(&sandbox, "POST", "faults", Some(fault)).await.0, 200, "{kind}");
    }
    let written = json!([
        { "kind": "buffer_sse", "head": false, "bytes": 4096, "times": 1 },
        { "kind": "half_open", "newToo": true, "forSeconds": 60.0 },
        { "kind": "close_ws", "code": 4500, "reason": "why", "times": 2 },
        { "kind": "refuse_upgrade", "status": 404 },
        { "kind": "no_ack" },
    ]);
    assert_eq!(control(&sandbox, "POST", "faults", Some(written.clone())).await, (200, written));
    control(&sandbox, "DELETE", "faults", None).await;
    let short = json!([{ "kind": "buffer_sse" }, { "kind": "half_open" }]);
    let full = json!([{ "kind": "buffer_sse", "head": true }, { "kind": "half_open", "newToo": false }]);
    assert_eq!(control(&sandbox, "POST", "faults", Some(short)).await, (200, full));
    control(&sandbox, "DELETE", "faults", None).await;
    let cases = [
        (json!({ "kind": "explode" }), "unknown variant `explode`"),
        (json!({ "kind": "status" }), "status: is required with this kind"),
        (json!({ "kind": "status", "status": 42 }), "status: must be from 200 to 599"),
        (json!({ "kind": "html", "statsu": 1 }), "unknown field `statsu`"),
        (json!({ "kind": "split", "bytes": 0 }), "bytes: must be at least 1"),
        (json!({ "kind": "stall", "times": 1 }), "times: has no meaning with this kind"),
        (json!({ "kind": "html", "bytes": 1 }), "bytes: has no meaning with this kind"),
        (json!({ "kind": "delay", "seconds": -1 }), "seconds: must be a number of seconds"),
        (json!({ "kind": "buffer_sse", "bytes": 0 }), "bytes: must be at least 1"),
        (json!({ "kind": "half_open", "times": 1 }), "times: has no meaning with this kind"),
        (json!({ "kind": "close_ws" }), "code: is required with this kind"),
        (json!({ "kind": "close_ws", "code": 99 }), "code: must be from 1000 to 4999"),
        (json!({ "kind": "refuse_upgrade" }), "status: is required with this kind"),
        (json!({ "kind": "no_ack", "code": 1000 }), "code: has no meaning with this kind"),
        (json!({ "kind": "html", "head": true }), "head: has no meaning with this kind"),
        (json!({ "kind": "html", "newToo": true }), "newToo: has no meaning with this kind"),
        (json!({ "kind": "html", "reason": "" }), "reason: has no meaning with this kind"),
    ];
    for (body, text) in cases {
        let (status, reply) = control(&sandbox, "POST", "faults", Some(body)).await;
        assert_eq!(status, 400);
        assert!(reply["error"].as_str().unwrap().contains(text), "{reply}");
    }
    let garbage = send(http().post(format!("{}/sandbox/faults", sandbox.url())).body("kind=stall")).await;
    assert!(garbage.1["error"].as_str().unwrap().starts_with("the body is not valid: "), "{}", garbage.1);
}
