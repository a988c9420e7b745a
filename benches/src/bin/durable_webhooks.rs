//! Webhook posts per second that are answered once they are on disk: this library's receiver and inbox, against FastAPI
//! with sqlite3 under the same promise, and against what the disk could do.
//!
//!     cargo xtask bench durable_webhooks [SECONDS [CLIENTS]]
//!
//! Each server is a process of its own; both get the same posts from the same clients, one after the other, on the disk of
//! the target folder. Without `PICO_BENCH_PYTHON` (an interpreter with fastapi and uvicorn) the peer is left out.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pico_erp::{Client, Feed, FeedPolicy, Proxy, Store};
use pico_erp_benches::Folder;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const SERVER: &str = "--server";
const BODY: usize = 1024;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = pico_erp::runtime::handle()?;
    if let [SERVER, folder] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return runtime.block_on(serve(Path::new(folder)));
    }
    let seconds = arguments.first().map_or(Ok(5), |text| text.parse())?;
    let clients = arguments.get(1).map_or(Ok(64), |text| text.parse())?;
    runtime.block_on(measure(Duration::from_secs(seconds), clients))
}

/// Our side: a feed without a live source, and its receiver.
async fn serve(folder: &Path) -> Outcome {
    let store = Store::open(folder.join("inbox.pico")).await?;
    // Nobody listens there: what is measured is receiving.
    let client = Client::builder("http://127.0.0.1:9/graphql").proxy(Proxy::None).build()?;
    let policy = FeedPolicy { live: false, ..FeedPolicy::default() };
    let feed = Feed::builder(&client, &store).policy(policy).start().await?;
    let receiver = feed.receiver().secret_header("x-pico-secret", "s3cret").start().await?;
    println!("{}", receiver.local_addr().port());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn measure(time: Duration, clients: usize) -> Outcome {
    let folder = Folder::new("durable-webhooks")?;
    println!("| what | posts per second | of the disk's limit |");
    println!("|---|---|---|");
    let each = synced_writes(folder.path(), time.min(Duration::from_secs(2)), BODY)?;
    let grouped =
        synced_writes(folder.path(), time.min(Duration::from_secs(2)), BODY * clients)? * clients as f64;
    let line = |what: &str, rate: f64| println!("| {what} | {rate:.0} | {:.2} |", rate / grouped);
    line("disk: append of 1 KB and fdatasync, one by one", each);
    line(&format!("disk: append of {clients} x 1 KB and fdatasync (the limit)"), grouped);

    let ours = Command::new(std::env::current_exe()?);
    let ours = load(ours, &[SERVER.as_ref(), folder.path().as_os_str()], time, clients).await?;
    line(&format!("pico-erp, {clients} clients"), ours);
    match std::env::var_os("PICO_BENCH_PYTHON") {
        Some(python) => {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/fastapi_receiver.py");
            let database = folder.path().join("fastapi.db");
            let peer = load(Command::new(python), &[script.as_os_str(), database.as_os_str()], time, clients)
                .await?;
            line(&format!("FastAPI + sqlite3, {clients} clients"), peer);
            println!("\npico-erp / FastAPI: {:.1}", ours / peer);
        }
        None => println!("\nPICO_BENCH_PYTHON is not set: no comparison"),
    }
    Ok(())
}

/// Synced appends per second.
fn synced_writes(folder: &Path, time: Duration, bytes: usize) -> Outcome<f64> {
    let mut file = File::create(folder.join("append"))?;
    let block = vec![b'x'; bytes];
    let begin = Instant::now();
    let mut writes = 0_u32;
    while begin.elapsed() < time {
        file.write_all(&block)?;
        file.sync_data()?;
        writes += 1;
    }
    Ok(f64::from(writes) / begin.elapsed().as_secs_f64())
}

/// Starts a server that prints its port, and posts to it from `clients` connections.
async fn load(
    mut program: Command,
    arguments: &[&std::ffi::OsStr],
    time: Duration,
    clients: usize,
) -> Outcome<f64> {
    let mut server: Child =
        program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line).await?;
    let port: u16 = line.trim().parse().map_err(|_| format!("the server said {line:?} and no port"))?;
    // Connections are made and everything is warm before the count begins.
    post_for(port, clients, Duration::from_secs(1), "warm").await?;
    let rate = post_for(port, clients, time, "count").await?;
    server.kill().await?;
    Ok(rate)
}

async fn post_for(port: u16, clients: usize, time: Duration, phase: &str) -> Outcome<f64> {
    let answered = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let posters: Vec<_> = (0..clients)
        .map(|client| {
            let (answered, phase) = (Arc::clone(&answered), phase.to_owned());
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
                socket.set_nodelay(true)?;
                let mut number = 0_u64;
                while begin.elapsed() < time {
                    post(&mut socket, &format!("{phase}-{client}-{number}")).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
                Ok::<_, std::io::Error>(())
            })
        })
        .collect();
    for poster in posters {
        poster.await??;
    }
    Ok(answered.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}

/// One post of a completion of `BODY` bytes; an error when it is not answered with 200.
async fn post(socket: &mut TcpStream, order: &str) -> std::io::Result<()> {
    let mut body = format!(
        r#"{{"externalOrderId":"{order}","operation":{{"id":"op-abc-123"}},"orderIndex":0,"at":"2025-01-15T14:22:00.000Z","padding":""#
    );
    body.push_str(&"x".repeat(BODY - body.len() - 2));
    body.push_str("\"}");
    let head = format!(
        "POST /pico HTTP/1.1\r\nhost: erp\r\nx-pico-secret: s3cret\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await?;
    // Both servers answer with a length and a body of "{}".
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n{}") {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}
