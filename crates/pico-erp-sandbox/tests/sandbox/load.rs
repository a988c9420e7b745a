//! Many orders and completions. The test measures, for a person to read:
//! `cargo test -p pico-erp-sandbox --release load -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use pico_erp_sandbox::{CompletionSpec, Waits};
use serde_json::json;

use crate::client::{RawStream, data, start};

const LIST: &str =
    "{ operationOrderCompletes { externalOrderId orderIndex at operation { id externalId name }
    operationSummary { startedAt consumedSerials { id externalId value } } endState { producedSerial } } }";

fn say(what: &str, since: Instant) {
    println!("{what}: {:?}", since.elapsed());
}

fn batch(saves: impl Iterator<Item = (String, i32)>) -> String {
    let saves = saves.enumerate().map(|(at, (order, index))| {
        format!(
            r#"o{at}: operationOrderSave(input: {{ operationId: "op-abc-123", externalOrderId: "{order}", orderIndex: {index} }}) {{ message }} "#
        )
    });
    format!("mutation {{ {} }}", saves.collect::<String>())
}

#[tokio::test]
#[ignore = "measures"]
async fn ten_thousand_orders_are_saved_in_batches_and_completed() {
    for (name, one_order) in [("orders", false), ("units of one order", true)] {
        let sandbox = start().await;
        let named = |at: i32| if one_order { ("A".to_owned(), at) } else { (format!("M-{at}"), 0) };
        let begun = Instant::now();
        for first in (0..10_000).step_by(100) {
            data(&sandbox, &batch((first..first + 100).map(named))).await;
        }
        say(&format!("10,000 {name} saved, 100 in a request"), begun);
        let begun = Instant::now();
        for at in (0..10_000).rev() {
            let (order, index) = named(at);
            sandbox.complete(CompletionSpec::new(order).operation("op-abc-123").index(index)).unwrap();
        }
        say(&format!("10,000 {name} completed one by one, the last first"), begun);
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn a_hundred_thousand_completions_are_made_listed_and_streamed() {
    let sandbox = start().await;
    data(&sandbox, &batch([("A".to_owned(), 0)].into_iter())).await;
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    let stream = json!({ "query": "subscription { operationOrderCompletesStream { orderIndex at } }" });
    let mut stream = RawStream::open(&sandbox, &stream).await;
    let begun = Instant::now();
    sandbox.complete_many((1..100_000).map(|_| CompletionSpec::new("A").again())).unwrap();
    say("100,000 completions made at once", begun);
    let begun = Instant::now();
    for _ in 1..100_000 {
        stream.event().await;
    }
    say("100,000 completions streamed", begun);
    let begun = Instant::now();
    let list = data(&sandbox, LIST).await;
    say("100,000 completions listed", begun);
    let list = list["operationOrderCompletes"].as_array().unwrap();
    assert_eq!(list.len(), 100_000);
    sandbox.set_time_filter(true);
    let last = list[99_990]["at"].as_str().unwrap();
    let query = LIST.replacen(" {", &format!(r#"(where: {{ at: {{ _gt: "{last}" }} }}) {{"#), 1);
    let begun = Instant::now();
    let late = data(&sandbox, &query).await;
    say("the last nine of them listed by time", begun);
    assert_eq!(late["operationOrderCompletes"].as_array().unwrap().len(), 9);
    let all = Waits { completions: 100_000, ..Waits::default() };
    sandbox.wait_for(all, Duration::ZERO).await.unwrap();
}
