use std::time::Duration;

use pico_erp_sandbox::{CompletionSpec, Config, Fault, FaultKind, Sandbox};
use tokio::time::timeout;

use super::*;
use crate::client::{Client, Proxy};
use crate::graphql::documents;
use crate::orders::OrderSave;

const DEADLINE: Duration = Duration::from_secs(60);

async fn completed(count: usize) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build().unwrap();
    client.save_order(&OrderSave::new("op-abc-123", "A")).await.unwrap();
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    sandbox.complete_many((1..count).map(|_| CompletionSpec::new("A").again())).unwrap();
    (sandbox, client)
}

async fn open(client: &Client) -> Result<ListStream, Error> {
    let document = documents::ORDER_COMPLETES;
    ListStream::open(client.transport(), &Request::new(document.text), document.field).await
}

async fn next(list: &mut ListStream) -> Option<Result<Vec<Json>, Error>> {
    timeout(DEADLINE, list.next_batch()).await.expect("it happens in time")
}

#[tokio::test]
async fn fifty_thousand_completions_pass_through_little_memory() {
    let (sandbox, client) = completed(50_000).await;
    let mut list = open(&client).await.unwrap();
    let (mut count, mut bytes) = (0, 0);
    while let Some(batch) = next(&mut list).await {
        let batch = batch.unwrap();
        assert!(!batch.is_empty() && batch.len() <= BATCH);
        count += batch.len();
        bytes += batch.iter().map(|element| element.as_bytes().len()).sum::<usize>();
    }
    assert!(next(&mut list).await.is_none(), "the end stays the end");
    assert_eq!(count, 50_000);
    let most = list.held.most.load(Ordering::Relaxed);
    assert!(bytes > 5 << 20, "{bytes} bytes are enough to tell");
    assert!(most < 4 << 20, "{most} bytes of {bytes} were in memory at once");
    assert_eq!(list.held.now.load(Ordering::Relaxed), 0);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_list_that_breaks_off_ends_in_an_error_after_what_came() {
    let (sandbox, client) = completed(2_000).await;
    sandbox.set_faults(Fault::new(FaultKind::CutBody).times(1));
    let mut list = open(&client).await.unwrap();
    let mut count = 0;
    let error = loop {
        match next(&mut list).await.expect("the error is told") {
            Ok(batch) => count += batch.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
    assert!(count > 100 && count < 2_000, "{count}");
    assert!(next(&mut list).await.is_none(), "an error is the last");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_a_call_says_of_a_bad_answer_a_list_says_too() {
    let (sandbox, client) = completed(1).await;
    for (fault, kind) in [
        (Fault::status(503), ErrorKind::HttpStatus),
        (Fault::status(429), ErrorKind::RateLimited),
        (Fault::status(401), ErrorKind::Unauthorized),
        (Fault::new(FaultKind::Html), ErrorKind::NotJson),
        (Fault::new(FaultKind::MalformedJson), ErrorKind::NotJson),
        (Fault::new(FaultKind::CutAfter), ErrorKind::ConnectionLost),
    ] {
        let name = format!("{fault:?}");
        sandbox.set_faults(fault.times(1));
        let error = match open(&client).await {
            Err(error) => error,
            Ok(mut list) => loop {
                match next(&mut list).await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error,
                    None => panic!("{name} is no good end"),
                }
            },
        };
        assert_eq!(error.kind(), kind, "{name}: {error}");
    }
    let nonsense = Request::new("{ operationOrderCompletes { nonsense } }");
    let error = match ListStream::open(client.transport(), &nonsense, "operationOrderCompletes").await {
        Err(error) => error,
        Ok(mut list) => next(&mut list).await.unwrap().unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::Graphql);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn dropping_the_stream_ends_its_thread_whatever_that_waits_for() {
    let (sandbox, client) = completed(20_000).await;
    // Behind: it waits for room for a batch.
    let mut list = open(&client).await.unwrap();
    next(&mut list).await.unwrap().unwrap();
    // Ahead: it waits for bytes, of which there are none because nobody passes them on.
    let idle = open(&client).await.unwrap();
    for mut list in [list, idle] {
        let decoder = list.decoder.take().unwrap();
        drop(list);
        timeout(DEADLINE, decoder).await.expect("the thread ends").unwrap();
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_in_the_list_is_given_up() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/graphql", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = socket.read(&mut buffer).await.unwrap();
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\":{\"things\":[{},{},";
        socket.write_all(half).await.unwrap();
        // Until the client hangs up.
        while socket.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let client = Client::builder(endpoint)
        .proxy(Proxy::None)
        .request_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let mut list = ListStream::open(client.transport(), &Request::new("{ things }"), "things").await.unwrap();
    // What has arrived is handed over before the rest does not.
    assert_eq!(next(&mut list).await.unwrap().unwrap().len(), 2);
    let error = next(&mut list).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    drop((list, client));
    timeout(DEADLINE, server).await.expect("the client hangs up").unwrap();
}
