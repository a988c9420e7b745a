//! Webhook registrations: checking a fragment, keeping the list, and one task per webhook that posts its events in
//! order. A payload is what the registered fragment selects, by running it as a subscription on the real schema;
//! the POST itself is in `delivery`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::DocumentOperations;
use async_graphql::{Request, Response, Value};
use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

use crate::delivery::Sender;
use crate::error::Error;
use crate::floor::{Delivery, Floor};
use crate::model::Webhook;
use crate::schema::PicoSchema;
use crate::time::Time;

/// What a registration under an id that is taken does. Pico's documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateWebhook {
    /// The new one takes the place of the old one.
    #[default]
    Replace,
    /// A GraphQL error; the old one stays.
    Refuse,
}

/// What becomes of the POSTs to webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookPosts {
    /// Each event is posted once, as documented.
    #[default]
    Once,
    /// No event is posted, although `lastEventAt` says so: lost on the way out of Pico. Each is listed as a
    /// [`Delivery`](crate::Delivery) without a status.
    Dropped,
    /// Each event is posted twice at the same time.
    Twice,
}

/// A webhook as the mutation describes it.
pub(crate) struct Registration {
    pub(crate) subscription_id: String,
    pub(crate) response_fragment: String,
    pub(crate) webhook_url: Url,
    pub(crate) webhook_headers: Option<Json>,
}

/// All webhooks of a sandbox.
pub(crate) struct Webhooks {
    floor: Arc<Floor>,
    sender: Sender,
    duplicate: DuplicateWebhook,
    registered: Mutex<Registered>,
}

#[derive(Default)]
struct Registered {
    by_id: BTreeMap<String, Entry>,
    posts: WebhookPosts,
    /// Owns the tasks; an entry can only end its own.
    tasks: JoinSet<()>,
    closed: bool,
}

struct Entry {
    webhook: Webhook,
    task: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhooks {
    pub(crate) fn new(
        floor: Arc<Floor>,
        sender: Sender,
        duplicate: DuplicateWebhook,
        posts: WebhookPosts,
    ) -> Self {
        let registered = Mutex::new(Registered { posts, ..Registered::default() });
        Webhooks { floor, sender, duplicate, registered }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a webhook. Its events begin with what happens after this returns.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        schema: &PicoSchema,
        registration: Registration,
    ) -> Result<Webhook, Error> {
        check_id(&registration.subscription_id)?;
        let headers = self.sender.headers(registration.webhook_headers.as_ref())?;
        let payloads = payloads(schema, &registration.response_fragment)?;
        let webhook = Webhook {
            subscription_id: registration.subscription_id,
            response_fragment: registration.response_fragment,
            webhook_url: registration.webhook_url.to_string(),
            created_at: self.floor.change(|state| state.clock.tick()),
            last_event_at: None,
        };
        let id = webhook.subscription_id.clone();
        let mut registered = self.lock();
        if registered.closed {
            return Err(Error::invalid("the sandbox is shutting down"));
        }
        if self.duplicate == DuplicateWebhook::Refuse && registered.by_id.contains_key(&id) {
            return Err(Error::invalid(format!("subscriptionID: `{id}` is already registered")));
        }
        // Weak, so that a registration that is never removed does not keep the sandbox alive.
        let owner = Arc::downgrade(self);
        let (floor, sender) = (Arc::clone(&self.floor), self.sender.clone());
        let (url, task_id) = (registration.webhook_url, id.clone());
        // Tasks of webhooks that were removed since.
        while registered.tasks.try_join_next().is_some() {}
        let task = registered.tasks.spawn(async move {
            let mut payloads = payloads;
            while let Some(payload) = payloads.next().await {
                let at = floor.read(|state| state.clock.now());
                let Some(webhooks) = owner.upgrade() else { return };
                let posts = webhooks.note_event(&task_id, at);
                drop(webhooks);
                let post = async || {
                    let delivery = sender.post(&task_id, &url, &headers, &payload, at).await;
                    floor.change(|state| state.deliveries.push(delivery));
                };
                match posts {
                    WebhookPosts::Once => post().await,
                    WebhookPosts::Twice => _ = join(post(), post()).await,
                    WebhookPosts::Dropped => {
                        let dropped = Delivery::dropped(&task_id, &url, &payload, at);
                        floor.change(|state| state.deliveries.push(dropped));
                    }
                }
            }
        });
        registered.by_id.insert(id, Entry { webhook: webhook.clone(), task });
        Ok(webhook)
    }

    /// Notes when an event is sent; returns how it is.
    fn note_event(&self, id: &str, at: Time) -> WebhookPosts {
        let mut registered = self.lock();
        if let Some(entry) = registered.by_id.get_mut(id) {
            entry.webhook.last_event_at = Some(at);
        }
        registered.posts
    }

    pub(crate) fn posts(&self) -> WebhookPosts {
        self.lock().posts
    }

    pub(crate) fn set_posts(&self, posts: WebhookPosts) {
        self.lock().posts = posts;
    }

    /// Removes a webhook, as the mutation does or as if Pico lost it; `false` when there is none of that id.
    pub(crate) fn unsubscribe(&self, id: &str) -> bool {
        self.lock().by_id.remove(id).is_some()
    }

    /// The registrations, oldest first.
    pub(crate) fn list(&self) -> Vec<Webhook> {
        let mut all: Vec<Webhook> = self.lock().by_id.values().map(|entry| entry.webhook.clone()).collect();
        all.sort_by_key(|webhook| webhook.created_at);
        all
    }

    /// Ends all deliveries at once and takes no more registrations; returns the tasks, to be awaited or dropped.
    pub(crate) fn close(&self) -> JoinSet<()> {
        let mut registered = self.lock();
        registered.closed = true;
        registered.by_id.clear();
        let mut tasks = std::mem::take(&mut registered.tasks);
        tasks.abort_all();
        tasks
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    // "URL-safe" is all the documentation says: the unreserved characters of RFC 3986, section 2.3.
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if id.is_empty() || !id.chars().all(safe) {
        return Err(Error::invalid(
            "subscriptionID: must be URL-safe, that is letters, digits and - . _ ~ only, and not empty",
        ));
    }
    Ok(())
}

/// Checks the fragment and returns the payloads that it selects, one for each event from now on.
fn payloads(schema: &PicoSchema, fragment: &str) -> Result<BoxStream<'static, Vec<u8>>, Error> {
    let refuse = |why: String| Error::invalid(format!("responseFragment: {why}"));
    // A document needs an operation; this one is there only to let the parser accept a lone fragment.
    let document = parse_query(format!("{{ __typename }}\n{fragment}"))
        .map_err(|error| refuse(format!("does not parse: {error}")))?;
    if !matches!(document.operations, DocumentOperations::Single(_)) {
        return Err(refuse("must hold a fragment and no operation".to_owned()));
    }
    let (name, fragment_definition) = match document.fragments.iter().collect::<Vec<_>>()[..] {
        [one] => one,
        ref several => {
            return Err(refuse(format!(
                "must be exactly one named fragment, but there are {}",
                several.len()
            )));
        }
    };
    let on = fragment_definition.node.type_condition.node.on.node.as_str();
    let stream = match on {
        "Operation" => "operationsStream",
        "SubOperation" => "subOperationsStream",
        "OperationOrderComplete" => "operationOrderCompletesStream",
        "NoteEvent" => "noteEventsStream",
        other => {
            return Err(refuse(format!(
                "is on `{other}`, but only Operation, SubOperation, OperationOrderComplete and NoteEvent are sent"
            )));
        }
    };
    let subscription = format!("subscription {{ event: {stream} {{ ...{name} }} }}\n{fragment}");
    let mut responses = schema.execute_stream(Request::new(subscription));
    // Polled once: a document that does not validate answers at once, and one that does has then taken its place
    // in the log of events, so that the first event after the registration is not missed.
    match futures_util::FutureExt::now_or_never(responses.next()) {
        Some(Some(response)) if response.is_err() => {
            let errors: Vec<&str> = response.errors.iter().map(|error| error.message.as_str()).collect();
            Err(refuse(format!("does not validate: {}", errors.join("; "))))
        }
        Some(first) => Ok(futures_util::stream::iter(first)
            .chain(responses)
            .filter_map(|one| async { payload(one) })
            .boxed()),
        None => Ok(responses.filter_map(|one| async { payload(one) }).boxed()),
    }
}

/// The bare object: no `data`, and no name of the event around it.
fn payload(response: Response) -> Option<Vec<u8>> {
    let Value::Object(mut data) = response.data else {
        return None;
    };
    let event = data.swap_remove("event")?;
    serde_json::to_vec(&event).ok()
}
