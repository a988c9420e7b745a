//! `to_json` of what the outbox tells, in the form that `json_forms` describes: for the C ABI, Python and `--json`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::OutboxStatus;
use crate::json::Json;
use crate::orders::Units;
use crate::store::outbox_table::{OrderKind, OutboxCounts, OutboxEntry};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryForm<'a> {
    id: i64,
    kind: &'static str,
    external_order_id: &'a str,
    operation_id: &'a str,
    order_index: Option<u32>,
    cancel_all: bool,
    state: &'static str,
    attempts: u32,
    queued: Timestamp,
    due: Option<Timestamp>,
    settled: Option<Timestamp>,
    superseded_by: Option<i64>,
    message: Option<&'a str>,
    error: Option<FailureForm<'a>>,
    request_id: Option<&'a str>,
    input: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureForm<'a> {
    code: i32,
    message: &'a str,
    graphql_errors: Option<&'a RawValue>,
}

impl OutboxEntry {
    /// `{"id","kind","externalOrderId","operationId","orderIndex","cancelAll","state","attempts","queued","due","settled",
    /// "supersededBy","message","error","requestId","input"}`; `error` has `code`, `message` and `graphqlErrors`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let failure = self.error.as_ref();
        let errors = failure.and_then(|error| error.graphql_errors.as_deref());
        let form = EntryForm {
            id: self.id,
            kind: match self.kind {
                OrderKind::Save => "save",
                OrderKind::Cancel => "cancel",
            },
            external_order_id: &self.external_order_id,
            operation_id: &self.operation_id,
            order_index: match self.units {
                Units::One(index) => Some(index),
                Units::All => None,
            },
            cancel_all: self.units == Units::All,
            state: self.state.name(),
            attempts: self.attempts,
            queued: self.queued,
            due: self.due,
            settled: self.settled,
            superseded_by: self.superseded_by,
            message: self.message.as_deref(),
            error: failure.map(|error| FailureForm {
                code: error.code,
                message: &error.message,
                graphql_errors: errors.and_then(|errors| serde_json::from_str(errors).ok()),
            }),
            request_id: self.request_id.as_deref(),
            input: serde_json::from_str(self.input.as_str()).ok(),
        };
        Json::from_value(&form).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsForm {
    queued: u64,
    sending: u64,
    waiting: u64,
    sent: u64,
    failed: u64,
    superseded: u64,
    dropped: u64,
}

impl CountsForm {
    fn of(counts: OutboxCounts) -> Self {
        let OutboxCounts { queued, sending, waiting, sent, failed, superseded, dropped } = counts;
        Self { queued, sending, waiting, sent, failed, superseded, dropped }
    }
}

impl OutboxCounts {
    /// `{"queued","sending","waiting","sent","failed","superseded","dropped"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        Json::from_value(&CountsForm::of(*self)).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusForm<'a> {
    counts: CountsForm,
    last_error: Option<&'a RawValue>,
    paused_until: Option<Timestamp>,
    batching: bool,
}

impl OutboxStatus {
    /// `{"counts","lastError","pausedUntil","batching"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let error = self.last_error.as_ref().map(crate::error::Error::to_json);
        let form = StatusForm {
            counts: CountsForm::of(self.counts),
            last_error: error.as_ref().and_then(|error| serde_json::from_str(error.as_str()).ok()),
            paused_until: self.paused_until,
            batching: self.batching,
        };
        Json::from_value(&form).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::{OrderSave, Store};

    #[tokio::test]
    async fn a_queued_order_is_told_in_one_form() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::builder(folder.path().join("s"))
            .clock(|| "2025-01-15T14:22:00Z".parse().unwrap())
            .open()
            .await
            .unwrap();
        let queued = store.outbox().save(OrderSave::new("op", "E").request_id("r-1")).await.unwrap();
        let entry = store.outbox().get(queued.id).await.unwrap().unwrap();
        assert_eq!(
            entry.to_json().as_str(),
            r#"{"id":1,"kind":"save","externalOrderId":"E","operationId":"op","orderIndex":0,"cancelAll":false,"state":"queued","attempts":0,"queued":"2025-01-15T14:22:00Z","due":null,"settled":null,"supersededBy":null,"message":null,"error":null,"requestId":"r-1","input":{"operationId":"op","externalOrderId":"E","orderIndex":0}}"#
        );
        let counts = store.outbox().counts().await.unwrap();
        assert_eq!(
            counts.to_json().as_str(),
            r#"{"queued":1,"sending":0,"waiting":0,"sent":0,"failed":0,"superseded":0,"dropped":0}"#
        );
    }
}
