//! [`Destination`]: what a file is uploaded for, and by that how large it may be and of which format.
//!
//! Pure: the first bytes of a file and its length in, an error that names the field out.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// How many of a file's first bytes tell its format.
pub(crate) const MAGIC_BYTES: usize = 12;

/// Pico says "MB", and not whether that is 10^6 or 2^20. The larger is taken for the limits, so that nothing is refused
/// here that Pico would take.
const MEGABYTE: u64 = 1 << 20;

/// What a file is uploaded for (Pico's `destinationId`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Destination {
    /// `stepImage`: the image of a step, JPEG or PNG, 8 MB at most.
    StepImage,
    /// `stepVideo`: the video of a step, MP4, 500 MB at most.
    StepVideo,
    /// `stepVideoGif`: the animation of a step, GIF, 150 MB at most.
    StepVideoGif,
    /// One that this version does not know. Neither size nor format is checked.
    Other(String),
}

impl Destination {
    /// Pico's name for it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::StepImage => "stepImage",
            Self::StepVideo => "stepVideo",
            Self::StepVideoGif => "stepVideoGif",
            Self::Other(id) => id,
        }
    }

    /// The most bytes that Pico takes, as far as its documentation says.
    #[must_use]
    pub fn max_bytes(&self) -> Option<u64> {
        match self {
            Self::StepImage => Some(8 * MEGABYTE),
            Self::StepVideo => Some(500 * MEGABYTE),
            Self::StepVideoGif => Some(150 * MEGABYTE),
            Self::Other(_) => None,
        }
    }

    /// The formats that Pico takes; empty when it is not known.
    #[must_use]
    pub fn formats(&self) -> &'static [MediaFormat] {
        match self {
            Self::StepImage => &[MediaFormat::Jpeg, MediaFormat::Png],
            Self::StepVideo => &[MediaFormat::Mp4],
            Self::StepVideoGif => &[MediaFormat::Gif],
            Self::Other(_) => &[],
        }
    }

    /// Checks a file of that length, whose first bytes are of that format. `max_bytes` is the limit that counts.
    pub(crate) fn check(
        &self,
        length: u64,
        format: Option<MediaFormat>,
        max_bytes: Option<u64>,
    ) -> Result<(), Error> {
        const FIELD: &str = "file";
        if self.id().is_empty() {
            return Err(Error::invalid("destination", "is empty; give one such as stepImage"));
        }
        if length == 0 {
            return Err(Error::invalid(FIELD, "is empty"));
        }
        let takes = self.formats();
        if !takes.is_empty() && !format.is_some_and(|format| takes.contains(&format)) {
            let is = format.map_or("of none of Pico's formats", MediaFormat::described);
            let takes = takes.iter().map(|format| format.name()).collect::<Vec<_>>().join(" or ");
            return Err(Error::invalid(FIELD, format!("is {is}, but {self} takes {takes}")));
        }
        match max_bytes {
            Some(most) if length > most => Err(Error::invalid(
                FIELD,
                format!("has {length} bytes, but {self} takes {most} at most; make it smaller"),
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Destination {
    type Err = std::convert::Infallible;

    /// Never fails: what is not known is [`Destination::Other`].
    fn from_str(id: &str) -> Result<Self, Self::Err> {
        let known = [Self::StepImage, Self::StepVideo, Self::StepVideoGif];
        Ok(known.into_iter().find(|one| one.id() == id).unwrap_or_else(|| Self::Other(id.to_owned())))
    }
}

/// The format of a file, told by its first bytes and never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// MP4 (ISO base media).
    Mp4,
    /// GIF.
    Gif,
}

impl MediaFormat {
    /// The format of a file that begins so.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        // PNG, section 5.2; GIF89a, section 17; ISO/IEC 14496-12, section 4.3: the first box is `ftyp`, after its size.
        match start {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::Mp4),
            _ => None,
        }
    }

    /// Its name, such as `JPEG`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Mp4 => "MP4",
            Self::Gif => "GIF",
        }
    }

    /// Its media type, such as `image/jpeg`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Mp4 => "video/mp4",
            Self::Gif => "image/gif",
        }
    }

    const fn described(self) -> &'static str {
        match self {
            Self::Jpeg => "a JPEG",
            Self::Png => "a PNG",
            Self::Mp4 => "an MP4",
            Self::Gif => "a GIF",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_format() {
        for (start, format) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(MediaFormat::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\r", Some(MediaFormat::Png)),
            (b"GIF87a", Some(MediaFormat::Gif)),
            (b"GIF89a\x01\0", Some(MediaFormat::Gif)),
            (b"\0\0\0\x18ftypmp42", Some(MediaFormat::Mp4)),
            (b"GIF88a", None),
            (b"\x89PNG", None),
            (b"RIFF\0\0\0\0WEBP", None),
            (b"", None),
        ] {
            assert_eq!(MediaFormat::of(start), format, "{}", start.escape_ascii());
        }
    }

    #[test]
    fn a_file_that_pico_would_refuse_is_refused_with_what_would_be_right() {
        use MediaFormat::{Gif, Jpeg, Mp4, Png};
        let image = 8 << 20;
        for (destination, length, format, says) in [
            ("stepImage", 1, Some(Png), None),
            ("stepImage", image, Some(Jpeg), None),
            (
                "stepImage",
                image + 1,
                Some(Jpeg),
                Some("file: has 8388609 bytes, but stepImage takes 8388608 at most"),
            ),
            ("stepImage", 1, Some(Gif), Some("file: is a GIF, but stepImage takes JPEG or PNG")),
            (
                "stepImage",
                1,
                None,
                Some("file: is of none of Pico's formats, but stepImage takes JPEG or PNG"),
            ),
            ("stepVideo", 500 << 20, Some(Mp4), None),
            ("stepVideo", (500 << 20) + 1, Some(Mp4), Some("file: has ")),
            ("stepVideo", 1, Some(Jpeg), Some("file: is a JPEG, but stepVideo takes MP4")),
            ("stepVideoGif", 150 << 20, Some(Gif), None),
            ("stepVideoGif", 1, Some(Mp4), Some("file: is an MP4, but stepVideoGif takes GIF")),
            ("stepVideoGif", 0, Some(Gif), Some("file: is empty")),
            ("somethingNew", u64::MAX, None, None),
            ("", 1, None, Some("destination: is empty")),
        ] {
            let Ok(destination) = destination.parse::<Destination>();
            let result = destination.check(length, format, destination.max_bytes());
            match (result, says) {
                (Ok(()), None) => {}
                (Err(error), Some(says)) => assert!(error.to_string().starts_with(says), "{error}"),
                (result, says) => panic!("{destination} {length}: {result:?}, not {says:?}"),
            }
        }
    }
}
