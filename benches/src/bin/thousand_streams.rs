//! What a thousand subscriptions in one process cost: memory for each, threads, and CPU when nothing happens.
//!
//!     cargo run --release -p pico-erp-benches --bin thousand_streams [COUNT [sse|websocket]]
//!
//! The server is the sandbox, in a process of its own (this program again), so that only the client is measured. Reads
//! `/proc`, so it runs on Linux. SSE takes a connection for each stream: COUNT must stay below the limit of open files.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pico_erp::{Client, Proxy, Request, StreamPolicy, StreamTransport};
use pico_erp_sandbox::{Config, Sandbox};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// How long the idle CPU time is counted.
const IDLE: Duration = Duration::from_secs(10);
const SERVER: &str = "--server";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let argument = std::env::args().nth(1);
    // The same runtime that C, Python and .NET programs get.
    let runtime = pico_erp::runtime::handle()?;
    if argument.as_deref() == Some(SERVER) {
        return runtime.block_on(serve());
    }
    let count: usize = argument.map_or(Ok(1000), |text| text.parse())?;
    let transports = [StreamTransport::Sse, StreamTransport::WebSocket];
    if let Some(wanted) = std::env::args().nth(2) {
        let transport = transports.into_iter().find(|it| it.name() == wanted).ok_or("no such transport")?;
        return runtime.block_on(measure(transport, count));
    }
    println!("| transport | streams | opened in ms | KiB for each | threads | idle CPU ms per s |");
    println!("|---|---|---|---|---|---|");
    for transport in transports {
        // A process for each: memory that one has used and given back would hide what the next one takes.
        let arguments = [count.to_string(), transport.name().to_owned()];
        let status = std::process::Command::new(std::env::current_exe()?).args(arguments).status()?;
        if !status.success() {
            return Err(format!("{} failed: {status}", transport.name()).into());
        }
    }
    Ok(())
}

/// A server until the standard input ends.
async fn serve() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    println!("{}", sandbox.endpoint());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn measure(transport: StreamTransport, count: usize) -> Outcome {
    let mut server = Command::new(std::env::current_exe()?)
        .arg(SERVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = server.stdout.take().ok_or("the server's output is piped")?;
    let endpoint = BufReader::new(output).lines().next_line().await?.ok_or("the server says where it is")?;
    let policy = StreamPolicy { transport, ..StreamPolicy::default() };
    let client = Client::builder(endpoint).proxy(Proxy::None).stream(policy).build()?;

    // One stream first, so that what all of them share is not counted.
    let request = Request::new("subscription { operationOrderCompletesStream { externalOrderId } }");
    let first = client.subscribe(&request)?;
    first.opened().await?;
    let before = resident_kib()?;
    let start = Instant::now();
    let streams = (0..count).map(|_| client.subscribe(&request)).collect::<Result<Vec<_>, _>>()?;
    for stream in &streams {
        stream.opened().await?;
    }
    let opened = start.elapsed();
    let each = resident_kib()?.saturating_sub(before) as f64 / count as f64;
    let cpu = cpu_time()?;
    tokio::time::sleep(IDLE).await;
    let idle = (cpu_time()? - cpu).as_secs_f64() * 1000.0 / IDLE.as_secs_f64();
    println!(
        "| {} | {count} | {} | {each:.1} | {} | {idle:.2} |",
        transport.name(),
        opened.as_millis(),
        status_field("Threads:")?
    );
    Ok(())
}

/// The number behind a name in `/proc/self/status`.
fn status_field(name: &str) -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}

fn resident_kib() -> Outcome<usize> {
    status_field("VmRSS:")
}

/// User and system time of this process. `/proc/self/stat` counts in ticks of 10 ms.
fn cpu_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold spaces; fields 14 and 15 of the whole are 11 and 12 after it.
    let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
    let ticks: u64 = fields.get(11).ok_or("no utime")?.parse::<u64>()?
        + fields.get(12).ok_or("no stime")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
