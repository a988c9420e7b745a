//! [`Location`]: what a caller names as a store, told apart: the path of a file, or the URL of a database.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;

#[derive(Clone)]
pub(super) enum Location {
    /// An absolute path.
    File(PathBuf),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Database(Box<super::postgres::Address>),
}

impl Location {
    pub(super) fn read(place: &Path) -> Result<Self, Error> {
        let text = place.to_str().unwrap_or_default();
        if let Some((scheme, _)) = text.split_once("://") {
            return match scheme {
                #[cfg(feature = "postgres")]
                "postgres" | "postgresql" => {
                    super::postgres::Address::read(text).map(|address| Self::Database(Box::new(address)))
                }
                #[cfg(not(feature = "postgres"))]
                "postgres" | "postgresql" => Err(Error::invalid(
                    "store",
                    "is a PostgreSQL database, and this library was built without; build it with the feature \
                     \"postgres\", or give the path of a file",
                )),
                // Not the text itself: it may hold a password.
                _ => Err(Error::invalid(
                    "store",
                    format!(
                        "\"{scheme}://\" is no kind of store; give the path of a file, or \"postgres://...\""
                    ),
                )),
            };
        }
        std::path::absolute(place).map(Self::File).map_err(|error| {
            Error::invalid("path", format!("\"{}\" is not a path: {error}", place.display()))
        })
    }

    /// The path, of a file.
    pub(super) fn file(self) -> Result<PathBuf, Error> {
        match self {
            Self::File(path) => Ok(path),
            #[cfg(feature = "postgres")]
            Self::Database(_) => {
                Err(Error::invalid("path", "is a database, and this is done with files only; give a path"))
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            #[cfg(feature = "postgres")]
            Self::Database(address) => address.fmt(f),
        }
    }
}
