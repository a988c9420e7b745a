//! Opens a WebSocket at the endpoint, with the same token, headers, proxy and trust as the calls.

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderValue, Request, Uri};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::answer::reply_of;
use super::config::TOKEN_HEADER;
use super::connector::ByteStream;
use super::diagnosis::{Stage, innermost};
use super::trace_context::{TRACEPARENT, Trace};
use super::transport::{Transport, traced};
use crate::error::{Error, ErrorKind};
use crate::ws::session::{Dialect, OFFERED_PROTOCOLS};

/// What a message carries besides the event it holds: type, id, and the names around the payload.
const ENVELOPE: usize = 4096;

/// A WebSocket that is open, and what the server chose to speak on it.
pub(crate) struct Socket {
    pub(crate) stream: WebSocketStream<Box<dyn ByteStream>>,
    pub(crate) dialect: Dialect,
    /// The payload of `connection_init`. It holds the token.
    pub(crate) init: serde_json::Value,
}

impl Transport {
    /// Opens a WebSocket.
    pub(crate) async fn open_web_socket(&self) -> Result<Socket, Error> {
        let trace = self.trace_context.begin();
        traced(trace, self.open_web_socket_once(trace).await)
    }

    async fn open_web_socket_once(&self, trace: Option<Trace>) -> Result<Socket, Error> {
        let uri = &self.target().await?.uri;
        let token = self.token_header().await?;
        let request = self.upgrade_request(uri, token.as_ref(), trace)?;
        let intercept = self.proxy.intercept(uri);
        let connecting = self.connector.connect(uri.clone(), intercept.as_ref());
        let stream = match timeout(self.connect_timeout, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.route().diagnose(&*error, Stage::Connecting)),
            Err(elapsed) => return Err(self.route().diagnose(&elapsed, Stage::TimedOut)),
        };
        let limit = Some(self.limits().event.saturating_add(ENVELOPE));
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let handshake = client_async_with_config(request, stream, Some(config));
        let (stream, response) = timeout(self.request_timeout(), handshake)
            .await
            .map_err(|_| {
                Error::new(ErrorKind::Timeout, format!("no reply within {:?}", self.request_timeout()))
            })?
            .map_err(|error| self.upgrade_error(error))?;
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|name| name.to_str().ok());
        // Pico does not say where the token belongs; the common servers look in one of these two places.
        let init = match token.as_ref().map(HeaderValue::to_str) {
            Some(Ok(token)) => json!({ TOKEN_HEADER.as_str(): token }),
            _ => json!({}),
        };
        Ok(Socket { stream, dialect: Dialect::from_protocol(chosen)?, init })
    }

    fn upgrade_request(
        &self,
        uri: &Uri,
        token: Option<&HeaderValue>,
        trace: Option<Trace>,
    ) -> Result<Request<()>, Error> {
        let mut parts = uri.clone().into_parts();
        let scheme = if uri.scheme_str() == Some("https") { "wss" } else { "ws" };
        parts.scheme = scheme.parse().ok();
        let internal = |error: String| {
            Error::new(ErrorKind::Internal, "the upgrade could not be written").with_source(error)
        };
        let uri = Uri::from_parts(parts).map_err(|error| internal(error.to_string()))?;
        let mut request = uri.into_client_request().map_err(|error| internal(error.to_string()))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(OFFERED_PROTOCOLS));
        if let Some(token) = token {
            headers.insert(TOKEN_HEADER, token.clone());
        }
        if let Some(traceparent) = trace.and_then(Trace::header) {
            headers.insert(TRACEPARENT, traceparent);
        }
        Ok(request)
    }

    /// Why the server did not upgrade.
    fn upgrade_error(&self, error: SocketError) -> Error {
        match error {
            SocketError::Http(response) => {
                let (parts, body) = response.into_parts();
                let body = body.unwrap_or_default().into();
                let code = parts.status.as_u16();
                let refused = || {
                    let message = format!("the server does not open a WebSocket (HTTP {code})");
                    Error::new(ErrorKind::HttpStatus, message).with_http_status(code)
                };
                match reply_of(parts.status, &parts.headers, body) {
                    // A whole reply, or a page of HTML with a 2xx: no WebSocket in any case.
                    Ok(reply) => reply.error().unwrap_or_else(refused),
                    Err(error) if error.kind() == ErrorKind::NotJson => refused(),
                    Err(error) => error,
                }
            }
            SocketError::Protocol(problem) => {
                Error::new(ErrorKind::Decode, "the server's answer to the WebSocket upgrade is wrong")
                    .with_source(problem)
            }
            other => self.route().diagnose(&other, Stage::Sending),
        }
    }
}

/// What a broken WebSocket means.
pub(crate) fn socket_error(error: &SocketError) -> Error {
    match error {
        SocketError::Capacity(problem) => {
            Error::new(ErrorKind::TooLarge, "an event of the stream is larger than the limit")
                .with_source(problem.to_string())
        }
        SocketError::Protocol(_) | SocketError::Utf8(_) => {
            Error::new(ErrorKind::ConnectionLost, "the server broke the rules of WebSocket")
                .with_source(innermost(error))
        }
        _ => Error::new(ErrorKind::ConnectionLost, "the stream broke").with_source(innermost(error)),
    }
}
