//! Seconds to order what a CSV file lists, against a Pico that takes its time for each request: this library's durable
//! import, against a loop in Python and against a pool of eight threads, which remember nothing.
//!
//!     cargo xtask bench import_orders [ORDERS [LATENCY_MS]]
//!
//! The Pico is the sandbox, in a process of its own. Each run has a fresh one, which is asked afterwards whether it has each
//! order once. Without `PICO_BENCH_PYTHON` (an interpreter with requests) the peers are left out.

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pico_erp::{Client, ImportOptions, ImportReader, OutboxSender, Proxy, Store};
use pico_erp_benches::Folder;
use pico_erp_sandbox::{Config, Fault, Sandbox};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

const SERVER: &str = "--server";
const OPERATION: &str = "op-abc-123";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = pico_erp::runtime::handle()?;
    if let [SERVER, latency] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return runtime.block_on(serve(Duration::from_millis(latency.parse()?)));
    }
    let orders = arguments.first().map_or(Ok(10_000), |text| text.parse())?;
    let latency = arguments.get(1).map_or(Ok(20), |text| text.parse())?;
    runtime.block_on(measure(orders, latency))
}

/// A Pico until the standard input ends; then it says how many orders it has and how often they were saved.
async fn serve(latency: Duration) -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    sandbox.set_faults(Fault::delay(latency));
    println!("{}", sandbox.endpoint());
    tokio::io::AsyncReadExt::read_to_end(&mut tokio::io::stdin(), &mut Vec::new()).await?;
    let orders = sandbox.orders();
    println!("{}", orders.iter().filter(|order| order.creations == 1).count());
    Ok(())
}

struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    endpoint: String,
}

impl Server {
    async fn start(latency: u64) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([SERVER, &latency.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let endpoint = line(&mut output).await?;
        Ok(Self { child, output, endpoint })
    }

    /// Ends it, and checks that it has that many orders, each once.
    async fn expect(mut self, orders: usize) -> Outcome {
        drop(self.child.stdin.take());
        let has: usize = line(&mut self.output).await?.parse()?;
        if has == orders { Ok(()) } else { Err(format!("the server has {has} of {orders} orders").into()) }
    }
}

async fn line(output: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    output.read_line(&mut line).await?;
    Ok(line.trim().to_owned())
}

async fn measure(orders: usize, latency: u64) -> Outcome {
    let folder = Folder::new("import-orders")?;
    let file = folder.path().join("orders.csv");
    let mut text = "externalOrderId,operationId,orderIndex\n".to_owned();
    for number in 0..orders {
        text.push_str(&format!("ERP-{number},{OPERATION},0\n"));
    }
    std::fs::write(&file, text)?;
    println!("{orders} orders, {latency} ms for each request\n");
    println!("| what | seconds | orders per second | times ours |");
    println!("|---|---|---|---|");

    let server = Server::start(latency).await?;
    let (queued, ours) = durably(&file, &folder.path().join("orders.pico"), &server.endpoint).await?;
    server.expect(orders).await?;
    let print = |what: &str, seconds: f64| {
        println!("| {what} | {seconds:.2} | {:.0} | {:.1} |", orders as f64 / seconds, seconds / ours);
    };
    print("pico-erp: import, until all is sent", ours);
    print("of that: until all is on disk", queued);
    match std::env::var_os("PICO_BENCH_PYTHON") {
        Some(python) => {
            for (what, threads) in [("Python, a pool of 8 threads", 8), ("Python, a loop", 1)] {
                let server = Server::start(latency).await?;
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/import_orders.py");
                let peer = Command::new(&python)
                    .arg(script)
                    .arg(&file)
                    .args([&server.endpoint, &threads.to_string()])
                    .output()
                    .await?;
                if !peer.status.success() {
                    return Err(String::from_utf8_lossy(&peer.stderr).into_owned().into());
                }
                server.expect(orders).await?;
                print(what, String::from_utf8(peer.stdout)?.trim().parse()?);
            }
        }
        None => println!("\nPICO_BENCH_PYTHON is not set: no comparison"),
    }
    Ok(())
}

/// Seconds until all orders were on disk, and until Pico had them all.
async fn durably(file: &Path, store: &Path, endpoint: &str) -> Outcome<(f64, f64)> {
    let begin = Instant::now();
    let client = Client::builder(endpoint).proxy(Proxy::None).build()?;
    let store = Store::open(store).await?;
    let sender = OutboxSender::builder(&client, &store).start().await?;
    store.outbox().import(&ImportReader::open(file)?, ImportOptions::default()).await?;
    let queued = begin.elapsed().as_secs_f64();
    sender.drained().await?;
    let sent = begin.elapsed().as_secs_f64();
    sender.close(Duration::from_secs(10)).await?;
    Ok((queued, sent))
}
