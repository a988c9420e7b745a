use std::sync::Mutex;

use super::*;
use crate::import::ImportFormat;
use crate::store::Store;

async fn outbox() -> (tempfile::TempDir, Outbox) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("s")).await.unwrap();
    (folder, store.outbox())
}

fn csv(text: &str) -> ImportReader {
    ImportReader::from_reader(text.as_bytes(), ImportFormat::Csv).unwrap()
}

#[tokio::test]
async fn an_import_that_ends_half_way_is_finished_by_the_next_run() {
    let (_folder, outbox) = outbox().await;
    let reader = csv("externalOrderId,operationId,quantity\nA,op,7\nB,op,1\nC,op,5\n");
    // The third chunk never begins, as when the process dies.
    let (first, seen) = (Mutex::new(0), Arc::new(tokio::sync::Notify::new()));
    let reached = Arc::clone(&seen);
    let options = ImportOptions::default().chunk(3).on_progress(move |_| {
        let mut chunks = first.lock().unwrap();
        *chunks += 1;
        if *chunks == 2 {
            reached.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = seen.notified() => {}
        report = outbox.import(&reader, options) => panic!("it went on to its end: {report:?}"),
    }
    let before = outbox.counts().await.unwrap().queued;
    assert!((6..13).contains(&before), "{before}");
    let report = outbox.import(&reader, ImportOptions::default()).await.unwrap();
    assert_eq!((report.counts.known, report.counts.known + report.counts.queued), (before, 13));
    assert_eq!(outbox.counts().await.unwrap().queued, 13);
    let other = outbox.import(&reader, ImportOptions::default().name("again, on purpose")).await.unwrap();
    assert_eq!((other.counts.queued, other.counts.known), (13, 0));
}

#[tokio::test]
async fn a_part_is_looked_up_once_and_a_catalogue_that_fails_ends_the_import() {
    let (_folder, outbox) = outbox().await;
    let reader = csv("externalOrderId,partNumber\nA,P\nB,P\nC,Q\n");
    let report = outbox.import(&reader, ImportOptions::default()).await.unwrap();
    assert_eq!((report.counts.queued, report.counts.refused), (0, 3));
    assert!(report.refused[0].error.to_string().starts_with("line 2, partNumber: "), "{report:?}");

    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let options = ImportOptions::default().resolve(move |part| {
        log.lock().unwrap().push(part.part_number.clone());
        async move {
            match part.part_number.as_str() {
                "P" => Ok("op".to_owned()),
                _ => Err(Error::new(ErrorKind::Timeout, "no answer")),
            }
        }
    });
    let error = outbox.import(&reader, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().starts_with("line 4, partNumber: "), "{error}");
    assert_eq!(*asked.lock().unwrap(), ["P", "Q"]);
}
