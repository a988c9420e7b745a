//! Makes installing idempotent: an installed thing leaves a stamp that holds exactly what was installed, and
//! is installed anew only when that text changes.

use std::fs;

use crate::Outcome;
use crate::tree::Tree;

/// Runs `install` unless the stamp called `name` already holds `wanted`. A failed install leaves no stamp.
pub(super) fn once(tree: &Tree, name: &str, wanted: &str, install: impl FnOnce() -> Outcome) -> Outcome {
    let stamp = tree.tool(&format!("{name}.stamp"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    install()?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// Removes the stamps whose names start so, because what they speak of is about to be replaced.
pub(super) fn forget(tree: &Tree, start: &str) -> Outcome {
    let folder = tree.tool("");
    let unreadable = |error: std::io::Error| format!("cannot tidy {}: {error}", folder.display());
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(start) && name.ends_with(".stamp") {
            fs::remove_file(&path).map_err(unreadable)?;
        }
    }
    Ok(())
}
