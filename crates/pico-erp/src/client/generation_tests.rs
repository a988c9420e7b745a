//! What the answers of servers say of their generation.

use serde_json::{Value, json};

use super::*;
use crate::json::Json;

fn reply(status: u16, body: &Value) -> Result<Reply, Error> {
    Reply::parse(Json::from_value(body).unwrap(), Some(status))
}

fn status(status: u16) -> Result<Reply, Error> {
    Err(Error::new(ErrorKind::HttpStatus, "no").with_http_status(status))
}

fn schema(operation: &[&str], completion: &[&str], subscribe: &Value) -> Value {
    let fields = |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>();
    json!({ "data": {
        "__schema": { "queryType": { "fields": [] }, "mutationType": { "fields": [subscribe] } },
        "operation": { "fields": fields(operation) },
        "completion": { "fields": fields(completion) },
    } })
}

fn subscribe(input: &str, result: &Value) -> Value {
    json!({
        "name": "webhookSubscribe",
        "args": [{ "name": "input", "type": { "name": null, "ofType": { "name": input } } }],
        "type": result,
    })
}

const G3_COMPLETION: [&str; 3] = ["at", "reservedSerialNumber", "secondaryExternalOrderId"];

#[test]
fn a_schema_is_g3_only_with_everything_that_is_asked_of_g3() {
    let object = json!({ "kind": "OBJECT", "name": "SubscriptionHandle" });
    let plain = subscribe("SubscribeRequestInput", &object);
    for (operation, completion, expected) in [
        (&["id", "externalCodes"][..], &G3_COMPLETION[..], "G3"),
        (&["id"], &["at"], "G2"),
        // One between the generations: asking it for what it lacks would make every call fail.
        (&["id", "externalCodes"], &["at"], "G2"),
        (&["id"], &G3_COMPLETION, "G2"),
        (&["id", "externalCodes"], &["at", "reservedSerialNumber"], "G2"),
    ] {
        match introspected(reply(200, &schema(operation, completion, &plain))) {
            Introspected::Found(generation, Some(_)) => {
                assert_eq!(generation.name(), expected, "{operation:?} {completion:?}");
            }
            other => panic!("{operation:?} {completion:?}: {other:?}"),
        }
    }
}

#[test]
fn how_webhooks_are_taken_is_read_from_the_schema() {
    let object = json!({ "kind": "OBJECT", "name": "SubscriptionHandle", "ofType": null });
    let union = json!({ "kind": "UNION", "name": "webhookSubscribe_response" });
    let strict = json!({ "kind": "NON_NULL", "name": null, "ofType": { "kind": "UNION", "name": "x" } });
    for (field, expected) in [
        (subscribe("SubscribeRequestInput", &object), Some(WebhookForm::default())),
        (
            subscribe("SubscribeRequest_Input", &object),
            Some(WebhookForm::new("SubscribeRequest_Input", false)),
        ),
        (subscribe("Other", &union), Some(WebhookForm::new("Other", true))),
        (subscribe("Other", &strict), Some(WebhookForm::new("Other", true))),
        (json!({ "name": "somethingElse" }), None),
    ] {
        match introspected(reply(200, &schema(&["id"], &["at"], &field))) {
            Introspected::Found(_, form) => assert_eq!(form, expected, "{field}"),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_schema_is_hidden_absent_or_a_failure() {
    let refused = json!({ "errors": [{ "message": "introspection has been disabled" }] });
    let html = || Err(Error::new(ErrorKind::NotJson, "a page"));
    for (what, answer, expected) in [
        ("refused with 200", reply(200, &refused), "hidden"),
        ("refused with 400", reply(400, &refused), "hidden"),
        ("nulls", reply(200, &json!({ "data": { "__schema": null } })), "hidden"),
        ("another API", reply(200, &json!({ "data": { "__schema": {}, "operation": null } })), "hidden"),
        ("a filter in front", status(403), "hidden"),
        ("a filter in front", status(400), "hidden"),
        ("no such path", status(404), "not here"),
        ("no such path, in GraphQL", reply(404, &refused), "not here"),
        ("no POST", status(405), "not here"),
        ("moved", status(302), "not here"),
        ("a page", html(), "not here"),
        ("down", status(503), "failed"),
        ("refused token", Err(Error::new(ErrorKind::Unauthorized, "no")), "failed"),
        ("no connection", Err(Error::new(ErrorKind::Connect, "no")), "failed"),
        ("time-out", Err(Error::new(ErrorKind::Timeout, "no")), "failed"),
    ] {
        let found = match introspected(answer) {
            Introspected::Found(..) => "found",
            Introspected::Hidden => "hidden",
            Introspected::NotHere(_) => "not here",
            Introspected::Failed(_) => "failed",
        };
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_probe_that_is_taken_means_g3_and_one_that_is_refused_by_field_g2() {
    let error = |message: &str| json!({ "errors": [{ "message": message }] });
    for (answer, expected) in [
        (reply(200, &json!({ "data": { "__typename": "Query" } })), Some(ApiGeneration::G3)),
        (
            reply(400, &error("Cannot query field \"externalCodes\" on type \"Operation\".")),
            Some(ApiGeneration::G2),
        ),
        (reply(200, &error("Unknown field secondaryExternalOrderId")), Some(ApiGeneration::G2)),
        (reply(400, &error("only known queries are allowed")), None),
        (reply(400, &error("Unknown directive @skip")), None),
        (status(403), None),
    ] {
        assert_eq!(probed(answer).unwrap(), expected);
    }
    for error in [
        Error::new(ErrorKind::Unauthorized, "no"),
        Error::new(ErrorKind::Connect, "no"),
        Error::new(ErrorKind::NotJson, "a page"),
        Error::new(ErrorKind::HttpStatus, "down").with_http_status(503),
    ] {
        let kind = error.kind();
        assert_eq!(probed(Err(error)).unwrap_err().kind(), kind, "a failure is no answer");
    }
    let fault = json!({ "errors": [{ "message": "x", "extensions": { "code": "INTERNAL_SERVER_ERROR" } }] });
    assert!(probed(reply(200, &fault)).is_err());
}

#[test]
fn only_a_field_that_is_not_known_is_explained() {
    let refusal =
        |message: &str| reply(200, &json!({ "errors": [{ "message": message }] })).unwrap().error().unwrap();
    let unknown = refusal("Cannot query field \"noteEvents\" on type \"Query\".");
    assert!(explained(unknown.clone(), "noteEvents").to_string().contains("no notes"));
    assert!(!explained(unknown, "operations").to_string().contains("no notes"));
    assert!(!explained(refusal("the database is down"), "noteEvents").to_string().contains("no notes"));
    let newer = refusal("Cannot query field \"externalCodes\" on type \"Operation\".");
    assert!(explained(newer, "operations").to_string().contains("set G2 or auto"));
    let down = Error::new(ErrorKind::Connect, "no noteEvents");
    assert!(!explained(down, "noteEvents").to_string().contains("came with"));
}
