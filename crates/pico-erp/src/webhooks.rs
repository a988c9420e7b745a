//! Webhook registrations: subscribe, list, unsubscribe.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::{ApiGeneration, Client};
use crate::error::Error;
use crate::graphql::document::check_response_fragment;
use crate::graphql::{Request, documents};
use crate::model::{Model, OrderComplete, Webhook, list_from_json};
use crate::redaction::Redaction;

/// The name of the fragment for completed orders.
const ORDER_COMPLETES: &str = "OrderCompletes";

/// A webhook to register.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WebhookSubscribe {
    /// The caller's id for it: letters, digits, `-`, `.`, `_` and `~`.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: String,
    /// One GraphQL fragment, such as `fragment Done on OperationOrderComplete { externalOrderId at }`. Its type picks the
    /// stream, its fields are the payload.
    #[serde(rename = "responseFragment")]
    pub response_fragment: String,
    /// Where Pico is to post to, `http` or `https`.
    #[serde(rename = "webhookUrl")]
    pub webhook_url: String,
    /// Headers that Pico sends with each post, such as a secret to know it by. Never shown by `Debug`.
    #[serde(rename = "webhookHeaders", skip_serializing_if = "BTreeMap::is_empty")]
    pub webhook_headers: BTreeMap<String, String>,
}

impl WebhookSubscribe {
    /// A registration without extra headers.
    #[must_use]
    pub fn new(
        subscription_id: impl Into<String>,
        response_fragment: impl Into<String>,
        webhook_url: impl Into<String>,
    ) -> Self {
        Self {
            subscription_id: subscription_id.into(),
            response_fragment: response_fragment.into(),
            webhook_url: webhook_url.into(),
            webhook_headers: BTreeMap::new(),
        }
    }

    /// A registration for completed orders that selects what [`Client::order_completes_stream`] does, so that a post
    /// decodes to the same [`OrderComplete`](crate::OrderComplete). With a client of generation G3 that includes the
    /// fields that only G3 has: they are added when it is registered.
    ///
    /// ```
    /// use pico_erp::WebhookSubscribe;
    ///
    /// let webhook = WebhookSubscribe::order_completes("erp-completions", "https://erp.example/pico")
    ///     .header("x-pico-secret", "a long random text");
    /// assert!(webhook.response_fragment.contains("on OperationOrderComplete"));
    /// ```
    #[must_use]
    pub fn order_completes(subscription_id: impl Into<String>, webhook_url: impl Into<String>) -> Self {
        let fragment = documents::ORDER_COMPLETES_STREAM.fragment(ORDER_COMPLETES, OrderComplete::TYPE_NAME);
        Self::new(subscription_id, fragment, webhook_url)
    }

    /// Adds a header that Pico sends with each post.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.webhook_headers.insert(name.into(), value.into());
        self
    }

    /// The registration as `generation` is to have it: one of [`WebhookSubscribe::order_completes`] gets the fields that the
    /// stream has there.
    pub(crate) fn of(&self, generation: ApiGeneration) -> Cow<'_, Self> {
        let fragment = |generation| {
            documents::ORDER_COMPLETES_STREAM
                .of(generation)
                .fragment(ORDER_COMPLETES, OrderComplete::TYPE_NAME)
        };
        if generation == ApiGeneration::G3 && self.response_fragment == fragment(ApiGeneration::G2) {
            Cow::Owned(Self { response_fragment: fragment(generation), ..self.clone() })
        } else {
            Cow::Borrowed(self)
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_subscription_id(&self.subscription_id)?;
        check_response_fragment(&self.response_fragment)?;
        check_webhook_url(&self.webhook_url)?;
        for (name, value) in &self.webhook_headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Error::invalid("webhook_headers", format!("\"{name}\" is not a header name")));
            }
            if HeaderValue::from_str(value).is_err() {
                return Err(Error::invalid(
                    "webhook_headers",
                    format!("the value of \"{name}\" holds a character that no header may hold"),
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for WebhookSubscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSubscribe")
            .field("subscription_id", &self.subscription_id)
            .field("response_fragment", &self.response_fragment)
            .field("webhook_url", &self.webhook_url)
            .field("webhook_headers", &self.webhook_headers.keys())
            .finish()
    }
}

/// What an unsubscribe did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookUnsubscribed {
    /// Whether there was such a registration.
    pub success: bool,
    /// The id it had.
    pub subscription_id: Option<String>,
    /// What the server said.
    pub message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnsubscribeOutcome {
    success: Option<bool>,
    subscription_id: Option<String>,
    message: Option<String>,
}

fn check_subscription_id(id: &str) -> Result<(), Error> {
    const FIELD: &str = "subscription_id";
    if id.is_empty() {
        return Err(Error::invalid(FIELD, "is empty; choose one such as erp-order-completions"));
    }
    // RFC 3986, section 2.3: the characters that need no escape anywhere in a URL.
    match id.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~".contains(*c))) {
        None => Ok(()),
        Some(c) => Err(Error::invalid(
            FIELD,
            format!("holds {c:?}, which is not URL-safe; use letters, digits, '-', '.', '_' and '~'"),
        )),
    }
}

fn check_webhook_url(text: &str) -> Result<(), Error> {
    const FIELD: &str = "webhook_url";
    const MODEL: &str = "such as https://erp.example/pico";
    let url =
        Url::parse(text).map_err(|error| Error::invalid(FIELD, format!("is not a URL {MODEL} ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::invalid(
            FIELD,
            format!("has the scheme \"{}\"; give an http or https URL {MODEL}", url.scheme()),
        ));
    }
    Ok(())
}

impl Client {
    /// Registers a webhook. Pico then posts the fragment's fields, as a bare object, for each event; it tries
    /// once, and drops what is not answered with a 2xx.
    ///
    /// What Pico does when the id is taken is not documented: [`Client::ensure_webhook`] does not depend on it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the field, with nothing sent; otherwise as [`Client::execute`].
    pub async fn webhook_subscribe(&self, webhook: &WebhookSubscribe) -> Result<Webhook, Error> {
        webhook.check()?;
        let secrets = webhook.webhook_headers.values().map(String::as_str);
        self.register(webhook).await.map_err(|error| error.redacted(&Redaction::new(secrets)))
    }

    async fn register(&self, webhook: &WebhookSubscribe) -> Result<Webhook, Error> {
        let found = self.transport().found().await?;
        let webhook = webhook.of(found.generation);
        let learned = self.transport().webhook_form.get();
        let mut form = learned.or(found.webhook_form.as_ref()).cloned().unwrap_or_default();
        let variables = serde_json::json!({ "input": &*webhook });
        let mut tried = Vec::new();
        let mut misunderstood = None;
        loop {
            let request = Request::new(form.document()).variables(&variables)?;
            let reply = self.transport().call(&request, false).await?;
            let Some(next) = form.after(&reply) else {
                let handle = form.handle(reply.into_field(documents::WEBHOOK_SUBSCRIBE.field)?)?;
                if !tried.is_empty() {
                    // Somebody else may have learned it meanwhile.
                    let _ = self.transport().webhook_form.set(form);
                }
                return Webhook::from_json(handle);
            };
            // What was said of the usual form is of more use than what is said of the others.
            misunderstood = misunderstood.or(reply.error());
            tried.push(form);
            match misunderstood {
                Some(error) if tried.contains(&next) => return Err(error),
                _ => form = next,
            }
        }
    }

    /// Lists the registered webhooks.
    ///
    /// # Errors
    /// As [`Client::operations`].
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        let reply = self.transport().call(&Request::new(documents::WEBHOOKS.text), true).await?;
        list_from_json(&reply.into_field(documents::WEBHOOKS.field)?)
    }

    /// Removes a webhook. An unknown id is no error here: `success` is false then, or the server gives an error.
    ///
    /// # Errors
    /// As [`Client::webhook_subscribe`].
    pub async fn webhook_unsubscribe(&self, subscription_id: &str) -> Result<WebhookUnsubscribed, Error> {
        check_subscription_id(subscription_id)?;
        let document = documents::WEBHOOK_UNSUBSCRIBE;
        let request = Request::new(document.text).variables(&serde_json::json!({ "id": subscription_id }))?;
        let reply = self.transport().call(&request, false).await?;
        let outcome: Option<UnsubscribeOutcome> = reply.into_field(document.field)?.decode()?;
        Ok(match outcome {
            None => WebhookUnsubscribed { success: false, subscription_id: None, message: None },
            Some(outcome) => WebhookUnsubscribed {
                success: outcome.success.unwrap_or(false),
                subscription_id: outcome.subscription_id,
                message: outcome.message,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &str = "fragment Done on OperationOrderComplete { externalOrderId }";

    #[test]
    fn a_webhook_that_pico_could_not_use_is_refused_by_field() {
        for (id, fragment, url, field) in [
            ("", FRAGMENT, "https://erp.example/", "subscription_id: "),
            ("a b", FRAGMENT, "https://erp.example/", "subscription_id: "),
            ("a/b", FRAGMENT, "https://erp.example/", "subscription_id: "),
            ("a", "{ x }", "https://erp.example/", "response_fragment: "),
            ("a", FRAGMENT, "erp.example", "webhook_url: "),
            ("a", FRAGMENT, "ftp://erp.example/", "webhook_url: "),
        ] {
            let error = WebhookSubscribe::new(id, fragment, url).check().unwrap_err();
            assert!(error.to_string().starts_with(field), "{error}");
        }
        let bad = WebhookSubscribe::new("a", FRAGMENT, "https://erp.example/").header("x y", "v");
        assert!(bad.check().unwrap_err().to_string().starts_with("webhook_headers: "));
    }

    #[test]
    fn a_secret_header_is_never_shown() {
        let webhook =
            WebhookSubscribe::new("a", FRAGMENT, "https://erp.example/").header("X-API-Key", "s3cret");
        assert!(!format!("{webhook:?}").contains("s3cret"));
    }
}
