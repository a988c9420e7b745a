//! Between the whole body and the answer: nothing is promised before it is kept, nothing received is dropped.

use futures_util::future::join_all;

use super::*;
use crate::error::{Error, ErrorKind};

#[tokio::test]
async fn the_answer_waits_for_the_store() {
    let (receiver, shelf) = started().await;
    shelf.set(Behaviour::Hold);
    let mut peer = Peer::connect(receiver.local_addr()).await;
    peer.send(post(r#"{"a":1}"#, "")).await;
    shelf.begun(1).await;
    assert_eq!((receiver.counts().accepted, shelf.kept().len()), (0, 0));
    shelf.set(Behaviour::Keep);
    assert_eq!(peer.reply().await.status, 200);
    assert_eq!((receiver.counts().accepted, shelf.kept().len()), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_stored_is_answered_with_503_and_when_to_come_again() {
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    let full = Error::new(ErrorKind::Internal, "the disk with the secret name is full");
    for (error, seconds) in [
        (full.clone(), 5),
        (full.clone().with_retry_after(Some(Duration::from_millis(1500))), 2),
        (full.clone().with_retry_after(Some(Duration::ZERO)), 1),
    ] {
        shelf.set(Behaviour::Refuse(error));
        let reply = peer.ask(post("{}", "")).await;
        assert_eq!(reply.status, 503);
        assert!(reply.head.contains(&format!("retry-after: {seconds}\r\n")), "{reply:?}");
        assert!(!reply.body.contains("disk"), "{reply:?}");
    }
    // The connection goes on, and so does the receiver.
    shelf.set(Behaviour::Keep);
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    assert_eq!((receiver.counts().unavailable, receiver.counts().accepted), (3, 1));
}

#[tokio::test]
async fn of_a_list_each_event_is_stored_in_order_and_one_failure_is_told() {
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    let events: Vec<_> = (0..200).map(|number| format!(r#"{{"n":{number}}}"#)).collect();
    assert_eq!(peer.ask(post(&format!("[{}]", events.join(",")), "")).await.status, 200);
    assert_eq!(shelf.kept(), events);
    shelf.set(Behaviour::RefuseSome("bad", Error::new(ErrorKind::Internal, "no")));
    assert_eq!(peer.ask(post(r#"[{"is":"good"},{"is":"bad"},{"is":"fine"}]"#, "")).await.status, 503);
    assert_eq!(shelf.kept()[200..], [r#"{"is":"good"}"#, r#"{"is":"fine"}"#]);
    assert_eq!((receiver.counts().accepted, receiver.counts().unavailable), (1, 1));
}

#[tokio::test]
async fn a_panic_of_the_store_is_a_500_and_ends_nothing_else() {
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    for behaviour in [Behaviour::Panic, Behaviour::PanicLater] {
        shelf.set(behaviour);
        assert_eq!(peer.ask(post("{}", "")).await.status, 500);
    }
    shelf.set(Behaviour::Keep);
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    assert_eq!(Peer::connect(receiver.local_addr()).await.ask(post("{}", "")).await.status, 200);
    assert_eq!((receiver.counts().failed, receiver.counts().accepted), (2, 2));
    within(receiver.close(DEADLINE)).await.unwrap();
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_take_its_event_along() {
    let (receiver, shelf) = started().await;
    shelf.set(Behaviour::Hold);
    let mut peer = Peer::connect(receiver.local_addr()).await;
    peer.send(post(r#"{"a":1}"#, "")).await;
    shelf.begun(1).await;
    // Closing with bytes unread resets the connection, which is the hardest way to leave.
    peer.stream.set_zero_linger().unwrap();
    drop(peer);
    // The receiver has noticed when it serves somebody else after that; storing is held all the while.
    let mut other = Peer::connect(receiver.local_addr()).await;
    assert_eq!(other.ask("GET /health HTTP/1.1\r\nhost: erp\r\n\r\n").await.status, 200);
    shelf.set(Behaviour::Keep);
    shelf.keeps(1).await;
    within(receiver.close(DEADLINE)).await.unwrap();
    assert_eq!(shelf.kept(), [r#"{"a":1}"#]);
}

#[tokio::test]
async fn a_client_that_only_stops_sending_gets_its_answer() {
    use tokio::io::AsyncWriteExt;
    let (receiver, shelf) = started().await;
    shelf.set(Behaviour::Hold);
    let mut peer = Peer::connect(receiver.local_addr()).await;
    peer.send(post("{}", "")).await;
    within(peer.stream.shutdown()).await.unwrap();
    shelf.begun(1).await;
    shelf.set(Behaviour::Keep);
    assert_eq!(peer.reply().await.status, 200);
    peer.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_posters_lose_nothing() {
    const POSTERS: usize = 64;
    const EACH: usize = 20;
    let (receiver, shelf) = started().await;
    let address = receiver.local_addr();
    let posters = (0..POSTERS).map(|poster| {
        tokio::spawn(async move {
            let mut peer = Peer::connect(address).await;
            for number in 0..EACH {
                let reply = peer.ask(post(&format!(r#"{{"id":"{poster}-{number}"}}"#), "")).await;
                assert_eq!(reply.status, 200);
            }
        })
    });
    for outcome in within(join_all(posters)).await {
        outcome.unwrap();
    }
    assert_eq!(receiver.counts().accepted, (POSTERS * EACH) as u64);
    let mut kept = shelf.kept();
    kept.sort();
    kept.dedup();
    assert_eq!(kept.len(), POSTERS * EACH);
}

#[tokio::test]
async fn closing_waits_for_what_is_being_stored() {
    let (receiver, shelf) = started().await;
    let address = receiver.local_addr();
    shelf.set(Behaviour::Hold);
    let mut idle = Peer::connect(address).await;
    assert_eq!(idle.ask("GET /health HTTP/1.1\r\nhost: erp\r\n\r\n").await.status, 200);
    let mut storing = Peer::connect(address).await;
    storing.send(post(r#"{"a":1}"#, "")).await;
    let mut gone = Peer::connect(address).await;
    gone.send(post(r#"{"a":2}"#, "")).await;
    shelf.begun(2).await;
    drop(gone);

    let closing = tokio::spawn(receiver.close(DEADLINE));
    // Whoever asks for nothing is sent home at once, and nobody comes in any more.
    idle.ended().await;
    within(tokio::net::TcpStream::connect(address)).await.unwrap_err();
    assert!(!closing.is_finished());
    shelf.set(Behaviour::Keep);
    let reply = storing.reply().await;
    assert_eq!((reply.status, reply.head.contains("connection: close")), (200, true), "{reply:?}");
    storing.ended().await;
    within(closing).await.unwrap().unwrap();
    assert_eq!(shelf.kept().len(), 2);
}

#[tokio::test]
async fn closing_is_bounded_and_says_what_it_broke_off() {
    let (receiver, shelf) = started().await;
    shelf.set(Behaviour::Hold);
    let mut storing = Peer::connect(receiver.local_addr()).await;
    storing.send(post("{}", "")).await;
    shelf.begun(1).await;
    let error = within(receiver.close(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("1 webhook posts were still being stored"), "{error}");
    storing.ended().await;
    shelf.set(Behaviour::Keep);
    assert!(shelf.kept().is_empty());

    // A client that dawdles over its request holds nothing up, and is no error.
    let (receiver, _shelf) = started().await;
    let mut slow = Peer::connect(receiver.local_addr()).await;
    slow.send("POST /pico HT").await;
    within(receiver.close(Duration::from_millis(50))).await.unwrap();
    slow.ended().await;
}

#[tokio::test]
async fn dropping_the_receiver_ends_it() {
    let (receiver, shelf) = started().await;
    let address = receiver.local_addr();
    shelf.set(Behaviour::Hold);
    let mut storing = Peer::connect(address).await;
    storing.send(post("{}", "")).await;
    shelf.begun(1).await;
    drop(receiver);
    storing.ended().await;
    // The store's future is gone, so nothing keeps the shelf but this test.
    let mut left = Arc::strong_count(&shelf);
    within(async {
        while left > 1 {
            tokio::task::yield_now().await;
            left = Arc::strong_count(&shelf);
        }
    })
    .await;
    within(tokio::net::TcpStream::connect(address)).await.unwrap_err();
}
