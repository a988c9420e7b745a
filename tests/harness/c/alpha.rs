//! Pico's alpha APIs, as C sees them.

use pico_erp_sandbox::Fault;
use pico_erp_tests::run;
use tempfile::TempDir;

use crate::workshop::{BOTH, DEADLINE, Workshop, against, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_work_instructions_keep_what_the_header_promises() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/alpha.c").await;
    for how in BOTH {
        let (sandbox, folder) = (sandbox().await, TempDir::new().expect("a temporary folder"));
        sandbox.set_faults(Fault::refuse_upload(Some(3), 400).times(1));
        let printed = run(against(&sandbox, &program, how).env("TEST_FOLDER", folder.path()), DEADLINE).await;
        assert_eq!(printed, "passed\n");
        let media = sandbox.media();
        let kept: Vec<_> = media.iter().map(|one| (one.file_name.as_str(), one.bytes, one.chunks)).collect();
        assert_eq!(kept, [("step1.png", 300_000, 0), ("step1.png", 300_000, 0), ("step1.mp4", 45_000, 5)]);
        let written = std::fs::read(folder.path().join("step1.mp4")).expect("the file");
        assert!(media[2].content == written, "the file came as it was");
        assert_eq!(sandbox.work_instructions().len(), 3);
        sandbox.shutdown().await;
    }
}
