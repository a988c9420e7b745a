//! [`Secrets`]: whether a request carries a secret that is known here.

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::error::Error;

/// The secrets that let a post in, any one of them. With none, every post is let in.
///
/// Only digests are kept. Digests are all of one length, so that comparing them tells an attacker's clock neither a
/// secret's length nor how much of it was guessed right.
#[derive(Default)]
pub(super) struct Secrets {
    known: Vec<(HeaderName, [u8; 32])>,
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl Secrets {
    /// Checks names and secrets.
    pub(super) fn new(pairs: &[(String, SecretString)]) -> Result<Self, Error> {
        const FIELD: &str = "secret_header";
        let mut known = Vec::with_capacity(pairs.len());
        for (name, secret) in pairs {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                Error::invalid(
                    FIELD,
                    format!("\"{name}\" is not a header name; give one such as x-pico-secret"),
                )
            })?;
            let secret = secret.expose_secret();
            if secret.is_empty() {
                return Err(Error::invalid(
                    FIELD,
                    format!("the secret of \"{name}\" is empty; give a long one"),
                ));
            }
            // RFC 9110, section 5.5: white space around a field's value is not part of it, so it would never arrive.
            if secret.trim() != secret {
                return Err(Error::invalid(
                    FIELD,
                    format!(
                        "the secret of \"{name}\" begins or ends with white space, which no header carries"
                    ),
                ));
            }
            if HeaderValue::from_str(secret).is_err() {
                return Err(Error::invalid(
                    FIELD,
                    format!("the secret of \"{name}\" holds a character that no header may hold"),
                ));
            }
            known.push((header, digest(secret.as_bytes())));
        }
        Ok(Self { known })
    }

    /// Whether `headers` hold one of the secrets. Every secret is compared, whichever fits.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let mut fits = Choice::from(u8::from(self.known.is_empty()));
        for (name, secret) in &self.known {
            for value in headers.get_all(name) {
                fits |= digest(value.as_bytes()).ct_eq(secret);
            }
        }
        fits.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> Result<Secrets, Error> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, secret)| ((*name).to_owned(), SecretString::from(*secret))).collect();
        Secrets::new(&pairs)
    }

    #[test]
    fn any_of_several_secrets_lets_in_and_nothing_else_does() {
        let both = secrets(&[("X-Key", "old one"), ("x-key", "new one"), ("x-other", "third")]).unwrap();
        for (headers, admitted) in [
            (&[][..], false),
            (&[("x-key", "old one")][..], true),
            (&[("x-key", "new one")][..], true),
            (&[("x-other", "third")][..], true),
            (&[("x-other", "old one")][..], false),
            (&[("x-key", "old on")][..], false),
            (&[("x-key", "old one!")][..], false),
            (&[("x-key", "")][..], false),
            (&[("x-key", "wrong"), ("x-key", "new one")][..], true),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(both.admit(&map), admitted, "{headers:?}");
        }
        assert!(Secrets::default().admit(&HeaderMap::new()));
    }

    #[test]
    fn a_secret_that_no_header_can_hold_is_refused_and_not_shown() {
        for (name, secret, says) in [
            ("x key", "s3cret", "is not a header name"),
            ("x-key", "", "is empty"),
            ("x-key", "s3cret\n", "white space"),
            ("x-key", "s3\ncret", "no header may hold"),
        ] {
            let Err(error) = secrets(&[(name, secret)]) else { panic!("{name}: {secret:?} is taken") };
            assert!(error.to_string().starts_with("secret_header: ") && error.to_string().contains(says));
            assert!(!format!("{error} {error:?}").contains("cret of \"x-key\": s3"), "{error}");
            assert!(!format!("{error:?}").contains("s3"), "{error:?}");
        }
    }
}
