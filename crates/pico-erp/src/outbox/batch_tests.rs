use proptest::prelude::*;

use super::*;

fn order(id: i64, kind: OrderKind, input: &str) -> ClaimedOrder {
    ClaimedOrder { id, fence: 1, kind, input: input.to_owned(), attempt: 1, unsure: false }
}

fn saves(count: usize) -> Vec<ClaimedOrder> {
    (0..count)
        .map(|id| order(id as i64, OrderKind::Save, &format!("{{\"operationId\":\"op-{id}\"}}")))
        .collect()
}

fn keys(count: usize) -> Vec<String> {
    if count == 1 { vec!["operationOrderSave".to_owned()] } else { (0..count).map(alias).collect() }
}

fn read(status: u16, text: &str, count: usize) -> Answer {
    let json = Json::new(text.to_owned()).unwrap();
    answer(Reply::parse(json, Some(status)), &keys(count))
}

/// One letter for each order: taken, refused, faulty, unknown; `*` for no batches and `-` for nothing known.
fn letters(answer: &Answer) -> String {
    match answer {
        Answer::NoBatches(_) => "*".to_owned(),
        Answer::Nothing(_) => "-".to_owned(),
        Answer::Each(outcomes) => outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Taken(_) => 't',
                Outcome::Refused(_) => 'r',
                Outcome::Faulty(_) => 'f',
                Outcome::Unknown => 'u',
            })
            .collect(),
    }
}

#[test]
fn a_batch_is_one_mutation_with_a_variable_for_each_order() {
    let (request, keys) = request_for(&saves(2)).unwrap();
    assert_eq!(keys, ["o0", "o1"]);
    assert_eq!(
        request.document,
        "mutation OrderSaves($i0: OperationOrderSaveInput!,$i1: OperationOrderSaveInput!) \
         { o0: operationOrderSave(input: $i0) { message } o1: operationOrderSave(input: $i1) { message } }"
    );
    assert_eq!(
        request.variables.unwrap().as_str(),
        r#"{"i0":{"operationId":"op-0"},"i1":{"operationId":"op-1"}}"#
    );
}

#[test]
fn the_document_fits_the_schema() {
    let schema = include_str!("../../graphql/schema.graphql");
    let schema = apollo_compiler::Schema::parse_and_validate(schema, "schema.graphql").unwrap();
    for orders in [saves(1), saves(2), saves(1000), vec![order(1, OrderKind::Cancel, "{}")]] {
        let (request, _) = request_for(&orders).unwrap();
        apollo_compiler::ExecutableDocument::parse_and_validate(&schema, request.document, "batch").unwrap();
    }
}

#[test]
fn each_order_has_the_outcome_that_the_reply_gives_it() {
    const NO: &str = r#""message":"no such operation""#;
    for (status, count, text, expected) in [
        (200, 2, r#"{"data":{"o0":{"message":"created"},"o1":{"message":"updated"}}}"#.to_owned(), "tt"),
        (200, 2, r#"{"data":{"o0":{"message":null},"o1":null}}"#.to_owned(), "tt"),
        (
            200,
            2,
            format!(
                r#"{{"data":{{"o0":{{"message":"created"}},"o1":null}},"errors":[{{{NO},"path":["o1"]}}]}}"#
            ),
            "tr",
        ),
        // The field is left out, as some servers do.
        (
            200,
            2,
            format!(r#"{{"data":{{"o0":{{"message":"created"}}}},"errors":[{{{NO},"path":["o1"]}}]}}"#),
            "tr",
        ),
        (
            200,
            2,
            format!(
                r#"{{"data":{{"o0":{{"message":"x"}},"o1":null}},"errors":[{{{NO},"path":["o1"],"extensions":{{"code":"INTERNAL_SERVER_ERROR"}}}}]}}"#
            ),
            "tf",
        ),
        // Null as a whole: what must not be null has failed.
        (200, 3, format!(r#"{{"data":null,"errors":[{{{NO},"path":["o1"]}}]}}"#), "uru"),
        (200, 3, format!(r#"{{"data":null,"errors":[{{{NO},"path":["o1","message"]}}]}}"#), "uru"),
        // An error without a place, beside data.
        (
            200,
            2,
            format!(r#"{{"data":{{"o0":{{"message":"created"}},"o1":null}},"errors":[{{{NO}}}]}}"#),
            "tu",
        ),
        (200, 2, r#"{"data":{"o0":{"message":"created"}}}"#.to_owned(), "tu"),
        // The request as a whole.
        (200, 2, format!(r#"{{"errors":[{{{NO}}}]}}"#), "*"),
        (400, 2, format!(r#"{{"errors":[{{{NO}}}]}}"#), "*"),
        (413, 2, format!(r#"{{"errors":[{{{NO}}}]}}"#), "*"),
        (404, 2, format!(r#"{{"errors":[{{{NO}}}]}}"#), "-"),
        (408, 1, format!(r#"{{"errors":[{{{NO}}}]}}"#), "-"),
        (200, 2, format!(r#"{{"errors":[{{{NO},"extensions":{{"code":"INTERNAL_SERVER_ERROR"}}}}]}}"#), "-"),
        (200, 2, format!(r#"{{"errors":[{{{NO},"extensions":{{"code":"UNAUTHENTICATED"}}}}]}}"#), "-"),
        // All of them: then it is not about the orders.
        (
            200,
            2,
            format!(
                r#"{{"data":{{"o0":null,"o1":null}},"errors":[{{{NO},"path":["o0"],"extensions":{{"code":"FORBIDDEN"}}}},{{{NO},"path":["o1"],"extensions":{{"code":"FORBIDDEN"}}}}]}}"#
            ),
            "-",
        ),
        // Alone.
        (200, 1, r#"{"data":{"operationOrderSave":{"message":"created"}}}"#.to_owned(), "t"),
        (
            200,
            1,
            format!(
                r#"{{"data":{{"operationOrderSave":null}},"errors":[{{{NO},"path":["operationOrderSave"]}}]}}"#
            ),
            "r",
        ),
        (200, 1, format!(r#"{{"data":{{"operationOrderSave":null}},"errors":[{{{NO}}}]}}"#), "r"),
        (400, 1, format!(r#"{{"errors":[{{{NO}}}]}}"#), "r"),
        (200, 1, r#"{"data":{}}"#.to_owned(), "u"),
    ] {
        assert_eq!(letters(&read(status, &text, count)), expected, "{status} {text}");
    }
}

#[test]
fn what_is_no_reply_says_nothing_of_the_orders_unless_the_batch_was_too_much() {
    for (kind, status, count, expected) in [
        (ErrorKind::HttpStatus, 400, 2, "*"),
        (ErrorKind::HttpStatus, 413, 2, "*"),
        (ErrorKind::HttpStatus, 413, 1, "-"),
        (ErrorKind::HttpStatus, 404, 2, "-"),
        (ErrorKind::HttpStatus, 503, 2, "-"),
        (ErrorKind::Unauthorized, 401, 2, "-"),
        (ErrorKind::RateLimited, 429, 2, "-"),
        (ErrorKind::NotJson, 200, 2, "-"),
    ] {
        let error = Error::new(kind, "x").with_http_status(status);
        assert_eq!(letters(&answer(Err(error), &keys(count))), expected, "{kind:?} {status}");
    }
}

#[test]
fn the_words_of_the_server_are_kept() {
    let text = r#"{"data":{"o0":{"message":"created"},"o1":{"message":7}}}"#;
    let Answer::Each(outcomes) = read(200, text, 2) else { panic!() };
    let said: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Taken(message) => message.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, ["created", "7"]);
}

proptest! {
    /// Whatever mixture a server sends: one outcome for each order, and an order that has an error is never taken.
    #[test]
    fn an_order_with_an_error_is_never_taken_and_each_has_one_outcome(
        fates in prop::collection::vec(0..5_u8, 2..20)
    ) {
        let mut data = Vec::new();
        let mut errors = Vec::new();
        for (place, fate) in fates.iter().enumerate() {
            match fate {
                0 => data.push(format!(r#""o{place}":{{"message":"created"}}"#)),
                1 => data.push(format!(r#""o{place}":null"#)),
                2 => {}
                _ => {
                    if *fate == 3 {
                        data.push(format!(r#""o{place}":{{"message":null}}"#));
                    }
                    errors.push(format!(r#"{{"message":"no","path":["o{place}"]}}"#));
                }
            }
        }
        let text = format!(r#"{{"data":{{{}}},"errors":[{}]}}"#, data.join(","), errors.join(","));
        let Answer::Each(outcomes) = read(200, &text, fates.len()) else { panic!("{text}") };
        prop_assert_eq!(outcomes.len(), fates.len());
        for (fate, outcome) in fates.iter().zip(&outcomes) {
            match fate {
                0 | 1 => prop_assert!(matches!(outcome, Outcome::Taken(_))),
                2 => prop_assert!(matches!(outcome, Outcome::Unknown)),
                _ => prop_assert!(matches!(outcome, Outcome::Refused(_))),
            }
        }
    }
}
