//! Which generation of Pico's API the sandbox speaks, whether it shows its schema, and how it takes webhooks.
//!
//! What a generation does not have is refused by validation and left out of introspection, both by the one table
//! here. The registration of webhooks in the older form is another schema, in `mutation`.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Context, Pos, Positioned, ServerError, ServerResult, Variables};
use serde::{Deserialize, Serialize};

/// A generation of Pico's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Everything that is documented, at both paths: what G2 and G3 clients both get along with.
    #[default]
    All,
    /// The oldest, as far as it is known: completions have neither an index nor a time.
    G1,
    /// That of Pico's "ERP Example Calls": at `/graphql` only, without notes and the newer fields.
    G2,
    /// The newest.
    G3,
}

impl Generation {
    /// Whether it is served at that path.
    pub(crate) fn is_at(self, path: &str) -> bool {
        path != "/graph/v2" || matches!(self, Generation::All | Generation::G3)
    }

    /// The type that the field would be on, if this generation does not have it. The names are those of one type
    /// each, as far as that generation goes.
    fn lacks(self, field: &str) -> Option<&'static str> {
        let is_older = matches!(self, Generation::G1 | Generation::G2);
        match field {
            "externalCodes" if is_older => Some("Operation"),
            "reservedSerialNumber" | "secondaryExternalOrderId" if is_older => Some("OperationOrderComplete"),
            "noteEvents" if is_older => Some("Query"),
            "noteEventsStream" if is_older => Some("Subscription"),
            "orderIndex" | "at" if self == Generation::G1 => Some("OperationOrderComplete"),
            _ => None,
        }
    }
}

/// What can be set about the API itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    pub(crate) generation: Generation,
    pub(crate) introspection: bool,
    pub(crate) legacy_webhooks: bool,
}

/// The same, as it is now.
pub(crate) struct ApiNow(Mutex<Api>);

impl ApiNow {
    pub(crate) fn new(api: Api) -> Self {
        ApiNow(Mutex::new(api))
    }

    pub(crate) fn get(&self) -> Api {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Api)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn shows(ctx: &Context<'_>, field: &str) -> bool {
    ctx.data_opt::<Arc<ApiNow>>().is_none_or(|api| api.get().generation.lacks(field).is_none())
}

/// Whether introspection shows what G3 brought.
pub(crate) fn shows_g3(ctx: &Context<'_>) -> bool {
    shows(ctx, "externalCodes")
}

/// Whether introspection shows what G2 brought.
pub(crate) fn shows_g2(ctx: &Context<'_>) -> bool {
    shows(ctx, "orderIndex")
}

/// Refuses what the generation does not have.
pub(crate) struct Validation(pub(crate) Arc<ApiNow>);

impl ExtensionFactory for Validation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Validation(Arc::clone(&self.0)))
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Validation {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        let api = self.0.get();
        for (_, operation) in document.operations.iter() {
            check(api, &operation.node.selection_set)?;
        }
        for fragment in document.fragments.values() {
            let on = fragment.node.type_condition.node.on.node.as_str();
            if on == "NoteEvent" && api.generation.lacks("noteEvents").is_some() {
                return Err(refused(format!("Unknown type \"{on}\""), fragment.pos));
            }
            check(api, &fragment.node.selection_set)?;
        }
        Ok(document)
    }
}

fn check(api: Api, set: &Positioned<SelectionSet>) -> ServerResult<()> {
    for selection in &set.node.items {
        let inner = match &selection.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                if matches!(name, "__schema" | "__type") && !api.introspection {
                    let message =
                        format!("GraphQL introspection is not allowed, but the query contained {name}");
                    return Err(refused(message, field.pos));
                }
                if let Some(on) = api.generation.lacks(name) {
                    return Err(refused(format!("Unknown field \"{name}\" on type \"{on}\"."), field.pos));
                }
                &field.node.selection_set
            }
            Selection::InlineFragment(fragment) => &fragment.node.selection_set,
            Selection::FragmentSpread(_) => continue,
        };
        check(api, inner)?;
    }
    Ok(())
}

fn refused(message: String, at: Pos) -> ServerError {
    ServerError::new(message, Some(at))
}
