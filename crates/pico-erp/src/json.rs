//! [`Json`]: a piece of JSON exactly as the server sent it.
//!
//! Everything typed in this crate is decoded from one of these and keeps it, so that a caller always reaches
//! the fields that the types do not know. Pieces of one reply share its memory.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::model::Model;

/// Valid JSON text, byte for byte as it was received. Cheap to clone.
///
/// A `Json` taken out of a reply shares the reply's memory: while one of 10,000 operations is kept, so is
/// the whole list's text. [`Json::detached`] makes a copy that stands alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Json {
    text: Bytes,
}

impl Json {
    /// Checks that `text` is exactly one JSON value in UTF-8 and keeps it.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] with the position and the reason.
    pub fn new(text: impl Into<Bytes>) -> Result<Self, Error> {
        let text = text.into();
        let parsed: Result<&RawValue, _> = serde_json::from_slice(&text);
        match parsed {
            Ok(_) => Ok(Self { text }),
            Err(error) => Err(Error::new(ErrorKind::Decode, format!("not valid JSON: {error}"))),
        }
    }

    /// Serialises `value`.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when `value` has no JSON form, such as a map whose keys are not strings.
    pub fn from_value(value: &impl serde::Serialize) -> Result<Self, Error> {
        serde_json::to_vec(value)
            .map(|text| Self { text: text.into() })
            .map_err(|error| Error::new(ErrorKind::Decode, format!("cannot be written as JSON: {error}")))
    }

    /// A value that serde_json has read, and so has checked.
    pub(crate) fn from_raw(raw: Box<RawValue>) -> Self {
        Self { text: String::from(Box::<str>::from(raw)).into() }
    }

    /// A value that lies inside this one, sharing its memory.
    pub(crate) fn piece(&self, inner: &RawValue) -> Self {
        Self { text: self.text.slice_ref(inner.get().as_bytes()) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `new` has seen serde_json accept these bytes, which includes that they are UTF-8; checking again
        // costs little and needs no unsafe code.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The text as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Decodes the value into any type.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] naming what did not fit and where.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.text).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("unexpected JSON: {error}")).with_body(&self.text)
        })
    }

    /// Decodes the value into a type that borrows from it.
    pub(crate) fn decode_borrowed<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.text)
    }

    /// A copy that does not keep the reply it came from in memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { text: Bytes::copy_from_slice(&self.text) }
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &self.text[..] == b"null"
    }
}

/// Any value at all, for what has no type of its own.
impl Model for Json {
    const TYPE_NAME: &'static str = "JSON";
    const FIELDS: &'static [&'static str] = &[];

    fn from_json(json: Json) -> Result<Self, Error> {
        Ok(json)
    }

    fn raw(&self) -> &Json {
        self
    }
}

impl Default for Json {
    /// `null`.
    fn default() -> Self {
        Self { text: Bytes::from_static(b"null") }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_byte_for_byte() {
        let text = "{ \"a\" : 1.0e2,\n\"b\":\"\\u00e9\" }";
        assert_eq!(Json::new(text).unwrap().as_str(), text);
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for text in ["", "{", "1 2", "{\"a\":\"\u{1}\"}", "nul"] {
            assert_eq!(Json::new(text).unwrap_err().kind(), ErrorKind::Decode, "{text:?}");
        }
        assert_eq!(Json::new(&b"\"\xff\""[..]).unwrap_err().kind(), ErrorKind::Decode);
    }
}
