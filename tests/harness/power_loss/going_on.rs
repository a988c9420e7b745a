//! The next day: a feed and a sender go on with what a power cut has left.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use pico_erp::{Client, Feed, FeedPolicy, OutboxSender, Proxy, Store};
use tokio::time::timeout;

use crate::claims::Claims;

const DEADLINE: Duration = Duration::from_secs(60);

/// Hands out and sends all that is left, and compares with what was confirmed before.
pub(crate) async fn go_on(endpoint: &str, path: &Path, claims: &Claims) -> Result<(), String> {
    let told = |error: pico_erp::Error| format!("the day after: {error}");
    let client = Client::builder(endpoint).proxy(Proxy::None).build().map_err(told)?;
    let store = Store::open(path).await.map_err(told)?;
    let policy = FeedPolicy { live: false, ..FeedPolicy::default() };
    let feed = Feed::builder(&client, &store).policy(policy).start().await.map_err(told)?;
    feed.opened().await.map_err(told)?;
    let mut handed = HashSet::new();
    while feed.status().await.map_err(told)?.inbox.ready > 0 {
        let next =
            timeout(DEADLINE, feed.next()).await.map_err(|_| "the day after: nothing is handed out")?;
        let delivery = next.ok_or("the day after: the feed has ended")?.map_err(told)?;
        let order = delivery.completion().external_order_id.clone();
        if claims.is_settled(&order) {
            return Err(format!("the day after: {order} was settled, and is handed out again"));
        }
        delivery.ack().await.map_err(told)?;
        if !handed.insert(order.clone()) {
            return Err(format!("the day after: {order} is handed out twice"));
        }
    }
    let sender = OutboxSender::builder(&client, &store).start().await.map_err(told)?;
    timeout(DEADLINE, sender.drained())
        .await
        .map_err(|_| "the day after: orders are not sent")?
        .map_err(told)?;
    sender.close(DEADLINE).await.map_err(told)?;
    feed.close(DEADLINE).await;
    let failed = store.outbox().counts().await.map_err(told)?.failed;
    store.close().await;
    if failed > 0 { Err(format!("the day after: {failed} orders are refused")) } else { Ok(()) }
}
