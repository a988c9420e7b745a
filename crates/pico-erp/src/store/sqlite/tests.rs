use super::*;
use crate::json::Json;
use crate::store::inbox_table::{
    Arrival, Claim, InboxState, InboxTable as _, Key, Received, Settlement, Source,
};

const SECOND: i64 = 1_000_000;

fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("erp.pico"), Settings::default()).unwrap();
    (folder, store)
}

fn report(order: &str, at: i64, serial: Option<&str>) -> Arrival {
    let key =
        Key { order_id: order.to_owned(), operation_id: "op-1".to_owned(), order_index: 0, at: at * SECOND };
    let body =
        Json::new(format!("{{\"order\":\"{order}\",\"serial\":\"{serial:?}\"}}").replace("\"\"", "\"")).ok();
    let body = body.unwrap_or_else(|| Json::from_value(&(order, serial)).unwrap());
    Arrival { key, serial: serial.map(str::to_owned), body, source: Source::Sse }
}

fn claimed(store: &mut Sqlite, now: i64) -> Option<i64> {
    match store.claim(5, now * SECOND).unwrap() {
        Claim::One(claimed) => Some(claimed.id),
        Claim::Dead { .. } | Claim::Nothing { .. } => None,
    }
}

#[test]
fn a_report_is_taken_in_once_and_another_serial_is_another_completion() {
    let (_folder, mut store) = store();
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

#[test]
fn completions_of_one_unit_are_handed_out_in_the_order_of_their_times_and_do_not_hold_up_others() {
    let (_folder, mut store) = store();
    for arrival in [report("A", 2, None), report("A", 1, None), report("B", 9, None)] {
        store.receive(&arrival, 0).unwrap();
    }
    let (late, early, other) = (1, 2, 3);
    assert_eq!(claimed(&mut store, 0), Some(early));
    assert_eq!(claimed(&mut store, 0), Some(other));
    assert_eq!(claimed(&mut store, 0), None, "the later one of A waits for the earlier one");
    store.settle(early, &Settlement::Retry { at: 10 * SECOND, reason: "busy".to_owned() }, 0).unwrap();
    assert_eq!(claimed(&mut store, 9), None);
    assert!(
        matches!(store.claim(5, 9 * SECOND).unwrap(), Claim::Nothing { due: Some(due) } if due == 10 * SECOND)
    );
    assert_eq!(claimed(&mut store, 10), Some(early));
    store.settle(early, &Settlement::Dead { reason: "no such item".to_owned() }, 0).unwrap();
    assert_eq!(claimed(&mut store, 10), Some(late), "a dead letter holds nothing up");
}

#[test]
fn what_was_acknowledged_is_never_handed_out_again_and_what_was_not_is() {
    let (folder, mut store) = store();
    for order in ["A", "B"] {
        store.receive(&report(order, 1, None), 0).unwrap();
    }
    let first = claimed(&mut store, 0).unwrap();
    let second = claimed(&mut store, 0).unwrap();
    store.settle(first, &Settlement::Ack, 0).unwrap();
    drop(store);
    let mut store =
        open(&folder.path().join("erp.pico"), Settings { must_exist: true, ..Settings::default() }).unwrap();
    assert_eq!(store.recover().unwrap(), 1);
    assert_eq!(claimed(&mut store, 0), Some(second));
    assert_eq!(store.receive(&report("A", 1, None), 0).unwrap(), Received::Known);
    assert_eq!(claimed(&mut store, 0), None);
}

#[test]
fn what_is_handed_out_again_and_again_without_an_answer_becomes_a_dead_letter() {
    let (_folder, mut store) = store();
    store.receive(&report("A", 1, None), 0).unwrap();
    for _ in 0..5 {
        // As when the process dies of it each time.
        let id = claimed(&mut store, 0).unwrap();
        assert_eq!(id, 1);
        store.recover().unwrap();
    }
    assert!(matches!(store.claim(5, 0).unwrap(), Claim::Dead { id: 1, .. }));
    assert_eq!(store.inbox_counts().unwrap().dead, 1);
    assert!(store.replay(1).unwrap());
    assert_eq!(claimed(&mut store, 0), Some(1));
}

#[test]
fn a_wait_is_not_made_longer_by_a_clock_that_is_set_back() {
    let (_folder, mut store) = store();
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = claimed(&mut store, 5000).unwrap();
    let again = Settlement::Retry { at: 5010 * SECOND, reason: String::new() };
    store.settle(id, &again, 5000 * SECOND).unwrap();
    // An hour back: it began to wait in the future, and waits its ten seconds from now.
    assert_eq!(claimed(&mut store, 1400), None);
    assert_eq!(claimed(&mut store, 1409), None);
    assert_eq!(claimed(&mut store, 1410), Some(id));
}

#[test]
fn what_cannot_be_read_is_kept_once_as_a_dead_letter() {
    let (_folder, mut store) = store();
    let body = Json::new(r#"{"no":"key"}"#).unwrap();
    for expected in [Received::New, Received::Known] {
        assert_eq!(store.receive_unreadable(&body, Source::Webhook, "no order", 7).unwrap(), expected);
    }
    let dead = store.inbox_entries(Some(InboxState::Dead), 0, 10).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].reason.as_deref(), dead[0].raw.as_ref()), (Some("no order"), Some(&body)));
}

#[test]
fn the_text_of_what_was_acknowledged_long_ago_is_dropped_and_its_key_is_not() {
    let (_folder, mut store) = store();
    store.receive(&report("A", 1, None), 0).unwrap();
    let id = claimed(&mut store, 0).unwrap();
    store.settle(id, &Settlement::Ack, 100).unwrap();
    assert_eq!(store.expire_inbox(100, 10).unwrap(), 0);
    assert_eq!(store.expire_inbox(101, 10).unwrap(), 1);
    assert!(store.inbox_entry(id).unwrap().unwrap().raw.is_none());
    assert!(!store.replay(id).unwrap(), "there is no text left to hand out");
    assert_eq!(store.receive(&report("A", 1, None), 0).unwrap(), Received::Known);
}

#[test]
fn a_damaged_file_is_reported_and_left_as_it_is() {
    let (folder, mut store) = store();
    for number in 0..2000 {
        store.receive(&report(&format!("order-{number}"), 1, Some("S")), 0).unwrap();
    }
    drop(store);
    let path = folder.path().join("erp.pico");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xA5);
    std::fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let error = open(&path, Settings::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::StoreDamaged, "{error}");
        assert!(error.to_string().contains("erp.pico"), "{error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "the file was changed");
    }
    let aside = crate::Store::set_aside(&path).unwrap();
    assert!(std::fs::read(aside).unwrap() == bytes);
    open(&path, Settings::default()).unwrap();
}

#[test]
fn a_file_of_something_else_a_newer_store_and_no_store_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text"), "this is no store at all, but long enough to look like a file".repeat(20))
        .unwrap();
    let other = Connection::open(at("other")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(open(&at("newer"), Settings::default()).unwrap());
    Connection::open(at("newer")).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    for (name, must_exist, kind) in [
        ("text", false, ErrorKind::StoreDamaged),
        ("other", false, ErrorKind::StoreDamaged),
        ("newer", false, ErrorKind::StoreVersion),
        ("missing", true, ErrorKind::InvalidArgument),
        ("no/such/folder", false, ErrorKind::Store),
    ] {
        let error = open(&at(name), Settings { must_exist, ..Settings::default() }).err().unwrap();
        assert_eq!(error.kind(), kind, "{name}: {error}");
    }
    assert!(!at("missing").exists());
}
