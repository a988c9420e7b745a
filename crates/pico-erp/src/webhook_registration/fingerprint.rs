//! [`WebhookFingerprint`]: what a webhook was registered with, in a form that may be stored.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::graphql::document::significant;
use crate::webhooks::WebhookSubscribe;

/// The form below. A later one gets another number, and an older one is then unknown.
const VERSION: &str = "1";
/// Where Pico did not show a fragment.
const NOTHING: &str = "-";

/// What a webhook was registered with, as a text to store until the next start.
///
/// Pico lists a webhook's URL and fragment but never its headers, so a list cannot tell whether Pico still posts with the
/// secret that is expected. A fingerprint can: it holds a salted SHA-256 digest of id, URL, fragment and headers.
///
/// It does not hold a secret, and a long random one cannot be found from it. A secret that can be guessed can also be
/// checked against it, by whoever reads it: keep it where other settings are kept, and choose secrets at random.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookFingerprint {
    /// Version, salt, digest of what was asked for, digest of the fragment as Pico showed it after that.
    text: String,
}

impl WebhookFingerprint {
    /// The fingerprint of a registration, and of how Pico showed its fragment.
    pub(super) fn of(wanted: &WebhookSubscribe, shown_fragment: Option<&str>) -> Self {
        // Only unlike others, so that equal secrets give unequal texts. It need not be unguessable.
        let salt = format!("{:032x}", fastrand::u128(..));
        let shown = shown_fragment.map_or_else(|| NOTHING.to_owned(), |text| fragment_digest(&salt, text));
        let text = format!("{VERSION}.{salt}.{}.{shown}", digest_of(&salt, wanted));
        Self { text }
    }

    /// The text to store; [`FromStr`] takes it back.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `wanted` is what was registered.
    pub(super) fn is_of(&self, wanted: &WebhookSubscribe) -> bool {
        let [_, salt, digest, _] = self.parts();
        digest_of(salt, wanted) == digest
    }

    /// Whether Pico showed the fragment like this when it was registered.
    pub(super) fn was_shown_as(&self, fragment: &str) -> bool {
        let [_, salt, _, shown] = self.parts();
        fragment_digest(salt, fragment) == shown
    }

    fn parts(&self) -> [&str; 4] {
        parts(&self.text).unwrap_or_default()
    }
}

fn parts(text: &str) -> Option<[&str; 4]> {
    let parts: Vec<&str> = text.split('.').collect();
    parts.try_into().ok()
}

impl FromStr for WebhookFingerprint {
    type Err = Error;

    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when the text is no fingerprint of this version. Then go on as if there
    /// were none.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        match parts(text) {
            Some([VERSION, salt, digest, shown])
                if is_hex(salt, 32) && is_hex(digest, 64) && (shown == NOTHING || is_hex(shown, 64)) =>
            {
                Ok(Self { text: text.to_owned() })
            }
            _ => Err(Error::invalid("fingerprint", "is not one that this version has written")),
        }
    }
}

impl fmt::Debug for WebhookFingerprint {
    /// Not the text: a log is read by more people than settings are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookFingerprint(hidden)")
    }
}

fn digest_of(salt: &str, wanted: &WebhookSubscribe) -> String {
    let mut headers: Vec<_> = wanted
        .webhook_headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
        .collect();
    headers.sort();
    let fragment = significant(&wanted.response_fragment);
    let mut fields = vec![salt, &wanted.subscription_id, &wanted.webhook_url, &fragment];
    fields.extend(headers.iter().flat_map(|(name, value)| [name.as_str(), value]));
    hex_digest(&fields)
}

fn fragment_digest(salt: &str, fragment: &str) -> String {
    hex_digest(&[salt, &significant(fragment)])
}

fn hex_digest(fields: &[&str]) -> String {
    let mut digest = Sha256::new();
    for field in fields {
        // With its length before it no field can run into the next.
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook() -> WebhookSubscribe {
        WebhookSubscribe::new("a", "fragment F on Operation { id name }", "https://erp.example/pico")
            .header("X-Key", "s3cret")
    }

    #[test]
    fn it_changes_with_whatever_pico_was_told() {
        let known = WebhookFingerprint::of(&webhook(), None);
        assert!(known.is_of(&webhook()));
        let respaced = WebhookSubscribe {
            response_fragment: "fragment F on Operation {\n  id,\n  name\n}".to_owned(),
            ..webhook()
        };
        assert!(known.is_of(&respaced));
        let mut renamed = webhook();
        renamed.webhook_headers = [("x-key".to_owned(), "s3cret".to_owned())].into();
        assert!(known.is_of(&renamed), "header names have no case");
        for other in [
            webhook().header("X-Key", "s3cret2"),
            webhook().header("X-More", ""),
            WebhookSubscribe { subscription_id: "b".to_owned(), ..webhook() },
            WebhookSubscribe { webhook_url: "https://erp.example/".to_owned(), ..webhook() },
            WebhookSubscribe { response_fragment: "fragment F on Operation { id }".to_owned(), ..webhook() },
            WebhookSubscribe { webhook_headers: Default::default(), ..webhook() },
        ] {
            assert!(!known.is_of(&other), "{other:?}");
        }
    }

    #[test]
    fn it_survives_being_stored_and_shows_no_secret() {
        let shown = "fragment F on Operation {\n  id\n}";
        let known = WebhookFingerprint::of(&webhook(), Some(shown));
        let again: WebhookFingerprint = known.as_str().parse().unwrap();
        assert!(again == known && again.is_of(&webhook()));
        assert!(again.was_shown_as("fragment F on Operation{id}") && !again.was_shown_as(""));
        assert!(!WebhookFingerprint::of(&webhook(), None).was_shown_as(shown));
        assert!(!known.as_str().contains("s3cret"));
        assert!(!format!("{known:?}").contains(&known.as_str()[40..]));
        assert_ne!(
            WebhookFingerprint::of(&webhook(), None).as_str(),
            WebhookFingerprint::of(&webhook(), None).as_str()
        );
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let good = WebhookFingerprint::of(&webhook(), None).as_str().to_owned();
        for text in [
            "",
            "1.2.3.4",
            &good[1..],
            &good[..good.len() - 2],
            &format!("{good}.x"),
            &good.replacen('1', "2", 1),
            &good.to_ascii_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
        ] {
            let error = text.parse::<WebhookFingerprint>().unwrap_err();
            assert!(error.to_string().starts_with("fingerprint: "), "{error}");
        }
    }
}
