//! The catch-up query: asks Pico which completions there are, and puts those into the inbox that are not there.
//!
//! Pico documents no paging and no filter by time. So the whole list is read, as a stream that is never held in
//! memory, unless Pico's own schema shows a filter by time; then only what is newer than the last catch-up, less a
//! generous overlap.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::notice::CaughtUp;
use super::{FeedStart, Shared, Take};
use crate::error::Error;
use crate::graphql::Request;
use crate::graphql::documents::{self, string_literal};
use crate::json::Json;
use crate::list_stream::ListStream;
use crate::store::candidacy::Tenure;
use crate::store::inbox_table::Source;
use crate::store::{Durability, Role};

/// The note that says that the first catch-up is through.
const BEGUN: &str = "feed.begun";
/// The note of the latest time of completion that was known before the last catch-up that was through.
const CAUGHT_UP_TO: &str = "feed.caught_up_to";

/// What is known of a Pico's filter by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum TimeFilter {
    /// Not asked yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// By this operator.
    Operator(&'static str),
}

/// Asks and takes in once.
pub(super) async fn catch_up(
    shared: &Shared,
    filter: TimeFilter,
    tenure: Tenure,
) -> Result<(CaughtUp, TimeFilter), Error> {
    let filter = if filter == TimeFilter::Unknown { time_filter(shared).await? } else { filter };
    let asked = shared.store.now();
    let (begun, last, latest) = shared
        .store
        .run(Durability::Process, |backend| {
            Ok((backend.note(BEGUN)?.is_some(), backend.note(CAUGHT_UP_TO)?, backend.latest()?))
        })
        .await?;
    let take = match shared.policy.start {
        FeedStart::Now if !begun => Take::Skip,
        FeedStart::Since(since) => Take::Since(since.as_microsecond()),
        FeedStart::Beginning | FeedStart::Now => Take::All,
    };
    let last: Option<i64> = last.and_then(|last| last.parse().ok());
    let since = last.and_then(|last| begin(last, shared.policy.catch_up_overlap));
    let (condition, since) = match (filter, since) {
        (TimeFilter::Operator(operator), Some(since)) => {
            (Some(format!("at: {{ {operator}: {} }}", string_literal(&since.to_string()))), Some(since))
        }
        _ => (None, None),
    };
    let document = shared.subject.list().of(shared.client.generation().await?);
    let condition = joined(shared.subject.condition(), condition);
    let request = Request::new(document.with_condition(condition.as_deref()));
    let mut list = ListStream::open(shared.client.transport(), &request, document.field).await?;
    let (mut listed, mut found) = (0, 0);
    while let Some(batch) = list.next_batch().await {
        let batch = batch?;
        listed += batch.len() as u64;
        found += shared.take_in(batch, Source::CatchUp, take).await?;
    }
    shared
        .store
        .run(Durability::Disk, move |backend| {
            // The mark of a node that was stopped meanwhile may be behind another's.
            backend.check_tenure(Role::Feed, tenure)?;
            if !begun {
                backend.set_note(BEGUN, "1")?;
            }
            // What was known before the query was asked: later completions may be in the list or not. One that is dated
            // ahead says nothing of what comes after it, so no later than when the query was asked.
            match latest.map(|latest| latest.min(asked)) {
                Some(latest) if last != Some(latest) => backend.set_note(CAUGHT_UP_TO, &latest.to_string()),
                _ => Ok(()),
            }
        })
        .await?;
    Ok((CaughtUp { at: Timestamp::now(), since, listed, found }, filter))
}

fn begin(last: i64, overlap: Duration) -> Option<Timestamp> {
    let overlap = i64::try_from(overlap.as_micros()).ok()?;
    Timestamp::from_microsecond(last.checked_sub(overlap)?).ok()
}

/// Two conditions as one: `{ a }` and `b` make `{ a, b }`.
fn joined(caller: Option<String>, time: Option<String>) -> Option<String> {
    match (caller, time) {
        (caller, None) => caller,
        (None, Some(time)) => Some(format!("{{ {time} }}")),
        (Some(caller), Some(time)) => {
            let inner = caller.trim().trim_start_matches('{');
            Some(format!("{{ {time}, {inner}"))
        }
    }
}

#[derive(Deserialize)]
struct Schema {
    #[serde(rename = "__schema")]
    schema: SchemaRoot,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaRoot {
    query_type: QueryType,
}

#[derive(Deserialize)]
struct QueryType {
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    args: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    #[serde(default)]
    input_fields: Option<Vec<InputOnly>>,
    #[serde(default)]
    of_type: Option<Box<Type>>,
}

#[derive(Deserialize)]
struct InputOnly {
    name: String,
    #[serde(rename = "type", default)]
    kind: Option<Type>,
}

impl Type {
    /// The fields of the input type, whether it must be given or not.
    fn fields(&self) -> &[InputOnly] {
        match (&self.input_fields, &self.of_type) {
            (Some(fields), _) => fields,
            (None, Some(inner)) => inner.fields(),
            (None, None) => &[],
        }
    }
}

/// Asks the schema. A Pico that does not show it has no filter, as far as anybody can tell.
async fn time_filter(shared: &Shared) -> Result<TimeFilter, Error> {
    let reply = match shared.client.transport().call(&Request::new(documents::TIME_FILTER.text), true).await {
        Ok(reply) => reply,
        // What passes is tried again with the catch-up; what does not is an answer.
        Err(error) if error.is_retryable() || error.kind() == crate::ErrorKind::Unauthorized => {
            return Err(error);
        }
        Err(_) => return Ok(TimeFilter::Absent),
    };
    let field = shared.subject.list().field;
    Ok(reply.data.as_ref().map_or(TimeFilter::Absent, |data| operator(data, field)))
}

fn operator(data: &Json, field: &str) -> TimeFilter {
    let Ok(schema) = data.decode::<Schema>() else { return TimeFilter::Absent };
    let fields = &schema.schema.query_type.fields;
    let list = fields.iter().find(|one| one.name == field);
    let condition = list.and_then(|field| field.args.iter().find(|argument| argument.name == "where"));
    let at = condition.and_then(|argument| argument.kind.fields().iter().find(|field| field.name == "at"));
    let operators = at.and_then(|field| field.kind.as_ref()).map_or(&[][..], Type::fields);
    ["_gte", "_gt"]
        .into_iter()
        .find(|name| operators.iter().any(|operator| operator.name == *name))
        .map_or(TimeFilter::Absent, TimeFilter::Operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_by_time_is_found_in_the_schema_or_is_not_there() {
        let schema = |at: &str| {
            let text = r#"{"__schema":{"queryType":{"fields":[
                {"name":"operations","args":[{"name":"where","type":{"inputFields":[]}}]},
                {"name":"operationOrderCompletes","args":[{"name":"where","type":AT}]}]}}}"#;
            operator(&Json::new(text.replace("AT", at)).unwrap(), documents::ORDER_COMPLETES.field)
        };
        let with = |operators: &str| {
            format!(r#"{{"inputFields":[{{"name":"at","type":{{"inputFields":[{operators}]}}}}]}}"#)
        };
        for (at, expected) in [
            (
                r#"{"inputFields":[{"name":"operation","type":{"inputFields":[]}}]}"#.to_owned(),
                TimeFilter::Absent,
            ),
            (with(r#"{"name":"_eq"}"#), TimeFilter::Absent),
            (with(r#"{"name":"_gt"},{"name":"_gte"}"#), TimeFilter::Operator("_gte")),
            (with(r#"{"name":"_gt"}"#), TimeFilter::Operator("_gt")),
            (
                format!(r#"{{"inputFields":null,"ofType":{}}}"#, with(r#"{"name":"_gte"}"#)),
                TimeFilter::Operator("_gte"),
            ),
            (r#"{}"#.to_owned(), TimeFilter::Absent),
        ] {
            assert_eq!(schema(&at), expected, "{at}");
        }
        assert_eq!(operator(&Json::new("{}").unwrap(), "noteEvents"), TimeFilter::Absent);
    }

    #[test]
    fn the_callers_condition_and_the_time_are_asked_for_together() {
        let joined = |caller: Option<&str>, time: Option<&str>| {
            super::joined(caller.map(str::to_owned), time.map(str::to_owned))
        };
        assert_eq!(joined(None, None), None);
        assert_eq!(joined(Some("{ a: 1 }"), None).as_deref(), Some("{ a: 1 }"));
        assert_eq!(joined(None, Some("at: 2")).as_deref(), Some("{ at: 2 }"));
        assert_eq!(joined(Some("{ a: 1 }"), Some("at: 2")).as_deref(), Some("{ at: 2,  a: 1 }"));
    }
}
