//! The schema against the reconstruction of Pico's: every type, field, argument and input field of it is in the sandbox
//! with the same type, except the inputs of the work instructions, which take any object here.

use std::collections::BTreeMap;

use apollo_compiler::ast::{Definition, Document, FieldDefinition, InputValueDefinition};
use serde_json::json;

use crate::client::{data, graphql, refusal, start};

/// What only the work instructions use.
const LEFT_OUT: [&str; 5] = ["ProcessCreateInput", "ProcessInput", "StepInput", "ActionInput", "TextInput"];

/// What Pico names, and no more.
const ADDED: [&str; 4] =
    ["Mutation.productCreate", "Mutation.stationCreate", "ProductCreateInput", "StationCreateInput"];

/// Every part of a schema that has a type, by its place.
fn parts(sdl: &str, name: &str) -> BTreeMap<String, String> {
    let document = Document::parse(sdl, name).unwrap_or_else(|errors| panic!("{}", errors.errors));
    let mut parts = BTreeMap::new();
    for definition in &document.definitions {
        match definition {
            Definition::ScalarTypeDefinition(scalar) => {
                parts.insert(scalar.name.to_string(), "scalar".to_owned());
            }
            Definition::ObjectTypeDefinition(object) => {
                parts.insert(object.name.to_string(), "object".to_owned());
                for field in &object.fields {
                    add_field(&mut parts, &object.name, field);
                }
            }
            Definition::ObjectTypeExtension(object) => {
                for field in &object.fields {
                    add_field(&mut parts, &object.name, field);
                }
            }
            Definition::InputObjectTypeDefinition(input) => {
                parts.insert(input.name.to_string(), "input".to_owned());
                for field in &input.fields {
                    add_input(&mut parts, &format!("{}.{}", input.name, field.name), field);
                }
            }
            _ => {}
        }
    }
    parts
}

fn add_field(parts: &mut BTreeMap<String, String>, on: &str, field: &FieldDefinition) {
    parts.insert(format!("{on}.{}", field.name), field.ty.to_string());
    for argument in &field.arguments {
        add_input(parts, &format!("{on}.{}({})", field.name, argument.name), argument);
    }
}

fn add_input(parts: &mut BTreeMap<String, String>, place: &str, input: &InputValueDefinition) {
    parts.insert(place.to_owned(), input.ty.to_string());
}

#[test]
fn every_part_of_the_documented_schema_is_here_with_its_type_and_nothing_else_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pico-erp/graphql");
    let files = ["schema.graphql", "schema.g3.graphql"];
    let texts = files.map(|file| std::fs::read_to_string(format!("{folder}/{file}")).unwrap());
    let documented = parts(&texts.concat(), "schema.graphql");
    let here = parts(&pico_erp_sandbox::schema_sdl(), "sandbox.graphql");
    let among = |list: &[&str], place: &str| {
        list.iter().any(|out| {
            place.strip_prefix(out).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '(']))
        })
    };
    assert!(documented.len() > 90, "{}", documented.len());
    for (place, ty) in documented.iter().filter(|(place, _)| !among(&LEFT_OUT, place)) {
        assert_eq!(here.get(place), Some(ty), "{place}");
    }
    for place in here.keys() {
        assert!(documented.contains_key(place) || among(&ADDED, place), "{place} is not documented");
    }
}

#[tokio::test]
async fn introspection_fragments_aliases_and_variables_work() {
    let sandbox = start().await;
    let reply = data(&sandbox, "{ __schema { queryType { name } } __type(name: \"State\") { kind } }").await;
    assert_eq!(
        reply,
        json!({ "__schema": { "queryType": { "name": "Query" } }, "__type": { "kind": "OBJECT" } })
    );
    let document = "query One($id: String) { first: operations(where: { id: { _eq: $id } }) { ...Short } }
                    query Two { operations { id } }
                    fragment Short on Operation { part: externalId, consumedSerials { id externalId value } }";
    let body = json!({ "query": document, "variables": { "id": "op-abc-123" }, "operationName": "One" });
    let expected = json!({ "data": { "first": [{ "part": "PROD-101", "consumedSerials": [
        { "id": "attr-serial-1", "externalId": "COMP-200", "value": null },
        { "id": "attr-serial-2", "externalId": "COMP-300", "value": null },
    ] }] } });
    assert_eq!(graphql(&sandbox, &body).await, (200, expected));
}

#[tokio::test]
async fn filters_join_their_fields_and_know_no_other_operator() {
    let sandbox = start().await;
    let both =
        r#"{ operations(where: { id: { _eq: "op-abc-123" }, externalId: { _eq: "PROD-102" } }) { id } }"#;
    assert_eq!(data(&sandbox, both).await, json!({ "operations": [] }));
    let edges = r#"{ subOperations(where: { parentId: { _eq: "sub-motor" } }) { subId subGroup } }"#;
    let expected = json!([
        { "subId": "proc-winding", "subGroup": 1 },
        { "subId": "proc-motor-test", "subGroup": 2 },
    ]);
    assert_eq!(data(&sandbox, edges).await["subOperations"], expected);
    let (status, message) =
        refusal(&sandbox, r#"{ operations(where: { id: { _in: ["a"] } }) { id } }"#).await;
    assert_eq!(status, 400);
    assert!(message.contains("_in"), "{message}");
}

#[tokio::test]
async fn the_operations_have_all_documented_fields() {
    let sandbox = start().await;
    let document = r#"{ operations(where: { id: { _eq: "prod-pump" } }) {
        id externalId externalRevision externalCodes name templateID variantName updatedAt archivedAt } }"#;
    let expected = json!({
        "id": "prod-pump", "externalId": "PUMP-500|EU", "externalRevision": "C",
        "externalCodes": ["PUMP-500", "EU"], "name": "Pump 500", "templateID": "tpl-pump",
        "variantName": "EU 230 V", "updatedAt": "2025-02-03T07:30:00.000Z", "archivedAt": null,
    });
    assert_eq!(data(&sandbox, document).await, json!({ "operations": [expected] }));
}

#[tokio::test]
async fn requests_that_cannot_be_carried_out_are_400_without_data() {
    let sandbox = start().await;
    let cases = [
        (json!([{ "query": "{ operations { id } }" }]), "batches of requests are not supported"),
        (json!({ "variables": {} }), "query: must be a string"),
        (json!({ "query": "{ operations { id }" }), "expected"),
        (json!({ "query": "{ operations { nope } }" }), "nope"),
        (json!({ "query": "{ operations { id } }", "variables": [1] }), "variables: must be an object"),
        (json!({ "query": "{ operations { id } }", "operationName": "X" }), "no operation `X`"),
        (json!({ "query": "query A { operations { id } } query B { operations { id } }" }), "operationName"),
        (json!({ "query": "subscription { operationsStream { id } }" }), "not supported"),
        (json!({ "query": "mutation { operationOrderSave(input: {}) { message } }" }), "operationId"),
    ];
    for (body, text) in cases {
        let (status, reply) = graphql(&sandbox, &body).await;
        assert_eq!(status, 400, "{body}: {reply}");
        assert!(reply.get("data").is_none(), "{body}: {reply}");
        let message = reply["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(text), "{body}: {message}");
    }
    let request = crate::client::http().post(sandbox.endpoint()).header("content-type", "application/json");
    let (status, reply) = crate::client::send(request.body("{")).await;
    assert_eq!(status, 400);
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("not JSON"), "{reply}");
}

#[tokio::test]
async fn only_post_with_json_is_taken() {
    let sandbox = start().await;
    let (status, _) = crate::client::send(crate::client::http().get(sandbox.endpoint())).await;
    assert_eq!(status, 405);
    let form = crate::client::http().post(sandbox.endpoint()).body("query=x");
    assert_eq!(crate::client::send(form).await.0, 415);
}
