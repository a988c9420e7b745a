//! Outboxes, senders, imports and catalogues, as C sees them, and the program that a plug-in author copies: killed again and
//! again, it brings every order to Pico once.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pico_erp::Store;
use pico_erp_sandbox::{OperationSpec, Sandbox, Time};
use pico_erp_tests::run;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::workshop::{BOTH, DEADLINE, How, Workshop, against, contract, operation, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn outboxes_senders_and_imports_keep_what_the_header_promises() {
    contract("tests/c/outbox.c").await;
}

/// Two revisions of a part, one that is archived, one with several codes.
fn deploy_parts(sandbox: &Sandbox) {
    let mut old = OperationSpec::new("part-old", "Old").part("P-200");
    old.archived_at = Some("2025-01-15T14:22:00Z".parse::<Time>().expect("a time"));
    for spec in [
        OperationSpec::new("part-a", "Part").part("P-100").revision("A"),
        OperationSpec::new("part-b", "Part").part("P-100").revision("B"),
        OperationSpec::new("part-codes", "Part").part("P-300|ALT-300"),
        old,
    ] {
        sandbox.deploy(spec).expect("an operation");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogues_keep_what_the_header_promises() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/catalogue.c").await;
    for how in BOTH {
        let (sandbox, folder) = (sandbox().await, TempDir::new().expect("a temporary folder"));
        operation(&sandbox);
        deploy_parts(&sandbox);
        let printed = run(against(&sandbox, &program, how).env("TEST_FOLDER", folder.path()), DEADLINE).await;
        assert_eq!(printed, "passed\n");
        sandbox.shutdown().await;
    }
}

const ORDERS: usize = 600;

fn ids() -> BTreeSet<String> {
    (0..ORDERS).map(|number| format!("PLUG-IN-{number}")).collect()
}

fn program(sandbox: &Sandbox, program: &Path, folder: &TempDir, how: How) -> Command {
    let mut command = against(sandbox, program, how);
    command.arg(folder.path().join("erp.pico")).arg(folder.path().join("orders.txt"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_again_and_again_brings_every_order_once() {
    let (workshop, folder) = (Workshop::new(), TempDir::new().expect("a temporary folder"));
    let compiled = workshop.compile("examples/c/durable_orders.c").await;
    let sandbox = sandbox().await;
    let operation = operation(&sandbox);
    let list: String = ids().iter().map(|id| format!("{id} {operation}\n")).collect();
    std::fs::write(folder.path().join("orders.txt"), list).expect("the ERP's table");
    let mut killed = 0;
    for round in 0..8 {
        let before = sandbox.orders().len();
        let mut command = program(&sandbox, &compiled, &folder, How::Natively);
        let mut child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().expect("it starts");
        let begun = async {
            while sandbox.orders().len() <= before && child.try_wait().is_ok_and(|ended| ended.is_none()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(DEADLINE, begun).await.expect("it sends");
        // At another moment of its work each time.
        sleep(Duration::from_millis(2 * round)).await;
        killed += usize::from(child.try_wait().is_ok_and(|ended| ended.is_none()));
        // On Unix this is SIGKILL.
        child.kill().await.expect("it is killed");
    }
    assert!(killed > 0, "it was always faster");
    for how in BOTH {
        run(&mut program(&sandbox, &compiled, &folder, how), DEADLINE).await;
        let orders = sandbox.orders();
        assert_eq!(orders.len(), ORDERS);
        assert_eq!(orders.into_iter().map(|order| order.external_order_id).collect::<BTreeSet<_>>(), ids());
    }
    let store = Store::builder(folder.path().join("erp.pico")).must_exist().open().await.expect("the store");
    let counts = store.outbox().counts().await.expect("the counts");
    // None was queued twice either.
    let total: u64 = serde_json::from_str::<HashMap<String, u64>>(counts.to_json().as_str())
        .expect("counts")
        .values()
        .sum();
    assert_eq!((counts.sent, total), (ORDERS as u64, ORDERS as u64));
    store.close().await;
    sandbox.shutdown().await;
}
