//! The event-stream decoder: WHATWG HTML, section 9.2.5 (parsing) and 9.2.6 (interpreting).
//!
//! Each event comes out at the push that completes it; nothing is held back for the next read. A line that ends
//! with CR is complete at the CR, and a LF that follows, perhaps in the next read, is skipped.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// Something the stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// An event with data.
    Event {
        /// The `event` field; empty when there was none, which the specification calls `message`.
        name: String,
        /// The data lines, joined by LF, as UTF-8.
        data: Bytes,
    },
    /// An `event` field without any data. By section 9.2.6 that is no event; some GraphQL servers end a stream so.
    NamedOnly(String),
    /// The server asks to wait this long before reconnecting.
    Retry(Duration),
}

/// An event, or one line of it, grew past the limit, which is given in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) usize);

impl From<TooLarge> for crate::error::Error {
    fn from(TooLarge(limit): TooLarge) -> Self {
        let message = format!("an event of the stream is larger than the limit of {limit} bytes");
        Self::new(crate::error::ErrorKind::TooLarge, message)
    }
}

/// The decoder of one connection. [`SseDecoder::push`] bytes, then [`SseDecoder::poll`] until it gives nothing more.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    limit: usize,
    input: BytesMut,
    /// How much of `input` has been searched for a line end.
    searched: usize,
    /// The last line ended with CR: a LF that comes next belongs to it.
    skip_line_feed: bool,
    /// Still at the first three bytes, where a byte order mark may stand.
    at_start: bool,
    name: String,
    data: Data,
    id: Option<String>,
    last_event_id: Option<String>,
}

/// The data lines so far. Most events have one, which is handed out without a copy.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(Vec<u8>),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(line) => line.len(),
            Self::Many(lines) => lines.len(),
        }
    }

    fn add(&mut self, line: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut lines = Vec::with_capacity(first.len() + line.len() + 1);
                lines.extend_from_slice(&first);
                lines.push(b'\n');
                lines.extend_from_slice(&line);
                Self::Many(lines)
            }
            Self::Many(mut lines) => {
                lines.push(b'\n');
                lines.extend_from_slice(&line);
                Self::Many(lines)
            }
        };
    }

    /// The joined lines, or `None` where the specification's data buffer would be the empty string.
    fn take(&mut self) -> Option<Bytes> {
        match std::mem::take(self) {
            Self::None => None,
            Self::One(line) => Some(line),
            Self::Many(lines) => Some(lines.into()),
        }
    }
}

impl SseDecoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            input: BytesMut::new(),
            searched: 0,
            skip_line_feed: false,
            at_start: true,
            name: String::new(),
            data: Data::default(),
            id: None,
            last_event_id: None,
        }
    }

    /// The same on a connection that follows another: the id that was heard there counts until the stream says another.
    ///
    /// Section 9.2.6 has each stream begin with an empty id, and yet a client that forgot it would resume from nowhere
    /// after the second cut. Browsers and LaunchDarkly's clients keep it too.
    pub(crate) fn resuming(mut self, last_event_id: Option<String>) -> Self {
        self.last_event_id = last_event_id;
        self
    }

    /// Adds bytes as they were read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The `Last-Event-ID` that a new connection should send.
    pub(crate) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref().filter(|id| !id.is_empty())
    }

    /// The next frame that the pushed bytes complete.
    pub(crate) fn poll(&mut self) -> Result<Option<Frame>, TooLarge> {
        while let Some(line) = self.next_line()? {
            if let Some(frame) = self.interpret(line) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Takes the next whole line, without its end.
    fn next_line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.at_start {
            // Section 9.2.5: one leading byte order mark is ignored.
            const BOM: &[u8] = b"\xef\xbb\xbf";
            if self.input.starts_with(BOM) {
                let _ = self.input.split_to(BOM.len());
            } else if BOM.starts_with(&self.input) {
                return Ok(None);
            }
            self.at_start = false;
        }
        if self.skip_line_feed && !self.input.is_empty() {
            if self.input[0] == b'\n' {
                let _ = self.input.split_to(1);
            }
            self.skip_line_feed = false;
        }
        let Some(found) = memchr::memchr2(b'\n', b'\r', &self.input[self.searched..]) else {
            self.searched = self.input.len();
            return if self.input.len() + self.held() > self.limit {
                Err(TooLarge(self.limit))
            } else {
                Ok(None)
            };
        };
        let at = self.searched + found;
        self.searched = 0;
        self.skip_line_feed = self.input[at] == b'\r';
        let line = self.input.split_to(at + 1).freeze().slice(..at);
        if line.len() + self.held() > self.limit { Err(TooLarge(self.limit)) } else { Ok(Some(line)) }
    }

    /// The size of the event so far.
    fn held(&self) -> usize {
        self.data.len() + self.name.len() + self.id.as_ref().map_or(0, String::len)
    }

    fn interpret(&mut self, line: Bytes) -> Option<Frame> {
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = memchr::memchr(b':', &line);
        let (field, value) = match colon {
            // A comment: a sign of life, which the caller has seen by the bytes themselves.
            Some(0) => return None,
            Some(at) => {
                let start = if line.get(at + 1) == Some(&b' ') { at + 2 } else { at + 1 };
                (line.slice(..at), line.slice(start..))
            }
            None => (line, Bytes::new()),
        };
        match &field[..] {
            b"data" => self.data.add(value),
            b"event" => self.name = String::from_utf8_lossy(&value).into_owned(),
            b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(&value).into_owned()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // All digits, so this fails only for a number past u64, which no one means.
                let milliseconds = std::str::from_utf8(&value).ok()?.parse().ok()?;
                return Some(Frame::Retry(Duration::from_millis(milliseconds)));
            }
            _ => {}
        }
        None
    }

    /// Section 9.2.6, dispatch: at a blank line.
    fn dispatch(&mut self) -> Option<Frame> {
        if let Some(id) = &self.id {
            self.last_event_id = Some(id.clone());
        }
        let name = std::mem::take(&mut self.name);
        match self.data.take() {
            Some(data) => Some(Frame::Event { name, data: valid_utf8(data) }),
            None if name.is_empty() => None,
            None => Some(Frame::NamedOnly(name)),
        }
    }
}

/// The stream is decoded as UTF-8 with replacement (section 9.2.5); what is valid is not copied.
fn valid_utf8(data: Bytes) -> Bytes {
    match std::str::from_utf8(&data) {
        Ok(_) => data,
        Err(_) => Bytes::from(String::from_utf8_lossy(&data).into_owned()),
    }
}
