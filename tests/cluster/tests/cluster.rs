//! The tests' own server: databases apart, crashes, passwords, TLS, and no server that outlives its test.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pico_erp_test_cluster::{Cluster, Cut, Newcomers, Options};
use tokio_postgres::{Client, NoTls};

/// Tells a run of this program that it is the one to be killed.
const VICTIM: &str = "PICO_CLUSTER_VICTIM";

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn count(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM book", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn two_databases_of_one_cluster_know_nothing_of_each_other() {
    let cluster = Cluster::shared();
    let (one, other) = (cluster.database(), cluster.database());
    assert_ne!(one, other);
    connect(&one).await.unwrap().batch_execute("CREATE TABLE book (id int)").await.unwrap();
    let missing = connect(&other).await.unwrap().batch_execute("SELECT id FROM book").await.unwrap_err();
    assert_eq!(missing.as_db_error().unwrap().code().code(), "42P01");
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_what_was_committed_and_nothing_else() {
    let cluster = Cluster::start(Options::default());
    let url = cluster.database();
    let client = connect(&url).await.unwrap();
    client.batch_execute("CREATE TABLE book (id int); INSERT INTO book VALUES (1), (2)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO book VALUES (3)").await.unwrap();
    cluster.kill_hard();
    assert!(client.batch_execute("COMMIT").await.is_err());
    assert!(connect(&url).await.is_err());
    cluster.restart();
    assert_eq!(count(&connect(&url).await.unwrap()).await, 2);
    // And once more as an administrator does it.
    cluster.stop();
    assert!(connect(&url).await.is_err());
    cluster.restart();
    assert_eq!(count(&connect(&url).await.unwrap()).await, 2);
}

#[tokio::test]
async fn the_server_waits_for_the_disk_and_takes_many_connections() {
    let client = connect(&Cluster::shared().database()).await.unwrap();
    for (setting, value) in [("fsync", "on"), ("synchronous_commit", "on"), ("max_connections", "200")] {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{setting}");
    }
}

#[tokio::test]
async fn a_cluster_with_a_password_lets_nobody_in_without_it() {
    let cluster = Cluster::start(Options { password: Some("open-sesame".to_owned()), ..Options::default() });
    let url = cluster.database();
    connect(&url).await.unwrap();
    let wrong = connect(&url.replace("open-sesame", "open")).await.err().unwrap();
    assert_eq!(wrong.as_db_error().unwrap().code().code(), "28P01");
    assert!(connect(&url.replace(":open-sesame", "")).await.is_err());
}

#[tokio::test]
async fn a_cluster_with_tls_takes_no_connection_without_it_and_tells_its_authority() {
    let cluster = Cluster::start(Options { tls: true, ..Options::default() });
    let plain = connect(&cluster.database()).await.err().unwrap();
    assert_eq!(plain.as_db_error().unwrap().code().code(), "28000");
    assert!(cluster.authority().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn a_database_is_reached_through_a_cut_that_heals() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let cut = Cut::new(([127, 0, 0, 1], cluster.port()).into());
    let client = connect(&cluster.through(cut.address().port(), &url)).await.unwrap();
    client.batch_execute("CREATE TABLE book (id int)").await.unwrap();
    cut.cut(Newcomers::Hang);
    let insert = client.batch_execute("INSERT INTO book VALUES (1)");
    tokio::pin!(insert);
    assert!(tokio::time::timeout(Duration::from_millis(200), insert.as_mut()).await.is_err());
    assert_eq!(count(&connect(&url).await.unwrap()).await, 0);
    cut.heal();
    insert.await.unwrap();
    assert_eq!(count(&connect(&url).await.unwrap()).await, 1);
}

/// Not a test by itself: the program that the next one kills.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        let cluster = Cluster::start(Options::default());
        println!("\n{VICTIM} {}", cluster.port());
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::abort();
    }
}

#[test]
fn the_server_and_its_folder_are_gone_after_the_test_was_killed() {
    let folders = tempfile::tempdir().unwrap();
    // The server's user must be able to go through it.
    std::fs::set_permissions(folders.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env(VICTIM, "1")
        .env("TMPDIR", folders.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix(VICTIM)?.trim().parse().ok());
    let port: u16 = port.expect("the victim says its port");
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(!empty(folders.path()));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !empty(folders.path()) {
        assert!(Instant::now() < end, "the server's folder is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}
