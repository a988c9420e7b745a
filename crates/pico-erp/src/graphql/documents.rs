//! The documents this crate sends. `build.rs` checks each file against `graphql/schema.graphql`.

/// A document and the one field it selects at the root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document {
    pub(crate) text: &'static str,
    pub(crate) field: &'static str,
}

macro_rules! document {
    ($name:ident, $file:literal, $field:literal) => {
        pub(crate) const $name: Document =
            Document { text: include_str!(concat!("../../graphql/", $file, ".graphql")), field: $field };
    };
}

document!(OPERATIONS, "operations", "operations");
document!(SUB_OPERATIONS, "sub_operations", "subOperations");
document!(ORDER_COMPLETES, "order_completes", "operationOrderCompletes");
document!(NOTE_EVENTS, "note_events", "noteEvents");
document!(WEBHOOKS, "webhooks", "webhookSubscriptions");
document!(ORDER_SAVE, "order_save", "operationOrderSave");
document!(ORDER_CANCEL, "order_cancel", "operationOrderCancel");
document!(WEBHOOK_SUBSCRIBE, "webhook_subscribe", "webhookSubscribe");
document!(WEBHOOK_UNSUBSCRIBE, "webhook_unsubscribe", "webhookUnsubscribe");
document!(OPERATIONS_STREAM, "operations_stream", "operationsStream");
document!(SUB_OPERATIONS_STREAM, "sub_operations_stream", "subOperationsStream");
document!(ORDER_COMPLETES_STREAM, "order_completes_stream", "operationOrderCompletesStream");
document!(TIME_FILTER, "time_filter", "__schema");
document!(NOTE_EVENTS_STREAM, "note_events_stream", "noteEventsStream");

impl Document {
    /// The document with `where: <condition>` on its root field.
    ///
    /// The condition is written into the text rather than passed as a variable, because a variable must name
    /// its type, and Pico nowhere names the filters' types.
    pub(crate) fn with_condition(self, condition: Option<&str>) -> String {
        match condition {
            None => self.text.to_owned(),
            Some(condition) => self.text.replacen(
                &format!("{} {{", self.field),
                &format!("{}(where: {condition}) {{", self.field),
                1,
            ),
        }
    }
}

/// A GraphQL string literal. JSON's escapes are a subset of GraphQL's (specification, section 2.9.4).
pub(crate) fn string_literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
