//! PostgreSQL's server programs, which Debian keeps out of PATH: looked for in PATH, in Debian's folders and where
//! `pg_config` says; where there are none their Debian package is installed, without the cluster that it would make and
//! start for itself. The tests make clusters of their own.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Variables, system};
use crate::Outcome;
use crate::command::Command;
use crate::tree::Tree;

/// Names the folder to the tests, which look there before anywhere else.
const VARIABLE: &str = "PICO_POSTGRES_BIN";
/// What tells Debian's package to make no cluster of its own; it counts while the package is installed.
const SETTING: &str = "/etc/postgresql-common/createcluster.d/pico-erp-no-main-cluster.conf";

/// The folder with `initdb` and `postgres`.
pub(super) fn tool(_: &Tree) -> Outcome<Variables> {
    if let Some(folder) = find() {
        return Ok(vec![(VARIABLE, folder)]);
    }
    install().map_err(|error| {
        format!("no PostgreSQL server (initdb, postgres) in PATH or /usr/lib/postgresql/*/bin: {error}")
    })?;
    let folder = find().ok_or("initdb and postgres are missing even after `apt-get install postgresql`")?;
    Ok(vec![(VARIABLE, folder)])
}

fn find() -> Option<PathBuf> {
    let linked = system::in_path("postgres").and_then(|program| program.canonicalize().ok());
    let in_path = linked.and_then(|program| complete(program.parent()?));
    in_path.or_else(|| newest(Path::new("/usr/lib/postgresql"))).or_else(|| {
        system::in_path("pg_config")?;
        complete(Path::new(&Command::new("pg_config").arg("--bindir").output().ok()?))
    })
}

/// The folder, when both programs are there.
fn complete(folder: &Path) -> Option<PathBuf> {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file()).then(|| folder.to_owned())
}

/// Of the folders that are named by version, the one with the highest.
fn newest(versions: &Path) -> Option<PathBuf> {
    let found = fs::read_dir(versions).ok()?.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, complete(&entry.path().join("bin"))?))
    });
    found.max().map(|(_, folder)| folder)
}

/// Installs the server, with a setting that keeps Debian from making and starting a cluster; the setting goes again.
fn install() -> Outcome {
    // It brings the folder of the settings, which the server's own package reads.
    system::install("postgresql-common")?;
    let folder = Path::new(SETTING).parent().ok_or("the setting lies in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(SETTING, "create_main_cluster = false\n"))
        .map_err(|error| format!("cannot write {SETTING}: {error}"))?;
    let installed = system::install("postgresql");
    fs::remove_file(SETTING).map_err(|error| format!("cannot remove {SETTING}: {error}"))?;
    installed
}
