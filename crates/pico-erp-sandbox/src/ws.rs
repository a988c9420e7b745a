//! WebSocket sessions by the graphql-transport-ws protocol (graphql-ws, PROTOCOL.md): `connection_init`, pings,
//! several subscriptions on one socket, and the protocol's close codes. What is subscribed to is in `execution`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response as GraphQlResponse;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{self, BoxStream, SelectAll};
use serde_json::{Value as Json, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::execution::Started;
use crate::faults::shortened;
use crate::floor::{StreamGuard, Transport};
use crate::http::{Site, TOKEN_HEADER};

const PROTOCOL: &str = "graphql-transport-ws";

/// Why a session ends, as the protocol's close codes have it. Code and reason are the text of the protocol.
struct Close {
    code: u16,
    reason: String,
}

fn close(code: u16, reason: impl Into<String>) -> Close {
    Close { code, reason: reason.into() }
}

/// Accepts the upgrade. A token in its header is looked at with `connection_init`, where the other place for it is:
/// the protocol refuses by close code, not by status.
pub(crate) fn accept(site: Arc<Site>, upgrade: WebSocketUpgrade, header_token: Option<String>) -> Response {
    upgrade.protocols([PROTOCOL]).on_upgrade(move |socket| async move {
        let mut session = Session {
            site,
            header_token,
            greeted: false,
            acknowledged: false,
            running: HashMap::new(),
            events: SelectAll::new(),
        };
        serve(&mut session, socket).await;
    })
}

/// One item of a subscription, or its end.
type Item = (String, Option<GraphQlResponse>);

struct Running {
    abort: AbortHandle,
    _counted: StreamGuard,
}

struct Session {
    site: Arc<Site>,
    header_token: Option<String>,
    greeted: bool,
    acknowledged: bool,
    running: HashMap<String, Running>,
    events: SelectAll<BoxStream<'static, Item>>,
}

async fn serve(session: &mut Session, mut socket: WebSocket) {
    let Some(end) = converse(session, &mut socket).await else {
        return;
    };
    session.running.clear();
    // A close frame holds two bytes of code and at most 123 of reason (RFC 6455, section 5.5).
    let frame = CloseFrame { code: end.code, reason: Utf8Bytes::from(shortened(&end.reason, 123)) };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        // Until the peer closes too: dropping a socket with unread bytes would reset it, and the code be lost.
        let _ =
            timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

/// Talks until the socket is gone (`None`) or the protocol asks for a close.
async fn converse(session: &mut Session, socket: &mut WebSocket) -> Option<Close> {
    if socket.protocol().is_none() {
        return Some(close(4406, "Subprotocol not acceptable"));
    }
    let site = Arc::clone(&session.site);
    let greeting_due = Instant::now() + site.init_timeout;
    let mut ping = interval_at(Instant::now() + site.ping_interval, site.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let replies = tokio::select! {
            message = socket.recv() => match message? {
                Ok(Message::Text(text)) => session.hear(&text).await,
                Ok(Message::Binary(_)) => Err(close(4400, "Invalid message: binary")),
                Ok(Message::Close(_)) => return None,
                // WebSocket's own pings are answered below this layer.
                Ok(Message::Ping(_) | Message::Pong(_)) => Ok(Vec::new()),
                Err(_) => return None,
            },
            Some((id, item)) = session.events.next() => Ok(session.event(&id, item)),
            () = sleep_until(greeting_due), if !session.greeted => {
                Err(close(4408, "Connection initialisation timeout"))
            }
            _ = ping.tick(), if session.acknowledged => Ok(vec![json!({ "type": "ping" }).to_string()]),
        };
        match replies {
            Ok(replies) => {
                for reply in replies {
                    socket.send(Message::Text(Utf8Bytes::from(reply))).await.ok()?;
                }
            }
            Err(end) => return Some(end),
        }
    }
}

impl Session {
    /// Handles a message of the client; returns the messages to send.
    async fn hear(&mut self, text: &str) -> Result<Vec<String>, Close> {
        let invalid = |why: &str| close(4400, format!("Invalid message: {why}"));
        let message: Json = serde_json::from_str(text).map_err(|_| invalid("no JSON"))?;
        let kind = message.get("type").and_then(Json::as_str).ok_or_else(|| invalid("no type"))?;
        let id = || match message.get("id").and_then(Json::as_str) {
            Some(id) if !id.is_empty() => Ok(id.to_owned()),
            _ => Err(invalid("no id")),
        };
        match kind {
            "connection_init" => self.greet(message.get("payload")),
            "ping" => {
                let mut pong = json!({ "type": "pong" });
                if let Some(payload) = message.get("payload") {
                    pong["payload"] = payload.clone();
                }
                Ok(vec![pong.to_string()])
            }
            "pong" => Ok(Vec::new()),
            "subscribe" => {
                let id = id()?;
                let payload = message.get("payload").filter(|payload| payload.is_object());
                let payload = payload.ok_or_else(|| invalid("no payload"))?.clone();
                self.subscribe(id, payload).await
            }
            "complete" => {
                if let Some(running) = self.running.remove(&id()?) {
                    running.abort.abort();
                }
                Ok(Vec::new())
            }
            other => Err(invalid(&format!("unknown type {other}"))),
        }
    }

    fn greet(&mut self, payload: Option<&Json>) -> Result<Vec<String>, Close> {
        if self.greeted {
            return Err(close(4429, "Too many initialisation requests"));
        }
        self.greeted = true;
        let payload_token = payload.and_then(Json::as_object).and_then(|payload| {
            let found = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(TOKEN_HEADER));
            found.and_then(|(_, token)| token.as_str())
        });
        if !self.site.admits(self.header_token.as_deref()) && !self.site.admits(payload_token) {
            return Err(close(4403, "Forbidden"));
        }
        self.acknowledged = true;
        Ok(vec![json!({ "type": "connection_ack" }).to_string()])
    }

    async fn subscribe(&mut self, id: String, payload: Json) -> Result<Vec<String>, Close> {
        if !self.acknowledged {
            return Err(close(4401, "Unauthorized"));
        }
        if self.running.contains_key(&id) {
            return Err(close(4409, format!("Subscriber for {id} already exists")));
        }
        let started = match self.site.executor.prepare(payload) {
            Ok(prepared) => self.site.executor.start(prepared).await,
            Err(refused) => Err(refused),
        };
        match started {
            Ok(Started::Stream(responses)) => {
                let (abort, registration) = AbortHandle::new_pair();
                let (item_id, end_id) = (id.clone(), id.clone());
                let items = responses
                    .map(move |response| (item_id.clone(), Some(response)))
                    .chain(stream::once(async move { (end_id, None) }));
                self.events.push(Abortable::new(items, registration).boxed());
                let counted = self.site.floor.count_stream(Transport::WebSocket);
                self.running.insert(id, Running { abort, _counted: counted });
                Ok(Vec::new())
            }
            Ok(Started::Single(response)) => Ok(vec![
                next(&self.site, &id, &response),
                json!({ "id": id, "type": "complete" }).to_string(),
            ]),
            Err(refused) => Ok(vec![json!({ "id": id, "type": "error", "payload": refused.0 }).to_string()]),
        }
    }

    /// Turns an item of a subscription into the message to send.
    fn event(&mut self, id: &str, item: Option<GraphQlResponse>) -> Vec<String> {
        match item {
            Some(response) => vec![next(&self.site, id, &response)],
            None => {
                self.running.remove(id);
                vec![json!({ "id": id, "type": "complete" }).to_string()]
            }
        }
    }
}

fn next(site: &Site, id: &str, response: &GraphQlResponse) -> String {
    // Put together as text, so that a spoilt payload spoils the message as it would on the wire.
    let payload = site.faults.spoil_event(serde_json::to_string(response).unwrap_or_default());
    format!(r#"{{"id":{},"type":"next","payload":{payload}}}"#, json!(id))
}
