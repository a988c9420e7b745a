//! Several plants in one store, their Picos and their notes.

use super::{Subject, VISIBLE, suite};
use crate::json::Json;
use crate::orders::Units;
use crate::store::inbox_table::{Arrival, Claim, InboxCounts, Key, Received, Settlement, Source};
use crate::store::operation_table::{OperationRow, Origin, Put};
use crate::store::outbox_table::{
    Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxCounts, Reason, Retried,
};

suite!(
    the_rows_of_two_plants_with_the_same_keys_know_nothing_of_each_other,
    a_plant_belongs_to_the_pico_that_was_named_first_until_another_is_named_anew,
    plants_are_listed_by_name_once_they_were_entered,
    notes_are_kept_for_each_plant,
    what_is_undone_is_undone_with_the_making_of_the_plant,
);

fn arrival() -> Arrival {
    let key = Key { order_id: "A".to_owned(), operation_id: "op".to_owned(), order_index: 0, at: 1 };
    Arrival { key, serial: None, body: Json::new("{}").unwrap(), source: Source::Sse }
}

fn order() -> NewOrder {
    NewOrder {
        order_id: "A".to_owned(),
        operation_id: "op".to_owned(),
        units: Units::One(0),
        kind: OrderKind::Save,
        input: "{}".to_owned(),
        request_id: Some("r-1".to_owned()),
    }
}

fn operation() -> OperationRow {
    OperationRow {
        id: "op".to_owned(),
        external_id: Some("P".to_owned()),
        external_revision: None,
        name: "one".to_owned(),
        updated: 1,
        archived: None,
        codes: vec!["C".to_owned()],
        body: Json::new("{}").unwrap(),
    }
}

fn the_rows_of_two_plants_with_the_same_keys_know_nothing_of_each_other(store: &mut Subject) {
    let reason = Reason { code: 1, text: "no".to_owned(), graphql_errors: None };
    let (mut completions, mut orders) = (Vec::new(), Vec::new());
    for plant in ["berlin", "paris"] {
        store.enter(plant).unwrap();
        assert_eq!(store.receive(&arrival(), 0).unwrap(), Received::New, "{plant}");
        let unreadable = Json::new("[]").unwrap();
        assert_eq!(
            store.receive_unreadable(&unreadable, Source::Sse, "no", 0).unwrap(),
            Received::New,
            "{plant}"
        );
        store.advance(Source::Sse, 1, 1, 0).unwrap();
        let Enqueued::New { superseded: 0, .. } = store.enqueue(&order(), 0).unwrap() else {
            panic!("{plant} has no such order")
        };
        assert_eq!(store.put_operation(&operation(), Origin::Event, false).unwrap(), Put::Written, "{plant}");
        store.refuse_line("digest", 1, &reason, 0).unwrap();
        let Claim::One(claimed) = store.claim(5, 0, VISIBLE).unwrap() else { panic!("{plant} has one") };
        assert!(matches!(store.claim(5, 0, VISIBLE).unwrap(), Claim::Nothing { .. }), "{plant} has one");
        completions.push(claimed.place());
        let OrderClaim::Batch(claimed) = store.claim_orders(9, 0).unwrap() else { panic!("{plant} has one") };
        assert_eq!(claimed.len(), 1, "{plant}");
        orders.push(claimed[0].place());
    }
    // At paris, with what is berlin's.
    let (completion, order) = (completions[0], orders[0]);
    assert!(!store.settle(completion, &Settlement::Ack, 0).unwrap());
    assert!(!store.extend(completion, VISIBLE).unwrap());
    assert!(!store.settle_order(order, &OrderSettlement::Failed(reason), 0).unwrap());
    assert!(store.inbox_entry(completion.id).unwrap().is_none());
    assert!(store.outbox_entry(order.id).unwrap().is_none());
    assert!(!store.replay(completion.id).unwrap() && !store.drop_dead(completion.id, 0).unwrap());
    assert!(!store.drop_order(order.id, 0).unwrap());
    assert_eq!(store.retry_order(order.id).unwrap(), Retried::Missing);
    assert_eq!(store.inbox_entries(None, 0, 10).unwrap().len(), 2);
    assert_eq!(store.outbox_entries(None, 0, 10).unwrap().len(), 1);
    assert_eq!(
        (store.outbox_of("A").unwrap().len(), store.outbox_requests("r", "", 9).unwrap().len()),
        (1, 1)
    );
    assert_eq!((store.operations_by_code("C").unwrap().len(), store.operation_count().unwrap()), (1, 1));
    assert_eq!((store.watermarks().unwrap().len(), store.refused_lines("digest").unwrap().len()), (1, 1));
    // What is done to all of paris leaves berlin as it is.
    store.begin_list().unwrap();
    assert_eq!(store.end_list(5).unwrap(), 1);
    assert_eq!(store.replay_dead().unwrap(), 1);
    assert!(store.settle_order(orders[1], &OrderSettlement::Sent { message: String::new() }, 0).unwrap());
    assert_eq!(store.expire_outbox(99, 10).unwrap(), 1);
    assert!(store.settle(completions[1], &Settlement::Ack, 0).unwrap());
    assert_eq!(store.expire_inbox(99, 10).unwrap(), 1);
    store.enter("berlin").unwrap();
    let expected = InboxCounts { handed_out: 1, dead: 1, ..InboxCounts::default() };
    assert_eq!(store.inbox_counts().unwrap(), expected);
    let expected = OutboxCounts { sending: 1, ..OutboxCounts::default() };
    assert_eq!(store.outbox_counts().unwrap(), expected);
    assert_eq!((store.operation_count().unwrap(), store.refused_lines("digest").unwrap().len()), (1, 1));
    assert!(store.settle(completion, &Settlement::Ack, 0).unwrap());
}

fn a_plant_belongs_to_the_pico_that_was_named_first_until_another_is_named_anew(store: &mut Subject) {
    assert_eq!(store.bind("a.example", false).unwrap(), "a.example");
    assert_eq!(store.bind("b.example", false).unwrap(), "a.example");
    store.enter("berlin").unwrap();
    assert_eq!(store.bind("b.example", false).unwrap(), "b.example", "each plant has its own");
    store.enter("").unwrap();
    assert_eq!(store.bind("c.example", true).unwrap(), "c.example");
    assert_eq!(store.bind("a.example", false).unwrap(), "c.example");
}

fn plants_are_listed_by_name_once_they_were_entered(store: &mut Subject) {
    for name in ["b", "a", "B", "b"] {
        store.enter(name).unwrap();
    }
    assert_eq!(store.plant_names().unwrap(), ["", "B", "a", "b"]);
}

fn notes_are_kept_for_each_plant(store: &mut Subject) {
    store.set_note("since", "1").unwrap();
    store.set_note("since", "2").unwrap();
    store.enter("berlin").unwrap();
    assert_eq!(store.note("since").unwrap(), None);
    store.enter("").unwrap();
    assert_eq!(store.note("since").unwrap().as_deref(), Some("2"));
}

fn what_is_undone_is_undone_with_the_making_of_the_plant(store: &mut Subject) {
    use crate::store::Durability;
    store.begin(Durability::Disk).unwrap();
    store.save_point().unwrap();
    store.enter("berlin").unwrap();
    store.set_note("a", "1").unwrap();
    store.undo().unwrap();
    store.save_point().unwrap();
    store.enter("berlin").unwrap();
    assert_eq!(store.note("a").unwrap(), None);
    store.set_note("b", "1").unwrap();
    store.keep().unwrap();
    store.commit().unwrap();
    store.begin(Durability::Process).unwrap();
    store.set_note("c", "1").unwrap();
    store.roll_back();
    store.enter("berlin").unwrap();
    let notes = ["a", "b", "c"].map(|name| store.note(name).unwrap().is_some());
    assert_eq!(notes, [false, true, false]);
}
