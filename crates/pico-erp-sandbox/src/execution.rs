//! From a request's JSON to GraphQL results, the same for plain HTTP, event streams and WebSocket: reading the
//! request, refusing batches, running it, and telling a request error from an execution error. It writes no HTTP.

use std::sync::Arc;

use async_graphql::parser::types::{DocumentOperations, OperationDefinition, OperationType};
use async_graphql::{Request, Response, ServerError, Variables};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value as Json, json};

use crate::faults::{FaultBox, FaultKind};
use crate::schema::{PicoSchema, Schemas};

/// Runs requests.
pub(crate) struct Executor {
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) faults: Arc<FaultBox>,
}

/// A request that parses, with what its transport needs to know of it.
pub(crate) struct Prepared {
    request: Request,
    schema: PicoSchema,
    pub(crate) operation: OperationType,
}

/// A request that was not carried out: the `errors` of the reply.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Json);

impl Refused {
    pub(crate) fn because(message: impl Into<String>) -> Self {
        Refused(json!([{ "message": message.into() }]))
    }

    /// The reply; without `data`, as the GraphQL specification (section 7.1) has it for request errors.
    pub(crate) fn reply(&self) -> Json {
        json!({ "errors": self.0 })
    }
}

impl From<&[ServerError]> for Refused {
    fn from(errors: &[ServerError]) -> Self {
        Refused(json!(errors))
    }
}

/// What became of a request that is not plainly refused.
pub(crate) enum Started {
    /// All there is: of a query or a mutation, or an error of a subscription's own field.
    Single(Box<Response>),
    /// A subscription, with the first event if there was one at once.
    Stream(BoxStream<'static, Response>),
}

impl Executor {
    /// Reads `{query, variables, operationName}`.
    pub(crate) fn prepare(&self, body: Json) -> Result<Prepared, Refused> {
        let Json::Object(mut body) = body else {
            return Err(Refused::because(
                "the body must be an object with `query`; batches of requests are not supported",
            ));
        };
        let query = match body.remove("query") {
            Some(Json::String(query)) => query,
            _ => {
                return Err(Refused::because("query: must be a string with a GraphQL document"));
            }
        };
        let mut request = Request::new(query);
        match body.remove("variables") {
            None | Some(Json::Null) => {}
            Some(variables @ Json::Object(_)) => request = request.variables(Variables::from_json(variables)),
            Some(_) => return Err(Refused::because("variables: must be an object")),
        }
        match body.remove("operationName") {
            None | Some(Json::Null) => {}
            // An empty name is what some clients send for "none".
            Some(Json::String(name)) if name.is_empty() => {}
            Some(Json::String(name)) => request = request.operation_name(name),
            Some(_) => return Err(Refused::because("operationName: must be a string")),
        }
        let name = request.operation_name.clone();
        let document = request.parsed_query().map_err(|error| Refused::from(&[error][..]))?;
        let operation = chosen(&document.operations, name.as_deref())?;
        let (kind, roots) = (operation.ty, operation.selection_set.node.items.len());
        let batch = kind == OperationType::Mutation && roots > 1;
        if batch && self.faults.take(|kind| *kind == FaultKind::RefuseBatch).is_some() {
            return Err(Refused::because("only one mutation is allowed in a request"));
        }
        let schema = self.schemas.now().clone();
        Ok(Prepared { request: request.data(schema.clone()), schema, operation: kind })
    }

    /// Runs a request over a transport that has streams. A subscription that is returned has its place in the log
    /// of events: what happens from now on reaches it.
    pub(crate) async fn start(&self, prepared: Prepared) -> Result<Started, Refused> {
        let mut responses = prepared.schema.execute_stream(prepared.request);
        if prepared.operation != OperationType::Subscription {
            return match responses.next().await {
                Some(response) => single(response).map(|response| Started::Single(Box::new(response))),
                None => Err(Refused::because("the operation gave no result")),
            };
        }
        // A document that does not validate answers at the first poll; one that does has then subscribed.
        match responses.next().now_or_never() {
            None => Ok(Started::Stream(responses)),
            Some(Some(response)) if response.is_err() => {
                single(response).map(|response| Started::Single(Box::new(response)))
            }
            Some(first) => Ok(Started::Stream(futures_util::stream::iter(first).chain(responses).boxed())),
        }
    }

    /// Runs a query or a mutation over a transport without streams.
    pub(crate) async fn run(&self, prepared: Prepared) -> Result<Response, Refused> {
        single(prepared.schema.execute(prepared.request).await)
    }
}

/// Errors of parsing and validation have no path; those of a resolver name the field that failed.
fn single(response: Response) -> Result<Response, Refused> {
    let refused = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
    if refused { Err(Refused::from(&response.errors[..])) } else { Ok(response) }
}

fn chosen<'a>(
    operations: &'a DocumentOperations,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refused> {
    let mut named = operations.iter();
    match name {
        Some(name) => named
            .find(|(found, _)| found.is_some_and(|found| found.as_str() == name))
            .map(|(_, operation)| &operation.node)
            .ok_or_else(|| Refused::because(format!("operationName: there is no operation `{name}`"))),
        None => match (named.next(), named.next()) {
            (Some((_, operation)), None) => Ok(&operation.node),
            _ => Err(Refused::because("operationName: is required, because there are several operations")),
        },
    }
}
