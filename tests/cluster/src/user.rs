//! Who runs the server: PostgreSQL refuses to run as root, and root is what tests run as in a container.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Another user than root; nothing when the tests do not run as root, and the server runs as whoever runs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(Option<(u32, u32)>);

impl User {
    /// `postgres` where there is one, else `nobody`; `probe` is a file of this process's own.
    pub(crate) fn for_server(probe: &Path) -> Self {
        let own = fs::metadata(probe).unwrap_or_else(|error| panic!("{}: {error}", probe.display())).uid();
        if own != 0 {
            return Self(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].iter().find_map(|name| numbers(&users, name));
        Self(Some(found.unwrap_or((65534, 65534))))
    }

    /// Lets the command run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        if let Self(Some((user, group))) = self {
            command.uid(user).gid(group);
        }
    }

    /// Gives them a file or a folder.
    pub(crate) fn give(self, path: &Path) {
        if let Self(Some((user, group))) = self {
            chown(path, Some(user), Some(group))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// The numbers of a user and their group in the text of `/etc/passwd`.
fn numbers(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)).filter(|(user, _)| *user != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name_and_root_never() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var:/bin/bash\n";
        assert_eq!(numbers(users, "postgres"), Some((101, 104)));
        assert_eq!(numbers(users, "root"), None);
        assert_eq!(numbers(users, "nobody"), None);
    }
}
