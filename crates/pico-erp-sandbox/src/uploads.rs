//! Media that was uploaded, and uploads in chunks that are not whole yet. No HTTP here: `upload_http` asks and answers.
//!
//! Where Pico's documentation is silent: a megabyte is 10^6 bytes, the stricter reading; chunks may come in any order; one that
//! comes again takes the place of the former, also after the upload is whole; an upload never expires.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

/// The largest file that one request may bring.
pub(crate) const SINGLE_LIMIT: usize = 10_000_000;
/// The most chunks of one upload.
const MOST_CHUNKS: u64 = 100_000;
/// How many bytes of media are kept; of what is older only the facts are.
const KEPT: usize = 1 << 30;

/// A file that was uploaded whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Media {
    /// Where it is.
    pub path: String,
    /// What it was uploaded for.
    pub destination_id: String,
    /// The name that the client gave it.
    pub file_name: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// In how many chunks it came; 0 for one request.
    pub chunks: u64,
    /// What is in it. Not part of the JSON: get the path.
    #[serde(skip)]
    pub content: Bytes,
}

/// Why an upload is refused: the HTTP status and what is wrong.
pub(crate) struct Refusal(pub(crate) u16, pub(crate) String);

/// What a kind of media must be.
struct Rule {
    id: &'static str,
    limit: usize,
    folder: &'static str,
    formats: &'static [(&'static str, usize, &'static [u8])],
}

const RULES: [Rule; 3] = [
    Rule {
        id: "stepImage",
        limit: 8_000_000,
        folder: "images",
        formats: &[("JPEG", 0, b"\xff\xd8\xff"), ("PNG", 0, b"\x89PNG\r\n\x1a\n")],
    },
    Rule { id: "stepVideo", limit: 500_000_000, folder: "videos", formats: &[("MP4", 4, b"ftyp")] },
    Rule { id: "stepVideoGif", limit: 150_000_000, folder: "videos", formats: &[("GIF", 0, b"GIF8")] },
];

fn rule(destination: &str) -> Result<&'static Rule, Refusal> {
    RULES.iter().find(|rule| rule.id == destination).ok_or_else(|| {
        let known = RULES.map(|rule| rule.id).join(", ");
        Refusal(400, format!("destinationId: `{destination}` is none of {known}"))
    })
}

impl Rule {
    fn check(&self, content: &[u8]) -> Result<(), Refusal> {
        if content.len() > self.limit {
            return Err(Refusal(413, format!("file: has more than {} bytes", self.limit)));
        }
        let fits = |&(_, at, magic): &(_, usize, &[u8])| content.get(at..at + magic.len()) == Some(magic);
        if self.formats.iter().any(fits) {
            return Ok(());
        }
        let formats: Vec<_> = self.formats.iter().map(|(name, ..)| *name).collect();
        Err(Refusal(415, format!("file: is no {}", formats.join(" or "))))
    }
}

/// An upload in chunks.
struct Stream {
    rule: &'static Rule,
    file_name: String,
    total: Option<u64>,
    chunks: BTreeMap<u64, Bytes>,
    /// Its path, once it is whole.
    path: Option<String>,
}

#[derive(Default)]
pub(crate) struct Uploads {
    media: Vec<Media>,
    streams: BTreeMap<String, Stream>,
    numbers: u64,
}

impl Uploads {
    pub(crate) fn media(&self) -> &[Media] {
        &self.media
    }

    /// Takes a file that came in one request.
    pub(crate) fn whole(
        &mut self,
        destination: &str,
        file_name: &str,
        content: Bytes,
    ) -> Result<String, Refusal> {
        let rule = rule(destination)?;
        if content.len() >= SINGLE_LIMIT {
            return Err(Refusal(413, "file: is too large for one request; open a stream".to_owned()));
        }
        rule.check(&content)?;
        Ok(self.keep(rule, file_name, 0, content))
    }

    /// Opens an upload in chunks and gives its id.
    pub(crate) fn open(&mut self, destination: &str, file_name: &str) -> Result<String, Refusal> {
        let rule = rule(destination)?;
        self.numbers += 1;
        let id = format!("stream-{}", self.numbers);
        let stream = Stream {
            rule,
            file_name: file_name.to_owned(),
            total: None,
            chunks: BTreeMap::new(),
            path: None,
        };
        self.streams.insert(id.clone(), stream);
        Ok(id)
    }

    /// Takes a chunk; gives the path when the upload is whole by it.
    pub(crate) fn chunk(
        &mut self,
        id: &str,
        index: u64,
        total: u64,
        content: Bytes,
    ) -> Result<Option<String>, Refusal> {
        let stream =
            self.streams.get_mut(id).ok_or_else(|| Refusal(404, format!("no upload stream `{id}`")))?;
        if !(1..=MOST_CHUNKS).contains(&total) {
            return Err(Refusal(400, format!("totalChunks: must be from 1 to {MOST_CHUNKS}")));
        }
        if index >= total {
            return Err(Refusal(400, format!("chunkIndex: must be below totalChunks, which is {total}")));
        }
        if *stream.total.get_or_insert(total) != total {
            return Err(Refusal(409, "totalChunks: is not what it was before".to_owned()));
        }
        if content.is_empty() || content.len() >= SINGLE_LIMIT {
            return Err(Refusal(413, format!("file: must have from 1 to {} bytes", SINGLE_LIMIT - 1)));
        }
        if stream.path.is_some() {
            return Ok(stream.path.clone());
        }
        let others: usize =
            stream.chunks.iter().filter(|(at, _)| **at != index).map(|(_, it)| it.len()).sum();
        if others + content.len() > stream.rule.limit {
            return Err(Refusal(413, format!("file: has more than {} bytes", stream.rule.limit)));
        }
        stream.chunks.insert(index, content);
        if (stream.chunks.len() as u64) < total {
            return Ok(None);
        }
        let whole: Bytes = stream.chunks.values().flatten().copied().collect::<Vec<u8>>().into();
        stream.rule.check(&whole)?;
        stream.chunks.clear();
        let (rule, name) = (stream.rule, stream.file_name.clone());
        let path = self.keep(rule, &name, total, whole);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.path = Some(path.clone());
        }
        Ok(Some(path))
    }

    fn keep(&mut self, rule: &Rule, file_name: &str, chunks: u64, content: Bytes) -> String {
        self.numbers += 1;
        // The name goes into a path.
        let safe: String = file_name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
            .collect();
        let path = format!("/api/v1/{}/{:06}-{safe}", rule.folder, self.numbers);
        self.media.push(Media {
            path: path.clone(),
            destination_id: rule.id.to_owned(),
            file_name: file_name.to_owned(),
            bytes: content.len(),
            chunks,
            content,
        });
        let mut kept = 0;
        for media in self.media.iter_mut().rev() {
            kept += media.content.len();
            if kept > KEPT {
                media.content = Bytes::new();
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIF: &[u8] = b"GIF89a, and what follows";

    fn status<T>(result: Result<T, Refusal>) -> Option<u16> {
        result.err().map(|refusal| refusal.0)
    }

    #[test]
    fn chunks_make_the_file_in_whatever_order_they_come_and_however_often() {
        let mut uploads = Uploads::default();
        let id = uploads.open("stepVideoGif", "a b.gif").ok().unwrap();
        let part = |at: usize| Bytes::from_static(&GIF[at * 8..(at + 1) * 8]);
        assert!(matches!(uploads.chunk(&id, 2, 3, part(2)), Ok(None)));
        assert!(matches!(uploads.chunk(&id, 0, 3, Bytes::from_static(b"wrong")), Ok(None)));
        assert!(matches!(uploads.chunk(&id, 0, 3, part(0)), Ok(None)));
        let path = uploads.chunk(&id, 1, 3, part(1)).ok().unwrap().unwrap();
        assert!(path.ends_with("-a_b.gif"), "{path}");
        assert_eq!(uploads.chunk(&id, 2, 3, part(2)).ok().unwrap(), Some(path));
        assert_eq!((uploads.media().len(), &uploads.media()[0].content[..]), (1, GIF));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let mut uploads = Uploads::default();
        let bytes = |text: &'static [u8]| Bytes::from_static(text);
        assert_eq!(status(uploads.whole("stepImage", "a", bytes(GIF))), Some(415));
        assert_eq!(status(uploads.whole("poster", "a", bytes(GIF))), Some(400));
        assert_eq!(status(uploads.whole("stepImage", "a", vec![0; 8_000_001].into())), Some(413));
        assert_eq!(status(uploads.whole("stepVideo", "a", vec![0; SINGLE_LIMIT].into())), Some(413));
        assert_eq!(status(uploads.open("poster", "a")), Some(400));
        let id = uploads.open("stepVideoGif", "a").ok().unwrap();
        assert_eq!(status(uploads.chunk("other", 0, 1, bytes(GIF))), Some(404));
        assert_eq!(status(uploads.chunk(&id, 2, 2, bytes(GIF))), Some(400));
        assert_eq!(status(uploads.chunk(&id, 0, 0, bytes(GIF))), Some(400));
        assert_eq!(status(uploads.chunk(&id, 0, 2, bytes(GIF))), None);
        assert_eq!(status(uploads.chunk(&id, 1, 3, bytes(GIF))), Some(409));
        assert_eq!(status(uploads.chunk(&id, 1, 2, bytes(b""))), Some(413));
    }
}
