//! Completions a second from the shop floor to the acknowledgement, and how late they are, with 1, 2 and 3 nodes and up to
//! 100 plants on one PostgreSQL; and how much of the processor's time is the database's.
//!
//!     cargo xtask bench nodes_and_plants [COMPLETIONS [NODES,... [PLANTS,...]]]
//!
//! Every plant is a Pico of its own (the sandbox), every node a process with a feed and a consumer for each plant. The consumer
//! acknowledges at once and does nothing else. First everything that was ordered is completed at once, as fast as the
//! sandboxes can (throughput); then so many a second for a while that nothing queues up (lag). One PostgreSQL with `fsync` on and a
//! database for each run, on the same machine and the same processors as all the rest.

use std::cell::RefCell;
use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pico_erp::{Client, Feed, OrderSave, OutboxSender, Proxy, Store, StreamPolicy, StreamTransport};
use pico_erp_benches::Folder;
use pico_erp_sandbox::{CompletionSpec, Config, OperationSpec, Sandbox, Seed, Waits};
use pico_erp_test_cluster::{Cluster, Options};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

const NODE: &str = "--node";
const OPERATION: &str = "op";
/// What every order's id begins with.
const NAME: &str = "E-";
/// How many are completed a second when the lag is looked at, over all plants.
const STEADY: usize = 100;
const STEADY_FOR: usize = 5;
const DEADLINE: Duration = Duration::from_secs(300);

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = pico_erp::runtime::handle()?;
    if let [mode, url, endpoints @ ..] = &arguments[..]
        && mode == NODE
    {
        return runtime.block_on(node(url, endpoints));
    }
    let completions = arguments.first().map_or(Ok(20_000), |text| text.parse())?;
    let numbers = |place: usize, default: &str| -> Outcome<Vec<usize>> {
        let text = arguments.get(place).map_or(default, String::as_str);
        Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    };
    let (nodes, plants) = (numbers(1, "1,2,3")?, numbers(2, "1,10,100")?);
    let cluster = Cluster::start(Options::default());
    println!(
        "| plants | nodes | completions/s | lag p50 | lag p99 | processor: database | nodes | sandboxes |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &plants in &plants {
        for &nodes in &nodes {
            let url = cluster.database();
            runtime.block_on(measure(&url, nodes, plants, completions))?;
        }
    }
    Ok(())
}

/// One node: prints the order of each completion that it has acknowledged.
async fn node(url: &str, endpoints: &[String]) -> Outcome {
    let store = Store::builder(url).connections(4).open().await?;
    let mut consumers = JoinSet::new();
    let (acked, mut acknowledged) = tokio::sync::mpsc::unbounded_channel::<String>();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let stream = StreamPolicy { transport: StreamTransport::Sse, ..StreamPolicy::default() };
        let client = Client::builder(endpoint).proxy(Proxy::None).stream(stream).build()?;
        let feed = Feed::builder(&client, &store.plant(&format!("p{number}"))?).start().await?;
        let acked = acked.clone();
        consumers.spawn(async move {
            feed.opened().await?;
            while let Some(delivery) = feed.next().await {
                let delivery = delivery?;
                let order = delivery.completion().external_order_id.clone();
                delivery.ack().await?;
                // The one that reads it is gone with the process.
                let _ = acked.send(order);
            }
            Ok::<(), pico_erp::Error>(())
        });
    }
    let mut out = tokio::io::stdout();
    out.write_all(b"ready\n").await?;
    out.flush().await?;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = acknowledged.recv_many(&mut batch, 1000) => {
                if count == 0 {
                    return Ok(());
                }
                let text: String = batch.drain(..).map(|order| order + "\n").collect();
                out.write_all(text.as_bytes()).await?;
                out.flush().await?;
            }
            ended = consumers.join_next() => return Err(format!("a consumer has ended: {ended:?}").into()),
        }
    }
}

struct Node {
    child: Child,
    // Its end is the node's as well.
    _input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Node {
    fn start(url: &str, endpoints: &[String]) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([NODE, url])
            .args(endpoints)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("no pipes".into()) };
        Ok(Self { child, _input: input, output: BufReader::new(output).lines() })
    }
}

async fn measure(url: &str, nodes: usize, plants: usize, completions: usize) -> Outcome {
    let mut sandboxes = Vec::new();
    for _ in 0..plants {
        let seed =
            Seed { operations: vec![OperationSpec::new(OPERATION, "Pump")], sub_operations: Vec::new() };
        sandboxes.push(Sandbox::start(Config { seed, ..Config::default() }).await?);
    }
    let steady = STEADY * STEADY_FOR;
    order(&sandboxes, completions + steady).await?;
    let endpoints: Vec<String> = sandboxes.iter().map(Sandbox::endpoint).collect();
    let mut running = Vec::new();
    for _ in 0..nodes {
        running.push(Node::start(url, &endpoints)?);
    }
    for node in &mut running {
        if node.output.next_line().await?.as_deref() != Some("ready") {
            return Err("a node did not start".into());
        }
    }
    for sandbox in &sandboxes {
        sandbox.wait_for(Waits { streams: 1, ..Waits::default() }, DEADLINE).await?;
    }
    let processes: Vec<u32> = running.iter().filter_map(|node| node.child.id()).collect();
    let before = Times::now(&processes);
    let began = Instant::now();
    for number in 0..completions {
        sandboxes[number % plants].complete(CompletionSpec::new(name(number)))?;
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    gather(&mut running, completions, |_| {}).await?;
    let rate = completions as f64 / began.elapsed().as_secs_f64();
    let used = Times::now(&processes).since(&before);

    // By this process's clock: a Pico that completes more in a moment than it has milliseconds dates them ahead.
    let times = RefCell::new(vec![Instant::now(); steady]);
    let mut lates = Vec::new();
    let late = |order: &str| {
        let number = order.strip_prefix(NAME).and_then(|number| number.parse::<usize>().ok());
        let at = number.and_then(|number| times.borrow().get(number.checked_sub(completions)?).copied());
        lates.extend(at.map(|at| at.elapsed().as_secs_f64() * 1000.0));
    };
    let steadily = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(STEADY).unwrap_or(1));
        for number in completions..completions + steady {
            tick.tick().await;
            times.borrow_mut()[number - completions] = Instant::now();
            sandboxes[number % plants].complete(CompletionSpec::new(name(number)))?;
        }
        Outcome::Ok(())
    };
    let (completed, gathered) = tokio::join!(steadily, gather(&mut running, steady, late));
    completed?;
    gathered?;
    lates.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        lates.get((lates.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
    };
    let all = used.database + used.nodes + used.rest;
    println!(
        "| {plants} | {nodes} | {rate:.0} | {:.1} ms | {:.1} ms | {:.0} % | {:.0} % | {:.0} % |",
        at(0.5),
        at(0.99),
        100.0 * used.database / all,
        100.0 * used.nodes / all,
        100.0 * used.rest / all
    );
    drop(running);
    for sandbox in sandboxes {
        sandbox.shutdown().await;
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("{NAME}{number}")
}

/// Orders so many units, spread over the plants.
async fn order(sandboxes: &[Sandbox], count: usize) -> Outcome {
    let folder = Folder::new("nodes-and-plants")?;
    let store = Store::open(folder.path().join("orders.pico")).await?;
    let plants = sandboxes.len();
    for (place, sandbox) in sandboxes.iter().enumerate() {
        let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build()?;
        let store = store.plant(&format!("p{place}"))?;
        let orders = (place..count).step_by(plants).map(|number| OrderSave::new(OPERATION, name(number)));
        store.outbox().save_all(orders).await?;
        let sender = OutboxSender::builder(&client, &store).start().await?;
        sender.drained().await?;
        sender.close(DEADLINE).await?;
    }
    store.close().await;
    Ok(())
}

/// Reads what the nodes print until they have acknowledged `count`.
async fn gather(nodes: &mut [Node], count: usize, mut acknowledged: impl FnMut(&str)) -> Outcome {
    let (lines, mut told) = tokio::sync::mpsc::unbounded_channel();
    let reading = async {
        let readers = nodes.iter_mut().map(|node| {
            let lines = lines.clone();
            async move {
                while let Ok(Some(line)) = node.output.next_line().await {
                    if lines.send(line).is_err() {
                        return;
                    }
                }
            }
        });
        join_all(readers).await;
    };
    let counting = async {
        for _ in 0..count {
            acknowledged(&told.recv().await.ok_or("the nodes have ended")?);
        }
        Outcome::Ok(())
    };
    tokio::time::timeout(DEADLINE, async {
        tokio::select! {
            counted = counting => counted,
            () = reading => Err("the nodes have ended".into()),
        }
    })
    .await?
}

/// How long the processors have worked for whom, in clock ticks.
struct Times {
    database: f64,
    nodes: f64,
    rest: f64,
}

impl Times {
    /// The database is every process with PostgreSQL's name; nothing else of that name should run meanwhile.
    fn now(nodes: &[u32]) -> Self {
        let mut times = Self { database: 0.0, nodes: 0.0, rest: 0.0 };
        let Ok(processes) = std::fs::read_dir("/proc") else { return times };
        for process in processes.flatten() {
            let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
            // The name is in parentheses, and may have blanks.
            let Some((head, fields)) = stat.rsplit_once(") ") else { continue };
            let fields: Vec<&str> = fields.split(' ').collect();
            // utime and stime, proc(5); and of children that have ended, for those of the postmaster.
            let ticks =
                |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
            let own = ticks(11) + ticks(12);
            if head.ends_with("(postgres") {
                times.database += own + ticks(13) + ticks(14);
            } else if nodes.contains(&id) {
                times.nodes += own;
            } else if id == std::process::id() {
                times.rest += own;
            }
        }
        times
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            database: self.database - before.database,
            nodes: self.nodes - before.nodes,
            rest: self.rest - before.rest,
        }
    }
}
