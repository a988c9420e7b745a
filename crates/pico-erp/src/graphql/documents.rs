//! The documents this crate sends. `build.rs` makes them from `graphql/`, one text for each generation of Pico's API, and
//! checks each against the schema of its generation.

use crate::client::ApiGeneration;

/// A document and the one field it selects at the root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document {
    /// As generation G2 takes it: what G2 and G3 have in common.
    pub(crate) text: &'static str,
    /// As generation G3 takes it, with the fields that only it has.
    g3_text: &'static str,
    pub(crate) field: &'static str,
}

macro_rules! document {
    ($name:ident, $file:literal, $field:literal) => {
        pub(crate) const $name: Document = Document {
            text: include_str!(concat!(env!("OUT_DIR"), "/g2/", $file, ".graphql")),
            g3_text: include_str!(concat!(env!("OUT_DIR"), "/g3/", $file, ".graphql")),
            field: $field,
        };
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
document!(GENERATION, "generation", "__schema");
document!(GENERATION_PROBE, "generation_probe", "__typename");

impl Document {
    /// The document as `generation` takes it. What is not known to be G3 gets what G2 and G3 have in common.
    pub(crate) fn of(self, generation: ApiGeneration) -> Self {
        match generation {
            ApiGeneration::G3 => Self { text: self.g3_text, ..self },
            ApiGeneration::Auto | ApiGeneration::G2 => self,
        }
    }

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

    /// A fragment on `type_name` that selects what the document selects of its root field. On one line.
    pub(crate) fn fragment(self, name: &str, type_name: &str) -> String {
        let selection = self
            .text
            .split_once(&format!("{} {{", self.field))
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('}'))
            .map(str::trim_end)
            .and_then(|rest| rest.strip_suffix('}'))
            // The tests say so of every document that this is called on.
            .expect("a document holds one operation with one root field and a selection");
        let words: Vec<&str> = selection.split_whitespace().collect();
        format!("fragment {name} on {type_name} {{ {} }}", words.join(" "))
    }
}

/// A GraphQL string literal. JSON's escapes are a subset of GraphQL's (specification, section 2.9.4).
pub(crate) fn string_literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{ExecutableDocument, Schema};

    use super::*;
    use crate::graphql::document::significant;

    /// That of G3.
    fn whole_schema() -> apollo_compiler::validation::Valid<Schema> {
        let files =
            [include_str!("../../graphql/schema.graphql"), include_str!("../../graphql/schema.g3.graphql")];
        Schema::parse_and_validate(files.concat(), "schema.graphql").unwrap()
    }

    #[test]
    fn each_generation_gets_the_fields_it_has_and_no_comments() {
        for (document, only_g3) in [
            (OPERATIONS, "externalCodes"),
            (OPERATIONS_STREAM, "externalCodes"),
            (ORDER_COMPLETES, "reservedSerialNumber secondaryExternalOrderId"),
            (ORDER_COMPLETES_STREAM, "reservedSerialNumber secondaryExternalOrderId"),
        ] {
            assert!(!document.of(ApiGeneration::G2).text.contains(only_g3), "{document:?}");
            assert!(!document.of(ApiGeneration::Auto).text.contains(only_g3), "{document:?}");
            assert!(document.of(ApiGeneration::G3).text.contains(only_g3), "{document:?}");
            assert!(!document.of(ApiGeneration::G3).text.contains('#'), "{document:?}");
        }
    }

    #[test]
    fn a_fragment_selects_what_its_document_does() {
        let schema = whole_schema();
        for (document, type_name) in [
            (OPERATIONS_STREAM.of(ApiGeneration::G3), "Operation"),
            (ORDER_COMPLETES_STREAM.of(ApiGeneration::G3), "OperationOrderComplete"),
            (OPERATIONS_STREAM, "Operation"),
            (SUB_OPERATIONS_STREAM, "SubOperation"),
            (ORDER_COMPLETES_STREAM, "OperationOrderComplete"),
            (NOTE_EVENTS_STREAM, "NoteEvent"),
        ] {
            let fragment = document.fragment("F", type_name);
            let through_it = format!("subscription S {{ {} {{ ...F }} }} {fragment}", document.field);
            ExecutableDocument::parse_and_validate(&schema, &through_it, "fragment.graphql").unwrap();
            let selection = fragment.strip_prefix(&format!("fragment F on {type_name} ")).unwrap();
            assert!(
                significant(document.text).contains(&significant(&format!("{} {selection}", document.field))),
                "{fragment}"
            );
        }
    }
}
