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
    pub(super) const ALL: &[Self] = &[Self::Feed, Self::Outbox, Self::Catalogue];

    pub(super) fn name(self) -> &'static str {
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
    pub(crate) fn take(store: &Path, plant: &str, role: Role) -> Result<Self, Error> {
        let path = lock_path(store, plant, role);
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

/// Beside the store. A plant's name can be part of a file's name: it has no characters that may not.
fn lock_path(store: &Path, plant: &str, role: Role) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    let plant = if plant.is_empty() { String::new() } else { format!("-{plant}") };
    path.push(format!("{plant}-{}.lock", role.name()));
    path.into()
}

/// Takes every role of every plant that ever had one.
pub(super) fn take_all(store: &Path) -> Result<Vec<RoleLock>, Error> {
    let mut locks = Vec::new();
    let mut take = |plant: &str| -> Result<(), Error> {
        for role in Role::ALL {
            locks.push(RoleLock::take(store, plant, *role)?);
        }
        Ok(())
    };
    take("")?;
    let name = store.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorKind::Store, format!("{}: cannot be read", folder.display())).with_source(error)
    };
    let end = format!("-{}.lock", Role::Feed.name());
    let mut plants = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let plant = file.strip_prefix(&name).and_then(|rest| rest.strip_prefix('-'));
        plants.extend(plant.and_then(|rest| rest.strip_suffix(&end)).map(str::to_owned));
    }
    plants.iter().try_for_each(|plant| take(plant))?;
    Ok(locks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_played_once_at_a_time_and_the_second_is_told_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("erp.pico");
        let feed = RoleLock::take(&store, "", Role::Feed).unwrap();
        let _outbox = RoleLock::take(&store, "", Role::Outbox).unwrap();
        let error = RoleLock::take(&store, "", Role::Feed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreInUse);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        // As a forked process has it.
        let inherited = feed.file.try_clone().unwrap();
        drop(feed);
        RoleLock::take(&store, "", Role::Feed).unwrap();
        drop(inherited);
    }
}
