//! [`Redaction`]: takes secrets out of what a server said.
//!
//! A server that refuses an input likes to repeat it (graphql-js: `Variable "$input" got invalid value {...}`), and the
//! input of a webhook holds the secret that Pico is to post with. Such an error is logged and shown like any other.

use crate::json::Json;

const HIDDEN: &str = "***";

/// Shorter ones are no secrets, and hiding every `1` would make an error unreadable.
const SHORTEST: usize = 4;

/// The secrets to take out.
pub(crate) struct Redaction {
    /// Each as it is and as it stands in a JSON string.
    secrets: Vec<String>,
}

impl Redaction {
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST) {
            let quoted = serde_json::Value::from(secret).to_string();
            all.push(quoted[1..quoted.len() - 1].to_owned());
            all.push(secret.to_owned());
        }
        // The longest first, so that one that holds another is hidden whole.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self { secrets: all }
    }

    pub(crate) fn finds(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret))
    }

    pub(crate) fn hide(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret) {
                *text = text.replace(secret, HIDDEN);
            }
        }
        // Errors keep the start of a body, and the cut may go through a secret.
        let cut = self.secrets.iter().flat_map(|secret| {
            secret.char_indices().map(|(at, _)| &secret[..at]).filter(|part| part.len() >= SHORTEST)
        });
        if let Some(longest) = cut.filter(|part| text.ends_with(part)).map(str::len).max() {
            text.truncate(text.len() - longest);
            text.push_str(HIDDEN);
        }
    }

    pub(crate) fn hide_in_json(&self, json: &mut Json) {
        if self.finds(json.as_str()) {
            let mut text = json.as_str().to_owned();
            self.hide(&mut text);
            // Where a secret was more than part of a string, the text may be JSON no more.
            *json = Json::new(text).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let redaction = Redaction::new(["pass", "pass\"word", "k"]);
        let mut text = "key k, pass\"word, pass\\\"word, pass, pas".to_owned();
        redaction.hide(&mut text);
        assert_eq!(text, "key k, ***, ***, ***, pas");
        let mut cut = "it starts with: <html>pass\"wo".to_owned();
        redaction.hide(&mut cut);
        assert_eq!(cut, "it starts with: <html>***\"wo");
        let mut cut = "<html>s3cr".to_owned();
        Redaction::new(["s3cret"]).hide(&mut cut);
        assert_eq!(cut, "<html>***");
        let mut json = Json::new(r#"{"a":"pass\"word","b":1.0}"#).unwrap();
        redaction.hide_in_json(&mut json);
        assert_eq!(json.as_str(), r#"{"a":"***","b":1.0}"#);
        let mut json = Json::new("123456").unwrap();
        Redaction::new(["2345"]).hide_in_json(&mut json);
        assert!(json.is_null());
    }
}
