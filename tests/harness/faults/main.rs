//! What can go wrong between a program and Pico, and what the program is told of it: one table for C, Python and Rust,
//! over Server-Sent Events and over WebSocket.
//!
//! Each row runs in six cells at once, every one with a sandbox and a process of its own. A row that ends with
//! [`RECOVERED`] asserts that after the fault each completion is delivered exactly once. The lines are those of
//! `tests/probes`.

mod probe;
mod scene;
mod servers;

use std::time::Duration;

use futures_util::future::join_all;
use pico_erp_sandbox::{Fault, FaultKind};

use probe::{CASES, Case, Line, Probe, Transport};
use scene::{Scene, Step, TOKEN};
use servers::{Reserved, TlsFront, cutting, frame_length, order_at, proxy};

use Line::{Closed, Event, Open, OpenBy, Problem, Retrying, SwitchedTo};
use Step::{AtLeast, Break, Complete, Cut, EndStreams, Mend, On, Revoke, See, Start, Stop};
use Transport::{Sse, WebSocket};

/// Two completions, one after the other: were the first told twice, the second would not be next.
const DELIVERS: &[Step] = &[Complete("E-2"), See(Event("E-2")), Complete("E-3"), See(Event("E-3"))];

/// Silence that long is the end of a connection, where a row sets it; the sandbox pings every 50 ms.
const IDLE: &str = "idle_ms=1000";

async fn everywhere(test: impl AsyncFn(Case)) {
    join_all(CASES.map(|case| test(case))).await;
}

/// Plays a row in every cell: the sandbox runs, the stream is open and has told one completion; then come the steps, and
/// after them the stream is to be open and deliver.
async fn recovers(settings: &[&str], steps: &[Step]) {
    everywhere(async |case| {
        let mut scene = open_scene(case, settings).await;
        scene.play(steps).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

async fn open_scene(case: Case, settings: &[&str]) -> Scene {
    let mut scene = Scene::new(case);
    scene.play(&[Start]).await;
    scene.probe(&settings.iter().map(ToString::to_string).collect::<Vec<_>>()).await;
    scene.play(&[See(Open), Complete("E-1"), See(Event("E-1"))]).await;
    scene
}

/// Plays a row in every cell: the steps come before the stream is open for the first time.
async fn begins(settings: &[&str], before: &[Step], after: &[Step]) {
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        scene.play(before).await;
        scene.probe(&settings.iter().map(ToString::to_string).collect::<Vec<_>>()).await;
        scene.play(after).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_until_the_server_is_there() {
    begins(&[], &[], &[See(Retrying("connect")), Start, See(Open)]).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_as_such_and_tried_again() {
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        scene.probe_of("http://pico.invalid", TOKEN, case.transport.name(), &[]).await;
        scene.play(&[See(Retrying("dns")), See(Retrying("dns"))]).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_as_such_until_one_comes_that_is() {
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        let front = TlsFront::start(scene.address());
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), front.authority_pem()).unwrap();
        let (endpoint, ca) =
            (format!("https://{}", front.address), format!("ca={}", authority.path().display()));
        scene.play(&[Start]).await;
        scene.probe_of(&endpoint, TOKEN, case.transport.name(), &[ca]).await;
        scene.play(&[See(Retrying("tls"))]).await;
        front.become_trusted();
        scene.play(&[See(Open)]).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_the_server_and_tried_again() {
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        let port = Reserved::new();
        scene.play(&[Start]).await;
        scene.probe(&[format!("proxy=http://{}", port.address)]).await;
        scene.play(&[See(Retrying("proxy"))]).await;
        let _proxy = proxy(port);
        scene.play(&[See(Open)]).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_wrong_ends_the_stream_with_that_reason() {
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        scene.play(&[Start]).await;
        let endpoint = format!("http://{}", scene.address());
        scene.probe_of(&endpoint, "another", case.transport.name(), &[]).await;
        scene.play(&[See(Closed("unauthorized"))]).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_revoked_while_the_stream_is_open_ends_it_with_that_reason() {
    everywhere(async |case| {
        let mut scene = open_scene(case, &[]).await;
        // Over SSE the reply has its status already, so the reason comes with the next connection.
        let broken = On(Sse, &[See(Retrying("connection_lost"))]);
        scene.play(&[Revoke, broken, See(Closed("unauthorized"))]).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_asks_to_slow_down_is_left_alone_for_as_long_as_it_asks() {
    let second = Duration::from_secs(1);
    let busy = Fault::status_retry_after(429, second).times(1);
    begins(&[], &[Start, Break(busy)], &[See(Retrying("rate_limited")), See(Open), AtLeast(second)]).await;
}

#[tokio::test]
async fn a_server_that_fails_three_times_is_tried_a_fourth_time() {
    let failing = Fault::status(500).times(3);
    let failed = || See(Retrying("http_status"));
    begins(&[], &[Start, Break(failing)], &[failed(), failed(), failed(), See(Open)]).await;
}

#[tokio::test]
async fn a_connection_that_is_reset_is_made_again() {
    recovers(&[], &[Cut, See(Retrying("connection_lost")), See(Open)]).await;
}

#[tokio::test]
async fn a_server_that_vanished_is_noticed_by_its_silence() {
    recovers(&[IDLE], &[Break(Fault::half_open(false)), See(Retrying("timeout")), See(Open)]).await;
}

#[tokio::test]
async fn a_stream_that_stalls_is_noticed_by_its_silence() {
    recovers(&[IDLE], &[Break(Fault::stall()), See(Retrying("timeout")), Mend, See(Open)]).await;
}

#[tokio::test]
async fn an_event_that_is_no_json_is_told_and_costs_no_other() {
    let spoilt = Fault::new(FaultKind::MalformedEvent).times(1);
    let told = On(Sse, &[See(Problem("decode"))]);
    // On a WebSocket the message around the event is broken too, and with it the protocol.
    let lost = On(WebSocket, &[See(Retrying("decode")), See(Open)]);
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        scene.play(&[Start]).await;
        scene.probe(&[]).await;
        scene.play(&[See(Open), Break(spoilt.clone()), Complete("E-1"), told.clone(), lost.clone()]).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn an_event_past_the_limit_is_told_and_the_stream_connects_again() {
    let huge = Fault::new(FaultKind::HugeEvent { bytes: 50_000 }).times(1);
    everywhere(async |case| {
        let mut scene = Scene::new(case);
        scene.play(&[Start]).await;
        scene.probe(&["event_bytes=4096".to_owned()]).await;
        let refused = [See(Problem("too_large")), See(Retrying("too_large")), See(Open)];
        scene.play(&[See(Open), Break(huge.clone()), Complete("E-1")]).await;
        scene.play(&refused).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_restarts_on_the_same_port_is_found_again() {
    recovers(&[], &[Stop, See(Retrying("connection_lost")), See(Retrying("connect")), Start, See(Open)])
        .await;
}

#[tokio::test]
async fn an_orderly_end_by_the_server_is_followed_by_another_connection() {
    recovers(&[], &[EndStreams, See(Retrying("connection_lost")), See(Open)]).await;
}

#[tokio::test]
async fn a_proxy_that_holds_sse_back_leads_to_websocket() {
    everywhere(async |case| {
        if case.transport == WebSocket {
            return;
        }
        let mut scene = Scene::new(case);
        scene.play(&[Start, Break(Fault::buffer_sse(false, None))]).await;
        let endpoint = format!("http://{}", scene.address());
        scene.probe_of(&endpoint, TOKEN, "auto", &[IDLE.to_owned()]).await;
        scene.play(&[See(SwitchedTo(WebSocket, "timeout")), See(OpenBy(WebSocket))]).await;
        scene.play(DELIVERS).await;
        scene.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_may_break_at_any_byte_of_an_event() {
    everywhere(async |case| {
        let (length, whole) = frame_length(case.transport);
        let port = Reserved::new();
        let endpoint = format!("http://{}", port.address);
        let _server = cutting(case.transport, port, 0..=length);
        let mut probe = Probe::start(case, &endpoint, TOKEN, case.transport.name(), &[]).await;
        for cut in 0..=length {
            probe.see(Open).await;
            if cut >= whole {
                probe.see_event(&order_at(cut)).await;
            }
            probe.see(Retrying("connection_lost")).await;
        }
        probe.see(Open).await;
        probe.see_event(&order_at(9999)).await;
        probe.end().await;
    })
    .await;
}
