//! Failures, each with the status and the message that C sees.

use std::path::Path;

use pico_erp_sandbox::{Fault, FaultKind, Faults, HUGE_BODY};
use pico_erp_tests::run;
use tokio::net::TcpListener;

use crate::workshop::{DEADLINE, How, TOKEN, Workshop, command, sandbox};

/// Runs the one call, and gives what it printed.
async fn outcome(program: &Path, endpoint: &str, token: &str, timeout_ms: u32) -> String {
    let mut command = command(program, How::Natively);
    run(command.args([endpoint, token, &timeout_ms.to_string()]), DEADLINE).await.trim_end().to_owned()
}

/// One way to fail, and what is to be said of it.
struct Failure<'a> {
    faults: Faults,
    endpoint: &'a str,
    token: &'a str,
    timeout_ms: u32,
    /// Status, name and HTTP status.
    starts: &'a str,
    /// A part of the message.
    says: &'a str,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_own_status_and_names_its_cause() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/failures.c").await;
    let endpoint = &sandbox.endpoint();
    // Bound and never listened on again: a port that refuses.
    let refusing = TcpListener::bind("127.0.0.1:0").await.and_then(|one| one.local_addr()).expect("a port");
    let refusing = &format!("http://{refusing}/graphql");

    let served = |kind, starts, says| {
        let faults = Fault::new(kind).into();
        Failure { faults, endpoint, token: TOKEN, timeout_ms: 60_000, starts, says }
    };
    let status = |status| FaultKind::Status { status, retry_after: None };
    let elsewhere = |endpoint, starts, says| Failure {
        faults: Faults::new(),
        endpoint,
        token: TOKEN,
        timeout_ms: 60_000,
        starts,
        says,
    };
    for failure in [
        Failure { token: "wrong", ..elsewhere(endpoint, "401 unauthorized ", "token") },
        served(FaultKind::Html, "403 not_json 200 ", "JSON"),
        Failure { timeout_ms: 200, ..served(FaultKind::Hang, "200 timeout 0 ", "200ms") },
        served(FaultKind::CutBody, "304 connection_lost 0 ", "the connection broke after"),
        served(FaultKind::MalformedJson, "403 not_json 200 ", "JSON"),
        served(FaultKind::HugeBody { bytes: HUGE_BODY }, "404 too_large 200 ", "67108864 bytes"),
        served(status(502), "400 http_status 502 ", "502"),
        served(status(429), "402 rate_limited 429 ", ""),
        elsewhere(refusing, "300 connect 0 ", "refused"),
        elsewhere("http://nonexistent.invalid/graphql", "301 dns 0 ", "nonexistent.invalid"),
    ] {
        sandbox.set_faults(failure.faults);
        let printed = outcome(&program, failure.endpoint, failure.token, failure.timeout_ms).await;
        let as_expected = printed.starts_with(failure.starts) && printed.contains(failure.says);
        assert!(as_expected, "not {}...{}: {printed}", failure.starts, failure.says);
    }
    sandbox.clear_faults();
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_operations_arrive_whole() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/failures.c").await;
    let seeded = outcome(&program, &sandbox.endpoint(), TOKEN, 60_000).await;
    let seeded: usize = seeded.split(' ').nth(3).and_then(|count| count.parse().ok()).expect("a count");
    sandbox.deploy_many(10_000);
    let printed = outcome(&program, &sandbox.endpoint(), TOKEN, 60_000).await;
    assert_eq!(printed, format!("0 ok 0 {} operations", seeded + 10_000));
    sandbox.shutdown().await;
}
