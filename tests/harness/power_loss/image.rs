//! What a power cut has left of a store, made of the files as they were synced and as they were.

use std::path::{Path, PathBuf};

use fastrand::Rng;
use pico_erp_tests::seed::Seed;
use tempfile::TempDir;

use crate::cut::Cut;

const STORE: &str = "erp.pico";
const FILES: &[&str] = &["erp.pico", "erp.pico-wal", "erp.pico-shm", "erp.pico-journal"];

/// Which of the possible images.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    /// Nothing survived that was written after the last sync of its file.
    Synced,
    /// In addition, a file is gone whose name was not there when the folder was last synced.
    SyncedNames,
    /// What was written since the last sync of its file survived in pieces.
    Torn {
        /// How many bytes the disk writes at once.
        piece: usize,
        /// Which dice of the seed.
        part: u64,
    },
}

/// A folder with the files.
pub(crate) struct Image(TempDir);

impl Image {
    pub(crate) fn new(cut: &Cut, left: Left, seed: &Seed) -> Self {
        let image = Self(tempfile::tempdir().expect("a folder"));
        let names = std::fs::read_to_string(cut.synced().join(".names")).unwrap_or_default();
        for name in FILES {
            let synced = read(&cut.synced().join(name));
            // A file of that name that was removed, which the folder may still know. No file is a mixture of the two.
            let removed = read(&cut.synced().join(format!(".removed-{name}")));
            let bytes = match left {
                Left::Synced => synced.or(removed),
                Left::SyncedNames => synced.or(removed).filter(|_| names.lines().any(|line| line == *name)),
                Left::Torn { piece, part } => {
                    let part = name.bytes().fold(part, |sum, byte| sum.wrapping_mul(257) + u64::from(byte));
                    let mut dice = seed.dice(part);
                    if synced.is_none() && removed.is_some() && dice.bool() {
                        removed
                    } else {
                        torn(synced, read(&cut.live().join(name)), piece, &mut dice)
                    }
                }
            };
            if let Some(bytes) = bytes {
                std::fs::write(image.0.path().join(name), bytes).expect("the image can be written");
            }
        }
        image
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.path().join(STORE)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// Of each piece either what was synced or what was written since; of the length and of the file itself too.
fn torn(synced: Option<Vec<u8>>, live: Option<Vec<u8>>, piece: usize, dice: &mut Rng) -> Option<Vec<u8>> {
    let (synced, live) = match (synced, live) {
        (synced, None) => return synced.filter(|_| dice.bool()),
        (None, Some(_)) if dice.bool() => return None,
        (synced, Some(live)) => (synced.unwrap_or_default(), live),
    };
    let (short, long) = (synced.len().min(live.len()), synced.len().max(live.len()));
    let length = match dice.u8(..3) {
        0 => synced.len(),
        1 => live.len(),
        _ => (short + dice.usize(..=long - short)) / piece * piece,
    };
    // A file that grew is never shorter than it was synced.
    let length = if live.len() >= synced.len() { length.max(synced.len()) } else { length };
    let mut bytes = vec![0; length];
    for begin in (0..length).step_by(piece) {
        let source = if dice.bool() { &live } else { &synced };
        let end = (begin + piece).min(length).min(source.len());
        if begin < end {
            bytes[begin..end].copy_from_slice(&source[begin..end]);
        }
    }
    Some(bytes)
}
