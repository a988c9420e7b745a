//! [`ProcessCreate`], [`ProductCreate`] and [`StationCreate`]: work instructions on their way to Pico.

use serde_json::Value;

use super::object_ids::{check_ids, need_id};
use super::process::WorkProcess;
use crate::client::Client;
use crate::error::Error;
use crate::graphql::Request;
use crate::json::Json;

/// One of the three mutations: its field, the type of its input, and where its object lies in the input.
struct Mutation {
    field: &'static str,
    input: &'static str,
    object: &'static str,
}

const PROCESS: Mutation = Mutation { field: "processCreate", input: "ProcessCreateInput", object: "process" };
// Pico names these two mutations and shows nothing else of them; the names of their inputs are inferred from the first.
const PRODUCT: Mutation = Mutation { field: "productCreate", input: "ProductCreateInput", object: "product" };
const STATION: Mutation = Mutation { field: "stationCreate", input: "StationCreateInput", object: "station" };

/// A process to create, or to overwrite. **Overwrites what was edited in Pico's own user interface. Alpha: Pico may change
/// this API.**
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessCreate {
    input: Json,
}

/// A product to create, or to overwrite, as JSON: Pico does not document its fields. **Overwrites what was edited in Pico's own
/// user interface. Alpha: Pico may change this API.**
#[derive(Debug, Clone, PartialEq)]
pub struct ProductCreate {
    input: Json,
    input_type: String,
}

/// A station to create, or to overwrite, as JSON: Pico does not document its fields. **Overwrites what was edited in Pico's own
/// user interface. Alpha: Pico may change this API.**
#[derive(Debug, Clone, PartialEq)]
pub struct StationCreate {
    input: Json,
    input_type: String,
}

impl ProcessCreate {
    /// The input for a process that was built.
    #[must_use]
    pub fn new(process: WorkProcess) -> Self {
        let input = serde_json::json!({ PROCESS.object: process.to_value() });
        // A value of JSON has a text.
        Self { input: Json::from_value(&input).unwrap_or_default() }
    }

    /// The whole input, an object with `process` in it, sent as it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when it is none.
    pub fn from_json(input: Json) -> Result<Self, Error> {
        object(&input)?;
        Ok(Self { input })
    }

    /// The input as JSON.
    #[must_use]
    pub fn input(&self) -> &Json {
        &self.input
    }

    /// Checks the ids, without sending anything: of the process, of each step and each action one, and each by Pico's rule.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the place, such as `process.steps[2].actions[0].id`.
    pub fn check(&self) -> Result<(), Error> {
        let input = object(&self.input)?;
        let process = &input[PROCESS.object];
        need_id(process, PROCESS.object)?;
        for (at, step) in list(process, "steps", PROCESS.object)?.iter().enumerate() {
            let place = format!("{}.steps[{at}]", PROCESS.object);
            need_id(step, &place)?;
            for (at, action) in list(step, "actions", &place)?.iter().enumerate() {
                need_id(action, &format!("{place}.actions[{at}]"))?;
            }
        }
        check_ids(&input, "")
    }
}

impl ProductCreate {
    /// The whole input, an object, sent as it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] when it is none.
    pub fn from_json(input: Json) -> Result<Self, Error> {
        object(&input)?;
        Ok(Self { input, input_type: PRODUCT.input.to_owned() })
    }

    /// Sets the GraphQL type of the input. Default `ProductCreateInput`, which is inferred from that of a process.
    #[must_use]
    pub fn input_type(mut self, name: impl Into<String>) -> Self {
        self.input_type = name.into();
        self
    }
}

impl StationCreate {
    /// As [`ProductCreate::from_json`].
    ///
    /// # Errors
    /// As there.
    pub fn from_json(input: Json) -> Result<Self, Error> {
        object(&input)?;
        Ok(Self { input, input_type: STATION.input.to_owned() })
    }

    /// Sets the GraphQL type of the input. Default `StationCreateInput`, which is inferred from that of a process.
    #[must_use]
    pub fn input_type(mut self, name: impl Into<String>) -> Self {
        self.input_type = name.into();
        self
    }
}

impl Client {
    /// Creates a process with its steps, or **overwrites it, edits made in Pico's user interface included**. Returns what the
    /// server gave, a single value that Pico does not document. **Alpha: Pico may change this API.**
    ///
    /// Retried by the client's policy: overwriting a process with the same once more does no harm.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming the place, with nothing sent; otherwise as [`Client::execute`], and GraphQL
    /// errors.
    pub async fn process_create(&self, process: &ProcessCreate) -> Result<Json, Error> {
        process.check()?;
        self.create(PROCESS, PROCESS.input, &process.input).await
    }

    /// Creates a product, or **overwrites it, edits made in Pico's user interface included**. **Alpha: Pico may change this
    /// API.** Assumed, since Pico shows nothing of this mutation: one argument `input`, and a result without fields. Where
    /// that is not so, send the mutation with [`Client::execute`].
    ///
    /// # Errors
    /// As [`Client::process_create`].
    pub async fn product_create(&self, product: &ProductCreate) -> Result<Json, Error> {
        check_ids(&object(&product.input)?, "")?;
        self.create(PRODUCT, &product.input_type, &product.input).await
    }

    /// Creates a station, or **overwrites it, edits made in Pico's user interface included**. **Alpha: Pico may change this
    /// API.** The assumptions of [`Client::product_create`] hold.
    ///
    /// # Errors
    /// As [`Client::process_create`].
    pub async fn station_create(&self, station: &StationCreate) -> Result<Json, Error> {
        check_ids(&object(&station.input)?, "")?;
        self.create(STATION, &station.input_type, &station.input).await
    }

    async fn create(&self, mutation: Mutation, input_type: &str, input: &Json) -> Result<Json, Error> {
        if !is_name(input_type) {
            return Err(Error::invalid("input_type", format!("{input_type:?} is no name of a GraphQL type")));
        }
        let request = Request::new(document(mutation.field, input_type))
            .variables_json(Json::new(format!("{{\"input\":{input}}}"))?)?;
        self.transport().call(&request, true).await?.into_field(mutation.field)
    }
}

fn document(field: &str, input_type: &str) -> String {
    format!("mutation Create($input: {input_type}!) {{ {field}(input: $input) }}")
}

/// A name by the GraphQL specification, section 2.1.9.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn object(input: &Json) -> Result<Value, Error> {
    match input.decode() {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Error::invalid("input", "must be a JSON object")),
    }
}

/// A list that may be absent.
fn list<'a>(of: &'a Value, field: &str, place: &str) -> Result<&'a [Value], Error> {
    match &of[field] {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(Error::invalid(&format!("{place}.{field}"), "must be a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(text: &str) -> Result<(), Error> {
        ProcessCreate::from_json(Json::new(text.to_owned()).unwrap())?.check()
    }

    #[test]
    fn a_process_that_pico_could_not_take_is_refused_by_place() {
        for (text, place) in [
            ("[]", "input: "),
            ("{}", "process: "),
            (r#"{"process":{}}"#, "process.id: is missing"),
            (r#"{"process":{"id":"a b"}}"#, "process.id: \"a b\""),
            (r#"{"process":{"id":"abc","steps":{}}}"#, "process.steps: "),
            (r#"{"process":{"id":"abc","steps":[{"id":"abc"},{}]}}"#, "process.steps[1].id: is missing"),
            (
                r#"{"process":{"id":"abc","steps":[{"id":"abc","actions":[3]}]}}"#,
                "process.steps[0].actions[0]: ",
            ),
            (
                r#"{"process":{"id":"abc","steps":[{"id":"abc","actions":[{"id":"x"}]}]}}"#,
                "process.steps[0].actions[0].id: \"x\"",
            ),
        ] {
            let error = process(text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
        process(r#"{"process":{"id":"ABC_1","steps":[{"id":"abc","actions":null,"any":{"x":1}}]}}"#).unwrap();
    }

    #[test]
    fn the_mutation_fits_the_documented_schema() {
        let parts =
            [include_str!("../../graphql/schema.graphql"), include_str!("../../graphql/schema.g3.graphql")];
        let schema = apollo_compiler::Schema::parse_and_validate(parts.concat(), "schema.graphql").unwrap();
        let text = document(PROCESS.field, PROCESS.input);
        apollo_compiler::ExecutableDocument::parse_and_validate(&schema, text, "create.graphql").unwrap();
    }

    #[test]
    fn a_type_name_that_would_change_the_document_is_none() {
        assert!(is_name("ProductCreateInput") && is_name("_a1"));
        for name in ["", "1a", "A!) { x } #", "A B", "Ä"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
