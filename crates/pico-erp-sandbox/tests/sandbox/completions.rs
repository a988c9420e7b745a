//! Completions that do not follow the usual course: again, at another time, told to nobody, many at once; and finding
//! them by time.

use pico_erp_sandbox::{CompletedOrder, CompletionSpec, Config, ErrorKind, OrderState, Sandbox, Time, Waits};
use serde_json::{Value as Json, json};

use crate::client::{
    DEADLINE, RawStream, Receiver, control, data, graphql, refusal, save, start, start_with,
};

const STREAM: &str = "subscription { operationOrderCompletesStream { externalOrderId } }";

fn serial(completed: &CompletedOrder) -> &str {
    completed.end_state.as_ref().unwrap().produced_serial.as_deref().unwrap()
}

async fn listed(sandbox: &Sandbox, filter: &str) -> Vec<String> {
    let reply = data(sandbox, &format!("{{ operationOrderCompletes{filter} {{ externalOrderId }} }}")).await;
    let list = reply["operationOrderCompletes"].as_array().unwrap();
    list.iter().map(|one| one["externalOrderId"].as_str().unwrap().to_owned()).collect()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

#[tokio::test]
async fn what_is_completed_is_completed_again_when_asked_and_the_order_stays_one() {
    let sandbox = start().await;
    save(&sandbox, "A", 0).await;
    let early = sandbox.complete(CompletionSpec::new("A").again()).unwrap_err();
    assert_eq!(
        (early.kind(), early.to_string().as_str()),
        (ErrorKind::NotFound, "externalOrderId: no completed order `A`")
    );
    let first = sandbox.complete(CompletionSpec::new("A")).unwrap();
    assert_eq!(sandbox.complete(CompletionSpec::new("A")).unwrap_err().kind(), ErrorKind::NotFound);
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    let second = sandbox.complete(CompletionSpec::new("A").again()).unwrap();
    let third = sandbox.complete(CompletionSpec::new("A").index(0).again().produced("REWORKED")).unwrap();
    assert_eq!([serial(&first), serial(&second), serial(&third)], ["SN-000001", "SN-000002", "REWORKED"]);
    assert!(first.at < second.at && second.at < third.at);
    for _ in 0..2 {
        assert_eq!(stream.event().await["data"]["operationOrderCompletesStream"]["externalOrderId"], "A");
    }
    assert_eq!(sandbox.completions(), [first, second, third]);
    let orders = sandbox.orders();
    assert_eq!((orders.len(), orders[0].state), (1, OrderState::Completed));
}

#[tokio::test]
async fn rework_of_a_child_does_not_build_its_parent_again() {
    let config = Config { waterfall: true, child_completions: true, ..Config::default() };
    let sandbox = start_with(config).await;
    data(
        &sandbox,
        r#"mutation { operationOrderSave(input: { operationId: "sub-motor", externalOrderId: "M" }) { message } }"#,
    )
    .await;
    for operation in ["proc-winding", "proc-motor-test"] {
        sandbox.complete(CompletionSpec::new("M").operation(operation)).unwrap();
    }
    assert_eq!(sandbox.completions().len(), 3);
    sandbox.complete(CompletionSpec::new("M").operation("proc-motor-test").again()).unwrap();
    let built: Vec<_> =
        sandbox.completions().iter().map(|one| one.operation.as_ref().unwrap().id.clone()).collect();
    assert_eq!(built, ["proc-winding", "proc-motor-test", "sub-motor", "proc-motor-test"]);
}

#[tokio::test]
async fn two_completions_can_share_everything_but_the_serial() {
    let sandbox = start().await;
    save(&sandbox, "A", 0).await;
    let at = time("2026-01-01T12:00:00.000Z");
    let spec = CompletionSpec::new("A").at(at).bare();
    let first = sandbox.complete(spec.clone().produced("SN-1")).unwrap();
    let second = sandbox.complete(spec.produced("SN-2").again()).unwrap();
    assert_eq!((first.at, second.at), (at, at));
    assert_eq!(CompletedOrder { end_state: second.end_state.clone(), ..first.clone() }, second);
    assert_eq!((serial(&first), serial(&second)), ("SN-1", "SN-2"));
    assert!(first.operation_summary.started_at.unwrap() <= at);
}

#[tokio::test]
async fn the_list_is_ordered_by_time_however_the_times_come() {
    let sandbox = start().await;
    for (order, at) in [("B", Some("2026-01-02T00:00:00Z")), ("D", None), ("A", Some("2026-01-01T00:00:00Z"))]
    {
        save(&sandbox, order, 0).await;
        sandbox.complete(CompletionSpec { at: at.map(time), ..CompletionSpec::new(order) }).unwrap();
    }
    sandbox.set_clock_offset(-3_600).unwrap();
    save(&sandbox, "C", 0).await;
    let back = sandbox.complete(CompletionSpec::new("C")).unwrap();
    assert_eq!(listed(&sandbox, "").await, ["A", "B", "C", "D"]);
    let completions = sandbox.completions();
    let gap = completions[3].at.unix_millis() - back.at.unix_millis();
    assert!((3_500_000..=3_600_000).contains(&gap), "{gap} ms");
    assert!(back.operation_summary.started_at.unwrap() <= back.at);
    // Set right again, the times go on where they were.
    sandbox.set_clock_offset(0).unwrap();
    save(&sandbox, "E", 0).await;
    assert!(sandbox.complete(CompletionSpec::new("E")).unwrap().at > completions[3].at);
    assert_eq!(sandbox.set_clock_offset(i64::MIN).unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_silent_completion_is_listed_but_told_to_no_stream_and_no_webhook() {
    let sandbox = start().await;
    let mut receiver = Receiver::start(200).await;
    let body = json!({
        "query": "mutation S($input: SubscribeRequestInput!) { webhookSubscribe(input: $input) { subscriptionId } }",
        "variables": { "input": {
            "subscriptionID": "w", "webhookUrl": receiver.url,
            "responseFragment": "fragment F on OperationOrderComplete { externalOrderId }",
        } },
    });
    assert_eq!(graphql(&sandbox, &body).await.1.get("errors"), None);
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    for order in ["A", "B"] {
        save(&sandbox, order, 0).await;
    }
    sandbox.complete(CompletionSpec::new("A").silent()).unwrap();
    sandbox.complete(CompletionSpec::new("B")).unwrap();
    assert_eq!(listed(&sandbox, "").await, ["A", "B"]);
    // The first that arrives is the second that happened.
    assert_eq!(stream.event().await["data"]["operationOrderCompletesStream"]["externalOrderId"], "B");
    assert_eq!(receiver.next().await.body, r#"{"externalOrderId":"B"}"#);
    sandbox.wait_for(Waits { completions: 2, deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    assert!(receiver.is_empty());
}

#[tokio::test]
async fn a_silent_child_completes_its_parent_in_silence() {
    let sandbox = start_with(Config { waterfall: true, ..Config::default() }).await;
    let save = |id: &str| {
        format!(
            r#"mutation {{ operationOrderSave(input: {{ operationId: "sub-motor", externalOrderId: "{id}" }}) {{ message }} }}"#
        )
    };
    let mut stream = RawStream::open(&sandbox, &json!({ "query": STREAM })).await;
    for (order, silent) in [("A", true), ("B", false)] {
        data(&sandbox, &save(order)).await;
        for operation in ["proc-winding", "proc-motor-test"] {
            let spec = CompletionSpec { silent, ..CompletionSpec::new(order).operation(operation) };
            sandbox.complete(spec).unwrap();
        }
    }
    assert_eq!(listed(&sandbox, "").await, ["A", "B"]);
    assert_eq!(stream.event().await["data"]["operationOrderCompletesStream"]["externalOrderId"], "B");
}

#[tokio::test]
async fn many_are_completed_at_once_up_to_the_first_that_is_not_there() {
    let sandbox = start().await;
    for index in 0..3 {
        save(&sandbox, "A", index).await;
    }
    let specs = ["A", "A", "B", "A"].map(CompletionSpec::new);
    let error = sandbox.complete_many(specs).unwrap_err();
    assert_eq!(error.to_string(), "[2].externalOrderId: no open order `B`");
    let units = |completed: &[CompletedOrder]| -> Vec<_> {
        completed.iter().map(|one| one.order_index.unwrap()).collect()
    };
    assert_eq!(units(&sandbox.completions()), [0, 1]);
    let made = sandbox.complete_many([CompletionSpec::new("A"), CompletionSpec::new("A").again()]).unwrap();
    assert_eq!(units(&made), [2, 0]);
    assert_eq!(sandbox.completions()[2..], made);
}

#[tokio::test]
async fn completions_are_filtered_by_time_only_when_that_is_switched_on() {
    let sandbox = start().await;
    for (order, second) in [("A", 1), ("B", 2), ("C", 3)] {
        save(&sandbox, order, 0).await;
        let at = time(&format!("2026-01-01T00:00:0{second}.000Z"));
        sandbox.complete(CompletionSpec::new(order).at(at)).unwrap();
    }
    let query = r#"{ operationOrderCompletes(where: { at: { _gte: "2026-01-01T00:00:02Z" } }) { at } }"#;
    let unknown = |(status, message): (u16, String)| {
        assert_eq!(status, 400, "{message}");
        assert!(
            message.contains(r#"unknown field "at" of type "OperationOrderCompleteFilter""#),
            "{message}"
        );
    };
    unknown(refusal(&sandbox, query).await);
    let fields = async || -> Vec<String> {
        let query = r#"{ __type(name: "OperationOrderCompleteFilter") { inputFields { name } } }"#;
        let fields = data(&sandbox, query).await["__type"]["inputFields"].take();
        fields.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fields().await, ["operation", "externalOrderId", "orderIndex"]);

    sandbox.set_time_filter(true);
    assert_eq!(fields().await, ["operation", "externalOrderId", "orderIndex", "at"]);
    for (filter, expected) in [
        (r#"{ at: { _gte: "2026-01-01T00:00:02Z" } }"#, &["B", "C"][..]),
        (r#"{ at: { _gt: "2026-01-01T00:00:02Z" } }"#, &["C"]),
        (r#"{ at: { _gt: "2026-01-01T00:00:01Z", _gte: "2026-01-01T00:00:03Z" } }"#, &["C"]),
        (r#"{ at: { _gt: "2026-01-01T00:00:02Z", _gte: "2026-01-01T00:00:02Z" } }"#, &["C"]),
        (r#"{ at: { _gte: "2026-01-01T01:00:02+01:00" }, externalOrderId: { _eq: "B" } }"#, &["B"]),
        (r#"{ at: { _gt: "2026-01-01T00:00:03Z" } }"#, &[]),
        ("{ at: {} }", &["A", "B", "C"]),
        ("{ at: null }", &["A", "B", "C"]),
        (r#"{ orderIndex: { _eq: 0 } }"#, &["A", "B", "C"]),
    ] {
        assert_eq!(listed(&sandbox, &format!("(where: {filter})")).await, expected, "{filter}");
    }
    // As a client sends it, in a variable, and what it must not send.
    let by_variable = |at: &str| {
        json!({
            "query": "query Q($where: OperationOrderCompleteFilter) { operationOrderCompletes(where: $where) { externalOrderId } }",
            "variables": { "where": { "at": { "_gte": at } } },
        })
    };
    let (status, reply) = graphql(&sandbox, &by_variable("2026-01-01T00:00:03.000Z")).await;
    assert_eq!(
        (status, &reply["data"]["operationOrderCompletes"]),
        (200, &json!([{ "externalOrderId": "C" }]))
    );
    let (status, message) = refusal(&sandbox, &query.replace("_gte", "_lt")).await;
    assert_eq!(status, 400);
    assert!(message.contains("_lt"), "{message}");
    let (_, reply) = graphql(&sandbox, &by_variable("yesterday")).await;
    assert!(reply["errors"].to_string().contains("no RFC 3339 time"), "{reply}");

    sandbox.set_time_filter(false);
    unknown(refusal(&sandbox, query).await);
    let (status, reply) = graphql(&sandbox, &by_variable("2026-01-01T00:00:03.000Z")).await;
    assert_eq!(status, 400, "{reply}");
}

#[tokio::test]
async fn the_stream_takes_the_same_filter_and_the_configuration_switches_it_on() {
    let sandbox = start_with(Config { time_filter: true, ..Config::default() }).await;
    let filter = r#"Stream(where: { at: { _gt: "2026-01-01T00:00:00Z" } })"#;
    let query = STREAM.replace("Stream", filter);
    let mut stream = RawStream::open(&sandbox, &json!({ "query": query })).await;
    for (order, at) in [("A", "2025-01-01T00:00:00Z"), ("B", "2027-01-01T00:00:00Z")] {
        save(&sandbox, order, 0).await;
        sandbox.complete(CompletionSpec::new(order).at(time(at))).unwrap();
    }
    assert_eq!(stream.event().await["data"]["operationOrderCompletesStream"]["externalOrderId"], "B");
}

#[tokio::test]
async fn the_control_api_does_all_of_it() {
    let sandbox = start().await;
    for order in ["A", "B"] {
        save(&sandbox, order, 0).await;
    }
    let complete = |body: Json| control(&sandbox, "POST", "orders/complete", Some(body));
    let at = "2026-01-01T12:00:00.000Z";
    let list = json!([
        { "externalOrderId": "A", "at": at, "producedSerial": "SN-1" },
        { "externalOrderId": "A", "at": at, "producedSerial": "SN-2", "again": true },
        { "externalOrderId": "B", "silent": true },
    ]);
    let (status, made) = complete(list).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!((&made[0]["at"], &made[1]["at"]), (&json!(at), &json!(at)));
    assert_eq!(made[1]["endState"]["producedSerial"], "SN-2");
    assert_eq!(control(&sandbox, "GET", "completions", None).await.1, made);
    let (status, reply) = complete(json!({ "externalOrderId": "A", "at": "noon" })).await;
    assert_eq!(status, 400);
    assert!(reply["error"].as_str().unwrap().contains("`noon` is no RFC 3339 time"), "{reply}");
    let (status, reply) = complete(json!([{ "externalOrderId": "C" }])).await;
    assert_eq!((status, &reply["error"]), (404, &json!("[0].externalOrderId: no open order `C`")));

    let put = |path: &'static str, body: Json| control(&sandbox, "PUT", path, Some(body));
    let offset = json!({ "offsetSeconds": -3_600 });
    assert_eq!(put("clock", offset.clone()).await, (200, offset));
    assert_eq!(put("time-filter", json!({ "on": true })).await, (200, json!({ "on": true })));
    let state = control(&sandbox, "GET", "state", None).await.1;
    assert_eq!((&state["clockOffsetSeconds"], &state["timeFilter"]), (&json!(-3_600), &json!(true)));
    let later = format!(r#"(where: {{ at: {{ _gt: "{at}" }} }})"#);
    assert_eq!(listed(&sandbox, &later).await, ["B"]);
    assert_eq!(put("clock", json!({ "offsetSeconds": i64::MAX })).await.0, 400);
    assert_eq!(put("clock", json!({})).await.0, 400);
    assert_eq!(put("time-filter", json!({ "on": 1 })).await.0, 400);
}
