//! `pico-erp demo`: the main job from end to end, against a sandbox in the same process.
//!
//! It uses the library as any program would: over HTTP, with a token, through the public API.

use std::path::PathBuf;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use pico_erp::{
    Client, Feed, OperationFilter, OrderComplete, OrderSave, Proxy, Store, Token, WebhookSubscribe,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox, Waits};
use tokio::time::timeout;

use crate::exit::Failure;
use crate::output::{cell, line, table, value};

const TOKEN: &str = "demo-token";
const OPERATION: &str = "op-abc-123";
const ORDER: &str = "ERP-ORDER-123";
const MISSED: &str = "ERP-ORDER-124";
const WEBHOOK: &str = "erp-order-completions";
/// The header that Pico is asked to send, and that posts are known by.
const SECRET_HEADER: &str = "x-api-key";
const SECRET: &str = "demo-secret";
/// Everything here happens on this machine; what takes longer has gone wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// Prints the steps for people, or nothing until the end for programs.
struct Narrator {
    json: bool,
}

impl Narrator {
    fn step(&self, number: u8, title: &str) -> Result<(), Failure> {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        self.say(&format!("\n{style}{number}. {title}{style:#}"))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { line(text) }
    }

    fn good(&self, text: &str) -> Result<(), Failure> {
        let style = Style::new().fg_color(Some(AnsiColor::Green.into()));
        self.say(&format!("   {style}{text}{style:#}"))
    }

    fn detail(&self, text: &str) -> Result<(), Failure> {
        let style = Style::new().dimmed();
        self.say(&format!("   {style}{text}{style:#}"))
    }
}

pub(crate) async fn run(json: bool) -> Result<(), Failure> {
    let tell = Narrator { json };

    tell.step(1, "Start a local Pico")?;
    let sandbox = Sandbox::start(Config { token: Some(TOKEN.to_owned()), ..Config::default() }).await?;
    let client = Client::builder(sandbox.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None).build()?;
    tell.good(client.endpoint())?;

    tell.step(2, "List what can be built")?;
    let operations = client.operations(&OperationFilter::all()).await?;
    if !json {
        let rows = operations
            .iter()
            .map(|it| vec![cell(it.id.as_deref()), cell(it.external_id.as_deref()), it.name.clone()]);
        table(&["id", "part number", "name"], rows)?;
    }

    tell.step(3, "Take completions in, by Server-Sent Events and by webhook, into one durable inbox")?;
    let folder = Folder::new()?;
    let store = Store::open(folder.0.join("erp.pico")).await?;
    let feed = Feed::builder(&client, &store).start().await?;
    let receiver = feed.receiver().secret_header(SECRET_HEADER, SECRET).start().await?;
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    let webhook = WebhookSubscribe::order_completes(WEBHOOK, &url).header(SECRET_HEADER, SECRET);
    client.ensure_webhook(&webhook, None).await?;
    tell.good(&format!("webhook {WEBHOOK} posts to {url}"))?;
    within("the stream to open", feed.opened()).await??;
    tell.good("stream open")?;

    tell.step(4, "Save an order")?;
    let saved = client.save_order(&OrderSave::new(OPERATION, ORDER)).await?;
    tell.good(&format!("{ORDER} {}", saved.message()))?;

    tell.step(5, "The shop floor builds it")?;
    let built = CompletionSpec::new(ORDER)
        .produced("ASSY-20250115-007")
        .consumed("attr-serial-1", "SN-20250115-001")
        .consumed("attr-serial-2", "SN-20250115-042");
    sandbox.complete(built)?;

    tell.step(6, "It comes by stream and by webhook, and is handed out once")?;
    let first = book(&tell, &feed).await?;
    sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await?;
    let heard = feed.status().await?.watermarks;
    let by: Vec<&str> = heard.iter().map(|mark| mark.source.name()).collect();
    tell.detail(&format!("reported by {}", by.join(" and ")))?;

    tell.step(7, "The ERP goes down; meanwhile another order is completed, which Pico tells nobody again")?;
    feed.close(DEADLINE).await;
    receiver.close(DEADLINE).await?;
    client.webhook_unsubscribe(WEBHOOK).await?;
    client.save_order(&OrderSave::new(OPERATION, MISSED)).await?;
    sandbox.complete(CompletionSpec::new(MISSED))?;
    tell.good(&format!("{MISSED} is built while nobody listens"))?;

    tell.step(8, "The ERP is back: what it missed is caught up, what it had booked does not come again")?;
    let feed = Feed::builder(&client, &store).start().await?;
    let missed = book(&tell, &feed).await?;
    feed.close(DEADLINE).await;
    let inbox = store.inbox().counts().await?;
    store.close().await;
    sandbox.shutdown().await;
    if (first.as_str(), missed.as_str(), inbox.acked) != (ORDER, MISSED, 2) {
        return Err(Failure::other(format!("booked {first} and {missed}, the inbox says {inbox:?}")));
    }
    if json {
        return value(&serde_json::json!({
            "operations": operations.len(),
            "saved": saved.message(),
            "booked": [first, missed],
        }));
    }
    tell.say("\nThe order went out, and both completions were booked, each once. That is the whole job.")
}

/// Takes the next completion out of the feed, acknowledges it, and gives its order.
async fn book(tell: &Narrator, feed: &Feed) -> Result<String, Failure> {
    let delivery = within("a completion", feed.next()).await?;
    let delivery = delivery.ok_or_else(|| Failure::other("the feed ended without a completion"))??;
    let done = delivery.completion();
    let order = done.external_order_id.clone();
    tell.good(&format!("{}, by {}", summary(done), delivery.source()))?;
    tell.detail(delivery.raw().as_str())?;
    delivery.ack().await?;
    Ok(order)
}

/// A folder for the store, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("pico-erp-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over lies where the system looks after it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(DEADLINE, future)
        .await
        .map_err(|_| Failure::other(format!("waited {DEADLINE:?} in vain for {what}")))
}

fn summary(done: &OrderComplete) -> String {
    let consumed: Vec<&str> =
        done.operation_summary.consumed_serials.iter().filter_map(|serial| serial.value.as_deref()).collect();
    format!(
        "{} unit {} is {}, built from {}",
        done.external_order_id,
        done.order_index.unwrap_or_default(),
        done.produced_serial().unwrap_or("without a serial"),
        consumed.join(" and ")
    )
}
