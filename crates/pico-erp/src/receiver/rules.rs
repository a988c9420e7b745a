//! [`Rules`]: what is decided of a request before its body is read. Pure: a request's head in, a verdict out.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::answer::Refusal;
use super::router::Router;
use super::secrets::Secrets;

/// What a receiver takes.
pub(super) struct Rules {
    pub(super) path: String,
    /// The paths and secrets that count instead, where there are several.
    pub(super) router: Option<Arc<Router>>,
    pub(super) health_path: Option<String>,
    pub(super) secrets: Secrets,
    pub(super) max_body: usize,
    pub(super) any_content_type: bool,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its body is to be read and stored.
    Take,
    /// It asks whether all is well.
    Health,
    /// It is refused, and its body not read.
    Refuse(Refusal),
}

impl Rules {
    pub(super) fn judge(&self, head: &Parts) -> Verdict {
        // Escapes are not undone: Pico posts to the URL as it was registered.
        let path = head.uri.path();
        if self.health_path.as_deref() == Some(path) {
            return match head.method {
                Method::GET | Method::HEAD => Verdict::Health,
                _ => Verdict::Refuse(Refusal::Method { allow: "GET, HEAD" }),
            };
        }
        let door = self.router.as_ref().map(|router| router.door(path));
        let secrets = match &door {
            None if path == self.path => &self.secrets,
            Some(Some(door)) => &door.secrets,
            None | Some(None) => return Verdict::Refuse(Refusal::Path),
        };
        if head.method != Method::POST {
            return Verdict::Refuse(Refusal::Method { allow: "POST" });
        }
        // Before all that says more than that there is something at this path.
        if !secrets.admit(&head.headers) {
            return Verdict::Refuse(Refusal::Secret);
        }
        if !is_identity(&head.headers) {
            return Verdict::Refuse(Refusal::ContentEncoding);
        }
        if !self.any_content_type && !is_json(&head.headers) {
            return Verdict::Refuse(Refusal::ContentType);
        }
        if content_length(&head.headers).is_some_and(|length| length > self.max_body as u64) {
            return Verdict::Refuse(Refusal::TooLarge { limit: self.max_body });
        }
        Verdict::Take
    }
}

/// `application/json`, or any type with the suffix `+json` (RFC 6839, section 3.1). Parameters do not matter: JSON is
/// UTF-8 whatever a charset says (RFC 8259, section 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((top, sub)) = media_type.split_once('/') else { return false };
    !top.is_empty()
        && (media_type == "application/json"
            || sub.strip_suffix("+json").is_some_and(|rest| !rest.is_empty()))
}

/// Whether the body comes as it is. A list of codings may stand in one field or in several (RFC 9110, section 8.4).
fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| {
        value.to_str().is_ok_and(|codings| {
            codings
                .split(',')
                .map(str::trim)
                .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
        })
    })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use secrecy::SecretString;

    use super::*;

    fn rules(any_content_type: bool) -> Rules {
        Rules {
            path: "/pico".to_owned(),
            router: None,
            health_path: Some("/health".to_owned()),
            secrets: Secrets::new(&[("x-key".to_owned(), SecretString::from("k"))]).unwrap(),
            max_body: 100,
            any_content_type,
        }
    }

    fn judge(rules: &Rules, method: &str, uri: &str, headers: &[(&str, &str)]) -> Verdict {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        rules.judge(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_request_is_judged_by_its_head() {
        const KEY: (&str, &str) = ("x-key", "k");
        const JSON: (&str, &str) = ("content-type", "application/json");
        let strict = rules(false);
        let refuse = Verdict::Refuse;
        for (method, uri, headers, verdict) in [
            ("POST", "/pico", &[KEY, JSON][..], Verdict::Take),
            ("POST", "/pico?from=pico", &[KEY, JSON], Verdict::Take),
            ("POST", "http://erp.example/pico", &[KEY, JSON], Verdict::Take),
            ("POST", "/pico/", &[KEY, JSON], refuse(Refusal::Path)),
            ("POST", "/", &[KEY, JSON], refuse(Refusal::Path)),
            ("POST", "/Pico", &[KEY, JSON], refuse(Refusal::Path)),
            ("GET", "/other", &[], refuse(Refusal::Path)),
            ("GET", "/pico", &[KEY], refuse(Refusal::Method { allow: "POST" })),
            ("post", "/pico", &[KEY, JSON], refuse(Refusal::Method { allow: "POST" })),
            ("OPTIONS", "/pico", &[], refuse(Refusal::Method { allow: "POST" })),
            ("GET", "/health", &[], Verdict::Health),
            ("HEAD", "/health", &[], Verdict::Health),
            ("POST", "/health", &[KEY, JSON], refuse(Refusal::Method { allow: "GET, HEAD" })),
            ("POST", "/pico", &[JSON], refuse(Refusal::Secret)),
            ("POST", "/pico", &[("x-key", "K"), JSON], refuse(Refusal::Secret)),
            // The secret comes first: who does not know it learns nothing of the rest.
            ("POST", "/pico", &[("content-length", "101")], refuse(Refusal::Secret)),
            ("POST", "/pico", &[KEY], refuse(Refusal::ContentType)),
            ("POST", "/pico", &[KEY, ("content-type", "text/plain")], refuse(Refusal::ContentType)),
            ("POST", "/pico", &[KEY, ("content-type", "application/jsonp")], refuse(Refusal::ContentType)),
            ("POST", "/pico", &[KEY, ("content-type", "application/+json")], refuse(Refusal::ContentType)),
            ("POST", "/pico", &[KEY, ("content-type", "+json")], refuse(Refusal::ContentType)),
            ("POST", "/pico", &[KEY, ("content-type", "Application/JSON; charset=utf-8")], Verdict::Take),
            ("POST", "/pico", &[KEY, ("content-type", "application/cloudevents+json")], Verdict::Take),
            ("POST", "/pico", &[KEY, JSON, ("content-encoding", "gzip")], refuse(Refusal::ContentEncoding)),
            (
                "POST",
                "/pico",
                &[KEY, JSON, ("content-encoding", "identity, br")],
                refuse(Refusal::ContentEncoding),
            ),
            ("POST", "/pico", &[KEY, JSON, ("content-encoding", "Identity")], Verdict::Take),
            ("POST", "/pico", &[KEY, JSON, ("content-length", "100")], Verdict::Take),
            (
                "POST",
                "/pico",
                &[KEY, JSON, ("content-length", "101")],
                refuse(Refusal::TooLarge { limit: 100 }),
            ),
        ] {
            assert_eq!(judge(&strict, method, uri, headers), verdict, "{method} {uri} {headers:?}");
        }
        let lenient = rules(true);
        assert_eq!(judge(&lenient, "POST", "/pico", &[KEY]), Verdict::Take);
        assert_eq!(judge(&lenient, "POST", "/pico", &[KEY, ("content-type", "text/plain")]), Verdict::Take);
    }
}
