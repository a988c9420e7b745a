//! Several saves in one request, and what its reply says of each. Pure: no socket, no clock, no store.
//!
//! The saves are aliased fields of one mutation, each with a variable of its own, so that nothing of an order is
//! written into the document's text. Sources: GraphQL specification, sections 6.4.4 (a field that fails is null, and
//! where it must not be, so is what holds it) and 7.1.2 (an error's path begins with the alias).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::graphql::documents::{self, Document};
use crate::graphql::{GraphqlError, Reply, Request};
use crate::json::Json;
use crate::store::outbox_table::{ClaimedOrder, OrderKind};

/// What one request said of one order.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Pico has taken it, and said this.
    Taken(String),
    /// Pico has refused it.
    Refused(Error),
    /// A fault of Pico's at this order, which may pass.
    Faulty(Error),
    /// The reply does not say.
    Unknown,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// One outcome for each order, in their order.
    Each(Vec<Outcome>),
    /// The server takes no such batches; nothing was carried out.
    NoBatches(Error),
    /// Nothing is known of any of them: the network, the server as a whole, the token.
    Nothing(Error),
}

/// The field of the reply that belongs to the order at `place`.
fn alias(place: usize) -> String {
    format!("o{place}")
}

/// The order at this place in a request, by the first piece of an error's path.
fn place_of(piece: &str, keys: &[String]) -> Option<usize> {
    keys.iter().position(|key| key == piece)
}

/// A request for these orders: several saves, or one order of any kind. With it come the reply's fields, one for each.
pub(crate) fn request_for(orders: &[ClaimedOrder]) -> Result<(Request, Vec<String>), Error> {
    if let [order] = orders {
        let document = document_for(order.kind);
        let variables = Json::new(format!("{{\"input\":{}}}", order.input))?;
        let request = Request::new(document.text).variables_json(variables)?;
        return Ok((request, vec![document.field.to_owned()]));
    }
    let mut head = String::from("mutation OrderSaves(");
    let mut body = String::new();
    let mut variables = String::from("{");
    let keys: Vec<String> = (0..orders.len()).map(alias).collect();
    for ((place, order), key) in orders.iter().enumerate().zip(&keys) {
        let comma = if place == 0 { "" } else { "," };
        // Writing to a `String` does not fail.
        let _ = write!(head, "{comma}$i{place}: OperationOrderSaveInput!");
        let _ = write!(body, " {key}: operationOrderSave(input: $i{place}) {{ message }}");
        let _ = write!(variables, "{comma}\"i{place}\":{}", order.input);
    }
    variables.push('}');
    let request = Request::new(format!("{head}) {{{body} }}")).variables_json(Json::new(variables)?)?;
    Ok((request, keys))
}

fn document_for(kind: OrderKind) -> Document {
    match kind {
        OrderKind::Save => documents::ORDER_SAVE,
        OrderKind::Cancel => documents::ORDER_CANCEL,
    }
}

/// Reads what came of a request whose reply has these fields.
pub(crate) fn answer(result: Result<Reply, Error>, keys: &[String]) -> Answer {
    let several = keys.len() > 1;
    let reply = match result {
        Ok(reply) => reply,
        // A server, or what stands before it, for which the body is too much.
        Err(error) if several && matches!(error.http_status(), Some(400 | 413)) => {
            return Answer::NoBatches(error);
        }
        Err(error) => return Answer::Nothing(error),
    };
    let mut own: Vec<Vec<GraphqlError>> = vec![Vec::new(); keys.len()];
    let mut others = false;
    for error in &reply.errors {
        match first_piece(error).and_then(|piece| place_of(&piece, keys)) {
            Some(place) => own[place].push(error.clone()),
            None => others = true,
        }
    }
    let located = own.iter().any(|errors| !errors.is_empty());
    if reply.data.is_none() && !located {
        return whole_refusal(&reply, several);
    }
    let fields: BTreeMap<String, &RawValue> =
        reply.data.as_ref().and_then(|data| data.decode_borrowed().ok()).unwrap_or_default();
    let outcomes = own.into_iter().zip(keys).map(|(errors, key)| {
        if !errors.is_empty() {
            return refusal(&reply, errors);
        }
        match fields.get(key) {
            Some(value) if value.get() != "null" => Outcome::Taken(message_in(value.get())),
            // Without an error anywhere a null is a result: the mutation's type allows it.
            Some(_) if !others => Outcome::Taken(String::new()),
            _ if !several && others => refusal(&reply, reply.errors.clone()),
            _ => Outcome::Unknown,
        }
    });
    let outcomes: Vec<_> = outcomes.collect();
    // When all of them meet a fault it is the server's, and the next ones would meet it as well.
    match outcomes.first() {
        Some(Outcome::Faulty(error)) if outcomes.iter().all(|it| matches!(it, Outcome::Faulty(_))) => {
            Answer::Nothing(error.clone())
        }
        _ => Answer::Each(outcomes),
    }
}

/// There is no data, and no error says which order it is about.
fn whole_refusal(reply: &Reply, several: bool) -> Answer {
    let error = reply
        .error()
        .unwrap_or_else(|| Error::new(ErrorKind::Decode, "the reply has neither data nor errors"));
    let status = reply.http_status.unwrap_or(200);
    // A GraphQL reply to a request error is 200, 400 or 422; another status speaks of something else than the request.
    let about_the_request = matches!(status, 200..=299 | 400 | 413 | 422);
    if error.is_retryable() || error.kind() == ErrorKind::Unauthorized || !about_the_request {
        return Answer::Nothing(error);
    }
    if several { Answer::NoBatches(error) } else { Answer::Each(vec![Outcome::Refused(error)]) }
}

/// What the errors at one order mean for it.
fn refusal(reply: &Reply, errors: Vec<GraphqlError>) -> Outcome {
    let alone = Reply {
        data: None,
        errors,
        extensions: None,
        http_status: reply.http_status,
        raw: Json::default(),
        trace_id: reply.trace_id.clone(),
    };
    match alone.error() {
        Some(error) if error.is_retryable() => Outcome::Faulty(error),
        // Such as a token that may read and not write: no fault of the order's, and one that an administrator mends.
        Some(error) if error.kind() == ErrorKind::Unauthorized => Outcome::Faulty(error),
        Some(error) => Outcome::Refused(error),
        None => Outcome::Unknown,
    }
}

fn first_piece(error: &GraphqlError) -> Option<String> {
    let path: Vec<serde_json::Value> = error.path.as_ref()?.decode().ok()?;
    path.first()?.as_str().map(str::to_owned)
}

fn message_in(result: &str) -> String {
    let result: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
    match result.get("message") {
        Some(serde_json::Value::String(message)) => message.clone(),
        None | Some(serde_json::Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
