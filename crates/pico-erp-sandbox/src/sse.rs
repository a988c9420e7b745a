//! Event streams by the "distinct connections mode" of GraphQL over Server-Sent Events: POST with
//! `Accept: text/event-stream`, then `next` events and one `complete`. The stream's contents come from `execution`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use async_graphql::Response as GraphQlResponse;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::execution::{Prepared, Refused, Started};
use crate::faults::FaultKind;
use crate::floor::{StreamGuard, Transport};
use crate::http::Site;
use crate::live::{Pings, Revocations};
use crate::wire::Connection;

/// A comment. Sent at once, so that the client and every proxy in between see bytes, and then at the interval.
const PING: &str = ":\n\n";

/// An event without data is not dispatched by the rules of WHATWG HTML (section 9.2.6), hence the empty line of
/// data, which the protocol allows.
const COMPLETE: &str = "event: complete\ndata:\n\n";

/// A piece of the body; an error breaks the connection off.
type Piece = io::Result<Bytes>;

struct Open {
    site: Arc<Site>,
    ready: VecDeque<Bytes>,
    responses: Option<BoxStream<'static, GraphQlResponse>>,
    pings: Pings,
    revocations: Revocations,
    _counted: Option<StreamGuard>,
}

/// Starts a stream. What is refused is for the caller to reply, as JSON.
pub(crate) async fn respond(
    site: &Arc<Site>,
    connection: Connection,
    prepared: Prepared,
) -> Result<Response, Refused> {
    let started = site.executor.start(prepared).await?;
    let mut open = Open {
        site: Arc::clone(site),
        ready: VecDeque::from([Bytes::from_static(PING.as_bytes())]),
        responses: None,
        pings: site.live.pings(),
        revocations: site.live.revocations(),
        _counted: None,
    };
    match started {
        Started::Single(response) => {
            open.ready.push_back(next(site, &response));
            open.ready.push_back(Bytes::from_static(COMPLETE.as_bytes()));
        }
        Started::Stream(responses) => {
            open.responses = Some(site.live.until_completed(responses).boxed());
            open._counted = Some(site.floor.count_stream(Transport::Sse, connection));
        }
    }
    let pieces = stream::unfold(open, step).boxed();
    let pieces = match site.faults.take(|kind| matches!(kind, FaultKind::BufferSse { .. })) {
        Some(FaultKind::BufferSse { head: true, bytes }) => buffered(pieces, bytes),
        Some(FaultKind::BufferSse { head: false, bytes }) => {
            let mut pieces = buffered(pieces, bytes);
            // The head goes out with the return, and so no sooner than the first bytes.
            let first = pieces.next().await;
            stream::iter(first).chain(pieces).boxed()
        }
        _ => pieces,
    };
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

async fn step(mut open: Open) -> Option<(Piece, Open)> {
    if let Some(bytes) = open.ready.pop_front() {
        return Some((Ok(bytes), open));
    }
    let responses = open.responses.as_mut()?;
    let piece = tokio::select! {
        response = responses.next() => match response {
            Some(response) => Ok(next(&open.site, &response)),
            None => {
                open.responses = None;
                Ok(Bytes::from_static(COMPLETE.as_bytes()))
            }
        },
        () = open.pings.due() => Ok(Bytes::from_static(PING.as_bytes())),
        () = open.revocations.next() => {
            open.responses = None;
            Err(io::Error::other("the token was revoked"))
        }
    };
    Some((piece, open))
}

/// The same pieces as a proxy passes them on that buffers: held back until there are so many bytes, or the end.
fn buffered(pieces: BoxStream<'static, Piece>, bytes: Option<u64>) -> BoxStream<'static, Piece> {
    let held_back = stream::unfold(Some(pieces), move |pieces| async move {
        let mut pieces = pieces?;
        let mut held = BytesMut::new();
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => held.extend_from_slice(&piece),
                Some(Err(error)) => return Some((Err(error), None)),
                None if held.is_empty() => return None,
                None => return Some((Ok(held.freeze()), None)),
            }
            if bytes.is_some_and(|bytes| held.len() as u64 >= bytes) {
                return Some((Ok(held.freeze()), Some(pieces)));
            }
        }
    });
    held_back.boxed()
}

fn next(site: &Site, response: &GraphQlResponse) -> Bytes {
    // A result is plain data, which always serialises; and JSON has no raw line feed, so one data line holds it.
    let text = site.faults.spoil_event(serde_json::to_string(response).unwrap_or_default());
    Bytes::from(format!("event: next\ndata: {text}\n\n"))
}
