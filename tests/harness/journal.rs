//! [`Journal`]: what a program that is about to be killed has done, one JSON object a line, on disk before it goes on. It
//! stands for the ERP's own books; the test that killed the program reads it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A file of lines that only grows.
#[derive(Debug)]
pub struct Journal(Mutex<File>);

impl Journal {
    /// Opens it at its end. A last line that the former writer died of is cut off: it was never confirmed to anybody.
    ///
    /// # Panics
    /// When the file system refuses.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let file =
            OpenOptions::new().append(true).create(true).open(path).expect("the journal can be opened");
        let text = std::fs::read(path).expect("the journal can be read");
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < text.len() {
            file.set_len(whole as u64).expect("the journal can be cut");
        }
        Self(Mutex::new(file))
    }

    /// Appends a line; it is on disk when this returns.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn append(&self, line: &Value) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One call, so that a kill leaves the whole line or, at a page's end, a part that the next one cuts off.
        file.write_all(format!("{line}\n").as_bytes()).expect("the journal takes a line");
        file.sync_data().expect("the journal is synced");
    }
}

/// All whole lines of a journal, which need not exist.
///
/// # Panics
/// On a line that is no JSON.
#[must_use]
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()))
        })
        .collect()
}
