//! The inbox.

use super::{SECOND, Subject, VISIBLE, suite};
use crate::json::Json;
use crate::store::inbox_table::{Arrival, Claim, InboxState, Key, Place, Received, Settlement, Source};

suite!(
    a_report_is_taken_in_once_and_another_serial_is_another_completion,
    the_detail_reaches_a_consumer_that_has_not_seen_the_completion_only,
    completions_of_one_unit_are_handed_out_in_the_order_of_their_times_and_do_not_hold_up_others,
    what_was_acknowledged_is_never_handed_out_again_and_what_was_not_is,
    what_is_handed_out_again_and_again_without_an_answer_becomes_a_dead_letter,
    an_answer_with_an_old_fence_is_refused_and_changes_nothing,
    an_acknowledgement_is_taken_twice_and_a_lease_is_extended_by_its_holder_only,
    what_is_returned_counts_as_if_it_had_not_been_handed_out,
    a_wait_is_not_made_longer_by_a_clock_that_is_set_back,
    what_cannot_be_read_is_kept_once_as_a_dead_letter,
    what_was_there_before_the_feed_is_known_and_never_handed_out,
    dead_letters_are_replayed_together_or_dropped_for_good,
    the_text_of_what_was_acknowledged_long_ago_is_dropped_and_its_key_is_not,
    watermarks_only_advance,
    ids_and_reasons_with_a_zero_character_are_not_lost,
);

fn report(order: &str, at: i64, serial: Option<&str>) -> Arrival {
    let key =
        Key { order_id: order.to_owned(), operation_id: "op-1".to_owned(), order_index: 0, at: at * SECOND };
    let body = Json::from_value(&(order, serial)).unwrap();
    Arrival { key, serial: serial.map(str::to_owned), body, source: Source::Sse }
}

fn a_report_is_taken_in_once_and_another_serial_is_another_completion(store: &mut Subject) {
    for (arrival, expected) in [
        (report("A", 1, None), Received::New),
        (report("A", 1, None), Received::Known),
        (report("A", 1, Some("S1")), Received::Known),
        (report("A", 1, Some("S1")), Received::Known),
        (report("A", 1, Some("S2")), Received::New),
        (report("A", 1, Some("S2")), Received::Known),
        (report("A", 1, None), Received::Known),
        (report("A", 2, Some("S1")), Received::New),
        (report("B", 1, Some("S1")), Received::New),
    ] {
        assert_eq!(store.receive(&arrival, 0).unwrap(), expected, "{arrival:?}");
    }
    let serials: Vec<_> = store
        .inbox_entries(None, 0, 10)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.external_order_id, entry.produced_serial.unwrap()))
        .collect();
    let expected = [("A", "S1"), ("A", "S2"), ("A", "S1"), ("B", "S1")];
    assert_eq!(serials, expected.map(|(order, serial)| (order.to_owned(), serial.to_owned())));
}

fn the_detail_reaches_a_consumer_that_has_not_seen_the_completion_only(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    store.receive(&report("B", 1, None), 0).unwrap();
    assert!(store.hand_out(0).is_some());
    for order in ["A", "B"] {
        assert_eq!(store.receive(&report(order, 1, Some("S")), 0).unwrap(), Received::Known);
    }
    let seen: Vec<_> = store
        .inbox_entries(None, 0, 10)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.produced_serial.unwrap(), entry.raw.unwrap().as_str().to_owned()))
        .collect();
    let expected = [("S", r#"["A",null]"#), ("S", r#"["B","S"]"#)];
    assert_eq!(seen, expected.map(|(serial, body)| (serial.to_owned(), body.to_owned())));
}

fn completions_of_one_unit_are_handed_out_in_the_order_of_their_times_and_do_not_hold_up_others(
    store: &mut Subject,
) {
    for arrival in [report("A", 2, None), report("A", 1, None), report("B", 9, None)] {
        store.receive(&arrival, 0).unwrap();
    }
    let (late, early, other) = (1, 2, 3);
    assert_eq!(store.hand_out(0), Some(early));
    assert_eq!(store.hand_out(0), Some(other));
    assert_eq!(store.hand_out(0), None, "the later one of A waits for the earlier one");
    let retry = Settlement::Retry { at: 10 * SECOND, reason: "busy".to_owned() };
    assert!(store.answer(early, &retry, 0));
    assert_eq!(store.hand_out(9), None);
    assert!(matches!(
        store.claim(5, 9 * SECOND, VISIBLE).unwrap(),
        Claim::Nothing { due: Some(due) } if due == 10 * SECOND
    ));
    assert_eq!(store.hand_out(10), Some(early));
    assert!(store.answer(early, &Settlement::Dead { reason: "no such item".to_owned() }, 0));
    assert_eq!(store.hand_out(10), Some(late), "a dead letter holds nothing up");
}

fn what_was_acknowledged_is_never_handed_out_again_and_what_was_not_is(store: &mut Subject) {
    for order in ["A", "B"] {
        store.receive(&report(order, 1, None), 0).unwrap();
    }
    let first = store.hand_out(0).unwrap();
    let second = store.hand_out(0).unwrap();
    assert!(store.answer(first, &Settlement::Ack, 0));
    store.successor();
    assert_eq!(store.hand_out(0), Some(second));
    assert_eq!(store.receive(&report("A", 1, None), 0).unwrap(), Received::Known);
    assert_eq!(store.hand_out(0), None);
}

fn what_is_handed_out_again_and_again_without_an_answer_becomes_a_dead_letter(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    for _ in 0..5 {
        // As when the process dies of it each time.
        assert_eq!(store.hand_out(0), Some(1));
        store.successor();
    }
    let Claim::Dead { id, reason } = store.claim(5, 7, VISIBLE).unwrap() else {
        panic!("it was handed out too often")
    };
    assert_eq!((id, reason.as_str()), (1, "handed out 5 times and never settled"));
    let entry = store.inbox_entry(1).unwrap().unwrap();
    assert_eq!((entry.state, entry.attempts, entry.reason), (InboxState::Dead, 5, Some(reason)));
    assert_eq!(entry.settled.unwrap().as_microsecond(), 7);
    assert_eq!(store.inbox_counts().unwrap().dead, 1);
    assert!(store.replay(1).unwrap());
    assert_eq!(store.hand_out(0), Some(1));
}

fn an_answer_with_an_old_fence_is_refused_and_changes_nothing(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = store.hand_out(0).unwrap();
    let old = Place { id, fence: store.completions[&id] };
    store.successor();
    assert_eq!(store.hand_out(0), Some(id));
    let before = format!("{:?}", store.inbox_entry(id).unwrap());
    for settlement in [
        Settlement::Ack,
        Settlement::Retry { at: 5, reason: "no".to_owned() },
        Settlement::Dead { reason: "no".to_owned() },
        Settlement::Return,
    ] {
        assert!(!store.settle(old, &settlement, 9).unwrap(), "{settlement:?}");
    }
    assert!(!store.extend(old, VISIBLE).unwrap());
    assert_eq!(format!("{:?}", store.inbox_entry(id).unwrap()), before);
    assert!(store.answer(id, &Settlement::Ack, 9));
    assert!(!store.settle(old, &Settlement::Ack, 9).unwrap(), "it was acknowledged by another");
}

fn an_acknowledgement_is_taken_twice_and_a_lease_is_extended_by_its_holder_only(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = store.hand_out(0).unwrap();
    let place = Place { id, fence: store.completions[&id] };
    assert!(store.extend(place, VISIBLE).unwrap());
    assert!(!store.extend(Place { fence: place.fence + 1, ..place }, VISIBLE).unwrap());
    assert!(store.settle(place, &Settlement::Ack, 1).unwrap());
    assert!(store.settle(place, &Settlement::Ack, 2).unwrap(), "the answer may have got lost");
    assert!(!store.settle(place, &Settlement::Return, 2).unwrap());
    assert!(!store.extend(place, VISIBLE).unwrap());
    assert_eq!(store.inbox_entry(id).unwrap().unwrap().settled.unwrap().as_microsecond(), 1);
}

fn what_is_returned_counts_as_if_it_had_not_been_handed_out(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    for _ in 0..7 {
        let id = store.hand_out(0).unwrap();
        assert!(store.answer(id, &Settlement::Return, 0));
    }
    let entry = store.inbox_entry(1).unwrap().unwrap();
    assert_eq!((entry.state, entry.attempts), (InboxState::Ready, 0));
}

fn a_wait_is_not_made_longer_by_a_clock_that_is_set_back(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = store.hand_out(5000).unwrap();
    let again = Settlement::Retry { at: 5010 * SECOND, reason: String::new() };
    assert!(store.answer(id, &again, 5000 * SECOND));
    // An hour back: it began to wait in the future, and waits its ten seconds from now.
    assert!(matches!(
        store.claim(5, 1400 * SECOND, VISIBLE).unwrap(),
        Claim::Nothing { due: Some(due) } if due == 1410 * SECOND
    ));
    assert_eq!(store.hand_out(1409), None);
    assert_eq!(store.hand_out(1410), Some(id));
}

fn what_cannot_be_read_is_kept_once_as_a_dead_letter(store: &mut Subject) {
    let body = Json::new(r#"{"no":"key"}"#).unwrap();
    for expected in [Received::New, Received::Known] {
        assert_eq!(store.receive_unreadable(&body, Source::Webhook, "no order", 7).unwrap(), expected);
    }
    let dead = store.inbox_entries(Some(InboxState::Dead), 0, 10).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_deref(), dead[0].raw.as_ref()), (Some("no order"), Some(&body)));
    assert_eq!((dead[0].at, dead[0].source), (None, Source::Webhook));
}

fn what_was_there_before_the_feed_is_known_and_never_handed_out(store: &mut Subject) {
    assert_eq!(store.receive_skipped(&report("A", 1, None), 0).unwrap(), Received::New);
    assert_eq!(store.receive(&report("A", 1, None), 0).unwrap(), Received::Known);
    assert_eq!(store.hand_out(0), None);
    let entry = store.inbox_entry(1).unwrap().unwrap();
    assert!(entry.state == InboxState::Skipped && entry.raw.is_none());
    assert_eq!(store.inbox_counts().unwrap().skipped, 1);
}

fn dead_letters_are_replayed_together_or_dropped_for_good(store: &mut Subject) {
    for order in ["A", "B", "C"] {
        store.receive(&report(order, 1, None), 0).unwrap();
        let id = store.hand_out(0).unwrap();
        assert!(store.answer(id, &Settlement::Dead { reason: "no".to_owned() }, 0));
    }
    assert!(store.drop_dead(2, 5).unwrap());
    assert!(!store.drop_dead(2, 6).unwrap());
    assert!(!store.replay(2).unwrap());
    assert_eq!(store.replay_dead().unwrap(), 2);
    assert_eq!((store.hand_out(0), store.hand_out(0), store.hand_out(0)), (Some(1), Some(3), None));
    let counts = store.inbox_counts().unwrap();
    assert_eq!((counts.handed_out, counts.skipped, counts.dead), (2, 1, 0));
}

fn the_text_of_what_was_acknowledged_long_ago_is_dropped_and_its_key_is_not(store: &mut Subject) {
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = store.hand_out(0).unwrap();
    assert!(store.answer(id, &Settlement::Ack, 100));
    assert_eq!(store.expire_inbox(100, 10).unwrap(), 0);
    assert_eq!(store.expire_inbox(101, 10).unwrap(), 1);
    assert!(store.inbox_entry(id).unwrap().unwrap().raw.is_none());
    assert!(!store.replay(id).unwrap(), "there is no text left to hand out");
    assert_eq!(store.receive(&report("A", 1, None), 0).unwrap(), Received::Known);
    assert_eq!(store.inbox_counts().unwrap().acked, 1);
}

fn watermarks_only_advance(store: &mut Subject) {
    assert_eq!(store.latest().unwrap(), None);
    store.advance(Source::Sse, 10 * SECOND, 3, 1).unwrap();
    store.advance(Source::Sse, 5 * SECOND, 2, 2).unwrap();
    store.advance(Source::Webhook, 7 * SECOND, 1, 3).unwrap();
    assert_eq!(store.latest().unwrap(), Some(10 * SECOND));
    let mut marks = store.watermarks().unwrap();
    marks.sort_by_key(|mark| mark.reports);
    let seen: Vec<_> = marks
        .iter()
        .map(|mark| (mark.source, mark.at.as_second(), mark.heard.as_microsecond(), mark.reports))
        .collect();
    assert_eq!(seen, [(Source::Webhook, 7, 3, 1), (Source::Sse, 10, 2, 5)]);
}

fn ids_and_reasons_with_a_zero_character_are_not_lost(store: &mut Subject) {
    let arrival = report("A\0B", 1, Some("S\0"));
    assert_eq!(store.receive(&arrival, 0).unwrap(), Received::New);
    assert_eq!(store.receive(&arrival, 0).unwrap(), Received::Known);
    let Claim::One(claimed) = store.claim(5, 0, VISIBLE).unwrap() else { panic!("it is ready") };
    assert_eq!(claimed.body, arrival.body, "the text is as it came");
    assert!(store.settle(claimed.place(), &Settlement::Dead { reason: "a\0b".to_owned() }, 0).unwrap());
    let entry = store.inbox_entry(claimed.id).unwrap().unwrap();
    let shown = |text: &str| text.replace('\0', "\u{fffd}");
    assert_eq!(shown(&entry.reason.unwrap()), "a\u{fffd}b");
    assert_eq!(shown(&entry.external_order_id), "A\u{fffd}B");
}
