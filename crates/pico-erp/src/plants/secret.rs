//! [`Secret`]: a text of a file of plants that is never shown, and [`SecretSource`]: where one comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

use crate::error::Error;

/// A text that `Debug` and errors do not show.
#[derive(Clone)]
pub(super) struct Secret(SecretString);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    // Both are of files that whoever asks has read; there is nobody to measure the time.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own message would show a value of another type.
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self::new(text)),
            other => Err(serde::de::Error::custom(format!(
                "is a secret of type {}; give a text",
                other.type_str()
            ))),
        }
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SecretSource {
    /// It stands in the file of plants.
    Text(Secret),
    /// An environment variable.
    Environment(String),
    /// A file of its own, whose white space at the ends does not count.
    File(PathBuf),
}

impl SecretSource {
    /// The one of the three that was given, if any.
    pub(super) fn of(
        field: &str,
        text: Option<&Secret>,
        variable: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, Error> {
        match (text, variable, file) {
            (None, None, None) => Ok(None),
            (Some(text), None, None) => Ok(Some(Self::Text(text.clone()))),
            (None, Some(variable), None) => Ok(Some(Self::Environment(variable))),
            (None, None, Some(file)) => Ok(Some(Self::File(file))),
            _ => Err(Error::invalid(field, "is given more than once; give one of the text, _env and _file")),
        }
    }

    /// The secret as it is now.
    pub(super) fn read(&self, field: &str) -> Result<String, Error> {
        match self {
            Self::Text(secret) => Ok(secret.expose().to_owned()),
            Self::Environment(variable) => std::env::var(variable).map_err(|_| {
                Error::invalid(field, format!("the environment variable {variable} is not set, or no text"))
            }),
            Self::File(path) => read_file(path).map_err(|problem| Error::invalid(field, problem)),
        }
    }

    /// Where it comes from, without it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Text(_) => "***".to_owned(),
            Self::Environment(variable) => format!("the environment variable {variable}"),
            Self::File(path) => format!("the file {}", path.display()),
        }
    }
}

/// The text of a file that holds nothing but a secret.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(format!("the file {} is empty", path.display())),
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("the file {} cannot be read: {error}", path.display())),
    }
}
