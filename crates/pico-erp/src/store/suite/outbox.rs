//! The outbox.

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{SECOND, Subject, suite};
use crate::orders::Units;
use crate::store::Durability;
use crate::store::inbox_table::Place;
use crate::store::outbox_table::{
    Again, Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxEntry, OutboxState, Reason,
    Retried,
};

suite!(
    a_later_save_takes_the_place_of_an_unsent_one_of_its_unit_only,
    a_save_that_has_to_be_sent_again_steps_back_for_a_later_one,
    a_cancel_takes_the_place_of_the_saves_it_covers_and_is_sent_alone_and_in_order,
    a_cancel_of_all_waits_for_every_unit_that_is_being_sent,
    a_request_id_is_one_row_however_often_and_tells_other_content,
    batches_hold_saves_only_and_what_goes_alone_goes_when_it_is_first,
    a_waiting_order_goes_when_it_is_due_also_when_the_clock_is_set_back,
    what_was_being_sent_is_queued_again_and_known_to_be_unsure,
    a_failed_order_is_retried_unless_a_later_one_would_be_undone,
    an_order_is_dropped_unless_it_is_being_sent_or_settled,
    what_is_settled_expires_and_what_failed_or_is_unsent_stays,
    an_answer_with_an_old_fence_is_refused_and_changes_nothing,
    what_went_wrong_is_kept_until_the_order_is_sent,
    request_ids_are_listed_by_prefix_byte_by_byte,
    refused_lines_are_kept_once_and_expire,
    what_is_queued_with_a_zero_character_is_refused_or_kept,
    orders_of_a_unit_are_sent_one_at_a_time_in_order_and_the_last_save_is_never_lost,
);

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

fn put(store: &mut Subject, kind: OrderKind, order: &str, units: Units) -> i64 {
    match store.enqueue(&row(kind, order, units, None), 0).unwrap() {
        Enqueued::New { id, .. } => id,
        Enqueued::Known { .. } => panic!("it has no request id"),
    }
}

fn save(store: &mut Subject, order: &str, index: u32) -> i64 {
    put(store, OrderKind::Save, order, Units::One(index))
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

fn state(store: &mut Subject, id: i64) -> OutboxState {
    store.outbox_entry(id).unwrap().unwrap().state
}

fn a_later_save_takes_the_place_of_an_unsent_one_of_its_unit_only(store: &mut Subject) {
    let first = save(store, "A", 0);
    let other = save(store, "A", 1);
    let later = save(store, "A", 0);
    assert_eq!(state(store, first), OutboxState::Superseded);
    assert_eq!(store.outbox_entry(first).unwrap().unwrap().superseded_by, Some(later));
    assert_eq!(store.sendable(50, 0), [other, later]);
    // Being sent: the next one waits for it.
    let last = save(store, "A", 0);
    assert_eq!(state(store, later), OutboxState::Sending);
    assert!(store.sendable(50, 0).is_empty());
    store.answered(later, &sent(), 0);
    assert_eq!(store.sendable(50, 0), [last]);
}

fn a_save_that_has_to_be_sent_again_steps_back_for_a_later_one(store: &mut Subject) {
    let first = save(store, "A", 0);
    let kept = save(store, "B", 0);
    assert_eq!(store.sendable(50, 0), [first, kept]);
    let later = save(store, "A", 0);
    store.answered(first, &again(Again::Queued, false), 0);
    store.answered(kept, &again(Again::Queued, false), 0);
    assert_eq!(state(store, first), OutboxState::Superseded);
    assert_eq!(store.sendable(50, 0), [kept, later]);
}

fn a_cancel_takes_the_place_of_the_saves_it_covers_and_is_sent_alone_and_in_order(store: &mut Subject) {
    let units: Vec<_> = (0..3).map(|index| save(store, "A", index)).collect();
    let one = put(store, OrderKind::Cancel, "A", Units::One(1));
    assert_eq!(
        units.iter().map(|id| state(store, *id)).collect::<Vec<_>>(),
        [OutboxState::Queued, OutboxState::Superseded, OutboxState::Queued]
    );
    let all = put(store, OrderKind::Cancel, "A", Units::All);
    assert_eq!(state(store, units[2]), OutboxState::Superseded);
    assert_eq!(state(store, one), OutboxState::Queued, "a cancel stays");
    let after = save(store, "A", 2);
    let elsewhere = save(store, "B", 2);
    assert_eq!(store.sendable(50, 0), [one]);
    assert_eq!(store.sendable(50, 0), [elsewhere], "all waits for one, and after for all");
    store.answered(one, &failed(), 0);
    assert_eq!(store.sendable(50, 0), [all]);
    assert!(store.sendable(50, 0).is_empty());
    store.answered(all, &sent(), 0);
    assert_eq!(store.sendable(50, 0), [after]);
}

fn a_cancel_of_all_waits_for_every_unit_that_is_being_sent(store: &mut Subject) {
    let units: Vec<_> = (0..2).map(|index| save(store, "A", index)).collect();
    assert_eq!(store.sendable(50, 0), units);
    let all = put(store, OrderKind::Cancel, "A", Units::All);
    for id in units {
        assert!(store.sendable(50, 0).is_empty());
        store.answered(id, &sent(), 0);
    }
    assert_eq!(store.sendable(50, 0), [all]);
}

fn a_request_id_is_one_row_however_often_and_tells_other_content(store: &mut Subject) {
    let first = row(OrderKind::Save, "A", Units::One(0), Some("r"));
    let Enqueued::New { id, .. } = store.enqueue(&first, 0).unwrap() else { panic!() };
    assert_eq!(store.enqueue(&first, 1).unwrap(), Enqueued::Known { id, same: true });
    let other = row(OrderKind::Save, "A", Units::One(1), Some("r"));
    assert_eq!(store.enqueue(&other, 1).unwrap(), Enqueued::Known { id, same: false });
    assert_eq!(store.outbox_entries(None, 0, 10).unwrap().len(), 1);
}

fn batches_hold_saves_only_and_what_goes_alone_goes_when_it_is_first(store: &mut Subject) {
    let ids: Vec<_> = (0..5).map(|number| save(store, &format!("A{number}"), 0)).collect();
    assert_eq!(store.sendable(3, 0), ids[..3]);
    store.answered(ids[0], &again(Again::Queued, true), 0);
    store.answered(ids[1], &sent(), 0);
    store.answered(ids[2], &again(Again::Queued, false), 0);
    assert_eq!(store.sendable(3, 0), [ids[0]]);
    assert_eq!(store.sendable(3, 0), ids[2..]);
    // What was tried three times in batches goes alone.
    for _ in 0..2 {
        store.answered(ids[2], &again(Again::Queued, false), 0);
        assert!(store.sendable(3, 0).contains(&ids[2]));
    }
    store.answered(ids[2], &again(Again::Queued, false), 0);
    let next = save(store, "B", 0);
    assert_eq!(store.sendable(3, 0), [ids[2]]);
    assert_eq!(store.sendable(1, 0), [next], "a limit of one is one alone");
}

fn a_waiting_order_goes_when_it_is_due_also_when_the_clock_is_set_back(store: &mut Subject) {
    let id = save(store, "A", 0);
    store.sendable(50, 5000);
    store.answered(id, &again(Again::At(5010 * SECOND), true), 5000 * SECOND);
    assert!(matches!(
        store.claim_orders(50, 5001 * SECOND).unwrap(),
        OrderClaim::Nothing { due: Some(due) } if due == 5010 * SECOND
    ));
    assert!(store.sendable(50, 1400).is_empty());
    assert!(store.sendable(50, 1409).is_empty());
    assert_eq!(store.sendable(50, 1410), [id]);
}

fn what_was_being_sent_is_queued_again_and_known_to_be_unsure(store: &mut Subject) {
    let id = put(store, OrderKind::Cancel, "A", Units::All);
    store.sendable(50, 0);
    assert!(store.sendable(50, 0).is_empty());
    store.successor();
    match store.claim_orders(50, 0).unwrap() {
        OrderClaim::Single(order) => assert!(order.id == id && order.unsure && order.attempt == 2),
        other => panic!("{other:?}"),
    }
}

fn a_failed_order_is_retried_unless_a_later_one_would_be_undone(store: &mut Subject) {
    let ids: Vec<_> = ["A", "B"].map(|order| save(store, order, 0)).to_vec();
    for id in store.sendable(50, 0) {
        store.answered(id, &failed(), 0);
    }
    let later = save(store, "A", 0);
    assert_eq!(state(store, ids[0]), OutboxState::Failed, "only what is unsent is superseded");
    assert_eq!(store.retry_order(ids[0]).unwrap(), Retried::Overtaken(later));
    assert_eq!(store.retry_order(later).unwrap(), Retried::NotFailed(OutboxState::Queued));
    assert_eq!(store.retry_order(i64::MAX).unwrap(), Retried::Missing);
    assert_eq!(store.retry_failed_orders().unwrap(), 1);
    assert_eq!(store.sendable(50, 0), [ids[1], later]);
}

fn an_order_is_dropped_unless_it_is_being_sent_or_settled(store: &mut Subject) {
    let id = save(store, "A", 0);
    store.sendable(50, 0);
    assert!(!store.drop_order(id, 0).unwrap());
    store.answered(id, &again(Again::At(SECOND), false), 0);
    assert!(store.drop_order(id, 0).unwrap());
    assert!(!store.drop_order(id, 0).unwrap());
    assert!(!store.has_unsent().unwrap());
    store.answered(id, &sent(), 0);
    assert_eq!(state(store, id), OutboxState::Dropped, "a late answer changes nothing");
}

fn what_is_settled_expires_and_what_failed_or_is_unsent_stays(store: &mut Subject) {
    let ids: Vec<_> = (0..4).map(|number| save(store, &format!("A{number}"), 0)).collect();
    let replaced = save(store, "A3", 0);
    store.sendable(3, 0);
    store.answered(ids[0], &sent(), 100);
    store.answered(ids[1], &failed(), 100);
    assert_eq!(store.expire_outbox(101, 10).unwrap(), 2, "one sent, one superseded");
    let left: Vec<_> = store.outbox_entries(None, 0, 10).unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(left, [ids[1], ids[2], replaced]);
    let counts = store.outbox_counts().unwrap();
    assert_eq!((counts.failed, counts.sending, counts.queued, counts.sent), (1, 1, 1, 0));
}

fn an_answer_with_an_old_fence_is_refused_and_changes_nothing(store: &mut Subject) {
    let id = save(store, "A", 0);
    store.sendable(50, 0);
    let old = Place { id, fence: store.orders[&id] };
    store.successor();
    assert_eq!(store.sendable(50, 0), [id]);
    let before = format!("{:?}", store.outbox_entry(id).unwrap());
    for settlement in [sent(), failed(), again(Again::Queued, true)] {
        assert!(!store.settle_order(old, &settlement, 9).unwrap(), "{settlement:?}");
    }
    assert_eq!(format!("{:?}", store.outbox_entry(id).unwrap()), before);
    assert!(store.answered(id, &sent(), 9));
    assert!(!store.answered(id, &sent(), 9), "it is settled");
}

fn what_went_wrong_is_kept_until_the_order_is_sent(store: &mut Subject) {
    let id = save(store, "A", 0);
    let retry = |reason: Option<Reason>, counts: bool| OrderSettlement::Retry {
        again: Again::Queued,
        reason,
        alone: false,
        unsure: false,
        counts,
    };
    let reason = Reason { code: 500, text: "busy".to_owned(), graphql_errors: Some("[{}]".to_owned()) };
    for (settlement, attempts, error) in [
        (retry(Some(reason.clone()), true), 1, Some("busy")),
        (retry(None, false), 1, Some("busy")),
        (OrderSettlement::Failed(Reason { text: "no".to_owned(), ..reason.clone() }), 2, Some("no")),
    ] {
        assert_eq!(store.sendable(50, 0), [id]);
        assert!(store.answered(id, &settlement, 0));
        let entry = store.outbox_entry(id).unwrap().unwrap();
        let failure = entry.error.unwrap();
        assert_eq!((entry.attempts, Some(failure.message.as_str())), (attempts, error), "{settlement:?}");
        assert_eq!((failure.code, failure.graphql_errors.as_deref()), (500, Some("[{}]")));
    }
    assert_eq!(store.retry_order(id).unwrap(), Retried::Queued);
    assert_eq!(store.sendable(50, 0), [id]);
    assert!(store.answered(id, &sent(), 7));
    let entry = store.outbox_entry(id).unwrap().unwrap();
    assert_eq!((entry.state, entry.attempts, entry.error), (OutboxState::Sent, 1, None));
    assert_eq!((entry.message.as_deref(), entry.settled.unwrap().as_microsecond()), (Some("created"), 7));
}

fn request_ids_are_listed_by_prefix_byte_by_byte(store: &mut Subject) {
    for id in ["f-2", "f-10", "F-1", "f-1", "f_1", "f-\u{10fffd}", "g"] {
        store.enqueue(&row(OrderKind::Save, id, Units::One(0), Some(id)), 0).unwrap();
    }
    save(store, "without", 0);
    let mut listed = |prefix: &str, after: &str, limit: usize| -> Vec<String> {
        let found = store.outbox_requests(prefix, after, limit).unwrap();
        found.into_iter().map(|entry| entry.request_id.unwrap()).collect()
    };
    assert_eq!(listed("f-", "", 10), ["f-1", "f-10", "f-2", "f-\u{10fffd}"]);
    assert_eq!(listed("f-", "f-10", 1), ["f-2"]);
    assert!(listed("h", "", 10).is_empty());
}

fn refused_lines_are_kept_once_and_expire(store: &mut Subject) {
    let reason = |text: &str| Reason { code: 100, text: text.to_owned(), graphql_errors: None };
    for (line, text) in [(9, "no"), (2, "no"), (9, "again\0")] {
        store.refuse_line("digest", line, &reason(text), 10).unwrap();
    }
    let lines: Vec<_> = store
        .refused_lines("digest")
        .unwrap()
        .into_iter()
        .map(|(line, reason)| (line, reason.text.replace('\0', "\u{fffd}")))
        .collect();
    assert_eq!(lines, [(2, "no".to_owned()), (9, "again\u{fffd}".to_owned())]);
    assert!(store.refused_lines("other").unwrap().is_empty());
    store.expire_outbox(10, 10).unwrap();
    assert_eq!(store.refused_lines("digest").unwrap().len(), 2);
    store.expire_outbox(11, 10).unwrap();
    assert!(store.refused_lines("digest").unwrap().is_empty());
}

fn what_is_queued_with_a_zero_character_is_refused_or_kept(store: &mut Subject) {
    let odd = row(OrderKind::Save, "A\0", Units::One(0), None);
    match store.enqueue(&odd, 0) {
        Ok(Enqueued::New { id, .. }) => {
            assert_eq!(store.outbox_entry(id).unwrap().unwrap().external_order_id, "A\0");
        }
        Ok(Enqueued::Known { .. }) => panic!("it has no request id"),
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("external_order_id: ") && error.contains("U+0000"), "{error}");
        }
    }
    // As it stands in JSON it is kept by all.
    let input = r#"{"name":"A\u0000"}"#.to_owned();
    let Enqueued::New { id, .. } = store
        .enqueue(&NewOrder { input: input.clone(), ..row(OrderKind::Save, "B", Units::One(0), None) }, 0)
        .unwrap()
    else {
        panic!("it has no request id")
    };
    assert_eq!(store.outbox_entry(id).unwrap().unwrap().input.as_str(), input);
}

/// Whether two rows are about a common unit.
fn alike(one: &OutboxEntry, other: &OutboxEntry) -> bool {
    one.external_order_id == other.external_order_id
        && (one.units == other.units || one.units == Units::All || other.units == Units::All)
}

/// Whatever is queued, claimed, settled, lost and retried, in whatever order.
fn orders_of_a_unit_are_sent_one_at_a_time_in_order_and_the_last_save_is_never_lost(store: &mut Subject) {
    let steps = prop::collection::vec((0..8_u8, 0..2_u8, 0..3_u32, 1..4_usize), 1..60);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) };
    let (store, plants) = (RefCell::new(store), Cell::new(0));
    TestRunner::new(config)
        .run(&steps, |steps| {
            plants.set(plants.get() + 1);
            whatever_happens(&mut store.borrow_mut(), &format!("plant-{}", plants.get()), steps)
        })
        .unwrap();
}

/// Does `work` in a transaction, as the store does, at `plant`.
fn transact<T>(store: &mut Subject, plant: &str, work: impl FnOnce(&mut Subject) -> T) -> T {
    store.begin(Durability::Process).unwrap();
    store.enter(plant).unwrap();
    let done = work(store);
    store.commit().unwrap();
    done
}

fn whatever_happens(
    store: &mut Subject,
    plant: &str,
    steps: Vec<(u8, u8, u32, usize)>,
) -> Result<(), TestCaseError> {
    let mut out: Vec<i64> = Vec::new();
    for (step, order, index, limit) in steps {
        let order = format!("A{order}");
        if step == 7 {
            store.successor();
            out.clear();
        }
        let rows = transact(store, plant, |store| {
            match step {
                0..=2 => {
                    save(store, &order, index);
                }
                3 => {
                    let units = if index == 2 { Units::All } else { Units::One(index) };
                    put(store, OrderKind::Cancel, &order, units);
                }
                4 => out.extend(store.sendable(limit, 0)),
                5 => out.drain(..).for_each(|id| assert!(store.answered(id, &sent(), 0))),
                6 => {
                    if let Some(id) = out.pop() {
                        assert!(store.answered(id, &again(Again::Queued, index == 0), 0));
                    }
                }
                _ => {
                    store.recover_orders().unwrap();
                }
            }
            store.outbox_entries(None, 0, 1000).unwrap()
        });
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
    store.successor();
    let rows = transact(store, plant, |store| {
        store.recover_orders().unwrap();
        loop {
            let ids = store.sendable(3, 0);
            if ids.is_empty() {
                break;
            }
            for id in ids {
                store.answered(id, &sent(), 0);
            }
        }
        assert!(!store.has_unsent().unwrap());
        store.outbox_entries(None, 0, 1000).unwrap()
    });
    for (place, row) in rows.iter().enumerate() {
        let overtaken = rows[place + 1..].iter().any(|it| alike(it, row));
        if !overtaken {
            prop_assert_eq!(row.state, OutboxState::Sent);
        }
    }
    Ok(())
}
