//! Which generation of Pico's API a server speaks, and at which path: [`Client::generation`].
//!
//! Asked once and kept for all clones of a client. First the server's introspection is asked; where that is switched off,
//! a query that only a G3 server takes, and of which nothing is carried out; and where that says nothing either, only what
//! G2 and G3 have in common is used. What the answers mean is decided here without a socket; [`Transport`] asks.

use serde::Deserialize;

use super::transport::{Target, Transport};
use super::{ApiGeneration, Client};
use crate::error::{Error, ErrorKind};
use crate::graphql::{Reply, Request, documents};
use crate::webhook_form::WebhookForm;

/// What only G3 has, of what this crate asks for: all of it is there, or the server counts as G2.
const CODES: &str = "externalCodes";
const COMPLETION_FIELDS: [&str; 2] = ["reservedSerialNumber", "secondaryExternalOrderId"];

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Never [`ApiGeneration::Auto`].
    pub(crate) generation: ApiGeneration,
    /// Whether it is at G2's path, where the endpoint has none and G3's was tried first.
    pub(super) at_other_path: bool,
    /// How it takes webhooks, where its introspection says so.
    pub(crate) webhook_form: Option<WebhookForm>,
}

/// What the answer to the introspection says.
#[derive(Debug)]
enum Introspected {
    /// What the server speaks.
    Found(ApiGeneration, Option<WebhookForm>),
    /// There is a GraphQL server, which does not show its schema.
    Hidden,
    /// There is no GraphQL server at this address.
    NotHere(Error),
    /// Nothing can be said now.
    Failed(Error),
}

/// Whether this says that nothing is served at the path, rather than that the server has a difficulty.
fn is_absent(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::HttpStatus => matches!(error.http_status(), Some(300..=399 | 404 | 405 | 410 | 501)),
        // A page for people is what many servers give for any path they do not know.
        ErrorKind::NotJson | ErrorKind::Decode => true,
        _ => false,
    }
}

fn introspected(answer: Result<Reply, Error>) -> Introspected {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) if is_absent(&error) => return Introspected::NotHere(error),
        Err(error) if error.kind() == ErrorKind::HttpStatus && !error.is_retryable() => {
            return Introspected::Hidden;
        }
        Err(error) => return Introspected::Failed(error),
    };
    if let (Some(404 | 405 | 410), Some(error)) = (reply.http_status, reply.error()) {
        return Introspected::NotHere(error);
    }
    match reply.data.as_ref().and_then(|data| data.decode::<Schema>().ok()).and_then(|schema| schema.read()) {
        Some((generation, form)) => Introspected::Found(generation, form),
        // Also where the reply has errors that may pass: the probe meets them again, and reports them.
        None => Introspected::Hidden,
    }
}

/// What the answer to the probe says: `None` when nothing.
fn probed(answer: Result<Reply, Error>) -> Result<Option<ApiGeneration>, Error> {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) if error.kind() == ErrorKind::HttpStatus && !error.is_retryable() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(error) = reply.error() else {
        return Ok(Some(ApiGeneration::G3));
    };
    if error.is_retryable() {
        return Err(error);
    }
    let names_it =
        |message: &str| message.contains(CODES) || COMPLETION_FIELDS.iter().any(|it| message.contains(it));
    let refused = reply.errors.iter().any(|error| names_it(&error.message));
    Ok(refused.then_some(ApiGeneration::G2))
}

#[derive(Deserialize)]
struct Schema {
    #[serde(rename = "__schema")]
    schema: Roots,
    operation: Option<Object>,
    completion: Option<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Roots {
    mutation_type: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    fields: Option<Vec<Field>>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    #[serde(default)]
    args: Vec<Argument>,
    #[serde(default, rename = "type")]
    kind: Option<Type>,
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    of_type: Option<Box<Type>>,
}

impl Type {
    /// The type without what says that it must not be null.
    fn named(&self) -> &Type {
        match (&self.name, &self.of_type) {
            (None, Some(inner)) => inner.named(),
            _ => self,
        }
    }
}

impl Object {
    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.as_ref()?.iter().find(|field| field.name == name)
    }
}

impl Schema {
    /// `None` when it does not hold what Pico's does.
    fn read(&self) -> Option<(ApiGeneration, Option<WebhookForm>)> {
        let (operation, completion) = (self.operation.as_ref()?, self.completion.as_ref()?);
        operation.fields.as_ref().filter(|fields| !fields.is_empty())?;
        let is_g3 = operation.field(CODES).is_some()
            && COMPLETION_FIELDS.iter().all(|name| completion.field(name).is_some());
        let generation = if is_g3 { ApiGeneration::G3 } else { ApiGeneration::G2 };
        Some((generation, self.webhook_form()))
    }

    fn webhook_form(&self) -> Option<WebhookForm> {
        let subscribe = self.schema.mutation_type.as_ref()?.field(documents::WEBHOOK_SUBSCRIBE.field)?;
        let input =
            subscribe.args.iter().find(|argument| argument.name == "input")?.kind.named().name.clone()?;
        let is_union = subscribe.kind.as_ref()?.named().kind.as_deref() == Some("UNION");
        Some(WebhookForm::new(input, is_union))
    }
}

impl Transport {
    /// What the server is; asked for once, while others who want to know wait for the same answer. A failure is not kept.
    pub(crate) async fn found(&self) -> Result<&Found, Error> {
        self.found.get_or_try_init(|| self.find()).await
    }

    /// The generation that documents are to be of.
    pub(crate) async fn generation(&self) -> Result<ApiGeneration, Error> {
        Ok(self.found().await?.generation)
    }

    async fn find(&self) -> Result<Found, Error> {
        let found =
            |generation, at_other_path, webhook_form| Found { generation, at_other_path, webhook_form };
        if self.generation_setting != ApiGeneration::Auto {
            return Ok(found(self.generation_setting, false, None));
        }
        let mut absent = None;
        for target in [Some(&self.given), self.other.as_ref()].into_iter().flatten() {
            let at_other_path = absent.is_some();
            let is_last = at_other_path || self.other.is_none();
            let answer = match introspected(self.ask(target, documents::GENERATION.text).await) {
                // Where else should it be: something between may answer for a server that must not be introspected.
                Introspected::NotHere(error) if is_last && error.kind() != ErrorKind::HttpStatus => {
                    Introspected::Hidden
                }
                answer => answer,
            };
            match answer {
                Introspected::Found(generation, form) => {
                    tracing::info!(generation = generation.name(), endpoint = %target.url, "Pico's schema was read");
                    return Ok(found(generation, at_other_path, form));
                }
                Introspected::Hidden => {
                    let generation = probed(self.ask(target, documents::GENERATION_PROBE.text).await)?;
                    match generation {
                        Some(generation) => {
                            tracing::info!(generation = generation.name(), endpoint = %target.url, "Pico hides its schema, and was probed");
                        }
                        None => {
                            tracing::warn!(endpoint = %target.url, "Pico's generation cannot be told; what G2 and G3 have in common is used");
                        }
                    }
                    return Ok(found(generation.unwrap_or_default(), at_other_path, None));
                }
                Introspected::NotHere(error) => absent = Some(error),
                Introspected::Failed(error) => return Err(error),
            }
        }
        let error = absent.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no address was asked"));
        Err(match &self.other {
            Some(other) => error.context(format!(
                "Pico was found neither at {} nor at {}; set the endpoint with its path",
                self.given.url, other.url
            )),
            None => error,
        })
    }

    async fn ask(&self, target: &Target, document: &str) -> Result<Reply, Error> {
        self.call_at(target, &Request::new(document), true).await
    }
}

impl Client {
    /// The generation of Pico's API that this client speaks: the one that was set, or with [`ApiGeneration::Auto`] the one
    /// that the server is found to have. It is found with the first call that needs it, once for all clones, and this
    /// method only says so earlier. Where the server neither shows its schema nor takes or refuses G3's fields in a way
    /// that can be understood, it is G2, with which a G3 server works too.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), pico_erp::Error> {
    /// use pico_erp::{ApiGeneration, Client};
    ///
    /// let client = Client::builder("https://yourcompany.picomes.com").generation(ApiGeneration::Auto).build()?;
    /// println!("{} at {}", client.generation().await?.name(), client.endpoint());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// With [`ApiGeneration::Auto`], as [`Client::execute`]. A failure is not kept: the next call asks again.
    pub async fn generation(&self) -> Result<ApiGeneration, Error> {
        self.transport().generation().await
    }
}

/// Says in Pico's terms what it means that the server does not know what was asked for in `field`.
pub(crate) fn explained(error: Error, field: &str) -> Error {
    if error.kind() != ErrorKind::Graphql {
        return error;
    }
    let names =
        |word: &str| error.graphql_errors().iter().any(|it| it.path.is_none() && it.message.contains(word));
    if field.starts_with("noteEvents") && names(field) {
        return error.context("this Pico has no notes, which came with generation G3 of its API");
    }
    if names(CODES) || COMPLETION_FIELDS.into_iter().any(names) {
        return error.context("this Pico is not of generation G3, which was set; set G2 or auto");
    }
    error
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;
