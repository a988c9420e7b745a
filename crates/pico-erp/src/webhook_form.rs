//! [`WebhookForm`]: how a server takes the registration of a webhook, which differs between generations of Pico's API.
//!
//! Pico's pages name the type of the input in two ways, and the result once as the registration itself and once as a union
//! that the registration is a member of. A document must have both right, or nothing of it is carried out, so another
//! form can be tried after such a refusal without doing anything twice.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::graphql::{Reply, documents};
use crate::json::Json;

const INPUT: &str = "SubscribeRequestInput";
const OLD_INPUT: &str = "SubscribeRequest_Input";
const HANDLE: &str = "SubscriptionHandle";

/// The name of the input's type, and whether the result is a union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookForm {
    input: Cow<'static, str>,
    is_union: bool,
}

impl Default for WebhookForm {
    /// The form of Pico's "ERP Example Calls".
    fn default() -> Self {
        Self::new(INPUT, false)
    }
}

impl WebhookForm {
    pub(crate) fn new(input: impl Into<Cow<'static, str>>, is_union: bool) -> Self {
        Self { input: input.into(), is_union }
    }

    /// The mutation in this form.
    pub(crate) fn document(&self) -> String {
        let text = documents::WEBHOOK_SUBSCRIBE.text.replace(INPUT, &self.input);
        if !self.is_union {
            return text;
        }
        let call = "webhookSubscribe(input: $input) {";
        text.replace(call, &format!("{call} __typename ... on {HANDLE} {{")).replacen(" }\n", " } }\n", 1)
    }

    /// The form to try after `reply`, when that says that the server did not understand this one; `None` when it was
    /// understood.
    pub(crate) fn after(&self, reply: &Reply) -> Option<Self> {
        // An error with a path is one of carrying the mutation out.
        if reply.data.is_some() || reply.errors.is_empty() || reply.errors.iter().any(|it| it.path.is_some())
        {
            return None;
        }
        let says = |word: &str| reply.errors.iter().any(|error| holds_word(&error.message, word));
        let mut next = self.clone();
        if says(&self.input) {
            next.input = if self.input == INPUT { OLD_INPUT.into() } else { INPUT.into() };
        }
        // `subscriptionId` is the first field of the result; the input's is `subscriptionID`.
        if says("webhookSubscribe_response") || says("subscriptionId") || says(HANDLE) {
            next.is_union = !self.is_union;
        }
        (next != *self).then_some(next)
    }

    /// The registration in the result of the mutation.
    pub(crate) fn handle(&self, result: Json) -> Result<Json, Error> {
        if result.is_null() {
            return Err(Error::new(ErrorKind::Decode, "the server gave no registration and no error"));
        }
        let fields: serde_json::Map<String, serde_json::Value> = result.decode().unwrap_or_default();
        match fields.get("__typename").and_then(|name| name.as_str()) {
            Some(name) if self.is_union && name != HANDLE => Err(Error::new(
                ErrorKind::Graphql,
                format!("the server did not register the webhook and answered with a {name}"),
            )
            .with_body(result.as_bytes())),
            _ => Ok(result),
        }
    }
}

/// Whether the word stands in the text, and not just as a part of a longer one.
fn holds_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{ExecutableDocument, Schema};
    use serde_json::json;

    use super::*;

    fn refusal(messages: &[&str]) -> Reply {
        let errors: Vec<_> = messages.iter().map(|message| json!({ "message": message })).collect();
        Reply::parse(Json::from_value(&json!({ "errors": errors })).unwrap(), Some(400)).unwrap()
    }

    #[test]
    fn each_form_fits_the_schema_it_is_for() {
        let documented = include_str!("../graphql/schema.graphql");
        let field = "webhookSubscribe(input: SubscribeRequestInput!): SubscriptionHandle";
        assert!(documented.contains(field));
        for (input, is_union) in [(INPUT, false), (OLD_INPUT, false), (INPUT, true), (OLD_INPUT, true)] {
            let result = if is_union { "webhookSubscribe_response" } else { HANDLE };
            let schema = documented.replace(field, &format!("webhookSubscribe(input: {INPUT}!): {result}"));
            let schema = schema.replace(INPUT, input)
                + "union webhookSubscribe_response = SubscriptionHandle | OperationOrderResult";
            let schema = Schema::parse_and_validate(schema, "schema.graphql").unwrap();
            let text = WebhookForm::new(input, is_union).document();
            if let Err(error) = ExecutableDocument::parse_and_validate(&schema, &text, "form.graphql") {
                panic!("{text}\n{}", error.errors);
            }
        }
    }

    #[test]
    fn a_refusal_says_what_to_try_next() {
        let plain = WebhookForm::default();
        let old = |is_union| WebhookForm::new(OLD_INPUT, is_union);
        for (form, messages, expected) in [
            (
                &plain,
                &["Unknown type \"SubscribeRequestInput\". Did you mean \"SubscribeRequest_Input\"?"][..],
                Some(old(false)),
            ),
            (
                &plain,
                &[
                    "Unknown type \"SubscribeRequestInput\".",
                    "Cannot query field \"subscriptionId\" on type \"webhookSubscribe_response\".",
                ],
                Some(old(true)),
            ),
            (
                &plain,
                &["Cannot query field \"subscriptionId\" on type \"webhookSubscribe_response\"."],
                Some(WebhookForm::new(INPUT, true)),
            ),
            (&old(true), &["Unknown type SubscribeRequest_Input"], Some(WebhookForm::new(INPUT, true))),
            (&plain, &["the URL is not reachable"], None),
            (&plain, &["subscriptionID is taken"], None),
            (&plain, &["Unknown type \"SubscribeRequest_Input\""], None),
        ] {
            assert_eq!(form.after(&refusal(messages)), expected, "{messages:?}");
        }
    }

    #[test]
    fn what_may_have_been_carried_out_is_never_tried_in_another_form() {
        let executed = json!({ "data": { "webhookSubscribe": null }, "errors": [{ "message": "SubscribeRequestInput" }] });
        let with_path =
            json!({ "errors": [{ "message": "SubscribeRequestInput", "path": ["webhookSubscribe"] }] });
        for body in [executed, with_path] {
            let reply = Reply::parse(Json::from_value(&body).unwrap(), Some(200)).unwrap();
            assert_eq!(WebhookForm::default().after(&reply), None, "{body}");
        }
    }

    #[test]
    fn another_member_of_the_union_is_no_registration() {
        let form = WebhookForm::new(INPUT, true);
        let json = |text: &str| Json::new(text.to_owned()).unwrap();
        form.handle(json(r#"{"__typename":"SubscriptionHandle","subscriptionId":"a"}"#)).unwrap();
        let error = form.handle(json(r#"{"__typename":"ValidationError"}"#)).unwrap_err();
        assert!(error.to_string().contains("ValidationError"), "{error}");
        assert!(form.handle(json("null")).is_err());
    }
}
