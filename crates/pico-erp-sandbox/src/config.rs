//! How a sandbox is to behave, set once before it starts. What can be changed later is on the handle, in `sandbox`.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::http::RefusedToken;
use crate::schema::{CancelMiss, Generation};
use crate::seed::Seed;
use crate::webhooks::{DuplicateWebhook, WebhookPosts};
use crate::ws::WebSocketProtocols;

/// How a sandbox behaves. The default listens on a free loopback port, takes any token, and knows the built-in seed.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. Port 0 picks a free one. The port of a sandbox that was shut down can be listened on again at
    /// once, also while the system still remembers connections of the former.
    pub listen: SocketAddr,
    /// The token that `x-pico-api-org` must carry; `None` takes any, and none. Required when listening on an
    /// address that other machines reach: the control API then asks for it as well.
    pub token: Option<String>,
    /// The operations to start with.
    pub seed: Seed,
    /// Complete every saved order by itself after that time.
    pub auto_complete: Option<Duration>,
    /// Whether an order for a product or a subassembly makes child orders.
    pub waterfall: bool,
    /// Whether the completions of child orders are reported as well.
    pub child_completions: bool,
    /// How often an event stream gets a comment, and a WebSocket a ping.
    /// [`Sandbox::set_ping_interval`](crate::Sandbox::set_ping_interval) changes it later.
    pub ping_interval: Duration,
    /// How long a WebSocket client may take to send `connection_init`.
    pub init_timeout: Duration,
    /// Which WebSocket sub-protocols are taken.
    pub web_socket_protocols: WebSocketProtocols,
    /// How a missing or wrong token is refused.
    pub refused_token: RefusedToken,
    /// What a cancel answers that matches nothing cancellable.
    pub cancel_miss: CancelMiss,
    /// Whether completions can be filtered by time, which Pico's documentation does not know of.
    /// [`Sandbox::set_time_filter`](crate::Sandbox::set_time_filter) changes it later.
    pub time_filter: bool,
    /// Which generation of Pico's API is spoken. [`Sandbox::set_generation`](crate::Sandbox::set_generation) changes it later.
    pub generation: Generation,
    /// Whether the schema can be asked for. [`Sandbox::set_introspection`](crate::Sandbox::set_introspection) changes it
    /// later.
    pub introspection: bool,
    /// Whether webhooks are registered in the form of older pages of Pico's, with `SubscribeRequest_Input` and a union as
    /// the result. [`Sandbox::set_legacy_webhooks`](crate::Sandbox::set_legacy_webhooks) changes it later.
    pub legacy_webhooks: bool,
    /// What registering a webhook under a taken id does.
    pub duplicate_webhook: DuplicateWebhook,
    /// What becomes of the POSTs to webhooks.
    /// [`Sandbox::set_webhook_posts`](crate::Sandbox::set_webhook_posts) changes it later.
    pub webhook_posts: WebhookPosts,
    /// How long a webhook's receiver may take to answer.
    pub webhook_timeout: Duration,
    /// Certificates (PEM) that deliveries over https trust besides the machine's own.
    pub webhook_ca_pem: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: None,
            seed: Seed::builtin(),
            auto_complete: None,
            waterfall: false,
            child_completions: false,
            ping_interval: Duration::from_secs(12),
            init_timeout: Duration::from_secs(3),
            web_socket_protocols: WebSocketProtocols::default(),
            refused_token: RefusedToken::default(),
            cancel_miss: CancelMiss::default(),
            time_filter: false,
            generation: Generation::default(),
            introspection: true,
            legacy_webhooks: false,
            duplicate_webhook: DuplicateWebhook::default(),
            webhook_posts: WebhookPosts::default(),
            webhook_timeout: Duration::from_secs(10),
            webhook_ca_pem: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand, to leave the token out.
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("operations", &self.seed.operations.len())
            .field("auto_complete", &self.auto_complete)
            .field("waterfall", &self.waterfall)
            .field("child_completions", &self.child_completions)
            .finish_non_exhaustive()
    }
}
