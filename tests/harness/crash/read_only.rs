//! A store that may not be written is refused with the reason, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use pico_erp::Store;
use pico_erp_tests::run;
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_store-opener");
const DEADLINE: Duration = Duration::from_secs(30);
/// Nobody: permissions do not bind the superuser, as who many a container runs these tests.
const NOBODY: u32 = 65534;

/// What is in the folder before the store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A store that was closed.
    Store,
    /// A store whose process was killed, so that a part of it is in its log.
    StoreWithLog,
}

/// The names in a folder and what the files hold.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("an entry"));
    files
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, fs::read(file.path()).expect("the file can be read"))
        })
        .collect()
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions can be set");
}

/// Opens the store of a folder with these modes as somebody whom they bind, and returns what was printed.
async fn opened(before: Before, file_mode: u32, folder_mode: u32) -> String {
    let outer = tempfile::tempdir().expect("a folder");
    let folder = outer.path().join("place");
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join("erp.pico");
    if before != Before::Nothing {
        let store = Store::open(&path).await.expect("the store is made");
        if before == Before::StoreWithLog {
            let left = contents(&folder);
            store.close().await;
            fs::remove_file(&path).expect("the file can be removed");
            for (name, bytes) in left.iter().filter(|(name, _)| !name.ends_with("-shm")) {
                fs::write(folder.join(name), bytes).expect("the file can be written");
            }
        } else {
            store.close().await;
        }
        for name in contents(&folder).keys() {
            allow(&folder.join(name), file_mode);
        }
    }
    // The program is where everybody can run it, whoever may enter the target directory.
    let program = outer.path().join("opener");
    fs::copy(PROGRAM, &program).expect("the program can be copied");
    allow(&program, 0o755);
    allow(outer.path(), 0o755);
    allow(&folder, folder_mode);
    let left = contents(&folder);
    let mut command = Command::new(&program);
    command.arg(&path).current_dir(outer.path());
    if fs::metadata(outer.path()).expect("the folder is there").uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let told = run(&mut command, DEADLINE).await;
    assert_eq!(contents(&folder), left, "{before:?}, file {file_mode:o}, folder {folder_mode:o}: {told}");
    allow(&folder, 0o755);
    told
}

#[tokio::test]
async fn a_store_that_may_not_be_written_is_refused_with_the_reason_and_left_as_it_is() {
    for (before, file_mode, folder_mode, kind) in [
        (Before::Store, 0o444, 0o777, "store_read_only"),
        (Before::Store, 0o444, 0o555, "store_read_only"),
        (Before::Store, 0o666, 0o555, "store_read_only"),
        (Before::Store, 0o000, 0o777, "store"),
        (Before::StoreWithLog, 0o444, 0o777, "store_read_only"),
        (Before::StoreWithLog, 0o444, 0o555, "store_read_only"),
        (Before::Nothing, 0, 0o555, "store"),
        (Before::Nothing, 0, 0o000, "store"),
    ] {
        let told = opened(before, file_mode, folder_mode).await;
        println!("{before:?}, file {file_mode:o}, folder {folder_mode:o}: {}", told.trim());
        assert!(
            told.starts_with(&format!("{kind}: ")),
            "{before:?}, file {file_mode:o}, folder {folder_mode:o}: {told}"
        );
    }
}
