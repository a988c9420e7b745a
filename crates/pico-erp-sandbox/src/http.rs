//! The GraphQL paths over HTTP: faults first, then the token, then POST, event stream or WebSocket. The last two
//! are handed on to `sse` and `ws` once the request is known to be theirs.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Response as GraphQlResponse;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value as Json, json};

use crate::execution::{Executor, Refused};
use crate::faults::{FaultBox, FaultKind, half};
use crate::floor::Floor;
use crate::live::Live;
use crate::wire::{Connection, Wire};
use crate::ws::WebSocketProtocols;
use crate::{sse, ws};

/// The header that carries the token.
pub(crate) const TOKEN_HEADER: &str = "x-pico-api-org";

/// The largest request body: far above what a client should send at once.
pub(crate) const LARGEST_REQUEST: usize = 64 << 20;

/// How a missing or wrong token is refused. Pico's documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusedToken {
    /// Status 401 with a GraphQL `errors` body.
    #[default]
    Status401,
    /// Status 403 with a GraphQL `errors` body.
    Status403,
    /// Status 200 with a GraphQL `errors` body.
    OkWithErrors,
}

/// What the handlers of one sandbox share.
pub(crate) struct Site {
    pub(crate) floor: Arc<Floor>,
    pub(crate) executor: Executor,
    pub(crate) faults: Arc<FaultBox>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) webhooks: Arc<crate::webhooks::Webhooks>,
    pub(crate) token: Option<String>,
    pub(crate) control_token: bool,
    pub(crate) refused_token: RefusedToken,
    pub(crate) live: Arc<Live>,
    pub(crate) init_timeout: Duration,
    pub(crate) web_socket_protocols: WebSocketProtocols,
}

impl Site {
    /// Whether that token opens the API now. Without a configured token any does, and none.
    pub(crate) fn admits(&self, token: Option<&str>) -> bool {
        !self.live.revoked() && self.knows(token)
    }

    /// Whether that is the token, revoked or not: the control API must be reachable to restore it.
    pub(crate) fn knows(&self, token: Option<&str>) -> bool {
        self.token.is_none() || self.token.as_deref() == token
    }

    /// The token of a request's header, if there is one.
    pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
        headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn refuse_token(&self) -> Response {
        let status = match self.refused_token {
            RefusedToken::Status401 => StatusCode::UNAUTHORIZED,
            RefusedToken::Status403 => StatusCode::FORBIDDEN,
            RefusedToken::OkWithErrors => StatusCode::OK,
        };
        let message = format!("the {TOKEN_HEADER} header is missing or wrong");
        let errors = json!([{ "message": message, "extensions": { "code": "UNAUTHENTICATED" } }]);
        json_reply(status, &json!({ "errors": errors }))
    }
}

/// Everything on `/graphql` and `/graph/v2`.
pub(crate) async fn graphql(
    State(site): State<Arc<Site>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
) -> Response {
    site.floor.count_request();
    connection.serves_control(false);
    if !site.executor.schemas.api().generation.is_at(request.uri().path()) {
        return status_reply(404, None);
    }
    let upgrade =
        request.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let events = request.headers().get_all(ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
    });
    if site.faults.is_live(|kind| *kind == FaultKind::HalfOpen { new_too: true }) {
        // Only now, because before a request is read nothing tells it from one for the control API. The client
        // cannot see the difference: its kernel hears from ours either way.
        connection.vanish();
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(site.faults.take_delay()).await;
    // Only a plain reply has a body to break.
    let fault = site.faults.take(|kind| match kind {
        FaultKind::Status { .. } | FaultKind::Html | FaultKind::Hang | FaultKind::CutBefore => true,
        FaultKind::RefuseUpgrade { .. } => upgrade,
        FaultKind::HugeBody { .. } | FaultKind::CutBody | FaultKind::CutAfter | FaultKind::MalformedJson => {
            !upgrade && !events
        }
        _ => false,
    });
    match fault {
        Some(FaultKind::Status { status, retry_after }) => return status_reply(status, retry_after),
        Some(FaultKind::RefuseUpgrade { status }) => return status_reply(status, None),
        Some(FaultKind::Html) => return html_reply(),
        Some(FaultKind::Hang) => std::future::pending().await,
        Some(FaultKind::HugeBody { bytes }) => return huge_reply(bytes),
        Some(FaultKind::CutBefore) => {
            // Read to its end first: a client that is reset while it still sends knows that it was not heard.
            let _ = to_bytes(request.into_body(), LARGEST_REQUEST).await;
            connection.cut();
            return std::future::pending().await;
        }
        _ => {}
    }
    if upgrade {
        let (mut parts, _) = request.into_parts();
        let header_token = Site::token_of(&parts.headers).map(str::to_owned);
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => ws::accept(site, connection, upgrade, header_token),
            Err(rejection) => rejection.into_response(),
        };
    }
    let reply = post(&site, connection.clone(), request, events).await;
    match fault {
        Some(FaultKind::CutAfter) => {
            connection.cut();
            std::future::pending().await
        }
        Some(FaultKind::CutBody) => cut_reply(reply).await,
        Some(FaultKind::MalformedJson) => malformed_reply(reply).await,
        _ => reply,
    }
}

async fn post(site: &Arc<Site>, connection: Connection, request: Request<Body>, events: bool) -> Response {
    if request.method() != Method::POST {
        let refused = Refused::because("use POST");
        return ([(ALLOW, "POST")], json_reply(StatusCode::METHOD_NOT_ALLOWED, &refused.reply()))
            .into_response();
    }
    if !site.admits(Site::token_of(request.headers())) {
        return site.refuse_token();
    }
    let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|content_type| {
        let content_type = content_type.as_bytes();
        content_type.len() >= 16 && content_type[..16].eq_ignore_ascii_case(b"application/json")
    });
    if !is_json {
        let refused = Refused::because("Content-Type: must be application/json");
        return json_reply(StatusCode::UNSUPPORTED_MEDIA_TYPE, &refused.reply());
    }
    let Ok(body) = to_bytes(request.into_body(), LARGEST_REQUEST).await else {
        let refused = Refused::because("the request body is too large or broke off");
        return json_reply(StatusCode::PAYLOAD_TOO_LARGE, &refused.reply());
    };
    let prepared = serde_json::from_slice(&body)
        .map_err(|error| Refused::because(format!("the body is not JSON: {error}")))
        .and_then(|body: Json| site.executor.prepare(body));
    let outcome = match prepared {
        Ok(prepared) if events => sse::respond(site, connection, prepared).await,
        Ok(prepared) => site.executor.run(prepared).await.map(|response| result_reply(&response)),
        Err(refused) => Err(refused),
    };
    outcome.unwrap_or_else(|refused| json_reply(StatusCode::BAD_REQUEST, &refused.reply()))
}

/// An execution result, which is 200 even when it has errors.
fn result_reply(response: &GraphQlResponse) -> Response {
    json_reply(StatusCode::OK, response)
}

pub(crate) fn json_reply(status: StatusCode, body: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub(crate) fn status_reply(status: u16, retry_after: Option<Duration>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = status.canonical_reason().unwrap_or("refused");
    let mut reply = (status, [(CONTENT_TYPE, "text/plain")], format!("{status}: {reason}\n")).into_response();
    if let Some(after) = retry_after {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    reply
}

pub(crate) fn html_reply() -> Response {
    let page = "<!doctype html>\n<html><head><title>Sign in</title></head>\n<body><h1>Sign in to the network</h1>\n\
                <form method=\"post\"><input name=\"user\"><input name=\"password\" type=\"password\"></form>\n\
                </body></html>\n";
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// A list of operations of at least that size, made up while it is sent.
fn huge_reply(bytes: u64) -> Response {
    const CHUNK: usize = 64 << 10;
    enum Part {
        Open,
        Items(u64),
        Done,
    }
    let chunks = stream::unfold((Part::Open, bytes), |(part, left)| async move {
        let (text, next) = match part {
            Part::Open => (r#"{"data":{"operations":["#.to_owned(), Part::Items(0)),
            Part::Items(mut number) => {
                let mut text = String::with_capacity(CHUNK + 256);
                let aim = CHUNK.min(left as usize + 1);
                while text.len() < aim {
                    let comma = if number == 0 { "" } else { "," };
                    number += 1;
                    text.push_str(&format!(
                        "{comma}{{\"id\":\"op-{number:09}\",\"externalId\":\"PART-{number:09}\",\
                         \"name\":\"Operation {number:09}\",\"updatedAt\":\"2025-01-15T10:00:00.000Z\"}}"
                    ));
                }
                if text.len() as u64 >= left {
                    text.push_str("]}}");
                    (text, Part::Done)
                } else {
                    (text, Part::Items(number))
                }
            }
            Part::Done => return None,
        };
        let left = left.saturating_sub(text.len() as u64);
        Some((Ok::<_, Infallible>(Bytes::from(text)), (next, left)))
    });
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}

/// The same reply with its full length announced, but only half of it sent.
async fn cut_reply(reply: Response) -> Response {
    let (mut parts, body) = reply.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let sent = body.slice(..body.len() / 2);
    let pieces = stream::unfold(Some(sent), |sent| async move {
        match sent {
            Some(sent) if !sent.is_empty() => Some((Ok(sent), Some(Bytes::new()))),
            _ => {
                // hyper writes what it has only once the body pends; without this the half might never leave.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(io::Error::other("the sandbox breaks off this reply")), None))
            }
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

async fn malformed_reply(reply: Response) -> Response {
    let (mut parts, body) = reply.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(half(&String::from_utf8_lossy(&body))))
}
