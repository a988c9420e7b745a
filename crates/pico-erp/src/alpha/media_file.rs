//! [`MediaFile`]: the file that is uploaded, read piece by piece and never as a whole.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::MediaFormat;
use super::destination::MAGIC_BYTES;
use crate::error::Error;

const FIELD: &str = "file";
/// Bytes read at once.
const PIECE: usize = 64 << 10;

pub(crate) struct MediaFile {
    path: PathBuf,
    /// Its name without the folders.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) length: u64,
    modified: Option<SystemTime>,
    /// Its format, when it is one of Pico's.
    pub(crate) format: Option<MediaFormat>,
}

impl MediaFile {
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).await.map_err(|error| unreadable(path, &error))?;
        let metadata = file.metadata().await.map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(Error::invalid(FIELD, format!("{} is no file", path.display())));
        }
        let mut start = Vec::with_capacity(MAGIC_BYTES);
        (&mut file)
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut start)
            .await
            .map_err(|error| unreadable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            name: path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned()),
            length: metadata.len(),
            modified: modified(&metadata),
            format: MediaFormat::of(&start),
        })
    }

    pub(crate) fn content_type(&self) -> &'static str {
        self.format.map_or("application/octet-stream", MediaFormat::content_type)
    }

    /// The SHA-256 of the file, as hexadecimal digits.
    pub(crate) async fn digest(&self) -> Result<String, Error> {
        let mut file = File::open(&self.path).await.map_err(|error| unreadable(&self.path, &error))?;
        let mut hash = Sha256::new();
        let mut piece = BytesMut::with_capacity(PIECE);
        loop {
            piece.clear();
            let read = file.read_buf(&mut piece).await.map_err(|error| unreadable(&self.path, &error))?;
            if read == 0 {
                break;
            }
            hash.update(&piece);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Fails when the file is not the one that was opened any more.
    pub(crate) async fn unchanged(&self) -> Result<(), Error> {
        let metadata =
            tokio::fs::metadata(&self.path).await.map_err(|error| unreadable(&self.path, &error))?;
        if (metadata.len(), modified(&metadata)) == (self.length, self.modified) {
            return Ok(());
        }
        let message = format!("{} was changed while it was sent; start the upload anew", self.path.display());
        Err(Error::invalid(FIELD, message))
    }

    /// That part of the file, in pieces. `sent` is told how many bytes were taken, each time.
    pub(crate) fn pieces(
        &self,
        start: u64,
        length: u64,
        sent: impl Fn(u64) + Send + 'static,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        enum At {
            Closed(PathBuf),
            Open(File),
            Failed,
        }
        stream::unfold((At::Closed(self.path.clone()), 0, sent), move |(at, taken, sent)| async move {
            if taken == length {
                return None;
            }
            let piece = async {
                let mut file = match at {
                    At::Closed(path) => {
                        let mut file = File::open(path).await?;
                        file.seek(SeekFrom::Start(start)).await?;
                        file
                    }
                    At::Open(file) => file,
                    At::Failed => return Ok(None),
                };
                let wanted = (length - taken).min(PIECE as u64) as usize;
                let mut piece = BytesMut::with_capacity(wanted);
                let read = (&mut file).take(wanted as u64).read_buf(&mut piece).await?;
                if read == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
                }
                Ok(Some((piece.freeze(), file)))
            };
            match piece.await {
                Ok(None) => None,
                Ok(Some((piece, file))) => {
                    let taken = taken + piece.len() as u64;
                    sent(taken);
                    Some((Ok(piece), (At::Open(file), taken, sent)))
                }
                Err(error) => Some((Err(error), (At::Failed, taken, sent))),
            }
        })
    }
}

fn modified(metadata: &Metadata) -> Option<SystemTime> {
    // Not all systems know it.
    metadata.modified().ok()
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::invalid(FIELD, format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    async fn written(bytes: &[u8]) -> (tempfile::TempDir, MediaFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step.png");
        std::fs::write(&path, bytes).unwrap();
        let file = MediaFile::open(&path).await.unwrap();
        (folder, file)
    }

    #[tokio::test]
    async fn a_part_of_the_file_is_read_in_pieces() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let (_folder, file) = written(&bytes).await;
        let pieces: Vec<Bytes> = file.pieces(1_000, 150_000, |_| {}).map(Result::unwrap).collect().await;
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() <= PIECE), "{}", pieces.len());
        assert!(pieces.concat() == bytes[1_000..151_000]);
    }

    #[tokio::test]
    async fn the_digest_is_the_files() {
        let (_folder, file) = written(b"abc").await;
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file.digest().await.unwrap(), known);
        assert_eq!((file.name.as_str(), file.length, file.format), ("step.png", 3, None));
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_is_noticed() {
        let (folder, file) = written(&[7; 100]).await;
        file.unchanged().await.unwrap();
        std::fs::write(folder.path().join("step.png"), [7; 50]).unwrap();
        assert!(file.unchanged().await.unwrap_err().to_string().contains("was changed"));
        let pieces: Vec<_> = file.pieces(0, 100, |_| {}).collect().await;
        assert!(pieces.last().unwrap().is_err());
        assert!(MediaFile::open(folder.path()).await.err().unwrap().to_string().contains("is no file"));
    }
}
