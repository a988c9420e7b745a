//! What the measurements share.

use std::io;
use std::path::{Path, PathBuf};

/// A folder beside the build, so that the disk is a disk and not memory. It is removed with its owner.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, with `name` and the number of this process as its name.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn new(name: &str) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let folder = program.with_file_name(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is in the target folder, where it is found.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
