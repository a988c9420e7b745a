//! Event streams by the "distinct connections mode" of GraphQL over Server-Sent Events: POST with
//! `Accept: text/event-stream`, then `next` events and one `complete`. The stream's contents come from `execution`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use async_graphql::Response as GraphQlResponse;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::execution::{Prepared, Refused, Started};
use crate::floor::{StreamGuard, Transport};
use crate::http::Site;

/// A comment. Sent at once, so that the client and every proxy in between see bytes, and then at the interval.
const PING: &str = ":\n\n";

/// An event without data is not dispatched by the rules of WHATWG HTML (section 9.2.6), hence the empty line of
/// data, which the protocol allows.
const COMPLETE: &str = "event: complete\ndata:\n\n";

struct Open {
    site: Arc<Site>,
    ready: VecDeque<Bytes>,
    responses: Option<BoxStream<'static, GraphQlResponse>>,
    ping: Interval,
    _counted: Option<StreamGuard>,
}

/// Starts a stream. What is refused is for the caller to reply, as JSON.
pub(crate) async fn respond(site: &Arc<Site>, prepared: Prepared) -> Result<Response, Refused> {
    let started = site.executor.start(prepared).await?;
    let mut ping = interval_at(Instant::now() + site.ping_interval, site.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = Open {
        site: Arc::clone(site),
        ready: VecDeque::from([Bytes::from_static(PING.as_bytes())]),
        responses: None,
        ping,
        _counted: None,
    };
    match started {
        Started::Single(response) => {
            open.ready.push_back(next(site, &response));
            open.ready.push_back(Bytes::from_static(COMPLETE.as_bytes()));
        }
        Started::Stream(responses) => {
            open.responses = Some(responses);
            open._counted = Some(site.floor.count_stream(Transport::Sse));
        }
    }
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(stream::unfold(open, step))).into_response())
}

async fn step(mut open: Open) -> Option<(Result<Bytes, Infallible>, Open)> {
    if let Some(bytes) = open.ready.pop_front() {
        return Some((Ok(bytes), open));
    }
    let responses = open.responses.as_mut()?;
    let bytes = tokio::select! {
        response = responses.next() => match response {
            Some(response) => next(&open.site, &response),
            None => {
                open.responses = None;
                Bytes::from_static(COMPLETE.as_bytes())
            }
        },
        _ = open.ping.tick() => Bytes::from_static(PING.as_bytes()),
    };
    Some((Ok(bytes), open))
}

fn next(site: &Site, response: &GraphQlResponse) -> Bytes {
    // A result is plain data, which always serialises; and JSON has no raw line feed, so one data line holds it.
    let text = site.faults.spoil_event(serde_json::to_string(response).unwrap_or_default());
    Bytes::from(format!("event: next\ndata: {text}\n\n"))
}
