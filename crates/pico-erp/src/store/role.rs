//! [`RoleLock`]: parts that only one process at a time may play on a store, kept apart by locked files beside it.
//!
//! The lock is the operating system's, so it ends with the process however that dies. The file stays, and holds the
//! id of the process that took it last.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// A part that is played once for each store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Receives completions and hands them out.
    Feed,
    /// Sends orders.
    Outbox,
    /// Keeps the catalogue current.
    Catalogue,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Outbox => "outbox",
            Self::Catalogue => "catalogue",
        }
    }
}

/// Holds a role until it is dropped.
#[derive(Debug)]
pub(crate) struct RoleLock {
    file: File,
}

impl Drop for RoleLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that was forked off meanwhile has it open as well (flock(2)). An error
        // leaves it to that.
        let _ = self.file.unlock();
    }
}

impl RoleLock {
    pub(crate) fn take(store: &Path, role: Role) -> Result<Self, Error> {
        let path = lock_path(store, role);
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Store, format!("{}: cannot be locked", path.display())).with_source(error)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is only for the message.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                return Err(Error::new(
                    ErrorKind::StoreInUse,
                    format!(
                        "{}: another {} runs on this store{holder}; only one may at a time",
                        store.display(),
                        role.name()
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // A full disk must not keep the feed from starting: only the message of a second one would be poorer.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

fn lock_path(store: &Path, role: Role) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(format!("-{}.lock", role.name()));
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_played_once_at_a_time_and_the_second_is_told_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("erp.pico");
        let feed = RoleLock::take(&store, Role::Feed).unwrap();
        let _outbox = RoleLock::take(&store, Role::Outbox).unwrap();
        let error = RoleLock::take(&store, Role::Feed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreInUse);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        // As a forked process has it.
        let inherited = feed.file.try_clone().unwrap();
        drop(feed);
        RoleLock::take(&store, Role::Feed).unwrap();
        drop(inherited);
    }
}
