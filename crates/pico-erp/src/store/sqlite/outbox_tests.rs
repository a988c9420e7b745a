use super::*;
use crate::orders::Units;
use crate::store::outbox_table::{NewOrder, OrderKind, OutboxTable as _};

fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("erp.pico"), Settings::default()).unwrap();
    (folder, store)
}

#[test]
fn the_view_says_what_the_numbers_mean() {
    let (_folder, mut store) = store();
    let order = NewOrder {
        order_id: "A".to_owned(),
        operation_id: "op".to_owned(),
        units: Units::All,
        kind: OrderKind::Cancel,
        input: "{}".to_owned(),
        request_id: None,
    };
    store.enqueue(&order, 0).unwrap();
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
        "UPDATE outbox SET state = 5 WHERE plant = 1 AND order_id = 'A' AND operation_id = 'op' AND state < 3 AND state <> 1 \
         AND kind = 0 AND id < 9 AND order_index = 1",
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE plant = 1 AND state < 3)",
        "SELECT count(*) FROM outbox WHERE plant = 1 AND state = 3",
        "SELECT id FROM outbox WHERE plant = 1 AND state = 0 ORDER BY id",
        "SELECT id FROM outbox WHERE plant = 1 AND request_id = 'r'",
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
