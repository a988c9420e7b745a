//! What each generation of Pico's API has and does not have, with its schema shown and hidden.

use pico_erp_sandbox::{CompletionSpec, Config, Generation, NoteSpec};
use serde_json::json;

use crate::client::{control, data, graphql, post_json, refusal, save, send, start, start_with};

const PROBES: [(&str, &str); 5] = [
    ("externalCodes", "{ operations { externalCodes } }"),
    ("reservedSerialNumber", "{ operationOrderCompletes { reservedSerialNumber } }"),
    (
        "secondaryExternalOrderId",
        "{ operationOrderCompletes { ... on OperationOrderComplete { secondaryExternalOrderId } } }",
    ),
    ("noteEvents", "{ noteEvents { id } }"),
    ("at", "{ operationOrderCompletes { ...F } } fragment F on OperationOrderComplete { at }"),
];

/// Which of the probes are refused, each by the name of its field.
async fn lacking(sandbox: &pico_erp_sandbox::Sandbox) -> Vec<&'static str> {
    let mut lacking = Vec::new();
    for (field, query) in PROBES {
        let (status, reply) = graphql(sandbox, &json!({ "query": query })).await;
        match status {
            200 => assert!(reply["data"].is_object(), "{field}: {reply}"),
            400 => {
                assert!(reply["errors"][0]["message"].as_str().unwrap().contains(field), "{field}: {reply}");
                lacking.push(field);
            }
            _ => panic!("{field}: {status} {reply}"),
        }
    }
    lacking
}

#[tokio::test]
async fn each_generation_refuses_and_hides_what_it_does_not_have() {
    let newer = ["externalCodes", "reservedSerialNumber", "secondaryExternalOrderId", "noteEvents"];
    let introspection = r#"{ operation: __type(name: "Operation") { fields { name } }
        completion: __type(name: "OperationOrderComplete") { fields { name } }
        note: __type(name: "NoteEvent") { name } __schema { queryType { fields { name } } } }"#;
    for (generation, expected) in [
        (Generation::All, vec![]),
        (Generation::G3, vec![]),
        (Generation::G2, newer.to_vec()),
        (Generation::G1, newer.into_iter().chain(["at"]).collect()),
    ] {
        let sandbox = start_with(Config { generation, ..Config::default() }).await;
        assert_eq!(lacking(&sandbox).await, expected, "{generation:?}");
        let shown = data(&sandbox, introspection).await;
        assert_eq!(shown["note"].is_null(), expected.contains(&"noteEvents"), "{generation:?}");
        for field in newer {
            let quoted = format!("\"{field}\"");
            assert_eq!(
                shown.to_string().contains(&quoted),
                !expected.contains(&field),
                "{generation:?} {field}"
            );
        }
    }
}

#[tokio::test]
async fn the_newer_path_is_there_where_the_generation_has_it() {
    for (generation, status) in
        [(Generation::All, 200), (Generation::G3, 200), (Generation::G2, 404), (Generation::G1, 404)]
    {
        let sandbox = start_with(Config { generation, ..Config::default() }).await;
        let url = format!("{}/graph/v2", sandbox.url());
        let body = json!({ "query": "{ operations { id } }" });
        let (found, _) = send(post_json(url, &body)).await;
        assert_eq!(found, status, "{generation:?}");
        data(&sandbox, "{ operations { id } }").await;
    }
}

#[tokio::test]
async fn what_was_given_when_ordering_is_reported_by_g3() {
    let sandbox = start_with(Config { generation: Generation::G3, ..Config::default() }).await;
    save(&sandbox, "A", 0).await;
    sandbox.complete(CompletionSpec::new("A").ordered_with("RES-1", "SALES-1")).unwrap();
    let reply =
        data(&sandbox, "{ operationOrderCompletes { reservedSerialNumber secondaryExternalOrderId } }").await;
    let expected = json!([{ "reservedSerialNumber": "RES-1", "secondaryExternalOrderId": "SALES-1" }]);
    assert_eq!(reply["operationOrderCompletes"], expected);
}

#[tokio::test]
async fn a_hidden_schema_hides_nothing_else() {
    let sandbox = start_with(Config { introspection: false, ..Config::default() }).await;
    for query in ["{ __schema { queryType { name } } }", "{ __type(name: \"Operation\") { name } }"] {
        assert!(refusal(&sandbox, query).await.1.contains("introspection"), "{query}");
    }
    assert_eq!(data(&sandbox, "{ __typename }").await, json!({ "__typename": "Query" }));
    sandbox.set_introspection(true);
    data(&sandbox, "{ __schema { queryType { name } } }").await;
}

#[tokio::test]
async fn webhooks_in_the_older_form_take_only_that() {
    let sandbox = start_with(Config { legacy_webhooks: true, ..Config::default() }).await;
    let request = |input: &str, result: &str| {
        let variables = json!({ "input": { "subscriptionID": "w", "webhookUrl": "http://127.0.0.1:9/",
            "responseFragment": "fragment F on Operation { id }" } });
        let query =
            format!("mutation($input: {input}!) {{ webhookSubscribe(input: $input) {{ {result} }} }}");
        json!({ "query": query, "variables": variables })
    };
    let union = "__typename ... on SubscriptionHandle { subscriptionId }";
    let (status, reply) = graphql(&sandbox, &request("SubscribeRequest_Input", union)).await;
    assert_eq!(status, 200, "{reply}");
    let handle = json!({ "__typename": "SubscriptionHandle", "subscriptionId": "w" });
    assert_eq!(reply["data"]["webhookSubscribe"], handle);
    for (input, result) in [("SubscribeRequestInput", union), ("SubscribeRequest_Input", "subscriptionId")] {
        let (status, reply) = graphql(&sandbox, &request(input, result)).await;
        assert_eq!(status, 400, "{input} {result}: {reply}");
    }
}

#[tokio::test]
async fn the_control_api_changes_what_is_spoken_and_notes_are_written_all_the_same() {
    let sandbox = start().await;
    let body = json!({ "generation": "g2", "introspection": false });
    let (status, reply) = control(&sandbox, "PUT", "api", Some(body)).await;
    let expected = json!({ "generation": "g2", "introspection": false, "legacyWebhooks": false });
    assert_eq!((status, &reply), (200, &expected));
    assert!(refusal(&sandbox, "{ noteEvents { id } }").await.1.contains("noteEvents"));
    sandbox.add_note(NoteSpec::new("worn")).unwrap();
    let (_, state) = control(&sandbox, "GET", "state", None).await;
    assert_eq!(state["api"], expected);
    assert_eq!(control(&sandbox, "PUT", "api", Some(json!({ "generation": "g9" }))).await.0, 400);
    control(&sandbox, "PUT", "api", Some(json!({ "generation": "g3" }))).await;
    assert_eq!(data(&sandbox, "{ noteEvents { text } }").await["noteEvents"], json!([{ "text": "worn" }]));
}
