//! Starting, ending and dropping a sandbox, and several at once.

use std::time::Duration;

use pico_erp_sandbox::{Config, ErrorKind, Fault, FaultKind, Sandbox, Seed, Waits};
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{DEADLINE, RawStream, Socket, data, example, start, start_with, until};

const STREAM: &str = "subscription { operationsStream { id } }";

#[tokio::test]
async fn a_shutdown_ends_open_streams_sockets_and_hanging_requests() {
    let sandbox = start().await;
    let addr = sandbox.addr();
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let mut socket = Socket::ready(&sandbox).await;
    socket.subscribe("1", STREAM).await;
    sandbox.wait_for(Waits { streams: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.set_faults(Fault::new(FaultKind::Hang));
    let requests = sandbox.requests();
    let mut hung = RawStream::send(&sandbox, &example("operations.request"), "*/*").await;
    until(|| sandbox.requests() > requests).await;
    sandbox.set_faults(Fault::stall());
    tokio::time::timeout(Duration::from_secs(4), sandbox.shutdown())
        .await
        .expect("well before its own limit");
    while let Ok(Some(_)) = stream.read().await {}
    while let Ok(Some(_)) = hung.read().await {}
    assert!(socket.breaks().await);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_sandbox_starts_again_on_the_port_of_one_that_was_shut_down_with_connections_open() {
    let first = start().await;
    let listen = first.addr();
    let mut stream = RawStream::open(&first, &json!({ "query": STREAM })).await;
    // An ordinary reply too, after which it is the server that closes first and keeps the port in TIME_WAIT.
    let mut idle = RawStream::send(&first, &example("operations.request"), "*/*").await;
    idle.until("\r\n\r\n").await;
    first.shutdown().await;
    for _ in 0..3 {
        let again = start_with(Config { listen, ..Config::default() }).await;
        assert_eq!(again.addr(), listen);
        data(&again, "{ operations { id } }").await;
        again.shutdown().await;
    }
    while let Ok(Some(_)) = stream.read().await {}
}

#[tokio::test]
async fn dropping_a_sandbox_frees_its_port_and_breaks_its_connections() {
    let sandbox = start().await;
    let addr = sandbox.addr();
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    drop(sandbox);
    while let Ok(Some(_)) = stream.read().await {}
    // The listener goes with the task that was aborted, which the runtime does soon.
    let again = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, again).await.expect("the port is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandboxes_do_not_share_anything() {
    let only = "[[operations]]\nid = \"only\"\nname = \"Only\"\n";
    let seed = Seed::from_toml_str(only).unwrap();
    let one = start_with(Config { seed, ..Config::default() }).await;
    let two = start().await;
    assert_ne!(one.addr(), two.addr());
    assert_eq!(data(&one, "{ operations { id } }").await, json!({ "operations": [{ "id": "only" }] }));
    one.set_faults(Fault::status(500));
    data(&two, "{ operations { id } }").await;
    assert_eq!((one.requests(), two.requests()), (1, 1));
}

#[tokio::test]
async fn a_taken_port_and_a_bad_seed_are_clear_errors() {
    let first = start().await;
    let error = Sandbox::start(Config { listen: first.addr(), ..Config::default() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", first.addr())), "{error}");

    let mut seed = Seed::builtin();
    seed.operations[2].name.clear();
    let error = Sandbox::start(Config { seed, ..Config::default() }).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Seed, "operations[2].name: must not be empty")
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[operations]]\nid = 5\nname = \"A\"\n").unwrap();
    let error = Seed::from_file(file.path()).unwrap_err().to_string();
    assert!(error.starts_with(&file.path().display().to_string()) && error.contains("line 2"), "{error}");
}

#[test]
fn a_sandbox_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Sandbox>();
}
