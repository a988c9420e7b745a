//! `pico-erp completions follow`, `pico-erp notes follow` and `pico-erp webhooks receive`: completions, or notes, from a durable
//! feed, a line of JSON each, or each to a program.

use std::process::Stdio;
use std::time::Duration;

use pico_erp::{
    Client, Delivery, Feed, FeedItem, FeedPolicy, FeedStart, KeeperPolicy, NoteEvent, OrderComplete, Store,
    StreamPolicy, WebhookKeeper, WebhookReceiver, WebhookSubscribe,
};
use tokio::io::AsyncWriteExt as _;

use crate::args::{Connection, FollowNotes};
use crate::calls::{builder, header, note_filter};
use crate::durable_args::{Consume, Follow, Receive};
use crate::exit::Failure;
use crate::inbox::make;
use crate::metrics;
use crate::output::{json_line, value};

/// What a program answers for "later" (EX_TEMPFAIL of sysexits.h), as any code that is not one of the other two.
const NEVER: i32 = 65;
/// How long what is in hand at the end may take to be settled.
const GRACE: Duration = Duration::from_secs(5);

/// What a program is told of a thing besides the thing, and as what it is printed beside the plant.
pub(crate) trait Told: FeedItem {
    const NAME: &'static str;
    const KEY: &'static str;
    const ATTEMPT: &'static str;
}

impl Told for OrderComplete {
    const NAME: &'static str = "completion";
    const KEY: &'static str = "PICO_COMPLETION_KEY";
    const ATTEMPT: &'static str = "PICO_COMPLETION_ATTEMPT";
}

impl Told for NoteEvent {
    const NAME: &'static str = "note";
    const KEY: &'static str = "PICO_NOTE_KEY";
    const ATTEMPT: &'static str = "PICO_NOTE_ATTEMPT";
}

pub(crate) async fn follow(connection: &Connection, follow: Follow) -> Result<(), Failure> {
    let (client, store, policy) = ends(connection, &follow).await?;
    let _metrics = metrics::serve(&store, &follow.consume.metrics).await?;
    let feed = Feed::builder(&client, &store).policy(policy).start().await?;
    consume(&feed, &follow.consume).await
}

pub(crate) async fn notes(connection: &Connection, command: FollowNotes) -> Result<(), Failure> {
    let FollowNotes { choice, follow } = command;
    let (client, store, policy) = ends(connection, &follow).await?;
    let _metrics = metrics::serve(&store, &follow.consume.metrics).await?;
    let feed = Feed::notes(&client, &store).filter(note_filter(choice)).policy(policy).start().await?;
    consume(&feed, &follow.consume).await
}

/// What a feed runs between, and how.
async fn ends(connection: &Connection, follow: &Follow) -> Result<(Client, Store, FeedPolicy), Failure> {
    let stream = StreamPolicy { transport: follow.transport.into(), ..StreamPolicy::default() };
    let client = builder(connection)?.stream(stream).build()?;
    let policy = FeedPolicy { start: start(&follow.consume)?, ..FeedPolicy::default() };
    Ok((client, make(&follow.consume.place).await?, policy))
}

pub(crate) async fn receive(connection: &Connection, receive: Receive) -> Result<(), Failure> {
    let client = builder(connection)?.build()?;
    let policy = FeedPolicy { start: start(&receive.consume)?, live: receive.live, ..FeedPolicy::default() };
    let store = make(&receive.consume.place).await?;
    let _metrics = metrics::serve(&store, &receive.consume.metrics).await?;
    let feed = Feed::builder(&client, &store).policy(policy).start().await?;
    let (receiver, keeper) = listen(&feed, &receive).await?;
    anstream::eprintln!("listening on {}{}", receiver.local_addr(), receiver.url_path());
    let outcome = consume(&feed, &receive.consume).await;
    if let Some(keeper) = keeper {
        keeper.close(GRACE).await?;
    }
    receiver.close(GRACE).await?;
    outcome
}

async fn listen(feed: &Feed, receive: &Receive) -> Result<(WebhookReceiver, Option<WebhookKeeper>), Failure> {
    let secret = receive.secret.as_deref().map(header).transpose()?;
    let mut receiver = feed.receiver().bind(&receive.listen).path(&receive.path);
    if let Some((name, value)) = &secret {
        receiver = receiver.secret_header(*name, *value);
    }
    if let (Some(certificate), Some(key)) = (&receive.tls_cert, &receive.tls_key) {
        receiver = receiver.tls_files(certificate, key);
    }
    let receiver = receiver.start().await?;
    let Some(url) = &receive.url else { return Ok((receiver, None)) };
    let mut webhook = WebhookSubscribe::order_completes(&receive.id, url);
    if let Some((name, value)) = secret {
        webhook = webhook.header(name, value);
    }
    let keeper = feed.keep_webhook(webhook, KeeperPolicy::default())?;
    Ok((receiver, Some(keeper)))
}

fn start(consume: &Consume) -> Result<FeedStart, Failure> {
    match consume.start.as_str() {
        "beginning" => Ok(FeedStart::Beginning),
        "now" => Ok(FeedStart::Now),
        time => time.parse().map(FeedStart::Since).map_err(|error| {
            Failure::usage(format!(
                "--start {time}: give beginning, now, or a time such as 2025-01-15T14:22:00Z ({error})"
            ))
        }),
    }
}

/// Hands out completions, or notes, until Ctrl-C, or until there were enough.
async fn consume<E: Told>(feed: &Feed<E>, consume: &Consume) -> Result<(), Failure> {
    let mut notices = feed.notices();
    let mut left = consume.count;
    let outcome = loop {
        if left == Some(0) {
            break Ok(());
        }
        let delivery = tokio::select! {
            delivery = feed.next() => delivery,
            notice = notices.next() => {
                if let Some(notice) = notice.filter(|_| consume.notices) {
                    anstream::eprintln!("{notice}");
                }
                continue;
            }
            interrupted = tokio::signal::ctrl_c() => break interrupted.map_err(Failure::from),
        };
        match delivery {
            Some(Ok(delivery)) => match settle(delivery, &consume.exec, None).await {
                Ok(true) => left = left.map(|left| left - 1),
                Ok(false) => {}
                Err(failure) => break Err(failure),
            },
            Some(Err(error)) => break Err(error.into()),
            None => break Ok(()),
        }
    };
    feed.close(GRACE).await;
    outcome
}

/// Prints it or hands it to the program, and answers; whether it was acknowledged.
pub(crate) async fn settle<E: Told>(
    delivery: Delivery<E>,
    exec: &[String],
    plant: Option<&str>,
) -> Result<bool, Failure> {
    let Some((program, arguments)) = exec.split_first() else {
        // Acknowledged only when whoever reads has it: a pipe that broke leaves it in the inbox.
        match plant {
            None => json_line(delivery.raw())?,
            Some(plant) => value(&serde_json::json!({
                "plant": plant,
                E::NAME: delivery.raw().decode::<serde_json::Value>()?,
            }))?,
        }
        delivery.ack().await?;
        return Ok(true);
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(plant.map(|plant| ("PICO_PLANT", plant)))
        .env(E::KEY, delivery.key())
        .env(E::ATTEMPT, delivery.attempt().to_string())
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::usage(format!("--exec {program}: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // A program may answer without reading to the end; its exit code is what counts.
        let _ = input.write_all(delivery.raw().as_bytes()).await;
    }
    let status = child.wait().await?;
    match status.code() {
        Some(0) => {
            delivery.ack().await?;
            return Ok(true);
        }
        Some(NEVER) => delivery.reject(&format!("{program} ended with {NEVER}")).await?,
        _ => delivery.retry(None, &format!("{program}: {status}")).await?,
    }
    Ok(false)
}
