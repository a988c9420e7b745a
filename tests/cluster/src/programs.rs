//! Where PostgreSQL's server programs are. Debian keeps them out of PATH, one folder for each version.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the folder, as `cargo xtask test` sets it.
pub const VARIABLE: &str = "PICO_POSTGRES_BIN";

/// The programs that the tests run.
const NEEDED: [&str; 2] = ["initdb", "postgres"];
/// Where systems keep the folders of the versions they have.
const VERSIONS: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/// The folder with `initdb` and `postgres`.
///
/// # Panics
/// When there is none, or the variable names one without them: tests without a server never pass silently.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(complete(&named), "{VARIABLE} is {}, where initdb or postgres is not", named.display());
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found(&path).unwrap_or_else(|| {
        panic!(
            "no PostgreSQL server: initdb and postgres are neither in PATH nor in /usr/lib/postgresql/*/bin. \
             Run the tests by `cargo xtask test`, which installs it as root; or install it from your system's packages \
             (Debian: `apt-get install postgresql`), or set {VARIABLE} to the folder that holds both"
        )
    })
}

fn found(path: &OsStr) -> Option<PathBuf> {
    let in_path = std::env::split_paths(path).find_map(|folder| real(&folder));
    in_path.or_else(|| newest(&VERSIONS.map(Path::new))).or_else(told)
}

/// The folder where the programs are for real: a link in PATH does not lie beside the others.
fn real(folder: &Path) -> Option<PathBuf> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    let real = postgres.parent()?.to_owned();
    (complete(folder) && complete(&real)).then_some(real)
}

fn complete(folder: &Path) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
}

/// The one with the highest version; `postgresql@17` and `17` are both the 17th.
fn newest(roots: &[&Path]) -> Option<PathBuf> {
    let versions = roots.iter().filter_map(|root| root.read_dir().ok()).flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("postgresql@").unwrap_or(&name).parse().ok()?;
            Some((version, real(&entry.path().join("bin"))?))
        })
        .collect();
    folders.sort();
    folders.pop().map(|(_, folder)| folder)
}

/// What `pg_config` says.
fn told() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    real(Path::new(String::from_utf8(output.stdout).ok()?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for program in NEEDED {
            std::fs::write(folder.join(program), "").unwrap();
        }
    }

    #[test]
    fn the_newest_of_several_versions_is_taken_by_its_number() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "postgresql@14", "16"] {
            install(&root.path().join(version).join("bin"));
        }
        std::fs::remove_file(root.path().join("16/bin/initdb")).unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!(newest(&[&root]), Some(root.join("15/bin")));
    }

    #[test]
    fn a_link_in_the_path_leads_to_the_folder_of_the_programs_themselves() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        install(&root.join("15/bin"));
        std::fs::create_dir(root.join("links")).unwrap();
        for program in NEEDED {
            std::os::unix::fs::symlink(root.join("15/bin").join(program), root.join("links").join(program))
                .unwrap();
        }
        let path = std::env::join_paths([root.join("nothing"), root.join("links")]).unwrap();
        assert_eq!(found(&path), Some(root.join("15/bin")));
    }
}
