//! The cable: cut, it swallows everything and shows no end; mended, it has lost nothing.

use std::time::Duration;

use pico_erp_test_cluster::{Cut, Newcomers};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long nothing must be heard for it to count as silence.
const SILENCE: Duration = Duration::from_millis(200);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cable to a server that says everything back.
async fn echo() -> Cut {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Cut::new(address)
}

async fn heard(stream: &mut TcpStream, length: usize) -> std::io::Result<String> {
    let mut text = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut text)).await.expect("something is heard")?;
    Ok(String::from_utf8(text).unwrap())
}

async fn silent(stream: &mut TcpStream) -> bool {
    timeout(SILENCE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn a_cut_connection_hears_nothing_and_after_mending_everything() {
    let cut = echo().await;
    let mut client = TcpStream::connect(cut.address()).await.unwrap();
    client.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut client, 3).await.unwrap(), "one");
    cut.cut(Newcomers::Hang);
    client.write_all(b"two").await.unwrap();
    assert!(silent(&mut client).await);
    cut.heal();
    assert_eq!(heard(&mut client, 3).await.unwrap(), "two");
}

#[tokio::test]
async fn who_connects_while_the_cable_is_cut_hangs_and_is_served_after_mending() {
    let cut = echo().await;
    cut.cut(Newcomers::Hang);
    let mut client = TcpStream::connect(cut.address()).await.unwrap();
    client.write_all(b"one").await.unwrap();
    assert!(silent(&mut client).await);
    cut.heal();
    assert_eq!(heard(&mut client, 3).await.unwrap(), "one");
}

#[tokio::test]
async fn who_is_refused_while_the_cable_is_cut_knows_at_once_and_old_connections_hang() {
    let cut = echo().await;
    let mut old = TcpStream::connect(cut.address()).await.unwrap();
    old.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut old, 3).await.unwrap(), "one");
    cut.cut(Newcomers::Refused);
    // The reset may come before `connect` returns.
    if let Ok(mut new) = TcpStream::connect(cut.address()).await {
        heard(&mut new, 1).await.unwrap_err();
    }
    assert!(silent(&mut old).await);
    cut.heal();
    let mut new = TcpStream::connect(cut.address()).await.unwrap();
    new.write_all(b"two").await.unwrap();
    assert_eq!(heard(&mut new, 3).await.unwrap(), "two");
}

#[tokio::test]
async fn a_reset_ends_connections_whether_or_not_they_are_cut_and_lets_new_ones_in() {
    let cut = echo().await;
    let mut client = TcpStream::connect(cut.address()).await.unwrap();
    client.write_all(b"one").await.unwrap();
    assert_eq!(heard(&mut client, 3).await.unwrap(), "one");
    cut.reset();
    heard(&mut client, 1).await.unwrap_err();
    let mut client = TcpStream::connect(cut.address()).await.unwrap();
    client.write_all(b"two").await.unwrap();
    assert_eq!(heard(&mut client, 3).await.unwrap(), "two");
    cut.cut(Newcomers::Hang);
    cut.reset();
    heard(&mut client, 1).await.unwrap_err();
}
