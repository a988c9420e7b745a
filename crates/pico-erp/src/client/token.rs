//! [`Token`]: where the API token comes from, and that it is never shown.

use std::{env, fmt, sync::Arc};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind};

type Provider = dyn Fn() -> Result<String, String> + Send + Sync;

/// The token that Pico issued for one of its instances.
///
/// `Debug` never shows it.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Fixed(SecretString),
    Environment(String),
    Provider(Arc<Provider>),
}

impl Token {
    /// This text.
    #[must_use]
    pub fn fixed(token: impl Into<String>) -> Self {
        Self(Source::Fixed(SecretString::from(token.into())))
    }

    /// The value of an environment variable, read when the client is built.
    #[must_use]
    pub fn from_environment(variable: impl Into<String>) -> Self {
        Self(Source::Environment(variable.into()))
    }

    /// What `provider` returns. It is asked before every request, on a thread that may block; a provider that
    /// is dear should keep its answer. An `Err` fails the request with the given text.
    #[must_use]
    pub fn provider(provider: impl Fn() -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Source::Provider(Arc::new(provider)))
    }

    /// Reads the environment and checks what can be checked now.
    pub(crate) fn resolved(self) -> Result<Self, Error> {
        match self.0 {
            Source::Environment(variable) => match env::var(&variable) {
                Ok(token) => Self::fixed(token).resolved(),
                Err(env::VarError::NotPresent) => {
                    Err(Error::invalid("token", format!("the environment variable {variable} is not set")))
                }
                Err(env::VarError::NotUnicode(_)) => {
                    Err(Error::invalid("token", format!("the environment variable {variable} is not UTF-8")))
                }
            },
            Source::Fixed(token) => {
                header_value(token.expose_secret())?;
                Ok(Self(Source::Fixed(token)))
            }
            provider @ Source::Provider(_) => Ok(Self(provider)),
        }
    }

    /// The header's value for the next request.
    pub(crate) async fn header(&self) -> Result<HeaderValue, Error> {
        match &self.0 {
            Source::Fixed(token) => header_value(token.expose_secret()),
            Source::Environment(_) => Err(Error::new(ErrorKind::Internal, "the token was not resolved")),
            Source::Provider(provider) => {
                let provider = Arc::clone(provider);
                let token = tokio::task::spawn_blocking(move || provider())
                    .await
                    .map_err(|error| {
                        Error::new(ErrorKind::Internal, "the token provider failed").with_source(error)
                    })?
                    .map_err(|message| {
                        Error::invalid("token", format!("the provider gave none: {message}"))
                    })?;
                header_value(&token)
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(_) => f.write_str("Token(hidden)"),
            Source::Environment(variable) => write!(f, "Token(from {variable})"),
            Source::Provider(_) => f.write_str("Token(from a provider)"),
        }
    }
}

/// Checks a token and marks it so that no HTTP layer logs it or puts it into a compression table.
fn header_value(token: &str) -> Result<HeaderValue, Error> {
    if token.is_empty() {
        return Err(Error::invalid("token", "is empty; give the token that Pico issued"));
    }
    if let Some(at) = token.chars().position(|c| c.is_control()) {
        return Err(Error::invalid(
            "token",
            format!("has a control character at position {at}, perhaps a line end read with it from a file"),
        ));
    }
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| Error::invalid("token", "has a character that no HTTP header may hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(format!("{:?}", Token::fixed("s3cret")), "Token(hidden)");
        let error = Token::fixed("s3cret\n").resolved().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_before_anything_is_sent() {
        for (token, says) in [
            ("", "is empty"),
            ("abc\n", "control character at position 3"),
            ("\u{0}abc", "control character at position 0"),
        ] {
            let error = Token::fixed(token).resolved().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
