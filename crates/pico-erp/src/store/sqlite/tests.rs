use super::*;
use crate::json::Json;
use crate::store::inbox_table::{Arrival, InboxTable as _, Key, Source};

fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("erp.pico"), Settings::default()).unwrap();
    (folder, store)
}

fn report(order: &str) -> Arrival {
    let key = Key { order_id: order.to_owned(), operation_id: "op-1".to_owned(), order_index: 0, at: 1 };
    let body = Json::from_value(&order).unwrap();
    Arrival { key, serial: Some("S".to_owned()), body, source: Source::Sse }
}

#[test]
fn a_damaged_file_is_reported_and_left_as_it_is() {
    let (folder, mut store) = store();
    for number in 0..2000 {
        store.receive(&report(&format!("order-{number}")), 0).unwrap();
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

#[test]
fn a_file_of_version_3_is_led_to_version_4_with_all_its_rows_in_the_plant_without_a_name() {
    use crate::store::operation_table::OperationTable as _;
    use crate::store::outbox_table::{OrderClaim, OutboxTable as _};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("erp.pico");
    let old = Connection::open(&path).unwrap();
    for step in [include_str!("steps/1.sql"), include_str!("steps/2.sql"), include_str!("steps/3.sql")] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(
        r#"PRAGMA user_version = 3;
        PRAGMA application_id = 0x7069636f;
        INSERT INTO notes (name, value) VALUES ('since', '7');
        INSERT INTO inbox (order_id, operation_id, order_index, at_us, serial, state, attempts, source, arrived_us, body)
        VALUES ('A', 'op', 0, 1, 'S', 0, 2, 'sse', 3, '{"a":1}'), ('B', 'op', 0, 1, NULL, 3, 1, 'poll', 3, NULL);
        INSERT INTO watermarks (source, at_us, heard_us, reports) VALUES ('sse', 1, 2, 3);
        INSERT INTO outbox (order_id, operation_id, order_index, kind, input, state, queued_us, request_id)
        VALUES ('A', 'op', 0, 0, '{"b":2}', 0, 5, 'r-1'), ('A', 'op', -1, 1, '{}', 4, 6, NULL);
        INSERT INTO import_refusals (import, line, refused_us, error_code, error) VALUES ('digest', 9, 1, 100, 'no');
        INSERT INTO operations (id, external_id, external_revision, name, updated_us, archived_us, unlisted_us, body)
        VALUES ('op', 'P', 'R', 'one', 1, NULL, NULL, '{"c":3}'), ('gone', 'P', NULL, 'two', 1, 2, 3, '{}');
        INSERT INTO operation_codes (code, operation_id) VALUES ('C', 'op');"#,
    )
    .unwrap();
    drop(old);
    let mut store = open(&path, Settings { must_exist: true, ..Settings::default() }).unwrap();
    let version: i64 = store.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!((version, store.plant_names().unwrap()), (4, vec![String::new()]));
    store.enter("").unwrap();
    assert_eq!(store.note("since").unwrap().as_deref(), Some("7"));
    let completions = store.inbox_entries(None, 0, 10).unwrap();
    let seen: Vec<_> = completions.iter().map(|it| (it.external_order_id.as_str(), it.attempts)).collect();
    assert_eq!(seen, [("A", 2), ("B", 1)]);
    assert_eq!((store.latest().unwrap(), store.watermarks().unwrap()[0].reports), (Some(1), 3));
    assert_eq!(store.outbox_requests("r", "", 9).unwrap()[0].input.as_str(), r#"{"b":2}"#);
    assert_eq!(
        (store.outbox_entries(None, 0, 9).unwrap().len(), store.outbox_counts().unwrap().failed),
        (2, 1)
    );
    assert_eq!(store.refused_lines("digest").unwrap()[0].0, 9);
    assert_eq!((store.operations_by_code("C").unwrap().len(), store.operation_count().unwrap()), (1, 1));
    assert_eq!(store.operation("gone").unwrap().unwrap().unlisted, Some(3));
    // It works as one that was made anew, and the views can be read.
    assert!(
        matches!(store.claim(5, 9, std::time::Duration::ZERO).unwrap(), crate::store::inbox_table::Claim::One(it) if it.fence == 1)
    );
    assert!(matches!(store.claim_orders(9, 9).unwrap(), OrderClaim::Batch(orders) if orders.len() == 1));
    for (view, rows) in [("completions", 2), ("orders", 2), ("catalogue", 2)] {
        let found: i64 = store
            .connection
            .query_row(&format!("SELECT count(*) FROM {view} WHERE plant = ''"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, rows, "{view}");
    }
    store.enter("berlin").unwrap();
    assert!(store.inbox_entries(None, 0, 10).unwrap().is_empty());
}
