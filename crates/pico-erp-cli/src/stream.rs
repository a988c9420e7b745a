//! `pico-erp stream`: events as JSON lines.

use pico_erp::{
    Json, Model, Notification, OperationFilter, OrderCompleteFilter, StreamPolicy, SubOperationFilter,
    Subscription,
};

use crate::args::{Connection, Stream, StreamName};
use crate::calls::builder;
use crate::exit::{Failure, error_json};
use crate::output::json_line;

pub(crate) async fn run(connection: &Connection, stream: Stream) -> Result<(), Failure> {
    let transport = stream.transport.into();
    let policy = StreamPolicy { transport, ..StreamPolicy::default() };
    let client = builder(connection)?.stream(policy).build()?;
    let filtered = |name: &str| match &stream.operation {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("--operation does not go with the stream of {name}"))),
    };
    let subscription: Subscription<Json> = match stream.name {
        StreamName::Operations => {
            let mut filter = OperationFilter::all();
            filter.id.clone_from(&stream.operation);
            client.operations_stream(&filter)?.into_json()
        }
        StreamName::Completions => {
            let mut filter = OrderCompleteFilter::all();
            filter.operation_id.clone_from(&stream.operation);
            client.order_completes_stream(&filter)?.into_json()
        }
        StreamName::SubOperations => {
            filtered("sub-operations")?;
            client.sub_operations_stream(&SubOperationFilter::all())?.into_json()
        }
        StreamName::Notes => {
            filtered("notes")?;
            client.note_events_stream()?.into_json()
        }
    };
    tokio::select! {
        result = print(&subscription, &stream) => result,
        // Ctrl-C is the ordinary end of a stream.
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn print(subscription: &Subscription<Json>, stream: &Stream) -> Result<(), Failure> {
    let mut left = stream.count;
    while left != Some(0) {
        match subscription.next_notification().await {
            Some(Notification::Event(event)) => {
                json_line(event.raw())?;
                left = left.map(|left| left - 1);
            }
            Some(Notification::Problem(error)) => complain(&error_json(&error).to_string()),
            Some(Notification::State(state)) if stream.states => complain(state.to_json().as_str()),
            Some(Notification::Closed(Some(error))) => return Err(error.into()),
            Some(Notification::Closed(None)) | None => return Ok(()),
            Some(_) => {}
        }
    }
    Ok(())
}

fn complain(line: &str) {
    anstream::eprintln!("{line}");
}
