//! Finds the elements of `data.<field>[]` in a reply that comes in pieces, without holding more than one element.
//!
//! It is pure: pieces in, elements out, on the caller's thread. serde_json asks its source for one byte at a time, so
//! [`Metered`] knows how much of an element has been read, and stops one that is too large before it is whole.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, StatusCode};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::client::reply_of;
use crate::error::{Error, ErrorKind};
use crate::graphql::Reply;
use crate::json::Json;

/// How much of the reply is kept to say what it is when it is no JSON; as much as an error shows.
const START: usize = 512;

/// How many bytes of `errors` are read at least, however small the limit of an element is.
const ERRORS: usize = 1 << 20;

/// What came before the body.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// Nobody takes the elements any more.
pub(super) struct Abandoned;

/// Reads the whole reply, and gives each element that is not null to `emit`. An error comes after all elements before it,
/// also one that the server reports in `errors`, wherever in the reply those are.
pub(super) fn decode(
    next_chunk: impl FnMut() -> Result<Option<Bytes>, Error>,
    field: &str,
    limit: usize,
    head: &Head,
    emit: impl FnMut(Json) -> Result<(), Abandoned>,
) -> Result<(), Error> {
    let walk = Walk {
        field,
        limit,
        left: Cell::new(0),
        start: RefCell::default(),
        stopped: RefCell::default(),
        found: Cell::new(false),
        errors: RefCell::default(),
        number: RefCell::default(),
        emit: RefCell::new(emit),
    };
    let source = Metered { next_chunk, chunk: Bytes::new(), walk: &walk };
    let mut deserializer = serde_json::Deserializer::from_reader(source);
    walk.allow_one();
    let walked = Root(&walk).deserialize(&mut deserializer).and_then(|()| {
        // White space up to the end, however much.
        walk.allow_any();
        deserializer.end()
    });
    drop(deserializer);
    let status = head.status.as_u16();
    if let Some(error) = walk.stopped.take() {
        return Err(error.with_http_status(status));
    }
    if let Err(error) = walked {
        return Err(not_a_list(error, field, head, walk.start.take()));
    }
    if let Some(error) = walk.errors.take().and_then(|errors| error_of(&errors, status)) {
        return Err(error);
    }
    if !walk.found.get() {
        let message = format!("the reply has no data.{field}");
        return Err(Error::new(ErrorKind::Decode, message)
            .with_http_status(status)
            .with_body(&walk.start.take()));
    }
    Ok(())
}

/// The reply's `errors` as an [`Error`]; `None` when there are none in it.
fn error_of(errors: &RawValue, status: u16) -> Option<Error> {
    // With some `data`, because without it a reply that also has no errors would be none.
    let text = format!("{{\"data\":{{}},\"errors\":{}}}", errors.get());
    let mut reply = Json::new(text).and_then(|json| Reply::parse(json, Some(status))).ok()?;
    reply.data = None;
    reply.error()
}

/// What a reply is that cannot be walked through: no JSON, which is said as for a call, or JSON of another form.
fn not_a_list(error: serde_json::Error, field: &str, head: &Head, start: Vec<u8>) -> Error {
    let status = head.status.as_u16();
    if error.classify() == Category::Data {
        let message = format!("the reply cannot be read as a list in data.{field}");
        return Error::new(ErrorKind::Decode, message)
            .with_source(error)
            .with_http_status(status)
            .with_body(&start);
    }
    match reply_of(head.status, &head.headers, Bytes::from(start)) {
        Err(diagnosis) => diagnosis.with_source(error),
        // The part that was kept is good; what is wrong comes after it.
        Ok(_) => Error::new(ErrorKind::NotJson, "the reply is not JSON")
            .with_source(error)
            .with_http_status(status),
    }
}

/// What the visitors and the source know together, on the one thread that walks.
struct Walk<'a, E> {
    field: &'a str,
    limit: usize,
    /// How many bytes may be read before something counts as too large.
    left: Cell<usize>,
    start: RefCell<Vec<u8>>,
    /// Why the walk was ended from inside.
    stopped: RefCell<Option<Error>>,
    found: Cell<bool>,
    errors: RefCell<Option<Box<RawValue>>>,
    /// A number that is not yet known to be whole: one that is cut looks like a smaller one. What follows it tells.
    number: RefCell<Option<Json>>,
    emit: RefCell<E>,
}

impl<E> Walk<'_, E> {
    /// What follows is kept in memory, so it is limited. One byte may be read to see where it ends.
    fn allow_one(&self) {
        self.left.set(self.limit.saturating_add(1));
    }

    /// What follows is only passed over.
    fn allow_any(&self) {
        self.left.set(usize::MAX);
    }

    fn too_large(&self) -> Error {
        let message = format!(
            "an element of the list, or its errors, is larger than the limit of {} bytes",
            self.limit
        );
        Error::new(ErrorKind::TooLarge, message)
    }

    fn stop(&self, error: Error) -> io::Error {
        self.stopped.replace(Some(error));
        io::Error::other("stopped")
    }
}

impl<E: FnMut(Json) -> Result<(), Abandoned>> Walk<'_, E> {
    fn emit_number(&self) -> io::Result<()> {
        let number = self.number.take();
        number.map_or(Ok(()), |number| self.emit(number))
    }

    fn emit(&self, element: Json) -> io::Result<()> {
        if element.is_null() {
            return Ok(());
        }
        (self.emit.borrow_mut())(element)
            .map_err(|Abandoned| self.stop(Error::new(ErrorKind::Closed, "nobody takes the list any more")))
    }
}

/// The pieces of the body as serde_json wants them.
struct Metered<'w, 'a, C, E> {
    next_chunk: C,
    chunk: Bytes,
    walk: &'w Walk<'a, E>,
}

impl<C: FnMut() -> Result<Option<Bytes>, Error>, E> io::Read for Metered<'_, '_, C, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match (self.next_chunk)() {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(self.walk.stop(error)),
            }
            let mut start = self.walk.start.borrow_mut();
            let wanted = self.chunk.len().min(START - start.len());
            start.extend_from_slice(&self.chunk[..wanted]);
        }
        let left = self.walk.left.get();
        if left == 0 {
            return Err(self.walk.stop(self.walk.too_large()));
        }
        let count = buffer.len().min(self.chunk.len()).min(left);
        buffer[..count].copy_from_slice(&self.chunk[..count]);
        self.chunk.advance(count);
        self.walk.left.set(left - count);
        Ok(count)
    }
}

/// The reply: `data`, `errors`, and what is of no interest here.
struct Root<'w, 'a, E>(&'w Walk<'a, E>);
/// The value of `data`.
struct Data<'w, 'a, E>(&'w Walk<'a, E>);
/// The value of the field.
struct List<'w, 'a, E>(&'w Walk<'a, E>);
/// One element.
struct Element<'w, 'a, E>(&'w Walk<'a, E>);

/// A value that is walked through and leaves nothing behind.
macro_rules! walked {
    ($type:ident) => {
        impl<'de, E: FnMut(Json) -> Result<(), Abandoned>> DeserializeSeed<'de> for $type<'_, '_, E> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }
    };
}
walked!(Root);
walked!(Data);
walked!(List);

impl<'de, E: FnMut(Json) -> Result<(), Abandoned>> Visitor<'de> for Root<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GraphQL reply, an object with data or errors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            self.0.allow_one();
            let Some(key) = map.next_key::<String>()? else { return Ok(()) };
            match key.as_str() {
                "data" => map.next_value_seed(Data(self.0))?,
                "errors" => {
                    self.0.left.set(self.0.limit.max(ERRORS));
                    self.0.errors.replace(Some(map.next_value()?));
                }
                _ => {
                    self.0.allow_any();
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
    }
}

impl<'de, E: FnMut(Json) -> Result<(), Abandoned>> Visitor<'de> for Data<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null as data")
    }

    fn visit_unit<D>(self) -> Result<(), D> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            self.0.allow_one();
            let Some(key) = map.next_key::<String>()? else { return Ok(()) };
            if key == self.0.field {
                self.0.found.set(true);
                map.next_value_seed(List(self.0))?;
            } else {
                self.0.allow_any();
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
}

impl<'de, E: FnMut(Json) -> Result<(), Abandoned>> Visitor<'de> for List<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list or null as data.{}", self.0.field)
    }

    fn visit_unit<D>(self) -> Result<(), D> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        loop {
            // Also for the white space between two: nobody sends a list with gaps of megabytes.
            self.0.allow_one();
            if elements.next_element_seed(Element(self.0))?.is_none() {
                return self.0.emit_number().map_err(A::Error::custom);
            }
        }
    }
}

impl<'de, E: FnMut(Json) -> Result<(), Abandoned>> DeserializeSeed<'de> for Element<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let walk = self.0;
        walk.emit_number().map_err(D::Error::custom)?;
        walk.allow_one();
        let raw: Box<RawValue> = serde::Deserialize::deserialize(deserializer)?;
        let element = Json::from_raw(raw);
        if element.as_bytes().len() > walk.limit {
            return Err(D::Error::custom(walk.stop(walk.too_large())));
        }
        if element.as_bytes().last().is_some_and(u8::is_ascii_digit) {
            walk.number.replace(Some(element));
            return Ok(());
        }
        walk.emit(element).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
