//! What SQLite says went wrong, as one of this crate's errors: the file, the reason, and what can be done about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

pub(super) struct Failure {
    path: PathBuf,
}

impl Failure {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn of(&self, what: &str, error: rusqlite::Error) -> Error {
        let path = self.path.display();
        let code = error.sqlite_error_code();
        let (kind, advice) = match code {
            Some(ErrorCode::DiskFull) => (ErrorKind::StoreFull, "the disk is full; make room on it"),
            Some(ErrorCode::ReadOnly) => {
                (ErrorKind::StoreReadOnly, "the file and its folder must be writable by this process")
            }
            Some(ErrorCode::DatabaseCorrupt) => (
                ErrorKind::StoreDamaged,
                "the file is damaged; it was left as it is: keep it, and set it aside to go on without it",
            ),
            Some(ErrorCode::NotADatabase) => {
                (ErrorKind::StoreDamaged, "the file is no store, or it is damaged; it was left as it is")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (ErrorKind::Store, "the folder must exist, and this process may have to be let in")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (ErrorKind::Store, "another process holds the file for too long")
            }
            _ => (ErrorKind::Store, what),
        };
        let message =
            if advice == what { format!("{path}: {what}") } else { format!("{path}: {what}: {advice}") };
        Error::new(kind, message).with_source(error)
    }
}
