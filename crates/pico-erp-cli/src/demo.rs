//! `pico-erp demo`: the main job from end to end, against a sandbox in the same process.
//!
//! It uses the library as any program would: over HTTP, with a token, through the public API.

mod receiver;

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use pico_erp::{
    Client, Model, OperationFilter, OrderComplete, OrderCompleteFilter, OrderSave, Proxy, Token,
    WebhookSubscribe,
};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use tokio::time::timeout;

use crate::calls::COMPLETION_FRAGMENT;
use crate::exit::Failure;
use crate::output::{cell, line, table, value};
use receiver::Receiver;

const TOKEN: &str = "demo-token";
const OPERATION: &str = "op-abc-123";
const ORDER: &str = "ERP-ORDER-123";
const WEBHOOK: &str = "erp-order-completions";
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

    tell.step(3, "Register a webhook, and open the stream of completions over Server-Sent Events")?;
    let mut receiver = Receiver::start().await?;
    let webhook = WebhookSubscribe::new(WEBHOOK, COMPLETION_FRAGMENT, receiver.url())
        .header(receiver::SECRET_HEADER, receiver.secret());
    client.webhook_subscribe(&webhook).await?;
    tell.good(&format!("webhook {WEBHOOK} posts to {}", receiver.url()))?;
    let stream = client.order_completes_stream(&OrderCompleteFilter::all())?;
    within("the stream to open", stream.opened()).await??;
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

    tell.step(6, "What arrived")?;
    let streamed = within("the event on the stream", stream.next())
        .await?
        .ok_or_else(|| Failure::other("the stream ended without an event"))??;
    tell.good(&format!("by stream:  {}", summary(&streamed)))?;
    tell.detail(streamed.raw().as_str())?;
    let posted = within("the webhook's post", receiver.next()).await?;
    let posted = OrderComplete::from_json(pico_erp::Json::new(posted)?)?;
    tell.good(&format!("by webhook: {}", summary(&posted)))?;
    tell.detail(posted.raw().as_str())?;

    client.webhook_unsubscribe(WEBHOOK).await?;
    stream.close();
    sandbox.shutdown().await;
    if summary(&streamed) != summary(&posted) {
        return Err(Failure::other("the stream and the webhook do not tell the same"));
    }
    if json {
        return value(&serde_json::json!({
            "operations": operations.len(),
            "saved": saved.message(),
            "stream": streamed.raw().decode::<serde_json::Value>()?,
            "webhook": posted.raw().decode::<serde_json::Value>()?,
        }));
    }
    tell.say("\nThe order went out and its completion came back, twice over. That is the whole job.")
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
