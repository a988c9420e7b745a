//! The catalogue against the sandbox: current, durable, and what it says of part numbers.

use std::net::SocketAddr;
use std::time::Duration;

use pico_erp::{
    Backoff, Catalogue, CatalogueEntry, CatalogueStream, Client, Error, ErrorKind, OrderSaved, Proxy, Store,
    StreamPolicy, StreamState, StreamTransport,
};
use pico_erp_sandbox::{Config, Fault, FaultKind, OperationSpec, Sandbox, Seed, Waits};

use super::Ground;
use crate::waiting::{DEADLINE, within};

const SOON: Backoff = Backoff { base: Duration::from_millis(5), cap: Duration::from_millis(50) };

async fn sandbox(listen: SocketAddr, operations: Vec<OperationSpec>) -> Sandbox {
    let seed = Seed { operations, sub_operations: Vec::new() };
    Sandbox::start(Config { listen, seed, ..Config::default() }).await.unwrap()
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn client(sandbox: &Sandbox) -> Client {
    let stream = StreamPolicy { transport: StreamTransport::Sse, backoff: SOON, ..StreamPolicy::default() };
    Client::builder(sandbox.endpoint()).proxy(Proxy::None).stream(stream).build().unwrap()
}

async fn kept(client: &Client, store: &Store) -> Catalogue {
    let catalogue = Catalogue::builder(client, store)
        .refresh_every(Duration::from_secs(3600))
        .retry(SOON)
        .start()
        .await
        .unwrap();
    within(catalogue.ready()).await.unwrap();
    catalogue
}

fn part(id: &str, number: &str, revision: &str) -> OperationSpec {
    OperationSpec::new(id, format!("Name of {id}")).part(number).revision(revision)
}

/// Waits until the operation is as `wanted` says.
async fn until(catalogue: &Catalogue, id: &str, wanted: impl Fn(&CatalogueEntry) -> bool) -> CatalogueEntry {
    let mut changes = catalogue.changes();
    within(async {
        loop {
            if let Some(entry) = catalogue.by_id(id).await.unwrap().filter(&wanted) {
                return entry;
            }
            changes.next().await.expect("the catalogue goes on");
        }
    })
    .await
}

fn refused(result: Result<impl std::fmt::Debug, Error>, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn it_holds_what_pico_lists_and_follows_what_is_deployed_and_archived() {
    let ground = Ground::new().await;
    let sandbox = sandbox(any_port(), vec![part("op-1", "P-1", "A"), part("op-2", "P-2|Q-2", "A")]).await;
    let client = client(&sandbox);
    let catalogue = kept(&client, &ground.open().await).await;
    assert_eq!(catalogue.len().await.unwrap(), 2);
    let status = catalogue.status().await.unwrap();
    let list = status.last_list.unwrap();
    assert_eq!((list.count, list.unreadable), (2, 0));
    assert!(status.last_error.is_none(), "{status:?}");
    assert_eq!(catalogue.by_code("Q-2").await.unwrap()[0].operation.id.as_deref(), Some("op-2"));
    assert_eq!(catalogue.by_part("P-1", Some("A")).await.unwrap().len(), 1);

    // The first list can be in before the stream is open, where the machine is slow.
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.deploy(part("op-3", "P-3", "A")).unwrap();
    until(&catalogue, "op-3", |_| true).await;
    let saved = client.save_order_by_part(&catalogue, "E-1", "P-3", Some("A")).await.unwrap();
    assert_eq!(saved, OrderSaved::Created);

    let archived =
        OperationSpec { archived_at: "2025-03-01T00:00:00Z".parse().ok(), ..part("op-3", "P-3", "A") };
    sandbox.deploy(archived).unwrap();
    until(&catalogue, "op-3", |entry| entry.operation.archived_at.is_some()).await;
    let refusal = client.save_order_by_part(&catalogue, "E-2", "P-3", Some("A")).await;
    refused(refusal, "was archived at 2025-03-01T00:00:00Z");
    assert_eq!(sandbox.orders().len(), 1);

    let pages = [None, Some("op-2"), Some("op-3")];
    let mut ids = Vec::new();
    for after in pages {
        let page = catalogue.page(after, 2).await.unwrap();
        ids.push(page.into_iter().map(|entry| entry.operation.id.unwrap()).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(ids, ["op-1 op-2", "op-3", ""]);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn it_answers_after_a_restart_though_pico_is_away() {
    let ground = Ground::new().await;
    let sandbox = sandbox(
        any_port(),
        vec![part("op-1", "P-1", "A"), part("op-2", "P-1", "B"), part("op-3", "P-3", "A")],
    )
    .await;
    let client = client(&sandbox);
    let opened = ground.open().await;
    kept(&client, &opened).await.close().await;
    opened.close().await;
    sandbox.shutdown().await;

    let store = ground.open().await;
    let catalogue = kept(&client, &store).await;
    let reader = Catalogue::offline(&store);
    within(reader.ready()).await.unwrap();
    assert_eq!(reader.changes().next().await, None);
    for catalogue in [&catalogue, &reader] {
        let order = catalogue.order_by_part("E-1", " P-1 ", Some("B")).await.unwrap();
        assert_eq!((order.operation_id.as_str(), order.external_order_id.as_deref()), ("op-2", Some("E-1")));
        assert_eq!(catalogue.order_by_part("E-1", "P-3", None).await.unwrap().operation_id, "op-3");
        refused(
            catalogue.order_by_part("E-1", "P-1", None).await,
            "part_number: part number \"P-1\" means 2",
        );
        refused(catalogue.order_by_part("E-1", "P-1", Some("C")).await, "revision: there is no");
        refused(catalogue.order_by_part("E-1", "P-9", None).await, "part_number: no operation has");
        refused(catalogue.order_by_part(" ", "P-3", None).await, "external_order_id: is empty");
    }
    // Later, the failures show, and what is known stays.
    let mut status = catalogue.status().await.unwrap();
    within(async {
        while status.last_error.is_none() {
            tokio::task::yield_now().await;
            status = catalogue.status().await.unwrap();
        }
    })
    .await;
    assert_eq!(status.last_list.unwrap().count, 3);
    catalogue.close().await;
    assert!(matches!(catalogue.status().await.unwrap().stream, CatalogueStream::Offline));
    Catalogue::builder(&client, &store).start().await.unwrap();
}

#[tokio::test]
async fn a_store_without_a_list_says_so() {
    let ground = Ground::new().await;
    let catalogue = Catalogue::offline(&ground.open().await);
    assert_eq!(within(catalogue.ready()).await.unwrap_err().kind(), ErrorKind::Closed);
    refused(catalogue.order_by_part("E", "P", None).await, "has not yet read Pico's list");
}

#[tokio::test]
async fn what_was_deployed_in_a_gap_is_there_after_it() {
    let ground = Ground::new().await;
    let sandbox = sandbox(any_port(), vec![part("op-1", "P-1", "A")]).await;
    let client = client(&sandbox);
    let catalogue = kept(&client, &ground.open().await).await;
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    // Nothing gets through while it is deployed, so no stream tells of it.
    sandbox.set_faults(Fault::status(503));
    sandbox.cut_connections();
    sandbox.wait_for_no_stream().await;
    sandbox.deploy(part("op-2", "P-2", "A")).unwrap();
    sandbox.clear_faults();
    until(&catalogue, "op-2", |_| true).await;
    // Also when the first list after the gap breaks off.
    sandbox.set_faults(Fault::status(503));
    sandbox.cut_connections();
    sandbox.wait_for_no_stream().await;
    sandbox.deploy(part("op-3", "P-3", "A")).unwrap();
    sandbox.set_faults(Fault::new(FaultKind::MalformedJson).times(1));
    until(&catalogue, "op-3", |_| true).await;
    sandbox.shutdown().await;
}

/// What the sandbox has no call for.
trait NoStream {
    async fn wait_for_no_stream(&self);
}

impl NoStream for Sandbox {
    async fn wait_for_no_stream(&self) {
        within(async {
            while self.open_streams().sse > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_pico_lists_no_longer_stays_but_cannot_be_ordered_until_it_is_back() {
    let ground = Ground::new().await;
    let both = || vec![part("op-1", "P-1", "A"), part("op-2", "P-2", "A")];
    let first = sandbox(any_port(), both()).await;
    let address = first.addr();
    let client = client(&first);
    let catalogue = kept(&client, &ground.open().await).await;
    first.shutdown().await;
    let second = sandbox(address, vec![part("op-1", "P-1", "A")]).await;
    let gone = until(&catalogue, "op-2", |entry| entry.unlisted.is_some()).await;
    assert!(!gone.is_usable());
    assert_eq!(catalogue.len().await.unwrap(), 1);
    refused(catalogue.order_by_part("E", "P-2", None).await, "Pico has not listed op-2");
    second.shutdown().await;
    let third = sandbox(address, both()).await;
    until(&catalogue, "op-2", CatalogueEntry::is_usable).await;
    assert_eq!(catalogue.order_by_part("E", "P-2", None).await.unwrap().operation_id, "op-2");
    third.shutdown().await;
}

#[tokio::test]
async fn a_refused_token_shows_and_is_tried_again() {
    let ground = Ground::new().await;
    let sandbox = sandbox(any_port(), vec![part("op-1", "P-1", "A")]).await;
    let client = client(&sandbox);
    let catalogue = kept(&client, &ground.open().await).await;
    sandbox.revoke_token();
    let state = async |wanted: fn(&CatalogueStream) -> bool| {
        within(async {
            loop {
                let status = catalogue.status().await.unwrap();
                if wanted(&status.stream) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    };
    let status = state(|stream| matches!(stream, CatalogueStream::Closed { .. })).await;
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Unauthorized);
    sandbox.deploy(part("op-2", "P-2", "A")).unwrap();
    sandbox.restore_token();
    state(|stream| matches!(stream, CatalogueStream::Live(StreamState::Open { .. }))).await;
    until(&catalogue, "op-2", |_| true).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_timer_reads_the_list_again_and_a_bad_event_does_too() {
    let ground = Ground::new().await;
    let sandbox = sandbox(any_port(), vec![part("op-1", "P-1", "A")]).await;
    let client = client(&sandbox);
    let store = ground.open().await;
    let builder = Catalogue::builder(&client, &store).retry(SOON);
    let error = builder.clone().refresh_every(Duration::ZERO).start().await.unwrap_err();
    assert!(error.to_string().starts_with("refresh_every: "), "{error}");
    let catalogue = builder.refresh_every(Duration::from_millis(20)).start().await.unwrap();
    within(catalogue.ready()).await.unwrap();
    sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    sandbox.set_faults(Fault::new(FaultKind::MalformedEvent).times(1));
    sandbox.deploy(part("op-2", "P-2", "A")).unwrap();
    until(&catalogue, "op-2", |_| true).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn reading_a_long_list_again_changes_nothing() {
    let ground = Ground::new().await;
    let sandbox = sandbox(any_port(), Vec::new()).await;
    sandbox.deploy_many(5_000);
    let client = client(&sandbox);
    let store = ground.open().await;
    let catalogue = kept(&client, &store).await;
    assert_eq!(catalogue.len().await.unwrap(), 5_000);
    catalogue.close().await;
    let again = kept(&client, &store).await;
    let first = again.status().await.unwrap().last_list.unwrap().at;
    let status = within(async {
        loop {
            let status = again.status().await.unwrap();
            if status.last_list.is_some_and(|list| list.at > first) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((status.last_list.unwrap().count, status.revision), (5_000, 0));
    let found = again.by_part("PART-004321", None).await.unwrap();
    assert_eq!(found[0].operation.id.as_deref(), Some("op-004321"));
    sandbox.shutdown().await;
}
