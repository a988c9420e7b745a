//! WebSocket sessions by `graphql-transport-ws` and by the legacy `graphql-ws`: who may say what and when, several
//! subscriptions on one socket, pings, and the close codes. The texts of the two are in `dialect`, what is
//! subscribed to is in `execution`.

mod dialect;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response as GraphQlResponse;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{self, BoxStream, SelectAll};
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::execution::Started;
use crate::faults::{FaultKind, shortened};
use crate::floor::{StreamGuard, Transport};
use crate::http::{Site, TOKEN_HEADER};
use crate::live::{Close, Pings, Revocations};
use crate::wire::Connection;
use dialect::{Dialect, Said};

/// Which WebSocket sub-protocols the server takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebSocketProtocols {
    /// `graphql-transport-ws` and the legacy `graphql-ws`; of a client that offers both, the former.
    #[default]
    Both,
    /// `graphql-transport-ws`, the protocol of the graphql-ws library.
    TransportWsOnly,
    /// `graphql-ws`, the protocol of the subscriptions-transport-ws library.
    LegacyOnly,
    /// None: the upgrade is refused with status 400, as a proxy does that knows no WebSocket.
    None,
}

impl WebSocketProtocols {
    fn dialects(self) -> &'static [Dialect] {
        match self {
            WebSocketProtocols::Both => &[Dialect::TransportWs, Dialect::Legacy],
            WebSocketProtocols::TransportWsOnly => &[Dialect::TransportWs],
            WebSocketProtocols::LegacyOnly => &[Dialect::Legacy],
            WebSocketProtocols::None => &[],
        }
    }
}

/// Accepts the upgrade. A token in its header is looked at with `connection_init`, where the other place for it is:
/// the protocols refuse by close code or message, not by status.
pub(crate) fn accept(
    site: Arc<Site>,
    connection: Connection,
    upgrade: WebSocketUpgrade,
    header_token: Option<String>,
) -> Response {
    if site.web_socket_protocols == WebSocketProtocols::None {
        return (StatusCode::BAD_REQUEST, "WebSocket is not supported here\n").into_response();
    }
    // In the server's order: the first that the client offers as well is taken.
    let names = site.web_socket_protocols.dialects().iter().map(|dialect| dialect.name());
    upgrade.protocols(names).on_upgrade(move |socket| serve(site, connection, socket, header_token))
}

/// One item of a subscription, or its end.
type Item = (String, Option<GraphQlResponse>);

struct Running {
    abort: AbortHandle,
    _counted: StreamGuard,
}

struct Session {
    site: Arc<Site>,
    connection: Connection,
    dialect: Dialect,
    header_token: Option<String>,
    greeted: bool,
    acknowledged: bool,
    running: HashMap<String, Running>,
    events: SelectAll<BoxStream<'static, Item>>,
    pings: Pings,
}

/// Why a session ends.
enum End {
    /// The client broke the protocol or has no right to be there.
    Refused(Close),
    /// The sandbox was told to close, or the client asked for it.
    Closed(Close),
    /// The socket is gone.
    Gone,
}

async fn serve(site: Arc<Site>, connection: Connection, mut socket: WebSocket, header_token: Option<String>) {
    let agreed = socket.protocol().and_then(|name| name.to_str().ok()).and_then(Dialect::named);
    let Some(dialect) = agreed else {
        let legacy_only = site.web_socket_protocols == WebSocketProtocols::LegacyOnly;
        // The reference servers: 4406 of graphql-ws, 1002 of subscriptions-transport-ws.
        let code = if legacy_only { 1002 } else { 4406 };
        return part(&mut socket, &Close::new(code, "Subprotocol not acceptable")).await;
    };
    let mut orders = Orders {
        closes: site.live.closes(),
        faults: site.faults.changes(),
        revocations: site.live.revocations(),
    };
    let mut session = Session {
        pings: site.live.pings(),
        site,
        connection,
        dialect,
        header_token,
        greeted: false,
        acknowledged: false,
        running: HashMap::new(),
        events: SelectAll::new(),
    };
    let end = converse(&mut session, &mut orders, &mut socket).await;
    session.running.clear();
    // No longer counted among the sockets that an order to close would reach.
    drop(orders);
    let (message, close) = match end {
        End::Refused(close) => dialect.refusal(close),
        End::Closed(close) => (None, close),
        End::Gone => return,
    };
    if let Some(message) = message
        && socket.send(Message::Text(Utf8Bytes::from(message))).await.is_err()
    {
        return;
    }
    part(&mut socket, &close).await;
}

async fn part(socket: &mut WebSocket, close: &Close) {
    // A close frame holds two bytes of code and at most 123 of reason (RFC 6455, section 5.5).
    let frame = CloseFrame { code: close.code, reason: Utf8Bytes::from(shortened(&close.reason, 123)) };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        // Until the peer closes too: dropping a socket with unread bytes would reset it, and the code be lost.
        let _ =
            timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

/// What the sandbox is told to do to a socket.
struct Orders {
    closes: watch::Receiver<Close>,
    faults: watch::Receiver<u64>,
    revocations: Revocations,
}

impl Orders {
    /// Waits for an order to close.
    async fn next(&mut self, site: &Site) -> Close {
        loop {
            let faults = tokio::select! {
                closed = self.closes.changed() => match closed {
                    Ok(()) => return self.closes.borrow().clone(),
                    Err(error) => Err(error),
                },
                () = self.revocations.next() => return Close::new(4403, "Forbidden"),
                changed = self.faults.changed() => changed,
            };
            if faults.is_err() {
                // The sandbox is gone, and the connection with it.
                std::future::pending::<()>().await;
            }
            if let Some(close) = close_fault(site) {
                return close;
            }
        }
    }
}

fn close_fault(site: &Site) -> Option<Close> {
    match site.faults.take(|kind| matches!(kind, FaultKind::CloseWs { .. })) {
        Some(FaultKind::CloseWs { code, reason }) => Some(Close { code, reason }),
        _ => None,
    }
}

/// Talks until the session ends.
async fn converse(session: &mut Session, orders: &mut Orders, socket: &mut WebSocket) -> End {
    let site = Arc::clone(&session.site);
    let greeting_due = Instant::now() + site.init_timeout;
    loop {
        let replies = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => session.hear(&text).await,
                Some(Ok(Message::Binary(_))) => {
                    Err(End::Refused(Close::new(4400, "Invalid message: binary")))
                }
                // WebSocket's own pings are answered below this layer.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Vec::new()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
            },
            Some((id, item)) = session.events.next() => Ok(session.event(&id, item)),
            () = sleep_until(greeting_due), if !session.greeted => {
                Err(End::Refused(Close::new(4408, "Connection initialisation timeout")))
            }
            () = session.pings.due(), if session.acknowledged => Ok(vec![session.dialect.ping()]),
            close = orders.next(&site) => Err(End::Closed(close)),
        };
        match replies {
            Ok(replies) => {
                for reply in replies {
                    if socket.send(Message::Text(Utf8Bytes::from(reply))).await.is_err() {
                        return End::Gone;
                    }
                }
            }
            Err(end) => return end,
        }
    }
}

impl Session {
    /// Handles a message of the client; returns the messages to send.
    async fn hear(&mut self, text: &str) -> Result<Vec<String>, End> {
        let said = match self.dialect.read(text) {
            Ok(said) => said,
            Err(close) => return self.dialect.unreadable(close).map_err(End::Refused),
        };
        match said {
            Said::Init(payload) => self.greet(payload.as_ref()),
            Said::Ping(payload) => Ok(vec![Dialect::pong(payload)]),
            Said::Pong => Ok(Vec::new()),
            Said::Subscribe { id, payload } => self.subscribe(id, payload).await.map_err(End::Refused),
            Said::Unsubscribe { id } if self.stop(&id) => Ok(self.dialect.stopped(&id)),
            // It has ended already; the two messages crossed.
            Said::Unsubscribe { .. } => Ok(Vec::new()),
            Said::Terminate => Err(End::Closed(Close::new(1000, ""))),
        }
    }

    fn greet(&mut self, payload: Option<&Json>) -> Result<Vec<String>, End> {
        if self.greeted {
            return Err(End::Refused(Close::new(4429, "Too many initialisation requests")));
        }
        self.greeted = true;
        if self.site.faults.take(|kind| *kind == FaultKind::NoAck).is_some() {
            return Ok(Vec::new());
        }
        if let Some(close) = close_fault(&self.site) {
            return Err(End::Closed(close));
        }
        let payload_token = payload.and_then(Json::as_object).and_then(|payload| {
            let found = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(TOKEN_HEADER));
            found.and_then(|(_, token)| token.as_str())
        });
        if !self.site.admits(self.header_token.as_deref()) && !self.site.admits(payload_token) {
            return Err(End::Refused(Close::new(4403, "Forbidden")));
        }
        self.acknowledged = true;
        Ok(self.dialect.acknowledged(self.pings.on()))
    }

    async fn subscribe(&mut self, id: String, payload: Json) -> Result<Vec<String>, Close> {
        if !self.acknowledged {
            return Err(Close::new(4401, "Unauthorized"));
        }
        if self.running.contains_key(&id) {
            match self.dialect {
                Dialect::TransportWs => {
                    return Err(Close::new(4409, format!("Subscriber for {id} already exists")));
                }
                // The legacy protocol is silent on it; its reference server ends the older one.
                Dialect::Legacy => {
                    self.stop(&id);
                }
            }
        }
        let started = match self.site.executor.prepare(payload) {
            Ok(prepared) => self.site.executor.start(prepared).await,
            Err(refused) => Err(refused),
        };
        match started {
            Ok(Started::Stream(responses)) => {
                let (abort, registration) = AbortHandle::new_pair();
                let (item_id, end_id) = (id.clone(), id.clone());
                let items = self
                    .site
                    .live
                    .until_completed(responses)
                    .map(move |response| (item_id.clone(), Some(response)))
                    .chain(stream::once(async move { (end_id, None) }));
                self.events.push(Abortable::new(items, registration).boxed());
                let counted = self.site.floor.count_stream(Transport::WebSocket, self.connection.clone());
                self.running.insert(id, Running { abort, _counted: counted });
                Ok(Vec::new())
            }
            Ok(Started::Single(response)) => Ok(vec![self.next(&id, &response), Dialect::complete(&id)]),
            Err(refused) => Ok(vec![self.dialect.error(&id, refused.0)]),
        }
    }

    /// Ends a subscription; `false` when there is none of that id.
    fn stop(&mut self, id: &str) -> bool {
        let running = self.running.remove(id);
        running.inspect(|running| running.abort.abort()).is_some()
    }

    /// Turns an item of a subscription into the message to send.
    fn event(&mut self, id: &str, item: Option<GraphQlResponse>) -> Vec<String> {
        match item {
            Some(response) => vec![self.next(id, &response)],
            None => {
                self.running.remove(id);
                vec![Dialect::complete(id)]
            }
        }
    }

    fn next(&self, id: &str, response: &GraphQlResponse) -> String {
        let payload = self.site.faults.spoil_event(serde_json::to_string(response).unwrap_or_default());
        self.dialect.next(id, &payload)
    }
}
