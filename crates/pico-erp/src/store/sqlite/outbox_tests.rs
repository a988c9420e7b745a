use proptest::prelude::*;

use super::*;
use crate::orders::Units;
use crate::store::outbox_table::{
    Again, Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxEntry, OutboxState,
    OutboxTable as _, Reason, Retried,
};

const SECOND: i64 = 1_000_000;

fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("erp.pico"), Settings::default()).unwrap();
    (folder, store)
}

fn row(kind: OrderKind, order: &str, units: Units, request: Option<&str>) -> NewOrder {
    NewOrder {
        order_id: order.to_owned(),
        operation_id: "op".to_owned(),
        units,
        kind,
        input: format!("{{\"externalOrderId\":\"{order}\"}}"),
        request_id: request.map(str::to_owned),
    }
}

fn put(store: &mut Sqlite, kind: OrderKind, order: &str, units: Units) -> i64 {
    match store.enqueue(&row(kind, order, units, None), 0).unwrap() {
        Enqueued::New { id, .. } => id,
        Enqueued::Known { .. } => panic!("it has no request id"),
    }
}

fn save(store: &mut Sqlite, order: &str, index: u32) -> i64 {
    put(store, OrderKind::Save, order, Units::One(index))
}

fn claim(store: &mut Sqlite, limit: usize, seconds: i64) -> Vec<i64> {
    match store.claim_orders(limit, seconds * SECOND).unwrap() {
        OrderClaim::Single(order) => vec![order.id],
        OrderClaim::Batch(orders) => orders.iter().map(|order| order.id).collect(),
        OrderClaim::Nothing { .. } => Vec::new(),
    }
}

fn settle(store: &mut Sqlite, id: i64, settlement: &OrderSettlement) {
    store.settle_order(id, settlement, 0).unwrap();
}

fn sent() -> OrderSettlement {
    OrderSettlement::Sent { message: "created".to_owned() }
}

fn failed() -> OrderSettlement {
    OrderSettlement::Failed(Reason { code: 500, text: "no".to_owned(), graphql_errors: None })
}

fn again(again: Again, alone: bool) -> OrderSettlement {
    OrderSettlement::Retry { again, reason: None, alone, unsure: true, counts: true }
}

fn state(store: &mut Sqlite, id: i64) -> OutboxState {
    store.outbox_entry(id).unwrap().unwrap().state
}

#[test]
fn a_later_save_takes_the_place_of_an_unsent_one_of_its_unit_only() {
    let (_folder, mut store) = store();
    let first = save(&mut store, "A", 0);
    let other = save(&mut store, "A", 1);
    let later = save(&mut store, "A", 0);
    assert_eq!(state(&mut store, first), OutboxState::Superseded);
    assert_eq!(store.outbox_entry(first).unwrap().unwrap().superseded_by, Some(later));
    assert_eq!(claim(&mut store, 50, 0), [other, later]);
    // Being sent: the next one waits for it.
    let last = save(&mut store, "A", 0);
    assert_eq!(state(&mut store, later), OutboxState::Sending);
    assert!(claim(&mut store, 50, 0).is_empty());
    settle(&mut store, later, &sent());
    assert_eq!(claim(&mut store, 50, 0), [last]);
}

#[test]
fn a_save_that_has_to_be_sent_again_steps_back_for_a_later_one() {
    let (_folder, mut store) = store();
    let first = save(&mut store, "A", 0);
    let kept = save(&mut store, "B", 0);
    assert_eq!(claim(&mut store, 50, 0), [first, kept]);
    let later = save(&mut store, "A", 0);
    settle(&mut store, first, &again(Again::Queued, false));
    settle(&mut store, kept, &again(Again::Queued, false));
    assert_eq!(state(&mut store, first), OutboxState::Superseded);
    assert_eq!(claim(&mut store, 50, 0), [kept, later]);
}

#[test]
fn a_cancel_takes_the_place_of_the_saves_it_covers_and_is_sent_alone_and_in_order() {
    let (_folder, mut store) = store();
    let units: Vec<_> = (0..3).map(|index| save(&mut store, "A", index)).collect();
    let one = put(&mut store, OrderKind::Cancel, "A", Units::One(1));
    assert_eq!(
        units.iter().map(|id| state(&mut store, *id)).collect::<Vec<_>>(),
        [OutboxState::Queued, OutboxState::Superseded, OutboxState::Queued]
    );
    let all = put(&mut store, OrderKind::Cancel, "A", Units::All);
    assert_eq!(state(&mut store, units[2]), OutboxState::Superseded);
    assert_eq!(state(&mut store, one), OutboxState::Queued, "a cancel stays");
    let after = save(&mut store, "A", 2);
    let elsewhere = save(&mut store, "B", 2);
    assert_eq!(claim(&mut store, 50, 0), [one]);
    assert_eq!(claim(&mut store, 50, 0), [elsewhere], "all waits for one, and after for all");
    settle(&mut store, one, &failed());
    assert_eq!(claim(&mut store, 50, 0), [all]);
    assert!(claim(&mut store, 50, 0).is_empty());
    settle(&mut store, all, &sent());
    assert_eq!(claim(&mut store, 50, 0), [after]);
}

#[test]
fn a_cancel_of_all_waits_for_every_unit_that_is_being_sent() {
    let (_folder, mut store) = store();
    let units: Vec<_> = (0..2).map(|index| save(&mut store, "A", index)).collect();
    assert_eq!(claim(&mut store, 50, 0), units);
    let all = put(&mut store, OrderKind::Cancel, "A", Units::All);
    for id in units {
        assert!(claim(&mut store, 50, 0).is_empty());
        settle(&mut store, id, &sent());
    }
    assert_eq!(claim(&mut store, 50, 0), [all]);
}

#[test]
fn a_request_id_is_one_row_however_often_and_tells_other_content() {
    let (_folder, mut store) = store();
    let first = row(OrderKind::Save, "A", Units::One(0), Some("r"));
    let Enqueued::New { id, .. } = store.enqueue(&first, 0).unwrap() else { panic!() };
    assert_eq!(store.enqueue(&first, 1).unwrap(), Enqueued::Known { id, same: true });
    let other = row(OrderKind::Save, "A", Units::One(1), Some("r"));
    assert_eq!(store.enqueue(&other, 1).unwrap(), Enqueued::Known { id, same: false });
    assert_eq!(store.outbox_entries(None, 0, 10).unwrap().len(), 1);
}

#[test]
fn batches_hold_saves_only_and_what_goes_alone_goes_when_it_is_first() {
    let (_folder, mut store) = store();
    let ids: Vec<_> = (0..5).map(|number| save(&mut store, &format!("A{number}"), 0)).collect();
    assert_eq!(claim(&mut store, 3, 0), ids[..3]);
    settle(&mut store, ids[0], &again(Again::Queued, true));
    settle(&mut store, ids[1], &sent());
    settle(&mut store, ids[2], &again(Again::Queued, false));
    assert_eq!(claim(&mut store, 3, 0), [ids[0]]);
    assert_eq!(claim(&mut store, 3, 0), ids[2..]);
    // What was tried three times in batches goes alone.
    for _ in 0..2 {
        settle(&mut store, ids[2], &again(Again::Queued, false));
        assert!(claim(&mut store, 3, 0).contains(&ids[2]));
    }
    settle(&mut store, ids[2], &again(Again::Queued, false));
    let next = save(&mut store, "B", 0);
    assert_eq!(claim(&mut store, 3, 0), [ids[2]]);
    assert_eq!(claim(&mut store, 1, 0), [next], "a limit of one is one alone");
}

#[test]
fn a_waiting_order_goes_when_it_is_due_also_when_the_clock_is_set_back() {
    let (_folder, mut store) = store();
    let id = save(&mut store, "A", 0);
    claim(&mut store, 50, 5000);
    store.settle_order(id, &again(Again::At(5010 * SECOND), true), 5000 * SECOND).unwrap();
    assert!(matches!(
        store.claim_orders(50, 5001 * SECOND).unwrap(),
        OrderClaim::Nothing { due: Some(due) } if due == 5010 * SECOND
    ));
    assert!(claim(&mut store, 50, 1400).is_empty());
    assert!(claim(&mut store, 50, 1409).is_empty());
    assert_eq!(claim(&mut store, 50, 1410), [id]);
}

#[test]
fn what_was_being_sent_is_queued_again_and_known_to_be_unsure() {
    let (folder, mut store) = store();
    let id = put(&mut store, OrderKind::Cancel, "A", Units::All);
    claim(&mut store, 50, 0);
    drop(store);
    let mut store = open(&folder.path().join("erp.pico"), Settings::default()).unwrap();
    assert!(claim(&mut store, 50, 0).is_empty());
    assert_eq!(store.recover_orders().unwrap(), 1);
    match store.claim_orders(50, 0).unwrap() {
        OrderClaim::Single(order) => assert!(order.id == id && order.unsure && order.attempt == 2),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_order_is_retried_unless_a_later_one_would_be_undone() {
    let (_folder, mut store) = store();
    let ids: Vec<_> = ["A", "B"].map(|order| save(&mut store, order, 0)).to_vec();
    for id in claim(&mut store, 50, 0) {
        settle(&mut store, id, &failed());
    }
    let later = save(&mut store, "A", 0);
    assert_eq!(state(&mut store, ids[0]), OutboxState::Failed, "only what is unsent is superseded");
    assert_eq!(store.retry_order(ids[0]).unwrap(), Retried::Overtaken(later));
    assert_eq!(store.retry_order(later).unwrap(), Retried::NotFailed(OutboxState::Queued));
    assert_eq!(store.retry_order(99).unwrap(), Retried::Missing);
    assert_eq!(store.retry_failed_orders().unwrap(), 1);
    assert_eq!(claim(&mut store, 50, 0), [ids[1], later]);
}

#[test]
fn an_order_is_dropped_unless_it_is_being_sent_or_settled() {
    let (_folder, mut store) = store();
    let id = save(&mut store, "A", 0);
    claim(&mut store, 50, 0);
    assert!(!store.drop_order(id, 0).unwrap());
    settle(&mut store, id, &again(Again::At(SECOND), false));
    assert!(store.drop_order(id, 0).unwrap());
    assert!(!store.drop_order(id, 0).unwrap());
    assert!(!store.has_unsent().unwrap());
    settle(&mut store, id, &sent());
    assert_eq!(state(&mut store, id), OutboxState::Dropped, "a late answer changes nothing");
}

#[test]
fn what_is_settled_expires_and_what_failed_or_is_unsent_stays() {
    let (_folder, mut store) = store();
    let ids: Vec<_> = (0..4).map(|number| save(&mut store, &format!("A{number}"), 0)).collect();
    let replaced = save(&mut store, "A3", 0);
    claim(&mut store, 3, 0);
    store.settle_order(ids[0], &sent(), 100).unwrap();
    store.settle_order(ids[1], &failed(), 100).unwrap();
    assert_eq!(store.expire_outbox(101, 10).unwrap(), 2, "one sent, one superseded");
    let left: Vec<_> = store.outbox_entries(None, 0, 10).unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(left, [ids[1], ids[2], replaced]);
    let counts = store.outbox_counts().unwrap();
    assert_eq!((counts.failed, counts.sending, counts.queued, counts.sent), (1, 1, 1, 0));
}

#[test]
fn the_view_says_what_the_numbers_mean() {
    let (_folder, mut store) = store();
    put(&mut store, OrderKind::Cancel, "A", Units::All);
    let shown: (String, String, String) = store
        .connection
        .query_row("SELECT kind, order_index, state FROM orders", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(shown, ("cancel".to_owned(), "all".to_owned(), "queued".to_owned()));
}

#[test]
fn claims_and_supersedes_are_found_by_index() {
    let (_folder, store) = store();
    for sql in [
        "UPDATE outbox SET state = 5 WHERE order_id = 'A' AND operation_id = 'op' AND state < 3 AND state <> 1 \
         AND kind = 0 AND id < 9 AND order_index = 1",
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE state < 3)",
        "SELECT count(*) FROM outbox WHERE state = 3",
        "SELECT id FROM outbox WHERE state = 0 ORDER BY id",
        "SELECT id FROM outbox WHERE request_id = 'r'",
    ] {
        let plan: Vec<String> = store
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan.iter().any(|step| step.contains("INDEX outbox_")), "{sql}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
    }
}

/// Whether two rows are about a common unit.
fn alike(one: &OutboxEntry, other: &OutboxEntry) -> bool {
    one.external_order_id == other.external_order_id
        && (one.units == other.units || one.units == Units::All || other.units == Units::All)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is queued, claimed, settled, lost and retried, in whatever order.
    #[test]
    fn orders_of_a_unit_are_sent_one_at_a_time_in_order_and_the_last_save_is_never_lost(
        steps in prop::collection::vec((0..8_u8, 0..2_u8, 0..3_u32, 1..4_usize), 1..60)
    ) {
        let (_folder, mut store) = store();
        let mut out: Vec<i64> = Vec::new();
        for (step, order, index, limit) in steps {
            let order = format!("A{order}");
            match step {
                0..=2 => { save(&mut store, &order, index); }
                3 => {
                    let units = if index == 2 { Units::All } else { Units::One(index) };
                    put(&mut store, OrderKind::Cancel, &order, units);
                }
                4 => out.extend(claim(&mut store, limit, 0)),
                5 => for id in out.drain(..) { settle(&mut store, id, &sent()); },
                6 => if let Some(id) = out.pop() { settle(&mut store, id, &again(Again::Queued, index == 0)); },
                _ => { store.recover_orders().unwrap(); out.clear(); }
            }
            let rows = store.outbox_entries(None, 0, 1000).unwrap();
            for (place, row) in rows.iter().enumerate() {
                let earlier = rows[..place].iter().filter(|it| alike(it, row) && !it.state.is_settled());
                if row.state == OutboxState::Sending {
                    prop_assert_eq!(earlier.count(), 0, "{} went before an earlier one", row.id);
                }
                // What was superseded has a later one that covers it.
                if let Some(by) = row.superseded_by {
                    prop_assert!(rows.iter().any(|it| it.id == by && by > row.id && alike(it, row)));
                }
            }
        }
        // Then all are sent, and the last save of each unit is among them unless a cancel came after it.
        for id in out.drain(..) { settle(&mut store, id, &sent()); }
        store.recover_orders().unwrap();
        loop {
            let ids = claim(&mut store, 3, 0);
            if ids.is_empty() { break; }
            for id in ids { settle(&mut store, id, &sent()); }
        }
        prop_assert!(!store.has_unsent().unwrap());
        let rows = store.outbox_entries(None, 0, 1000).unwrap();
        for (place, row) in rows.iter().enumerate() {
            let overtaken = rows[place + 1..].iter().any(|it| alike(it, row));
            if !overtaken {
                prop_assert_eq!(row.state, OutboxState::Sent);
            }
        }
    }
}
