//! Registering a webhook so that it may be done again and again: [`Client::ensure_webhook`].
//!
//! Pico documents neither what registering a taken id does nor how to change a registration, so a registration that is
//! not as it should be is removed and made anew. [`Listing`] is the decision; it is made without a server.

mod fingerprint;

pub use fingerprint::WebhookFingerprint;

use url::Url;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::graphql::document::significant;
use crate::model::Webhook;
use crate::webhooks::WebhookSubscribe;

/// What [`Client::ensure_webhook`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookOutcome {
    /// Nothing: it was registered as it should be.
    Unchanged,
    /// It was registered differently, or possibly so; it was removed and registered anew. Events between the two were
    /// not posted.
    Replaced,
    /// It was not there and has been registered.
    Registered,
}

/// A webhook that is registered as it should be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EnsuredWebhook {
    /// What was done to that end.
    pub outcome: WebhookOutcome,
    /// The registration as Pico shows it.
    pub webhook: Webhook,
    /// What it was registered with. Store it, and give it to the next call.
    pub fingerprint: WebhookFingerprint,
}

/// How a wanted webhook stands in Pico's list.
#[derive(Debug, Clone)]
pub(crate) enum Listing {
    /// As it should be.
    Same(Box<Webhook>),
    /// Under the same id, but not what is wanted.
    Different(Difference),
    /// Not at all.
    Absent,
}

/// Why a webhook counts as different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// What is wanted is not what it was registered with from here, or it is not known what that was.
    Wish,
    /// Somebody else has changed it.
    List,
}

impl Listing {
    pub(crate) fn of(
        listed: Vec<Webhook>,
        wanted: &WebhookSubscribe,
        known: Option<&WebhookFingerprint>,
    ) -> Self {
        let mut with_id: Vec<Webhook> = listed
            .into_iter()
            .filter(|webhook| webhook.subscription_id.as_deref() == Some(&wanted.subscription_id))
            .collect();
        let Some(first) = with_id.pop() else { return Self::Absent };
        let Some(known) = known.filter(|known| known.is_of(wanted)) else {
            return Self::Different(Difference::Wish);
        };
        // The same id twice would post every event twice.
        if with_id.is_empty() && same_url(&first, wanted) && same_fragment(&first, wanted, known) {
            Self::Same(Box::new(first))
        } else {
            Self::Different(Difference::List)
        }
    }
}

/// URLs that a browser would take for the same are. One that Pico does not show contradicts nothing: the schema lets it
/// be null, and to replace a registration for that would be to replace it for ever.
fn same_url(listed: &Webhook, wanted: &WebhookSubscribe) -> bool {
    let Some(url) = listed.webhook_url.as_deref() else { return true };
    url == wanted.webhook_url || Url::parse(url).ok() == Url::parse(&wanted.webhook_url).ok()
}

/// The same by its tokens, or as Pico showed it when it was registered: nothing says that Pico gives a fragment back as
/// it got it.
fn same_fragment(listed: &Webhook, wanted: &WebhookSubscribe, known: &WebhookFingerprint) -> bool {
    let Some(fragment) = listed.response_fragment.as_deref() else { return true };
    significant(fragment) == significant(&wanted.response_fragment) || known.was_shown_as(fragment)
}

impl Client {
    /// Sees to it that a webhook is registered just like this, and does nothing where it is. May be repeated at any time,
    /// after a failure too.
    ///
    /// `known` is the fingerprint that the last call returned. Without it, or where it does not fit `wanted`, a listed
    /// webhook is replaced, because Pico does not show the headers that it posts with.
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client, stored: Option<String>) -> Result<(), pico_erp::Error> {
    /// use pico_erp::{WebhookFingerprint, WebhookSubscribe};
    ///
    /// let wanted = WebhookSubscribe::order_completes("erp-completions", "https://erp.example/pico")
    ///     .header("x-pico-secret", "a long random text");
    /// let known: Option<WebhookFingerprint> = stored.and_then(|text| text.parse().ok());
    /// let ensured = client.ensure_webhook(&wanted, known.as_ref()).await?;
    /// println!("{:?}; to be stored: {}", ensured.outcome, ensured.fingerprint.as_str());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::webhook_subscribe`]. After an error the webhook may be gone: repeat the call.
    pub async fn ensure_webhook(
        &self,
        wanted: &WebhookSubscribe,
        known: Option<&WebhookFingerprint>,
    ) -> Result<EnsuredWebhook, Error> {
        wanted.check()?;
        let wanted = &*wanted.of(self.generation().await?);
        match (Listing::of(self.webhooks().await?, wanted, known), known) {
            (Listing::Same(webhook), Some(known)) => Ok(EnsuredWebhook {
                outcome: WebhookOutcome::Unchanged,
                webhook: *webhook,
                fingerprint: known.clone(),
            }),
            (Listing::Absent, _) => self.register_webhook(wanted, WebhookOutcome::Registered).await,
            _ => self.register_webhook(wanted, WebhookOutcome::Replaced).await,
        }
    }

    /// Registers a webhook that is not listed ([`WebhookOutcome::Registered`]), or another in place of one that is.
    pub(crate) async fn register_webhook(
        &self,
        wanted: &WebhookSubscribe,
        outcome: WebhookOutcome,
    ) -> Result<EnsuredWebhook, Error> {
        if outcome == WebhookOutcome::Replaced {
            match self.webhook_unsubscribe(&wanted.subscription_id).await {
                Ok(removed) => {
                    tracing::debug!(removed.success, "a webhook is removed to be registered anew");
                }
                // Perhaps it is gone already: what an unknown id is answered with is not documented.
                Err(error) if error.kind() == ErrorKind::Graphql => {
                    tracing::debug!(%error, "a webhook that is to be registered anew was not removed");
                }
                Err(error) => return Err(error),
            }
        }
        let webhook = self.webhook_subscribe(wanted).await?;
        let fingerprint = WebhookFingerprint::of(wanted, webhook.response_fragment.as_deref());
        Ok(EnsuredWebhook { outcome, webhook, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Json;
    use crate::model::Model;

    const FRAGMENT: &str = "fragment F on Operation { id name }";
    const URL: &str = "https://erp.example/pico";

    fn listed(id: &str, url: Option<&str>, fragment: Option<&str>) -> Webhook {
        let json = json!({ "subscriptionId": id, "webhookUrl": url, "responseFragment": fragment });
        Webhook::from_json(Json::from_value(&json).unwrap()).unwrap()
    }

    fn stands(list: &[Webhook], known: Option<&WebhookFingerprint>) -> &'static str {
        let wanted = WebhookSubscribe::new("a", FRAGMENT, URL).header("X-Key", "k");
        match Listing::of(list.to_vec(), &wanted, known) {
            Listing::Same(_) => "same",
            Listing::Different(Difference::Wish) => "another wish",
            Listing::Different(Difference::List) => "another listed",
            Listing::Absent => "absent",
        }
    }

    #[test]
    fn a_list_tells_whether_anything_is_to_be_done() {
        let wanted = WebhookSubscribe::new("a", FRAGMENT, URL).header("X-Key", "k");
        let known = WebhookFingerprint::of(&wanted, Some("fragment F on Operation { ... }"));
        let changed = WebhookFingerprint::of(&wanted.clone().header("X-Key", "other"), None);
        let good = listed("a", Some(URL), Some(FRAGMENT));
        let other = listed("b", Some(URL), Some(FRAGMENT));
        for (what, list, known, expected) in [
            ("nothing", vec![], Some(&known), "absent"),
            ("another id", vec![other.clone()], Some(&known), "absent"),
            ("as it should be", vec![other, good.clone()], Some(&known), "same"),
            ("not known", vec![good.clone()], None, "another wish"),
            ("another secret", vec![good.clone()], Some(&changed), "another wish"),
            ("twice", vec![good.clone(), good], Some(&known), "another listed"),
            (
                "respaced",
                vec![listed("a", Some(URL), Some("fragment F on Operation {\n  id,\n  name,\n}"))],
                Some(&known),
                "same",
            ),
            (
                "as it was shown",
                vec![listed("a", Some(URL), Some("fragment F on Operation {...}"))],
                Some(&known),
                "same",
            ),
            (
                "another port",
                vec![listed("a", Some("https://erp.example:443/pico"), None)],
                Some(&known),
                "same",
            ),
            (
                "another URL",
                vec![listed("a", Some("https://erp.example/"), None)],
                Some(&known),
                "another listed",
            ),
            ("no URL at all", vec![listed("a", Some("erp"), None)], Some(&known), "another listed"),
            (
                "another fragment",
                vec![listed("a", Some(URL), Some("fragment F on Operation { id }"))],
                Some(&known),
                "another listed",
            ),
            ("null fields", vec![listed("a", None, None)], Some(&known), "same"),
        ] {
            assert_eq!(stands(&list, known), expected, "{what}");
        }
    }
}
