//! [`Request`]: one GraphQL document with its variables.

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::graphql::document::{self, OperationKind};
use crate::json::Json;

/// A GraphQL document, its variables, and how it may be sent.
///
/// ```
/// use pico_erp::Request;
///
/// let request = Request::new("query Ops { operations { id name } }");
/// let filtered = Request::new("mutation($input: OperationOrderSaveInput!) { operationOrderSave(input: $input) { message } }")
///     .variables(&serde_json::json!({"input": {"operationId": "op-abc-123"}}))?;
/// # Ok::<(), pico_erp::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) document: String,
    pub(crate) variables: Option<Json>,
    pub(crate) operation_name: Option<String>,
    pub(crate) idempotent: bool,
}

/// The JSON body of a POST. Field order is that of the GraphQL-over-HTTP draft.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a serde_json::value::RawValue>,
}

impl Request {
    /// A request for `document`: any query, mutation or subscription.
    #[must_use]
    pub fn new(document: impl Into<String>) -> Self {
        Self { document: document.into(), variables: None, operation_name: None, idempotent: false }
    }

    /// Sets the variables, anything that serialises to a JSON object.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when it is not an object.
    pub fn variables(self, variables: &impl Serialize) -> Result<Self, Error> {
        self.variables_json(Json::from_value(variables)?)
    }

    /// Sets the variables from JSON text, sent as it is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when it is not an object.
    pub fn variables_json(mut self, variables: Json) -> Result<Self, Error> {
        if !variables.as_str().trim_start().starts_with('{') {
            return Err(Error::invalid(
                "variables",
                "must be a JSON object such as {\"id\": \"op-abc-123\"}",
            ));
        }
        self.variables = Some(variables);
        Ok(self)
    }

    /// Chooses one of several operations in the document.
    #[must_use]
    pub fn operation_name(mut self, name: impl Into<String>) -> Self {
        self.operation_name = Some(name.into());
        self
    }

    /// Says that repeating this mutation does no harm, so that it may be retried like a query.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What the chosen operation is.
    pub(crate) fn kind(&self) -> Result<OperationKind, Error> {
        document::operation_kind(&self.document, self.operation_name.as_deref())
    }

    pub(crate) fn to_body(&self) -> Result<Vec<u8>, Error> {
        let variables = match &self.variables {
            Some(json) => Some(json.decode_borrowed().map_err(|error| Error::invalid("variables", error))?),
            None => None,
        };
        let body = Body { query: &self.document, operation_name: self.operation_name.as_deref(), variables };
        serde_json::to_vec(&body).map_err(|error| {
            Error::new(ErrorKind::Internal, "the request could not be written").with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_only_what_was_given() {
        let body = Request::new("{ operations { id } }").to_body().unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), r#"{"query":"{ operations { id } }"}"#);

        let body = Request::new("query Q { a }")
            .operation_name("Q")
            .variables(&serde_json::json!({"x": 1}))
            .unwrap()
            .to_body()
            .unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"query":"query Q { a }","operationName":"Q","variables":{"x":1}}"#
        );
    }

    #[test]
    fn variables_that_are_no_object_are_refused_by_name() {
        let error = Request::new("{ a }").variables(&[1, 2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().starts_with("variables: "), "{error}");
    }
}
