//! The outbox and its sender against the sandbox, which counts what it was asked to save.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pico_erp::{
    Backoff, Client, ErrorKind, ImportFormat, ImportOptions, ImportReader, OrderCancel, OrderSave,
    OutboxSender, OutboxSenderBuilder, OutboxState, Proxy, RetryPolicy, Store, Token, Units,
    write_import_results,
};
use pico_erp_sandbox::{Config, Fault, FaultKind, Faults, OperationSpec, OrderState, Sandbox};

use super::Ground;
use crate::waiting::{DEADLINE, within};

const OPERATION: &str = "op-abc-123";

struct Plant {
    sandbox: Sandbox,
    client: Client,
    store: Store,
    ground: Ground,
}

impl Plant {
    async fn new() -> Self {
        let sandbox =
            Sandbox::start(Config { token: Some("tok".into()), ..Config::default() }).await.unwrap();
        let client = Client::builder(sandbox.endpoint())
            .token(Token::fixed("tok"))
            .proxy(Proxy::None)
            .retry(RetryPolicy::never())
            .request_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let ground = Ground::new().await;
        let store = ground.open().await;
        Self { sandbox, client, store, ground }
    }

    /// A sender that does not wait noticeably after a failure.
    fn sender(&self) -> OutboxSenderBuilder {
        let backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(20) };
        OutboxSender::builder(&self.client, &self.store).backoff(backoff)
    }
}

fn orders(count: u32) -> impl Iterator<Item = OrderSave> {
    (0..count).map(|number| OrderSave::new(OPERATION, format!("ERP-{}", number / 3)).order_index(number % 3))
}

/// Waits until the sender's status is as wanted.
async fn until(
    sender: &OutboxSender,
    wanted: impl Fn(&pico_erp::OutboxStatus) -> bool,
) -> pico_erp::OutboxStatus {
    within(async {
        loop {
            let changed = sender.status_changed();
            let status = sender.status().await.unwrap();
            if wanted(&status) {
                return status;
            }
            changed.await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_orders_arrive_once_each_whatever_breaks_on_the_way() {
    let plant = Plant::new().await;
    let outbox = plant.store.outbox();
    outbox.save_all(orders(2000)).await.unwrap();
    plant.sandbox.set_faults(
        Faults::new()
            .with(Fault::new(FaultKind::CutBody).times(3))
            .with(Fault::new(FaultKind::CutAfter).times(3))
            .with(Fault::new(FaultKind::CutBefore).times(3))
            .with(Fault::new(FaultKind::MalformedJson).times(2))
            .with(Fault::new(FaultKind::Html).times(2))
            .with(Fault::status(503).times(3))
            .with(Fault::status(404).times(2))
            .with(Fault::new(FaultKind::Hang).times(1)),
    );
    let sender = plant.sender().start().await.unwrap();
    until(&sender, |status| status.counts.sent >= 1000).await;
    plant.sandbox.add_fault(Fault::new(FaultKind::RefuseBatch).times(1));
    within(sender.drained()).await.unwrap();

    let counts = outbox.counts().await.unwrap();
    assert_eq!((counts.sent, counts.unsent(), counts.failed), (2000, 0, 0), "{counts:?}");
    let saved = plant.sandbox.orders();
    let keys: HashSet<_> = saved.iter().map(|it| (it.external_order_id.clone(), it.order_index)).collect();
    assert_eq!((saved.len(), keys.len()), (2000, 2000));
    assert!(saved.iter().all(|order| order.creations == 1 && order.saves >= 1));
    let calls = plant.sandbox.order_calls();
    assert_eq!(calls.created, 2000);
    assert!(calls.saves > 2000, "some replies were lost, so some orders were saved twice: {calls:?}");
    sender.close(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_batches_gets_single_calls() {
    let plant = Plant::new().await;
    plant.store.outbox().save_all(orders(120)).await.unwrap();
    plant.sandbox.set_faults(Fault::new(FaultKind::RefuseBatch));
    let sender = plant.sender().start().await.unwrap();
    within(sender.drained()).await.unwrap();
    let status = sender.status().await.unwrap();
    assert!(!status.batching);
    assert_eq!((status.counts.sent, status.counts.failed), (120, 0));
    assert_eq!((plant.sandbox.orders().len(), plant.sandbox.order_calls().saves), (120, 120));
    // One refusal for each request that was under way, and no more.
    assert!(plant.sandbox.requests() <= 120 + 4, "{}", plant.sandbox.requests());
}

#[tokio::test]
async fn an_order_that_pico_refuses_fails_alone_and_can_be_retried() {
    let plant = Plant::new().await;
    let outbox = plant.store.outbox();
    let mut all: Vec<_> = orders(20).collect();
    all[7].operation_id = "op-later".to_owned();
    let queued = outbox.save_all(&all).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&told);
    let sender = plant
        .sender()
        .on_settled(Arc::new(move |entry| ears.lock().unwrap().push((entry.id, entry.state))))
        .start()
        .await
        .unwrap();
    within(sender.drained()).await.unwrap();
    let failed = outbox.get(queued[7].id).await.unwrap().unwrap();
    let error = failed.error.unwrap();
    assert_eq!((failed.state, error.code), (OutboxState::Failed, ErrorKind::Graphql.code()));
    assert!(error.message.contains("op-later"), "{error:?}");
    assert!(error.graphql_errors.unwrap().starts_with("[{\"message\""));
    assert_eq!(outbox.counts().await.unwrap().sent, 19);

    plant.sandbox.deploy(OperationSpec::new("op-later", "Later")).unwrap();
    outbox.retry(queued[7].id).await.unwrap();
    let sent = within(outbox.wait(queued[7].id)).await.unwrap();
    assert_eq!((sent.state, sent.message.as_deref()), (OutboxState::Sent, Some("created")));
    sender.close(DEADLINE).await.unwrap();
    let mut expected: Vec<_> = queued.iter().map(|it| (it.id, OutboxState::Sent)).collect();
    expected[7].1 = OutboxState::Failed;
    expected.push((queued[7].id, OutboxState::Sent));
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_refused_token_is_a_pause_and_no_failure() {
    let plant = Plant::new().await;
    plant.sandbox.revoke_token();
    plant.store.outbox().save_all(orders(100)).await.unwrap();
    let sender = plant.sender().start().await.unwrap();
    let status = until(&sender, |status| status.last_error.is_some()).await;
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Unauthorized);
    assert_eq!((status.counts.unsent(), status.counts.failed), (100, 0));
    plant.sandbox.restore_token();
    within(sender.drained()).await.unwrap();
    let status = until(&sender, |status| status.last_error.is_none()).await;
    assert_eq!((status.counts.sent, status.paused_until), (100, None));
}

#[tokio::test]
async fn what_a_sender_that_was_broken_off_was_sending_is_sent_by_the_next() {
    let plant = Plant::new().await;
    plant.sandbox.set_faults(Fault::new(FaultKind::Hang));
    let queued = plant.store.outbox().save_all(orders(10)).await.unwrap();
    let sender = plant.sender().start().await.unwrap();
    until(&sender, |status| status.counts.sending == 10).await;
    let error = sender.close(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");

    plant.sandbox.clear_faults();
    // The one that was broken off has let go of the store by now.
    let sender = plant.sender().start().await.unwrap();
    within(sender.drained()).await.unwrap();
    let last = plant.store.outbox().get(queued[9].id).await.unwrap().unwrap();
    assert_eq!((last.state, last.attempts), (OutboxState::Sent, 2));
    sender.close(DEADLINE).await.unwrap();
    assert_eq!(sender.status().await.unwrap().counts.sent, 10, "a closed sender still tells its status");
}

#[tokio::test]
async fn a_cancel_takes_the_place_of_what_was_not_sent_and_follows_what_was() {
    let plant = Plant::new().await;
    let outbox = plant.store.outbox();
    let sender = plant.sender().start().await.unwrap();
    outbox.save_all((0..3).map(|unit| OrderSave::new(OPERATION, "A").order_index(unit))).await.unwrap();
    within(sender.drained()).await.unwrap();
    sender.close(DEADLINE).await.unwrap();

    let update = outbox.save(&OrderSave::new(OPERATION, "A")).await.unwrap();
    let cancel = outbox.cancel(&OrderCancel::new(OPERATION, "A", Units::All)).await.unwrap();
    assert_eq!(cancel.superseded, 1);
    let again = outbox.save(&OrderSave::new(OPERATION, "A").order_index(1)).await.unwrap();
    let sender = plant.sender().start().await.unwrap();
    within(sender.drained()).await.unwrap();
    assert_eq!(outbox.get(update.id).await.unwrap().unwrap().superseded_by, Some(cancel.id));
    let said = |entry: pico_erp::OutboxEntry| entry.message.unwrap();
    assert_eq!(said(outbox.wait(cancel.id).await.unwrap()), "canceled");
    assert_eq!(said(outbox.wait(again.id).await.unwrap()), "created");
    let open: Vec<_> = plant.sandbox.orders().into_iter().filter(|it| it.state == OrderState::Open).collect();
    assert_eq!((open.len(), open[0].order_index), (1, 1));
}

#[tokio::test]
async fn a_cancel_that_may_have_been_carried_out_says_so_when_it_is_refused() {
    let plant = Plant::new().await;
    let outbox = plant.store.outbox();
    let sender = plant.sender().start().await.unwrap();
    outbox.save(&OrderSave::new(OPERATION, "A")).await.unwrap();
    within(sender.drained()).await.unwrap();
    plant.sandbox.set_faults(Fault::new(FaultKind::CutAfter).times(1));
    let cancel = outbox.cancel(&OrderCancel::new(OPERATION, "A", Units::One(0))).await.unwrap();
    let entry = within(outbox.wait(cancel.id)).await.unwrap();
    assert_eq!(entry.state, OutboxState::Failed);
    let text = entry.error.unwrap().message;
    assert!(text.contains("may have carried the cancel out"), "{text}");

    let plain = outbox.cancel(&OrderCancel::new(OPERATION, "B", Units::All)).await.unwrap();
    let text = within(outbox.wait(plain.id)).await.unwrap().error.unwrap().message;
    assert!(!text.contains("earlier try"), "{text}");
}

#[tokio::test]
async fn what_another_process_queues_is_sent_as_well() {
    let plant = Plant::new().await;
    let sender = plant.sender().start().await.unwrap();
    // Another handle with another thread and another connection: for the store the same as another process.
    let other = plant.ground.open().await;
    let queued = other.outbox().save(&OrderSave::new(OPERATION, "A")).await.unwrap();
    assert_eq!(within(other.outbox().wait(queued.id)).await.unwrap().state, OutboxState::Sent);
    sender.close(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_file_imported_twice_is_queued_once_and_each_line_has_its_result() {
    const FILE: &str = "\u{feff}external_order_id;part_number;revision;quantity\r\nE-1;PUMP;B;3\r\n\r\nE-2;PUMP;A;1\r\nE-3;PUMP;B;none\r\nE-4;GONE;;1\r\n";
    let plant = Plant::new().await;
    let outbox = plant.store.outbox();
    let reader = ImportReader::from_reader(FILE.as_bytes(), ImportFormat::Csv).unwrap();
    let options = || {
        ImportOptions::default().name("week 7").chunk(2).resolve(|part| async move {
            match (part.part_number.as_str(), part.revision.as_deref()) {
                ("PUMP", Some("B")) => Ok(OPERATION.to_owned()),
                ("GONE", None) => Ok("op-gone".to_owned()),
                (part, revision) => {
                    Err(pico_erp::Error::invalid("part", format!("{part} {revision:?} is not known")))
                }
            }
        })
    };
    let first = outbox.import(&reader, options()).await.unwrap();
    assert_eq!((first.counts.lines, first.counts.queued, first.counts.refused), (4, 4, 2));
    let second = outbox.import(&reader, options()).await.unwrap();
    assert_eq!((second.counts.queued, second.counts.known), (0, 4));
    let sender = plant.sender().start().await.unwrap();
    within(sender.drained()).await.unwrap();
    assert_eq!(plant.sandbox.orders().len(), 3);

    let results = outbox.import_results(&first.digest).await.unwrap();
    let mut file = Vec::new();
    write_import_results(&results, &mut file).unwrap();
    let file = String::from_utf8(file).unwrap();
    let lines: Vec<_> = file.lines().collect();
    assert_eq!(lines[0], "line,external_order_id,operation_id,order_index,result,message,error");
    for (place, index) in [(1, 0), (2, 1), (3, 2)] {
        assert_eq!(lines[place], format!("2,E-1,{OPERATION},{index},sent,created,"));
    }
    assert!(lines[4].starts_with("4,,,,refused,,") && lines[4].contains("is not known"), "{file}");
    assert!(lines[5].starts_with("5,,,,refused,,") && lines[5].contains("line 5, quantity"), "{file}");
    assert!(lines[6].starts_with("6,E-4,op-gone,0,failed,,"), "{file}");
    assert_eq!(outbox.import_results("none").await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
