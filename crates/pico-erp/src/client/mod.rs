//! [`Client`]: the connection to one Pico, cheap to clone, shared by all calls and streams.

mod answer;
mod api_generation;
mod config;
mod connector;
mod diagnosis;
mod dns;
mod generation;
mod proxy;
pub(crate) mod tls;
mod token;
mod trace_context;
mod transport;
#[cfg(feature = "alpha")]
mod uploads;
mod web_socket;

pub use api_generation::ApiGeneration;
pub use config::{
    ClientBuilder, ENDPOINT_VARIABLE, Overflow, RetryPolicy, SizeLimits, StreamPolicy, StreamTransport,
    TOKEN_VARIABLE,
};
pub use proxy::Proxy;
pub use token::Token;
pub use trace_context::TraceContext;

use std::sync::Arc;

use crate::error::Error;
use crate::graphql::document::OperationKind;
use crate::graphql::{Reply, Request};
use crate::ws::connection::Hub;
pub(crate) use answer::reply_of;
pub(crate) use generation::explained;
pub(crate) use transport::{ReplyStream, StreamResponse, Transport};
#[cfg(feature = "alpha")]
pub(crate) use uploads::UploadBody;
pub(crate) use web_socket::{Socket, socket_error};

/// A Pico, as this program sees it: endpoint, token and settings.
///
/// Clones share connections. All methods must be called inside a tokio runtime; hosts without one use
/// [`crate::runtime`].
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    /// Where the streams of all clones find their one WebSocket.
    hub: Arc<Hub>,
}

impl Client {
    /// Starts building a client for `endpoint`, such as `https://yourcompany.picomes.com`.
    #[must_use]
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint)
    }

    /// A client with the endpoint of `PICO_API_ENDPOINT`, the token of `PICO_API_TOKEN`, and defaults.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the variable that is missing or wrong.
    pub fn from_environment() -> Result<Self, Error> {
        let endpoint = std::env::var(ENDPOINT_VARIABLE).map_err(|_| {
            Error::invalid("endpoint", format!("the environment variable {ENDPOINT_VARIABLE} is not set"))
        })?;
        Self::builder(endpoint).token(Token::from_environment(TOKEN_VARIABLE)).build()
    }

    fn from_builder(builder: ClientBuilder) -> Result<Self, Error> {
        Ok(Self { transport: Arc::new(Transport::new(builder)?), hub: Arc::default() })
    }

    /// The URL that requests go to. With [`ApiGeneration::Auto`] and an endpoint without a path it is known for certain after
    /// the first call, or [`Client::generation`].
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.transport.endpoint()
    }

    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Sends any query or mutation and returns the reply untouched, GraphQL errors included.
    ///
    /// Queries, and mutations marked [`Request::idempotent`], are retried as the [`RetryPolicy`] says.
    ///
    /// ```no_run
    /// # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
    /// let reply = client.execute(pico_erp::Request::new("{ operations { id name } }")).await?;
    /// if let Some(data) = &reply.data {
    ///     println!("{data}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when the document does not parse or is a subscription; otherwise
    /// as the network and the server have it. GraphQL errors are no `Err` here, unless they say that the token was refused.
    pub async fn execute(&self, request: Request) -> Result<Reply, Error> {
        let repeatable = match request.kind()? {
            OperationKind::Query => true,
            OperationKind::Mutation => request.idempotent,
            OperationKind::Subscription => {
                return Err(Error::invalid("query", "is a subscription; open it as a stream"));
            }
        };
        self.transport.call(&request, repeatable).await
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
