//! The examples, each built and run.

use std::collections::BTreeSet;

use pico_erp_tests::run;

use crate::workshop::{BOTH, DEADLINE, How, Workshop, against, operation, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_order_is_listed_saved_and_completed() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/order_and_completion.c").await;
    for (how, order) in BOTH.into_iter().zip(["ERP-C-1", "ERP-C-2"]) {
        let printed = run(against(&sandbox, &program, how).arg(order), DEADLINE).await;
        let serial = sandbox
            .completions()
            .into_iter()
            .find(|one| one.external_order_id == order)
            .and_then(|one| one.end_state)
            .and_then(|state| state.produced_serial);
        let expected = format!("completed {order} {}", serial.as_deref().unwrap_or("-"));
        assert_eq!(printed.lines().last(), Some(expected.as_str()), "{printed}");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_its_own_event_loop_takes_the_completion_there() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/event_loop.c").await;
    for (how, order) in BOTH.into_iter().zip(["LOOP-1", "LOOP-2"]) {
        let printed = run(against(&sandbox, &program, how).arg(order), DEADLINE).await;
        assert!(printed.starts_with(&format!("saved {order}\ncompleted {order} ")), "{printed}");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_listed_also_by_a_program_that_is_linked_statically() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    operation(&sandbox);
    let shared = workshop.compile("examples/c/list_operations.c").await;
    let linked = workshop.compile_statically("examples/c/list_operations.c").await;
    let mut printed = BTreeSet::new();
    for (program, how) in [(&shared, How::Natively), (&shared, How::UnderValgrind), (&linked, How::Natively)]
    {
        printed.insert(run(&mut against(&sandbox, program, how), DEADLINE).await);
    }
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(printed.first().is_some_and(|text| text.contains("op-of-the-tests\t")), "{printed:?}");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_registered_listed_and_removed() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/manage_webhooks.c").await;
    for how in BOTH {
        let mut command = against(&sandbox, &program, how);
        let printed = run(command.args(["http://127.0.0.1:9/pico", "secret"]), DEADLINE).await;
        assert_eq!(printed, "erp-order-completions -> http://127.0.0.1:9/pico\nremoved 1\n");
    }
    assert!(sandbox.webhooks().is_empty());
    sandbox.shutdown().await;
}
