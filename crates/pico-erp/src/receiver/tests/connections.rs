//! How long a connection lives, and how many there are.

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::*;

const SHORT: Duration = Duration::from_millis(400);
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: erp\r\n\r\n";

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    for number in 0..5 {
        let reply = peer.ask(post(&format!(r#"{{"n":{number}}}"#), "")).await;
        assert_eq!((reply.status, reply.head.contains("connection: close")), (200, false), "{reply:?}");
    }
    // Two at once are answered in order, and one that was refused does not end it.
    peer.send(post("{}", "") + &post("[1]", "") + HEALTH + &post("{}", "")).await;
    for status in [200, 400, 200, 200] {
        assert_eq!(peer.reply().await.status, status);
    }
    let reply = peer.ask(post("{}", "connection: close\r\n")).await;
    assert_eq!(reply.status, 200);
    peer.ended().await;
    assert_eq!(shelf.kept().len(), 8);
}

#[tokio::test]
async fn a_client_that_dawdles_over_the_head_is_cut_off() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).header_timeout(SHORT).start().await.unwrap();
    // Says nothing at all.
    let mut silent = Peer::connect(receiver.local_addr()).await;
    silent.ended().await;
    // Sends a byte whenever it would be given up, if each byte counted as life.
    let mut slow = Peer::connect(receiver.local_addr()).await;
    let head = post("{}", "").into_bytes();
    let mut ended = false;
    for byte in head.iter().cycle().take(10_000) {
        use tokio::io::AsyncWriteExt;
        ended = slow.stream.write_all(&[*byte]).await.is_err()
            || timeout(SHORT / 10, slow.stream.read_u8()).await.is_ok();
        if ended {
            break;
        }
    }
    assert!(ended);
    assert!(shelf.kept().is_empty());
}

#[tokio::test]
async fn the_limit_of_a_head_counts_anew_for_each_request() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).header_timeout(SHORT).start().await.unwrap();
    let mut peer = Peer::connect(receiver.local_addr()).await;
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    // Being idle for longer than a head may take is fine: nothing but the end would come now.
    timeout(SHORT * 2, peer.stream.read_u8()).await.unwrap_err();
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    // The first byte of the next head starts its time.
    peer.send("P").await;
    peer.ended().await;
}

#[tokio::test]
async fn a_client_that_dawdles_over_the_body_is_told_so() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).body_timeout(SHORT).start().await.unwrap();
    let mut peer = Peer::connect(receiver.local_addr()).await;
    let whole = post(r#"{"a":1}"#, "");
    let reply = peer.ask(&whole[..whole.len() - 2]).await;
    assert_eq!((reply.status, reply.head.contains("connection: close")), (408, true), "{reply:?}");
    peer.ended().await;
    assert_eq!((receiver.counts().refused, shelf.kept().len()), (1, 0));
}

#[tokio::test]
async fn a_body_that_is_broken_off_is_not_stored() {
    let (receiver, shelf) = started().await;
    let whole = post(r#"{"a":1}"#, "");
    let mut peer = Peer::connect(receiver.local_addr()).await;
    peer.send(&whole[..whole.len() - 2]).await;
    drop(peer);
    within(receiver.close(DEADLINE)).await.unwrap();
    assert!(shelf.kept().is_empty());
}

#[tokio::test]
async fn storing_may_take_longer_than_any_client_may() {
    let shelf = Shelf::new();
    let receiver =
        builder(&shelf).header_timeout(SHORT).body_timeout(SHORT).idle_timeout(SHORT).start().await.unwrap();
    shelf.set(Behaviour::Hold);
    let mut peer = Peer::connect(receiver.local_addr()).await;
    peer.send(post("{}", "")).await;
    shelf.begun(1).await;
    // Nothing comes, and the connection does not end either.
    timeout(SHORT * 2, peer.stream.read_u8()).await.unwrap_err();
    shelf.set(Behaviour::Keep);
    assert_eq!(peer.reply().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).idle_timeout(SHORT).start().await.unwrap();
    let mut peer = Peer::connect(receiver.local_addr()).await;
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    peer.ended().await;
    // The client's own end of an unused connection ends it here too.
    let (receiver, shelf) = started().await;
    let mut peer = Peer::connect(receiver.local_addr()).await;
    assert_eq!(peer.ask(post("{}", "")).await.status, 200);
    tokio::io::AsyncWriteExt::shutdown(&mut peer.stream).await.unwrap();
    peer.ended().await;
    assert_eq!(shelf.kept().len(), 1);
}

#[tokio::test]
async fn over_the_limit_a_connection_waits_and_is_served() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).max_connections(2).start().await.unwrap();
    shelf.set(Behaviour::Hold);
    let mut peers = Vec::new();
    for number in 0..4 {
        let mut peer = Peer::connect(receiver.local_addr()).await;
        peer.send(post(&format!(r#"{{"n":{number}}}"#), "")).await;
        if number < 2 {
            shelf.begun(number + 1).await;
        }
        peers.push(peer);
    }
    // Both places are taken by posts that are being stored; the other two are not even read.
    timeout(SHORT, shelf.begun(3)).await.unwrap_err();
    shelf.set(Behaviour::Keep);
    for peer in &mut peers {
        assert_eq!(peer.reply().await.status, 200);
    }
    assert_eq!(shelf.kept().len(), 4);
}

#[tokio::test]
async fn a_place_that_is_only_kept_is_given_to_who_waits_for_one() {
    let shelf = Shelf::new();
    let receiver = builder(&shelf).max_connections(2).start().await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::connect(receiver.local_addr()).await;
        assert_eq!(peer.ask(post("{}", "")).await.status, 200);
        kept.push(peer);
    }
    let mut third = Peer::connect(receiver.local_addr()).await;
    assert_eq!(third.ask(post("{}", "")).await.status, 200);
    for peer in &mut kept {
        peer.ended().await;
    }
}
