//! The commands that make one call: operations, orders, completions, notes, webhooks, query.

use std::io::Read;
use std::time::Duration;

use pico_erp::{
    Client, ClientBuilder, Error, ErrorKind, Json, Model, NoteFilter, OperationFilter, OrderCancel,
    OrderCompleteFilter, OrderSave, Proxy, Request, Token, TraceContext, Units, WebhookSubscribe,
};

use crate::args::{Connection, NoteChoice, Operations, Orders, Query, Webhooks};
use crate::exit::Failure;
use crate::output::{cell, json_line, line, list, time, value};

/// The client that the connection's arguments describe.
pub(crate) fn client(connection: &Connection) -> Result<Client, Failure> {
    Ok(builder(connection)?.build()?)
}

/// The same, with settings left to make.
pub(crate) fn builder(connection: &Connection) -> Result<ClientBuilder, Failure> {
    let endpoint = connection.endpoint.as_deref().ok_or_else(|| {
        Failure::usage(
            "no endpoint; give --endpoint URL or set PICO_API_ENDPOINT (to try things out: pico-erp sandbox)",
        )
    })?;
    let timeout = seconds("--timeout", connection.timeout)?;
    let mut builder = Client::builder(endpoint)
        .request_timeout(timeout)
        .user_agent(concat!("pico-erp-cli/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = &connection.token {
        builder = builder.token(Token::fixed(token));
    }
    if let Some(name) = &connection.generation {
        builder = builder.generation(name.parse()?);
    }
    if let Some(url) = &connection.proxy {
        builder = builder.proxy(Proxy::Explicit { url: url.clone(), no_proxy: String::new() });
    }
    if let Some(file) = &connection.ca {
        let pem = std::fs::read(file)
            .map_err(|error| Failure::usage(format!("--ca {}: {error}", file.display())))?;
        builder = builder.extra_ca_pem(pem);
    }
    if connection.trace {
        builder = builder.trace_context(TraceContext::generate());
    }
    Ok(builder)
}

/// A number of seconds as a time.
pub(crate) fn seconds(flag: &str, number: f64) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(number)
        .map_err(|_| Failure::usage(format!("{flag} {number}: give a number of seconds, 0 or more")))
}

/// The text itself, a file's for `@FILE`, or the standard input's for `-`.
fn text_or_file(flag: &str, text: &str) -> Result<String, Failure> {
    let unreadable = |error| Failure::usage(format!("{flag} {text}: {error}"));
    if text == "-" {
        let mut all = String::new();
        std::io::stdin().read_to_string(&mut all).map_err(unreadable)?;
        return Ok(all);
    }
    match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(unreadable),
        None => Ok(text.to_owned()),
    }
}

/// The name and the value of a header that was given as `NAME: VALUE`.
pub(crate) fn header(entry: &str) -> Result<(&str, &str), Failure> {
    // The entry itself stays out of the message: it is most often a secret.
    let (name, value) = entry
        .split_once(':')
        .ok_or_else(|| Failure::usage("a header is given as NAME: VALUE, with a colon between"))?;
    Ok((name.trim(), value.trim()))
}

pub(crate) async fn operations(connection: &Connection, command: Operations) -> Result<(), Failure> {
    let Operations::List { id, part, revision } = command;
    let mut filter = OperationFilter::all();
    (filter.id, filter.external_id, filter.external_revision) = (id, part, revision);
    let found = client(connection)?.operations(&filter).await?;
    list(&found, connection.json, &["id", "part number", "revision", "name", "serials", "updated"], |it| {
        vec![
            cell(it.id.as_deref()),
            cell(it.external_id.as_deref()),
            cell(it.external_revision.as_deref()),
            it.name.clone(),
            it.consumed_serials.len().to_string(),
            it.updated_at.to_string(),
        ]
    })
}

pub(crate) async fn orders(connection: &Connection, command: Orders) -> Result<(), Failure> {
    let (order, message) = match command {
        Orders::Save { operation, order, index, optional, extra, wait } => {
            let mut save =
                OrderSave::new(operation, &order).order_index(index).select_optional_operations(optional);
            for entry in &extra {
                let (name, json) = entry
                    .split_once('=')
                    .ok_or_else(|| Failure::usage(format!("--extra {entry}: give NAME=JSON")))?;
                let value: serde_json::Value = serde_json::from_str(json).map_err(|error| {
                    Failure::usage(format!("--extra {name}: {json} is not JSON: {error}"))
                })?;
                save = save.extra(name, value);
            }
            let client = client(connection)?;
            if let Some(limit) = wait {
                return save_and_wait(&client, &save, seconds("--wait", limit)?, connection.json).await;
            }
            (order, client.save_order(&save).await?.message().to_owned())
        }
        Orders::Import(import) => return crate::import::run(connection, import).await,
        Orders::Cancel { operation, order, index, all: _ } => {
            let cancel = OrderCancel::new(operation, &order, index.map_or(Units::All, Units::One));
            (order, client(connection)?.cancel_order(&cancel).await?)
        }
    };
    if connection.json {
        return value(&serde_json::json!({ "externalOrderId": order, "message": message }));
    }
    line(&format!("{order} {message}"))
}

/// Saves the order with the stream of completions open, so that not even the fastest floor is missed.
async fn save_and_wait(
    client: &Client,
    save: &OrderSave,
    limit: Duration,
    json: bool,
) -> Result<(), Failure> {
    let too_late =
        || Failure::Core(Error::new(ErrorKind::Timeout, format!("no completion within {limit:?}")));
    let completion = async {
        let mut filter =
            OrderCompleteFilter::all().operation_id(&save.operation_id).order_index(save.order_index);
        filter.external_order_id.clone_from(&save.external_order_id);
        let stream = client.order_completes_stream(&filter)?;
        stream.opened().await?;
        let saved = client.save_order(save).await?;
        if !json {
            line(&format!("{} {}", save.external_order_id.as_deref().unwrap_or_default(), saved.message()))?;
        }
        stream
            .next()
            .await
            .ok_or_else(|| Failure::other("the stream ended without the completion"))?
            .map_err(Failure::from)
    };
    let done = tokio::time::timeout(limit, completion).await.map_err(|_| too_late())??;
    if json {
        return json_line(done.raw());
    }
    line(&format!("completed {} {}", done.external_order_id, done.produced_serial().unwrap_or("-")))
}

pub(crate) async fn completions(
    connection: &Connection,
    operation: Option<String>,
    order: Option<String>,
) -> Result<(), Failure> {
    let mut filter = OrderCompleteFilter::all();
    (filter.operation_id, filter.external_order_id) = (operation, order);
    let found = client(connection)?.order_completes(&filter).await?;
    list(
        &found,
        connection.json,
        &["order", "unit", "operation", "completed", "produced serial", "consumed"],
        |it| {
            vec![
                it.external_order_id.clone(),
                it.order_index.map_or_else(|| "-".to_owned(), |index| index.to_string()),
                cell(it.operation_id()),
                it.at.to_string(),
                cell(it.produced_serial()),
                it.operation_summary
                    .consumed_serials
                    .iter()
                    .filter_map(|it| it.value.as_deref())
                    .collect::<Vec<_>>()
                    .join(" "),
            ]
        },
    )
}

/// Those that are chosen.
pub(crate) fn note_filter(choice: NoteChoice) -> NoteFilter {
    let mut filter = NoteFilter::all();
    (filter.id, filter.external_id) = (choice.id, choice.external_id);
    filter
}

pub(crate) async fn notes(connection: &Connection, choice: NoteChoice) -> Result<(), Failure> {
    let found = client(connection)?.note_events(&note_filter(choice)).await?;
    list(&found, connection.json, &["seq", "written", "id", "external id", "event", "images", "text"], |it| {
        vec![
            it.seq.to_string(),
            it.at.to_string(),
            cell(it.id.as_deref()),
            cell(it.external_id.as_deref()),
            cell(it.event_type.as_deref()),
            it.images.len().to_string(),
            cell(it.text.as_deref()),
        ]
    })
}

pub(crate) async fn webhooks(connection: &Connection, command: Webhooks) -> Result<(), Failure> {
    match command {
        Webhooks::List => {
            let found = client(connection)?.webhooks().await?;
            list(&found, connection.json, &["id", "url", "created", "last event", "fragment"], |it| {
                vec![
                    cell(it.subscription_id.as_deref()),
                    cell(it.webhook_url.as_deref()),
                    time(it.created_at),
                    time(it.last_event_at),
                    cell(it.response_fragment.as_deref()),
                ]
            })
        }
        Webhooks::Subscribe { id, url, fragment, headers } => {
            let mut webhook = match &fragment {
                Some(text) => WebhookSubscribe::new(id, text_or_file("--fragment", text)?, url),
                None => WebhookSubscribe::order_completes(id, url),
            };
            for entry in &headers {
                let (name, text) = header(entry)?;
                webhook = webhook.header(name, text);
            }
            let registered = client(connection)?.webhook_subscribe(&webhook).await?;
            if connection.json {
                return json_line(registered.raw());
            }
            line(&format!("{} registered", webhook.subscription_id))
        }
        Webhooks::Receive(receive) => crate::follow::receive(connection, *receive).await,
        Webhooks::Unsubscribe { id } => {
            let outcome = client(connection)?.webhook_unsubscribe(&id).await?;
            if !outcome.success {
                let said = outcome.message.map(|message| format!(" ({message})")).unwrap_or_default();
                return Err(Failure::other(format!("{id} was not registered{said}")));
            }
            if connection.json {
                return value(
                    &serde_json::json!({ "subscriptionId": id, "success": true, "message": outcome.message }),
                );
            }
            line(&format!("{id} removed"))
        }
    }
}

/// Prints the reply as the server sent it; GraphQL errors in it make the command fail after that.
pub(crate) async fn query(connection: &Connection, query: Query) -> Result<(), Failure> {
    let mut request = Request::new(text_or_file("DOC", &query.document)?);
    if let Some(text) = &query.variables {
        let variables = Json::new(text_or_file("--variables", text)?)
            .map_err(|error| Failure::usage(format!("--variables: {error}")))?;
        request = request.variables_json(variables)?;
    }
    let reply = client(connection)?.execute(request).await?;
    if connection.json {
        json_line(&reply.raw)?;
    } else {
        let pretty: serde_json::Value = reply.raw.decode()?;
        line(&format!("{pretty:#}"))?;
    }
    reply.error().map_or(Ok(()), |error| Err(error.into()))
}
