//! Many orders and completions: none is lost in the crowd, and no step looks at all of them each time, which would make
//! these tests last for minutes.

use std::time::Duration;

use pico_erp_sandbox::{CompletionSpec, Waits};
use serde_json::json;

use crate::client::{RawStream, data, start};

const LIST: &str =
    "{ operationOrderCompletes { externalOrderId orderIndex at operation { id externalId name }
    operationSummary { startedAt consumedSerials { id externalId value } } endState { producedSerial } } }";

fn batch(saves: impl Iterator<Item = (String, i32)>) -> String {
    let saves = saves.enumerate().map(|(at, (order, index))| {
        format!(
            r#"o{at}: operationOrderSave(input: {{ operationId: "op-abc-123", externalOrderId: "{order}", orderIndex: {index} }}) {{ message }} "#
        )
    });
    format!("mutation {{ {} }}", saves.collect::<String>())
}

#[tokio::test]
async fn ten_thousand_orders_are_saved_in_batches_and_completed() {
    for one_order in [false, true] {
        let sandbox = start().await;
        let named = |at: i32| if one_order { ("A".to_owned(), at) } else { (format!("M-{at}"), 0) };
        for first in (0..10_000).step_by(100) {
            data(&sandbox, &batch((first..first + 100).map(named))).await;
        }
        for at in (0..10_000).rev() {
            let (order, index) = named(at);
            sandbox.complete(CompletionSpec::new(order).operation("op-abc-123").index(index)).unwrap();
        }
        assert_eq!(sandbox.completions().len(), 10_000);
    }
}

#[tokio::test]
async fn ten_thousand_completions_are_made_listed_and_streamed() {
    let sandbox = start().await;
    data(&sandbox, &batch([("A".to_owned(), 0)].into_iter())).await;
    sandbox.complete(CompletionSpec::new("A")).unwrap();
    let stream = json!({ "query": "subscription { operationOrderCompletesStream { orderIndex at } }" });
    let mut stream = RawStream::open(&sandbox, &stream).await;
    sandbox.complete_many((1..10_000).map(|_| CompletionSpec::new("A").again())).unwrap();
    for _ in 1..10_000 {
        stream.event().await;
    }
    let list = data(&sandbox, LIST).await;
    let list = list["operationOrderCompletes"].as_array().unwrap();
    assert_eq!(list.len(), 10_000);
    sandbox.set_time_filter(true);
    let last = list[9_990]["at"].as_str().unwrap();
    let query = LIST.replacen(" {", &format!(r#"(where: {{ at: {{ _gt: "{last}" }} }}) {{"#), 1);
    let late = data(&sandbox, &query).await;
    assert_eq!(late["operationOrderCompletes"].as_array().unwrap().len(), 9);
    let all = Waits { completions: 10_000, ..Waits::default() };
    sandbox.wait_for(all, Duration::ZERO).await.unwrap();
}
