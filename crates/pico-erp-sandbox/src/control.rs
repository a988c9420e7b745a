//! The control API under `/sandbox`: plays the shop floor and breaks things, in JSON over HTTP, for programs in any
//! language. It is the sandbox's own and no part of Pico's API. `help.txt` describes it and is served at `/`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::error::{Error, ErrorKind};
use crate::fault_body::{FaultBody, close_code, seconds};
use crate::faults::Faults;
use crate::floor::Waits;
use crate::http::{LARGEST_REQUEST, Site, TOKEN_HEADER, json_reply};
use crate::live::{Close, SHORTEST_PING};
use crate::notes::NoteSpec;
use crate::order::OrderState;
use crate::orders::Which;
use crate::production::CompletionSpec;
use crate::sandbox::{add_note, complete, complete_many, deploy, deploy_many, link, start_order};
use crate::schema::Generation;
use crate::seed::{OperationSpec, SubOperationSpec};
use crate::webhooks::WebhookPosts;
use crate::wire::Connection;

const HELP: &str = include_str!("help.txt");

/// The most operations that one request may make.
const MOST_IN_BULK: usize = 1_000_000;

type Reply = Result<Json, ControlError>;
type Shared = State<Arc<Site>>;

pub(crate) fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    let control = Router::new()
        .route("/sandbox/state", get(state))
        .route("/sandbox/orders", get(orders))
        .route("/sandbox/completions", get(completions))
        .route("/sandbox/deliveries", get(deliveries))
        .route("/sandbox/media", get(media))
        .route("/sandbox/work-instructions", get(work_instructions))
        .route("/sandbox/operations", post(deploy_one))
        .route("/sandbox/operations/bulk", post(deploy_bulk))
        .route("/sandbox/sub-operations", post(link_one))
        .route("/sandbox/orders/start", post(start_one))
        .route("/sandbox/orders/complete", post(complete_orders))
        .route("/sandbox/notes", post(write_note))
        .route("/sandbox/auto-complete", put(auto_complete))
        .route("/sandbox/clock", put(clock))
        .route("/sandbox/time-filter", put(time_filter))
        .route("/sandbox/api", put(api))
        .route("/sandbox/webhook-posts", put(webhook_posts))
        .route("/sandbox/webhooks/forget", post(forget_webhook))
        .route("/sandbox/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/sandbox/cut", post(cut))
        .route("/sandbox/pings", put(pings))
        .route("/sandbox/close-ws", post(close_sockets))
        .route("/sandbox/complete-streams", post(complete_streams))
        .route("/sandbox/token", post(token))
        .route("/sandbox/wait", get(wait))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(middleware::from_fn_with_state(Arc::clone(site), admit));
    Router::new().route("/", get(async || HELP)).merge(control)
}

async fn admit(
    State(site): Shared,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request<Body>,
    next: Next,
) -> Response {
    connection.serves_control(true);
    if site.control_token && !site.knows(Site::token_of(request.headers())) {
        let error = format!("the {TOKEN_HEADER} header is missing or wrong");
        return json_reply(StatusCode::UNAUTHORIZED, &json!({ "error": error }));
    }
    next.run(request).await
}

/// An error as the control API replies it: `{"error": "..."}`.
struct ControlError(Error);

impl From<Error> for ControlError {
    fn from(error: Error) -> Self {
        ControlError(error)
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self.0.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        };
        json_reply(status, &json!({ "error": self.0.to_string() }))
    }
}

/// Whether a body holds several of what it may also hold alone. Told apart by hand, because a derived choice loses the
/// name of an unknown field.
fn is_list(body: &Bytes) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn answer(reply: Reply) -> Response {
    match reply {
        Ok(body) => json_reply(StatusCode::OK, &body),
        Err(error) => error.into_response(),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::invalid(format!("the body is not valid: {error}")))
}

async fn state(State(site): Shared) -> Response {
    let webhooks = site.webhooks.list();
    let mut body = site.floor.read(|state| {
        let orders = state.orders.all();
        let in_state = |wanted| orders.iter().filter(|order| order.state == wanted).count();
        let delivered = state.deliveries.iter().filter(|delivery| delivery.delivered).count();
        json!({
            "operations": state.catalogue.len(),
            "subOperations": state.catalogue.edge_count(),
            "orders": {
                "total": orders.len(),
                "open": in_state(OrderState::Open),
                "started": in_state(OrderState::Started),
                "completed": in_state(OrderState::Completed),
                "canceled": in_state(OrderState::Canceled),
            },
            "orderCalls": state.orders.calls(),
            "completions": state.completions.len(),
            "notes": state.notes.len(),
            "deliveries": {
                "total": state.deliveries.len(),
                "delivered": delivered,
                "failed": state.deliveries.len() - delivered,
            },
            "autoCompleteSeconds": state.auto_complete.map(|delay| delay.as_secs_f64()),
            "clockOffsetSeconds": state.clock.offset_seconds(),
        })
    });
    body["webhooks"] = json!(webhooks);
    body["webhookPosts"] = json!(site.webhooks.posts());
    body["timeFilter"] = json!(site.executor.schemas.time_filter());
    body["api"] = api_body(&site);
    body["streams"] = json!(site.floor.open_streams());
    body["connections"] = json!(site.wire.open());
    body["requests"] = json!(site.floor.requests());
    body["pingSeconds"] = json!(site.live.ping_interval().map(|interval| interval.as_secs_f64()));
    body["tokenRevoked"] = json!(site.live.revoked());
    body["faults"] = json!(site.faults.list());
    json_reply(StatusCode::OK, &body)
}

async fn orders(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.floor.read(|state| state.orders.all().to_vec()))
}

async fn completions(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.floor.read(|state| state.completions.all().cloned().collect::<Vec<_>>()))
}

async fn deliveries(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.floor.read(|state| state.deliveries.clone()))
}

async fn media(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.floor.read(|state| state.uploads.media().to_vec()))
}

async fn work_instructions(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.floor.read(|state| state.work_instructions.all().to_vec()))
}

async fn deploy_one(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply { Ok(json!(deploy(&site.floor, read::<OperationSpec>(&body)?)?)) };
    answer(act())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkBody {
    count: usize,
}

async fn deploy_bulk(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let BulkBody { count } = read(&body)?;
        if count > MOST_IN_BULK {
            return Err(Error::invalid(format!("count: must be at most {MOST_IN_BULK}")).into());
        }
        deploy_many(&site.floor, count);
        Ok(json!({ "deployed": count, "operations": site.floor.read(|state| state.catalogue.len()) }))
    };
    answer(act())
}

async fn link_one(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply { Ok(json!(link(&site.floor, read::<SubOperationSpec>(&body)?)?)) };
    answer(act())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StartBody {
    external_order_id: String,
    operation_id: Option<String>,
    order_index: Option<i32>,
}

async fn start_one(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let body: StartBody = read(&body)?;
        let which = Which {
            external_order_id: &body.external_order_id,
            operation_id: body.operation_id.as_deref(),
            order_index: body.order_index,
        };
        Ok(json!(start_order(&site.floor, &which)?))
    };
    answer(act())
}

async fn complete_orders(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        Ok(match is_list(&body) {
            true => json!(complete_many(&site.floor, &read::<Vec<CompletionSpec>>(&body)?)?),
            false => json!(complete(&site.floor, &read::<CompletionSpec>(&body)?)?),
        })
    };
    answer(act())
}

async fn write_note(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply { Ok(json!(add_note(&site.floor, read::<NoteSpec>(&body)?)?)) };
    answer(act())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecondsBody {
    // Through a function, so that leaving it out is an error and not a way to switch it off.
    #[serde(deserialize_with = "present")]
    seconds: Option<f64>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)
}

async fn auto_complete(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let body: SecondsBody = read(&body)?;
        let delay = body.seconds.map(|value| seconds("seconds", value)).transpose()?;
        site.floor.change(|state| state.auto_complete = delay);
        Ok(json!({ "seconds": body.seconds }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockBody {
    offset_seconds: i64,
}

async fn clock(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let ClockBody { offset_seconds } = read(&body)?;
        site.floor.change(|state| state.clock.set_offset(offset_seconds))?;
        Ok(json!({ "offsetSeconds": offset_seconds }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApiBody {
    generation: Option<Generation>,
    introspection: Option<bool>,
    legacy_webhooks: Option<bool>,
}

/// Sets what the body names, and replies with all that is set.
async fn api(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let body: ApiBody = read(&body)?;
        site.executor.schemas.set_api(|api| {
            api.generation = body.generation.unwrap_or(api.generation);
            api.introspection = body.introspection.unwrap_or(api.introspection);
            api.legacy_webhooks = body.legacy_webhooks.unwrap_or(api.legacy_webhooks);
        });
        Ok(api_body(&site))
    };
    answer(act())
}

fn api_body(site: &Site) -> Json {
    let api = site.executor.schemas.api();
    json!({
        "generation": api.generation,
        "introspection": api.introspection,
        "legacyWebhooks": api.legacy_webhooks,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeFilterBody {
    on: bool,
}

async fn time_filter(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let TimeFilterBody { on } = read(&body)?;
        site.executor.schemas.set_time_filter(on);
        Ok(json!({ "on": on }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookPostsBody {
    posts: WebhookPosts,
}

async fn webhook_posts(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let WebhookPostsBody { posts } = read(&body)?;
        site.webhooks.set_posts(posts);
        Ok(json!({ "posts": posts }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ForgetBody {
    subscription_id: String,
}

async fn forget_webhook(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let ForgetBody { subscription_id } = read(&body)?;
        if !site.webhooks.unsubscribe(&subscription_id) {
            return Err(Error::not_found(format!("subscriptionId: no webhook `{subscription_id}`")).into());
        }
        Ok(json!({ "forgotten": subscription_id }))
    };
    answer(act())
}

async fn faults(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &site.faults.list())
}

async fn add_faults(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let bodies: Vec<FaultBody> = if is_list(&body) { read(&body)? } else { vec![read(&body)?] };
        let mut faults = Faults::new();
        for body in bodies {
            faults = faults.with(body.fault()?);
        }
        site.faults.add(faults);
        Ok(json!(site.faults.list()))
    };
    answer(act())
}

async fn clear_faults(State(site): Shared) -> Response {
    site.faults.clear();
    json_reply(StatusCode::OK, &json!([]))
}

async fn cut(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &json!({ "cut": site.wire.cut() }))
}

async fn pings(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let body: SecondsBody = read(&body)?;
        let interval = body.seconds.map(|value| seconds("seconds", value)).transpose()?;
        if interval.is_some_and(|interval| interval < SHORTEST_PING) {
            return Err(Error::invalid("seconds: must be at least 0.001, or null for no pings").into());
        }
        site.live.set_ping_interval(interval);
        Ok(json!({ "seconds": body.seconds }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseBody {
    code: u16,
    #[serde(default)]
    reason: String,
}

async fn close_sockets(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let CloseBody { code, reason } = read(&body)?;
        Ok(json!({ "closed": site.live.close_sockets(Close::new(close_code(code)?, reason)) }))
    };
    answer(act())
}

async fn complete_streams(State(site): Shared) -> Response {
    json_reply(StatusCode::OK, &json!({ "completed": site.live.complete() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    revoked: bool,
}

async fn token(State(site): Shared, body: Bytes) -> Response {
    let act = || -> Reply {
        let TokenBody { revoked } = read(&body)?;
        site.live.set_revoked(revoked);
        Ok(json!({ "revoked": revoked }))
    };
    answer(act())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WaitQuery {
    streams: usize,
    deliveries: usize,
    completions: usize,
    orders: usize,
    timeout_ms: u64,
}

impl Default for WaitQuery {
    fn default() -> Self {
        WaitQuery { streams: 0, deliveries: 0, completions: 0, orders: 0, timeout_ms: 5_000 }
    }
}

async fn wait(State(site): Shared, request: Request<Body>) -> Response {
    let query = match Query::<WaitQuery>::try_from_uri(request.uri()) {
        Ok(Query(query)) => query,
        Err(error) => {
            return ControlError(Error::invalid(format!("the query is not valid: {}", error.body_text())))
                .into_response();
        }
    };
    let waits = Waits {
        streams: query.streams,
        deliveries: query.deliveries,
        completions: query.completions,
        orders: query.orders,
    };
    // Bounded, so that a forgotten wait does not hold a connection for ever.
    let deadline = Duration::from_millis(query.timeout_ms.min(600_000));
    let waited = site.floor.wait_for(waits, deadline).await;
    answer(waited.map(|()| json!({ "met": true })).map_err(ControlError))
}
