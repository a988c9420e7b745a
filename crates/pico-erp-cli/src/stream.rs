//! `pico-erp stream`: events as JSON lines.

use pico_erp::{
    Client, Json, Model, NoteFilter, Notification, OperationFilter, OrderCompleteFilter, StreamPolicy,
    SubOperationFilter, Subscription,
};

use crate::args::{Connection, NoteChoice, Stream, StreamName, TransportName};
use crate::calls::{builder, note_filter};
use crate::exit::{Failure, error_json};
use crate::output::json_line;

/// How a stream is printed.
pub(crate) struct Printing {
    pub(crate) count: Option<u64>,
    pub(crate) transport: TransportName,
    pub(crate) states: bool,
}

impl Printing {
    fn client(&self, connection: &Connection) -> Result<Client, Failure> {
        let policy = StreamPolicy { transport: self.transport.into(), ..StreamPolicy::default() };
        Ok(builder(connection)?.stream(policy).build()?)
    }
}

pub(crate) async fn notes(
    connection: &Connection,
    choice: NoteChoice,
    printing: &Printing,
) -> Result<(), Failure> {
    let notes = printing.client(connection)?.note_events_stream(&note_filter(choice))?.into_json();
    until_interrupted(&notes, printing).await
}

pub(crate) async fn run(connection: &Connection, stream: Stream) -> Result<(), Failure> {
    let printing = Printing { count: stream.count, transport: stream.transport, states: stream.states };
    let client = printing.client(connection)?;
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
            client.note_events_stream(&NoteFilter::all())?.into_json()
        }
    };
    until_interrupted(&subscription, &printing).await
}

async fn until_interrupted(subscription: &Subscription<Json>, printing: &Printing) -> Result<(), Failure> {
    tokio::select! {
        result = print(subscription, printing) => result,
        // Ctrl-C is the ordinary end of a stream.
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn print(subscription: &Subscription<Json>, printing: &Printing) -> Result<(), Failure> {
    let mut left = printing.count;
    while left != Some(0) {
        match subscription.next_notification().await {
            Some(Notification::Event(event)) => {
                json_line(event.raw())?;
                left = left.map(|left| left - 1);
            }
            Some(Notification::Problem(error)) => complain(&error_json(&error).to_string()),
            Some(Notification::State(state)) if printing.states => complain(state.to_json().as_str()),
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
