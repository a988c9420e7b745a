//! The operations.

use super::{Subject, suite};
use crate::json::Json;
use crate::store::operation_table::{OperationRow, Origin, Put};

suite!(
    a_list_marks_what_it_does_not_have_and_an_event_meanwhile_counts_as_had,
    codes_follow_the_operation,
    parts_are_found_with_and_without_a_revision_and_in_order,
    pages_are_in_the_order_of_ids_byte_by_byte,
    a_list_that_failed_is_begun_anew_and_what_cannot_be_read_counts_as_listed,
    ids_and_codes_with_a_zero_character_are_found,
);

fn row(id: &str, updated: i64, name: &str) -> OperationRow {
    OperationRow {
        id: id.to_owned(),
        external_id: Some("P|Q".to_owned()),
        external_revision: None,
        name: name.to_owned(),
        updated,
        archived: None,
        codes: vec!["P".to_owned(), "Q".to_owned()],
        body: Json::from_value(&name).unwrap(),
    }
}

fn a_list_marks_what_it_does_not_have_and_an_event_meanwhile_counts_as_had(store: &mut Subject) {
    for id in ["a", "b", "c", "d"] {
        store.put_operation(&row(id, 5, "old"), Origin::Event, false).unwrap();
    }
    store.begin_list().unwrap();
    store.put_operation(&row("a", 5, "old"), Origin::List, true).unwrap();
    store.put_operation(&row("b", 7, "new"), Origin::Event, true).unwrap();
    store.put_operation(&row("b", 6, "between"), Origin::List, true).unwrap();
    store.put_operation(&row("d", 4, "late"), Origin::Event, true).unwrap();
    store.put_operation(&row("e", 7, "new"), Origin::Event, true).unwrap();
    assert_eq!(store.end_list(99).unwrap(), 2);
    let seen: Vec<_> = store
        .operations_page("", 10)
        .unwrap()
        .into_iter()
        .map(|one| (one.body.as_str().to_owned(), one.unlisted))
        .collect();
    let expected = [("old", None), ("new", None), ("old", Some(99)), ("old", Some(99)), ("new", None)];
    assert_eq!(seen, expected.map(|(name, unlisted)| (format!("\"{name}\""), unlisted)));
    assert_eq!(store.operation_count().unwrap(), 3);
    // A later list finds one again.
    store.begin_list().unwrap();
    assert_eq!(store.put_operation(&row("c", 5, "old"), Origin::List, true).unwrap(), Put::Listed);
    assert_eq!(store.end_list(100).unwrap(), 3);
    assert_eq!(store.operation_count().unwrap(), 1);
}

fn codes_follow_the_operation(store: &mut Subject) {
    store.put_operation(&row("a", 5, "one"), Origin::Event, false).unwrap();
    assert_eq!(store.operations_by_code("Q").unwrap().len(), 1);
    let codes = ["R", "P", "R"].map(str::to_owned).to_vec();
    let moved = OperationRow { codes, ..row("a", 6, "two") };
    store.put_operation(&moved, Origin::Event, false).unwrap();
    let found = ["P", "Q", "R"].map(|code| store.operations_by_code(code).unwrap().len());
    assert_eq!(found, [1, 0, 1]);
}

fn parts_are_found_with_and_without_a_revision_and_in_order(store: &mut Subject) {
    for (id, revision) in [("1", Some("b")), ("2", Some("B")), ("3", None), ("4", Some("B"))] {
        let one = OperationRow { external_revision: revision.map(str::to_owned), ..row(id, 5, id) };
        store.put_operation(&one, Origin::Event, false).unwrap();
    }
    let mut names = |part: &str, revision: Option<&str>| -> Vec<String> {
        let found = store.operations_by_part(part, revision).unwrap();
        found.iter().map(|one| one.body.as_str().to_owned()).collect()
    };
    assert_eq!(names("P|Q", None), ["\"3\"", "\"2\"", "\"4\"", "\"1\""]);
    assert_eq!(names("P|Q", Some("B")), ["\"2\"", "\"4\""]);
    assert!(names("P|Q", Some("A")).is_empty() && names("p|q", None).is_empty());
}

fn pages_are_in_the_order_of_ids_byte_by_byte(store: &mut Subject) {
    for id in ["b", "A", "a-1", "a_", "ä", "a1"] {
        store.put_operation(&row(id, 5, id), Origin::Event, false).unwrap();
    }
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = store.operations_page(&after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = serde_json::from_str(last.body.as_str()).unwrap();
        pages.extend(page.iter().map(|one| one.body.as_str().to_owned()));
    }
    assert_eq!(pages, ["\"A\"", "\"a-1\"", "\"a1\"", "\"a_\"", "\"b\"", "\"ä\""]);
}

fn a_list_that_failed_is_begun_anew_and_what_cannot_be_read_counts_as_listed(store: &mut Subject) {
    for id in ["a", "b"] {
        store.put_operation(&row(id, 5, "old"), Origin::Event, false).unwrap();
    }
    store.begin_list().unwrap();
    store.put_operation(&row("a", 5, "old"), Origin::List, true).unwrap();
    store.begin_list().unwrap();
    store.touch_operation("b").unwrap();
    assert_eq!(store.end_list(9).unwrap(), 1);
    let unlisted = ["a", "b"].map(|id| store.operation(id).unwrap().unwrap().unlisted);
    assert_eq!(unlisted, [Some(9), None]);
}

fn ids_and_codes_with_a_zero_character_are_found(store: &mut Subject) {
    let odd = OperationRow { codes: vec!["C\0".to_owned()], ..row("a\0", 5, "odd\0") };
    assert_eq!(store.put_operation(&odd, Origin::Event, false).unwrap(), Put::Written);
    assert_eq!(store.put_operation(&odd, Origin::List, false).unwrap(), Put::Kept);
    assert_eq!(store.operation("a\0").unwrap().unwrap().body, odd.body);
    assert_eq!(store.operations_by_code("C\0").unwrap().len(), 1);
}
