//! The session against the protocol's text (graphql-ws, PROTOCOL.md), message by message and code by code.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::session::{Dialect, Output, Session, Timing, Transmit};
use crate::error::{Error, ErrorKind};
use crate::graphql::StreamMessage;

const TIMING: Timing = Timing {
    acknowledge: Duration::from_secs(10),
    ping: Duration::from_secs(20),
    idle: Duration::from_secs(60),
};

/// A session with a clock that only the test moves.
struct Bench {
    session: Session,
    now: Instant,
}

impl Bench {
    fn new(dialect: Dialect) -> Self {
        let now = Instant::now();
        Self { session: Session::new(dialect, TIMING, &json!({ "x-pico-api-org": "tok" }), now), now }
    }

    fn ready(dialect: Dialect) -> Self {
        let mut bench = Self::new(dialect);
        bench.sent();
        bench.hear(json!({ "type": "connection_ack" }));
        bench
    }

    fn hear(&mut self, message: Value) {
        self.session.handle_text(Bytes::from(message.to_string()), self.now);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.session.handle_time(self.now);
    }

    fn subscribe(&mut self) -> u64 {
        self.session.subscribe(RawValue::from_string(r#"{"query":"subscription { a }"}"#.into()).unwrap())
    }

    /// All that went out: messages as JSON, frames by name.
    fn sent(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.session.poll_transmit())
            .map(|transmit| match transmit {
                Transmit::Text(text) => serde_json::from_str(&text).unwrap(),
                Transmit::PingFrame => json!("ping frame"),
                Transmit::Close(code, _) => json!({ "close": code }),
            })
            .collect()
    }

    /// All that was told, in words.
    fn told(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_output())
            .map(|output| match output {
                Output::Opened(id) => format!("{id} opened"),
                Output::Message(id, StreamMessage::Next(reply)) => format!("{id} next {}", reply.raw),
                Output::Message(id, StreamMessage::Malformed(error)) => {
                    format!("{id} malformed {:?}", error.kind())
                }
                Output::Message(id, StreamMessage::Complete) => format!("{id} complete"),
                Output::Failed(error) => format!("failed {:?}", error.kind()),
            })
            .collect()
    }

    fn failure(&mut self) -> Error {
        std::iter::from_fn(|| self.session.poll_output())
            .find_map(|output| if let Output::Failed(error) = output { Some(error) } else { None })
            .expect("the session has failed")
    }
}

/// Our ping of that number.
fn ping(number: u64) -> Value {
    json!({ "type": "ping", "payload": { "n": number } })
}

#[test]
fn nothing_is_subscribed_before_the_acknowledgement() {
    let mut bench = Bench::new(Dialect::TransportWs);
    assert_eq!(bench.sent(), [json!({ "type": "connection_init", "payload": { "x-pico-api-org": "tok" } })]);
    bench.subscribe();
    assert!(bench.sent().is_empty());
    bench.hear(json!({ "type": "connection_ack", "payload": {} }));
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": "subscription { a }" } });
    assert_eq!(bench.sent(), [subscribe, ping(1)]);
    assert!(bench.told().is_empty(), "the server has not shown yet that it saw the subscribe");
    bench.hear(json!({ "type": "pong" }));
    assert_eq!(bench.told(), ["1 opened"]);
}

#[test]
fn messages_find_their_subscription_and_interleave() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    let (first, second) = (bench.subscribe(), bench.subscribe());
    assert_ne!(first, second);
    for (id, value) in [(2, 1), (1, 2), (2, 3)] {
        bench.hear(json!({ "id": id.to_string(), "type": "next", "payload": { "data": { "a": value } } }));
    }
    bench.hear(json!({ "id": "1", "type": "complete" }));
    assert_eq!(
        bench.told(),
        [
            "2 opened",
            r#"2 next {"data":{"a":1}}"#,
            "1 opened",
            r#"1 next {"data":{"a":2}}"#,
            r#"2 next {"data":{"a":3}}"#,
            "1 complete"
        ]
    );
}

#[test]
fn a_complete_may_cross_ours_and_late_messages_are_passed_over() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    let id = bench.subscribe();
    bench.sent();
    bench.session.unsubscribe(id);
    assert_eq!(bench.sent(), [json!({ "id": "1", "type": "complete" })]);
    bench.hear(json!({ "id": "1", "type": "next", "payload": { "data": { "a": 1 } } }));
    bench.hear(json!({ "id": "1", "type": "complete" }));
    bench.hear(json!({ "id": "1", "type": "error", "payload": [{ "message": "m" }] }));
    assert!(bench.told().is_empty() && bench.sent().is_empty());
}

#[test]
fn an_error_ends_its_operation_and_no_other() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    bench.subscribe();
    bench.subscribe();
    bench.hear(json!({ "id": "1", "type": "error", "payload": [{ "message": "bad document" }] }));
    bench.hear(json!({ "id": "2", "type": "next", "payload": { "data": { "a": 1 } } }));
    let told = bench.told();
    assert_eq!(told[..2], [r#"1 next {"errors":[{"message":"bad document"}]}"#, "1 complete"]);
    assert_eq!(told[3], r#"2 next {"data":{"a":1}}"#);
}

#[test]
fn a_ping_is_answered_at_once_even_before_the_acknowledgement() {
    let mut bench = Bench::new(Dialect::TransportWs);
    bench.sent();
    bench.hear(json!({ "type": "ping", "payload": { "x": 1 } }));
    assert_eq!(bench.sent(), [json!({ "type": "pong" })]);
}

#[test]
fn silence_is_met_with_a_ping_and_then_given_up() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    assert_eq!(bench.session.next_deadline(), bench.now + TIMING.ping);
    bench.pass(20);
    assert_eq!(bench.sent(), [ping(1)]);
    assert_eq!(bench.session.next_deadline(), bench.now + TIMING.ping);
    bench.pass(19);
    assert!(bench.sent().is_empty(), "one ping is enough");
    bench.hear(json!({ "type": "pong" }));
    bench.pass(20);
    assert_eq!(bench.sent(), [ping(2)], "the count starts anew with each sign of life");
    bench.pass(19);
    assert!(bench.told().is_empty());
    bench.pass(1);
    assert_eq!(bench.failure().kind(), ErrorKind::Timeout);
    assert_eq!(bench.sent(), [json!({ "close": 1001 })]);
}

#[test]
fn a_pong_opens_what_was_subscribed_before_its_ping_and_nothing_later() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    bench.subscribe();
    bench.subscribe();
    bench.hear(json!({ "type": "pong", "payload": { "n": 1 } }));
    assert_eq!(bench.told(), ["1 opened"]);
    bench.hear(json!({ "type": "pong", "payload": { "n": 2 } }));
    assert_eq!(bench.told(), ["2 opened"]);
    // PROTOCOL.md, "Pong": the payload is optional.
    for payload in [json!(null), json!({}), json!({ "other": true })] {
        let mut bench = Bench::ready(Dialect::TransportWs);
        bench.subscribe();
        bench.hear(json!({ "type": "pong", "payload": payload }));
        assert_eq!(bench.told(), ["1 opened"]);
    }
}

#[test]
fn a_document_that_costs_the_connection_ends_its_own_stream_and_no_other() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    for _ in 0..3 {
        bench.subscribe();
    }
    bench.hear(json!({ "type": "pong" }));
    bench.hear(json!({ "id": "3", "type": "next", "payload": { "data": { "a": 1 } } }));
    bench.told();
    bench.session.handle_close(Some((4400, "Syntax Error")));
    let told = bench.told();
    assert!(told[0].starts_with("2 next") && told[0].contains("code 4400: Syntax Error"), "{told:?}");
    assert_eq!(told[1..], ["2 complete", "failed ConnectionLost"]);

    // All documents were accepted, so it is none of them.
    let mut bench = Bench::ready(Dialect::TransportWs);
    bench.subscribe();
    bench.hear(json!({ "id": "1", "type": "next", "payload": { "data": { "a": 1 } } }));
    bench.told();
    bench.session.handle_close(Some((4400, "")));
    assert_eq!(bench.told(), ["failed ConnectionLost"]);
}

#[test]
fn a_missing_acknowledgement_is_a_timeout() {
    let mut bench = Bench::new(Dialect::TransportWs);
    bench.sent();
    assert_eq!(bench.session.next_deadline(), bench.now + TIMING.acknowledge);
    bench.pass(9);
    assert!(bench.told().is_empty());
    bench.pass(1);
    assert_eq!(bench.failure().kind(), ErrorKind::Timeout);
    assert_eq!(bench.sent(), [json!({ "close": 4504 })]);
}

#[test]
fn each_close_code_has_its_meaning() {
    for (code, kind) in [
        (1000, ErrorKind::ConnectionLost),
        (1001, ErrorKind::ConnectionLost),
        (1006, ErrorKind::ConnectionLost),
        (1009, ErrorKind::TooLarge),
        (1011, ErrorKind::ConnectionLost),
        (1012, ErrorKind::ConnectionLost),
        (1013, ErrorKind::ConnectionLost),
        (4400, ErrorKind::Graphql),
        (4401, ErrorKind::Unauthorized),
        (4403, ErrorKind::Unauthorized),
        (4406, ErrorKind::Decode),
        (4408, ErrorKind::ConnectionLost),
        (4409, ErrorKind::ConnectionLost),
        (4429, ErrorKind::RateLimited),
        (4500, ErrorKind::ConnectionLost),
    ] {
        let mut bench = Bench::ready(Dialect::TransportWs);
        bench.session.handle_close(Some((code, "why")));
        let error = bench.failure();
        assert_eq!(error.kind(), kind, "{code}");
        assert!(error.to_string().contains(&format!("code {code}: why")), "{error}");
    }
    let mut bench = Bench::ready(Dialect::TransportWs);
    bench.session.handle_close(None);
    assert_eq!(bench.failure().kind(), ErrorKind::ConnectionLost);
}

#[test]
fn a_message_that_is_none_ends_the_connection() {
    for text in ["", "{", "[]", "{}", "42", r#"{"type":7}"#] {
        let mut bench = Bench::ready(Dialect::TransportWs);
        bench.session.handle_text(Bytes::from_static(text.as_bytes()), bench.now);
        assert_eq!(bench.failure().kind(), ErrorKind::Decode, "{text}");
        assert_eq!(bench.sent(), [json!({ "close": 4004 })]);
    }
}

#[test]
fn a_result_that_is_none_is_told_and_the_connection_goes_on() {
    let mut bench = Bench::ready(Dialect::TransportWs);
    bench.subscribe();
    bench.hear(json!({ "id": "1", "type": "next", "payload": 7 }));
    bench.hear(json!({ "id": "1", "type": "next" }));
    bench.hear(json!({ "id": "1", "type": "next", "payload": { "data": { "a": 1 } } }));
    bench.hear(json!({ "type": "a-message-of-the-future" }));
    assert_eq!(bench.told()[1..], ["1 malformed Decode", "1 malformed Decode", r#"1 next {"data":{"a":1}}"#]);
}

#[test]
fn the_predecessor_has_its_own_words() {
    let mut bench = Bench::new(Dialect::Legacy);
    bench.sent();
    bench.subscribe();
    bench.hear(json!({ "type": "connection_ack" }));
    let start = json!({ "id": "1", "type": "start", "payload": { "query": "subscription { a }" } });
    assert_eq!(bench.sent(), [start, json!("ping frame")]);
    bench.hear(json!({ "type": "ka" }));
    bench.hear(json!({ "id": "1", "type": "data", "payload": { "data": { "a": 1 } } }));
    bench.hear(json!({ "id": "1", "type": "error", "payload": { "message": "one, not a list" } }));
    assert_eq!(
        bench.told(),
        [
            "1 opened",
            r#"1 next {"data":{"a":1}}"#,
            r#"1 next {"errors":{"message":"one, not a list"}}"#,
            "1 complete"
        ]
    );
    let id = bench.subscribe();
    bench.sent();
    bench.session.unsubscribe(id);
    bench.session.close();
    assert_eq!(
        bench.sent(),
        [
            json!({ "id": "2", "type": "stop" }),
            json!({ "type": "connection_terminate" }),
            json!({ "close": 1000 })
        ]
    );

    let mut refused = Bench::new(Dialect::Legacy);
    refused.hear(json!({ "type": "connection_error", "payload": { "message": "no" } }));
    assert_eq!(refused.failure().kind(), ErrorKind::Unauthorized);
}

#[test]
fn the_server_chooses_the_dialect_or_none() {
    assert_eq!(Dialect::from_protocol(Some("graphql-transport-ws")).unwrap(), Dialect::TransportWs);
    assert_eq!(Dialect::from_protocol(Some("graphql-ws")).unwrap(), Dialect::Legacy);
    assert!(Dialect::from_protocol(Some("mqtt")).is_err() && Dialect::from_protocol(None).is_err());
}

/// Rows of graphql-ws's PROTOCOL.md that the tests above do not tell: what is heard on a connection with two
/// subscriptions that were seen, what is told of it, what is said to it.
#[test]
fn what_the_protocol_allows_a_server_to_say_is_taken_as_it_says() {
    type Row = (&'static str, Vec<Value>, Vec<&'static str>, Vec<Value>);
    let next = |id: &str| json!({ "id": id, "type": "next", "payload": { "data": { "a": 1 } } });
    let both = json!({ "data": { "a": null }, "errors": [{ "message": "m" }], "extensions": { "x": 1 } });
    let rows: Vec<Row> = vec![
        (
            "ConnectionAck: a second one says nothing new",
            vec![json!({ "type": "connection_ack" })],
            vec![],
            vec![],
        ),
        (
            "Ping: may come at any time, its payload is for nobody",
            vec![json!({ "type": "ping" }), json!({ "type": "ping", "payload": { "n": 9 } })],
            vec![],
            vec![json!({ "type": "pong" }), json!({ "type": "pong" })],
        ),
        (
            "Pong: may come without a ping, as a heartbeat of one side",
            vec![json!({ "type": "pong" }), json!({ "type": "pong", "payload": null })],
            vec![],
            vec![],
        ),
        (
            "Next: a result is handed on with errors and extensions",
            vec![json!({ "id": "1", "type": "next", "payload": both })],
            vec![r#"1 next {"data":{"a":null},"errors":[{"message":"m"}],"extensions":{"x":1}}"#],
            vec![],
        ),
        (
            "Next: nothing may follow a complete",
            vec![json!({ "id": "1", "type": "complete" }), next("1"), next("2")],
            vec!["1 complete", r#"2 next {"data":{"a":1}}"#],
            vec![],
        ),
        (
            "Error: ends its operation, so no complete follows, and one that does is passed over",
            vec![
                json!({ "id": "1", "type": "error", "payload": [{ "message": "m" }] }),
                json!({ "id": "1", "type": "complete" }),
            ],
            vec![r#"1 next {"errors":[{"message":"m"}]}"#, "1 complete"],
            vec![],
        ),
        (
            "ids that are not ours are passed over",
            vec![next("7"), next("x"), json!({ "id": "", "type": "error", "payload": [] }), next("2")],
            vec![r#"2 next {"data":{"a":1}}"#],
            vec![],
        ),
    ];
    for (name, heard, told, sent) in rows {
        let mut bench = Bench::ready(Dialect::TransportWs);
        bench.subscribe();
        bench.subscribe();
        bench.hear(json!({ "type": "pong" }));
        bench.sent();
        bench.told();
        heard.into_iter().for_each(|message| bench.hear(message));
        assert_eq!(
            (bench.told(), bench.sent()),
            (told.iter().map(ToString::to_string).collect(), sent),
            "{name}"
        );
    }
}

/// PROTOCOL.md, "Subscribe": ids are unique on a connection (4409 otherwise), and nothing but the init goes out before the
/// acknowledgement (4401 otherwise).
#[test]
fn an_id_is_never_used_twice_and_what_ended_before_the_acknowledgement_is_never_subscribed() {
    let mut bench = Bench::new(Dialect::TransportWs);
    bench.sent();
    let (first, second) = (bench.subscribe(), bench.subscribe());
    bench.session.unsubscribe(first);
    assert!(bench.sent().is_empty());
    bench.hear(json!({ "type": "connection_ack" }));
    let subscribe = json!({ "id": "2", "type": "subscribe", "payload": { "query": "subscription { a }" } });
    assert_eq!(bench.sent(), [subscribe, ping(1)]);
    bench.hear(json!({ "id": "2", "type": "complete" }));
    let third = bench.subscribe();
    assert!(first < second && second < third);
}
