//! Streams, callbacks and the end of things, as C sees them.

use std::process::Stdio;

use pico_erp_sandbox::{
    Attribute, CompletionSpec, Config, Fault, FaultKind, NoteSpec, OperationSpec, Sandbox,
};
use pico_erp_tests::{run, tool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::workshop::{BOTH, DEADLINE, How, TOKEN, Workshop, against, contract, operation, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_keep_what_the_header_promises() {
    contract("tests/c/callbacks.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_cancelling_forking_and_freeing_keep_what_the_header_promises() {
    contract("tests/c/control.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_what_the_header_promises() {
    contract("tests/c/batches.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_is_readable_exactly_while_there_is_something_to_take() {
    contract("tests/c/descriptor.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_over_every_transport_and_losses_are_counted() {
    contract("tests/c/transports.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_proxy_holds_back_tells_that_it_goes_another_way() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/transports.c").await;
    for how in BOTH {
        let sandbox = sandbox().await;
        sandbox.set_faults(Fault::buffer_sse(false, None));
        let mut command = against(&sandbox, &program, how);
        command.arg("held-back").env("TEST_OPERATION", operation(&sandbox));
        assert_eq!(run(&mut command, DEADLINE).await, "passed\n");
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_loads_and_unloads_leave_no_threads_and_no_memory_behind() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/loading.c").await;
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    // The memory of a process under valgrind is mostly valgrind's.
    for (how, rounds, most_kib) in [(How::Natively, "100", "4096"), (How::UnderValgrind, "10", "0")] {
        let mut command = against(&sandbox, &program, how);
        let printed = run(command.arg(&library).args([rounds, most_kib]), DEADLINE).await;
        assert_eq!(printed, "passed\n");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_subscriptions_have_no_threads_of_their_own() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/thousand.c").await;
    // Server-Sent Events take a connection each, and many machines allow a process 1,024 descriptors.
    for (how, transport, count) in [
        (How::Natively, "websocket", "1000"),
        (How::Natively, "sse", "300"),
        (How::UnderValgrind, "websocket", "50"),
    ] {
        let sandbox = sandbox().await;
        let mut command = against(&sandbox, &program, how);
        command.args([transport, count]).env("TEST_OPERATION", operation(&sandbox));
        assert_eq!(run(&mut command, DEADLINE).await, "passed\n");
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_arrives_with_all_its_fields() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/events.c").await;
    for how in BOTH {
        let sandbox = Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await;
        let sandbox = sandbox.expect("a sandbox on a free port");
        let mut command = against(&sandbox, &program, how);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut line =
            async || tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("in time").ok()?;

        assert_eq!(line().await.as_deref(), Some("open"));
        assert!(sandbox.cut_connections() >= 5);
        assert_eq!(line().await.as_deref(), Some("open again"));
        // The fault takes whichever event is sent next, so there must be no other one until it was seen.
        sandbox.set_faults(Fault::new(FaultKind::MalformedEvent).times(1));
        sandbox.deploy(new_operation()).expect("an operation");
        assert_eq!(line().await.as_deref(), Some("problem"));
        play_the_floor(&sandbox).await;
        for expected in [
            "operation op-new PART-9 C Gearbox tpl-1 left 1 PART-10",
            "sub_operation prod-123 op-new 7",
            "order_complete EVENTS 3 op-new PART-9 C Gearbox SN-1 PART-10=S-1",
            "note mind the gap {\"a\":1.5} /1.png",
            r#"data {"operationOrderCompletesStream":{"externalOrderId":"EVENTS"}}"#,
            "passed",
        ] {
            assert_eq!(line().await.as_deref(), Some(expected));
        }
        assert!(child.wait().await.expect("it ends").success());
        sandbox.shutdown().await;
    }
}

fn new_operation() -> OperationSpec {
    let slot = Attribute { id: Some("slot".into()), external_id: Some("PART-10".into()), value: None };
    let mut spec = OperationSpec::new("op-new", "Gearbox").part("PART-9");
    spec.external_revision = Some("C".into());
    spec.template_id = Some("tpl-1".into());
    spec.variant_name = Some("left".into());
    spec.consumed_serials = vec![slot];
    spec
}

/// One event for each stream.
async fn play_the_floor(sandbox: &Sandbox) {
    sandbox.deploy(new_operation()).expect("the same operation again");
    sandbox.link("prod-123", "op-new", Some(7)).expect("an edge");

    let client = pico_erp::Client::builder(sandbox.endpoint()).token(pico_erp::Token::fixed(TOKEN));
    let order = pico_erp::OrderSave::new("op-new", "EVENTS").order_index(3);
    client.build().expect("a client").save_order(&order).await.expect("an order");
    let mut completion = CompletionSpec::new("EVENTS");
    completion.produced_serial = Some("SN-1".into());
    completion.consumed_serials =
        Some(vec![Attribute { id: Some("slot".into()), external_id: None, value: Some("S-1".into()) }]);
    sandbox.complete(completion).expect("an open order");

    let mut note = NoteSpec::new("mind the gap");
    note.metadata = Some(serde_json::json!({ "a": 1.5 }));
    note.images = Some(vec!["/1.png".into()]);
    sandbox.add_note(note).expect("a note");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_leaves_with_everything_open_ends_with_its_own_status() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/leaving.c").await;
    for how in BOTH {
        let mut command = against(&sandbox, &program, how);
        let folder = TempDir::new().expect("a temporary folder");
        command.env("TEST_OPERATION", operation(&sandbox)).env("TEST_FOLDER", folder.path());
        let child = command.kill_on_drop(true).output();
        let output = tokio::time::timeout(DEADLINE, child).await.expect("it ends").expect("it starts");
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    sandbox.shutdown().await;
}
