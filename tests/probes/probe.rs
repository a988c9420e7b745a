//! The stream of completions, told line by line: the probe in Rust. What it prints is in README.md.

use std::io::Write as _;
use std::time::Duration;

use pico_erp::{
    Backoff, Client, Error, Notification, OrderComplete, OrderCompleteFilter, Proxy, SizeLimits,
    StreamPolicy, StreamState, StreamTransport, Subscription, Token,
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stream = open(&std::env::args().skip(1).collect::<Vec<_>>());
    let mut rest = Vec::new();
    tokio::select! {
        // An error on standard input is its end as well.
        _ = async { tokio::io::stdin().read_to_end(&mut rest).await } => {}
        () = tell(&stream) => {
            let _ = tokio::io::stdin().read_to_end(&mut rest).await;
        }
    }
    // The thread that reads standard input may not be waited for.
    std::process::exit(0);
}

/// Opens the stream that the command line asks for.
fn open(arguments: &[String]) -> Subscription<OrderComplete> {
    let [endpoint, token, transport, settings @ ..] = arguments else {
        panic!("usage: probe ENDPOINT TOKEN TRANSPORT [NAME=VALUE...]");
    };
    let all =
        [StreamTransport::Auto, StreamTransport::Sse, StreamTransport::WebSocket, StreamTransport::Poll];
    let transport = all.into_iter().find(|one| one.name() == transport).expect("a transport's name");
    let mut policy = StreamPolicy {
        transport,
        backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(20) },
        ..StreamPolicy::default()
    };
    let mut client = Client::builder(endpoint).token(Token::fixed(token.clone())).proxy(Proxy::None);
    for setting in settings {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        match name {
            "idle_ms" => policy.idle_timeout = Duration::from_millis(value.parse().expect("a number")),
            "event_bytes" => {
                let limits = SizeLimits { event: value.parse().expect("a number"), ..SizeLimits::default() };
                client = client.limits(limits);
            }
            "ca" => client = client.extra_ca_pem(std::fs::read(value).expect("a file with certificates")),
            "proxy" => {
                client = client.proxy(Proxy::Explicit { url: value.to_owned(), no_proxy: String::new() });
            }
            other => panic!("no setting {other}"),
        }
    }
    let client = client.stream(policy).build().expect("a client");
    client.order_completes_stream(&OrderCompleteFilter::all()).expect("a stream")
}

/// Prints what the stream tells, to its end.
async fn tell(stream: &Subscription<OrderComplete>) {
    let kind = |error: &Error| error.kind().name();
    while let Some(told) = stream.next_notification().await {
        let line = match told {
            Notification::Event(done) => json!({ "event": done.external_order_id }),
            Notification::Problem(error) => json!({ "problem": kind(&error) }),
            Notification::Closed(error) => json!({ "closed": error.as_ref().map(kind) }),
            Notification::State(StreamState::Connecting { transport }) => {
                json!({ "state": "connecting", "transport": transport.name() })
            }
            Notification::State(StreamState::Open { transport, .. }) => {
                json!({ "state": "open", "transport": transport.name() })
            }
            Notification::State(StreamState::Switched { transport, cause }) => {
                json!({ "state": "switched", "transport": transport.name(), "cause": kind(&cause) })
            }
            Notification::State(StreamState::Retrying { cause, .. }) => {
                json!({ "state": "retrying", "cause": kind(&cause) })
            }
            other => panic!("no line for {other:?}"),
        };
        print(&line);
    }
}

fn print(line: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output");
}
