use std::sync::{Arc, Mutex};

use super::*;
use crate::store::Store;

fn put(name: &'static str, fail: bool) -> impl FnOnce(&mut dyn Backend) -> Result<(), Error> + Send {
    move |backend| {
        backend.set_note(name, "x")?;
        if fail { Err(Error::new(ErrorKind::Internal, "no")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn work_that_fails_undoes_itself_and_nothing_else_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("s")).await.unwrap();
    let (first, second, third) = tokio::join!(
        store.run(Durability::Disk, put("a", false)),
        store.run(Durability::Disk, put("b", true)),
        store.run(Durability::Disk, put("c", false)),
    );
    assert!(first.is_ok() && second.is_err() && third.is_ok());
    let notes = store
        .run(Durability::Process, |backend| Ok([backend.note("a")?, backend.note("b")?, backend.note("c")?]))
        .await
        .unwrap();
    assert_eq!(notes.map(|note| note.is_some()), [true, false, true]);
}

#[tokio::test]
async fn work_is_done_in_order_and_also_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("s")).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..10 {
        let order = Arc::clone(&order);
        let work = store.run(Durability::Disk, move |_| {
            order.lock().unwrap().push(number);
            Ok(())
        });
        // Polled once, which queues the work, and dropped.
        let mut work = Box::pin(work);
        let _ = futures_util::poll!(&mut work);
    }
    store.close().await;
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    let error = store.run(Durability::Disk, |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
