//! `to_json` of what the store, the feed and streams tell: one form for the C ABI, Python and `--json`.
//!
//! A field has its Rust name in camelCase, as Pico's own are; what is absent is `null`. States, sources and kinds are their
//! `name()`, times RFC 3339, spans seconds. Fields are added at the end and never renamed. What Pico sent stands in it byte
//! for byte.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::feed::{CaughtUp, FeedNotice, FeedPart, FeedStatus};
use crate::json::Json;
use crate::store::inbox_table::{InboxCounts, InboxEntry, Watermark};
use crate::subscription::StreamState;
use crate::webhook_keeper::{KeeperNotice, RegistrationCause};

/// None of the forms can fail: they have no maps with keys that are not texts. Should one, it is `null`.
pub(crate) fn json(form: &impl Serialize) -> Json {
    Json::from_value(form).unwrap_or_default()
}

fn verbatim(raw: &Json) -> Option<&RawValue> {
    raw.decode_borrowed().ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorForm<'a> {
    code: i32,
    kind: &'static str,
    message: String,
    http_status: Option<u16>,
    retryable: bool,
    graphql_errors: Vec<Option<&'a RawValue>>,
}

impl<'a> ErrorForm<'a> {
    fn of(error: &'a Error) -> Self {
        Self {
            code: error.code(),
            kind: error.kind().name(),
            message: error.to_string(),
            http_status: error.http_status(),
            retryable: error.is_retryable(),
            graphql_errors: error.graphql_errors().iter().map(|one| verbatim(&one.raw)).collect(),
        }
    }
}

impl Error {
    /// `{"code","kind","message","httpStatus","retryable","graphqlErrors"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&ErrorForm::of(self))
    }
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum StreamForm<'a> {
    Connecting { transport: &'static str },
    Open { transport: &'static str, gap_seconds: Option<f64> },
    Switched { transport: &'static str, cause: ErrorForm<'a> },
    Retrying { failures: u32, delay_seconds: f64, cause: ErrorForm<'a> },
}

impl<'a> StreamForm<'a> {
    fn of(state: &'a StreamState) -> Self {
        match state {
            StreamState::Connecting { transport } => Self::Connecting { transport: transport.name() },
            StreamState::Open { transport, gap } => Self::Open {
                transport: transport.name(),
                gap_seconds: gap.as_ref().map(Duration::as_secs_f64),
            },
            StreamState::Switched { transport, cause } => {
                Self::Switched { transport: transport.name(), cause: ErrorForm::of(cause) }
            }
            StreamState::Retrying { failures, delay, cause } => Self::Retrying {
                failures: *failures,
                delay_seconds: delay.as_secs_f64(),
                cause: ErrorForm::of(cause),
            },
        }
    }
}

impl StreamState {
    /// `{"state", ...}`: `connecting` with `transport`; `open` with `transport`, `gapSeconds`; `switched` with `transport`,
    /// `cause`; `retrying` with `failures`, `delaySeconds`, `cause`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&StreamForm::of(self))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryForm<'a> {
    id: i64,
    external_order_id: &'a str,
    operation_id: Option<&'a str>,
    order_index: i64,
    at: Option<Timestamp>,
    produced_serial: Option<&'a str>,
    state: &'static str,
    attempts: u32,
    source: &'static str,
    arrived: Timestamp,
    due: Option<Timestamp>,
    settled: Option<Timestamp>,
    reason: Option<&'a str>,
    raw: Option<&'a RawValue>,
}

impl InboxEntry {
    /// `{"id","externalOrderId","operationId","orderIndex","at","producedSerial","state","attempts","source","arrived",
    /// "due","settled","reason","raw"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&EntryForm {
            id: self.id,
            external_order_id: &self.external_order_id,
            operation_id: self.operation_id.as_deref(),
            order_index: self.order_index,
            at: self.at,
            produced_serial: self.produced_serial.as_deref(),
            state: self.state.name(),
            attempts: self.attempts,
            source: self.source.name(),
            arrived: self.arrived,
            due: self.due,
            settled: self.settled,
            reason: self.reason.as_deref(),
            raw: self.raw.as_ref().and_then(verbatim),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsForm {
    ready: u64,
    handed_out: u64,
    waiting: u64,
    acked: u64,
    dead: u64,
    skipped: u64,
}

impl CountsForm {
    fn of(counts: &InboxCounts) -> Self {
        let InboxCounts { ready, handed_out, waiting, acked, dead, skipped } = *counts;
        Self { ready, handed_out, waiting, acked, dead, skipped }
    }
}

impl InboxCounts {
    /// `{"ready","handedOut","waiting","acked","dead","skipped"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&CountsForm::of(self))
    }
}

#[derive(Serialize)]
struct WatermarkForm {
    source: &'static str,
    at: Timestamp,
    heard: Timestamp,
    reports: u64,
}

impl WatermarkForm {
    fn of(mark: &Watermark) -> Self {
        Self { source: mark.source.name(), at: mark.at, heard: mark.heard, reports: mark.reports }
    }
}

impl Watermark {
    /// `{"source","at","heard","reports"}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&WatermarkForm::of(self))
    }
}

#[derive(Serialize)]
struct CaughtUpForm {
    at: Timestamp,
    since: Option<Timestamp>,
    listed: u64,
    found: u64,
}

impl CaughtUpForm {
    fn of(caught_up: &CaughtUp) -> Self {
        let CaughtUp { at, since, listed, found } = *caught_up;
        Self { at, since, listed, found }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusForm<'a> {
    inbox: CountsForm,
    watermarks: Vec<WatermarkForm>,
    part: &'static str,
    live_node: Option<&'a str>,
    stream: Option<StreamForm<'a>>,
    caught_up: Option<CaughtUpForm>,
    catch_up_error: Option<ErrorForm<'a>>,
    store_error: Option<ErrorForm<'a>>,
}

impl FeedStatus {
    /// `{"inbox","watermarks","part","liveNode","stream","caughtUp","catchUpError","storeError"}`: the forms of
    /// [`InboxCounts`], of [`Watermark`]s in a list, `"live"` or `"standby"` and which node is live then, the form of
    /// [`StreamState`], `{"at","since","listed","found"}`, and the forms of [`Error`]s.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json(&StatusForm {
            inbox: CountsForm::of(&self.inbox),
            watermarks: self.watermarks.iter().map(WatermarkForm::of).collect(),
            part: self.part.name(),
            live_node: self.part.live_node(),
            stream: self.stream.as_ref().map(StreamForm::of),
            caught_up: self.caught_up.as_ref().map(CaughtUpForm::of),
            catch_up_error: self.catch_up_error.as_ref().map(ErrorForm::of),
            store_error: self.store_error.as_ref().map(ErrorForm::of),
        })
    }
}

impl FeedPart {
    /// The name in `--json` output: `live` or `standby`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Standby { .. } => "standby",
        }
    }

    /// The other node that has the live source, when one is known.
    #[must_use]
    pub fn live_node(&self) -> Option<&str> {
        match self {
            Self::Live => None,
            Self::Standby { live } => live.as_deref(),
        }
    }
}

impl RegistrationCause {
    /// The name in `--json` output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::NewSettings => "new_settings",
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum WebhookForm<'a> {
    Registered { cause: &'static str },
    CatchUp,
    PostsMissing { last_event_at: Timestamp, last_received: Option<Timestamp> },
    PostsArrive,
    CheckFailed { error: ErrorForm<'a> },
    ChecksWork,
    RegistrationFailed { error: ErrorForm<'a> },
    FingerprintNotSaved { error: ErrorForm<'a> },
}

impl<'a> WebhookForm<'a> {
    fn of(notice: &'a KeeperNotice) -> Self {
        match notice {
            KeeperNotice::Registered(cause) => Self::Registered { cause: cause.name() },
            KeeperNotice::CatchUp => Self::CatchUp,
            KeeperNotice::PostsMissing { last_event_at, last_received } => {
                Self::PostsMissing { last_event_at: *last_event_at, last_received: *last_received }
            }
            KeeperNotice::PostsArrive => Self::PostsArrive,
            KeeperNotice::CheckFailed(error) => Self::CheckFailed { error: ErrorForm::of(error) },
            KeeperNotice::ChecksWork => Self::ChecksWork,
            KeeperNotice::RegistrationFailed(error) => {
                Self::RegistrationFailed { error: ErrorForm::of(error) }
            }
            KeeperNotice::FingerprintNotSaved(error) => {
                Self::FingerprintNotSaved { error: ErrorForm::of(error) }
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "notice", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum NoticeForm<'a> {
    Part { text: String, part: &'static str, live_node: Option<&'a str> },
    Stream { text: String, stream: StreamForm<'a> },
    Problem { text: String, error: ErrorForm<'a> },
    CaughtUp { text: String, caught_up: CaughtUpForm },
    CatchUpFailed { text: String, error: ErrorForm<'a> },
    DeadLetter { text: String, id: i64, reason: &'a str },
    Store { text: String, error: ErrorForm<'a> },
    Webhook { text: String, webhook: WebhookForm<'a> },
}

impl FeedNotice {
    /// `{"notice","text", ...}`, where `text` is for people: `part` with `part` and `liveNode`; `stream` with `stream`; `problem`, `catch_up_failed` and `store`
    /// with `error`; `caught_up` with `caughtUp`; `dead_letter` with `id`, `reason`; `webhook` with `webhook`,
    /// which is `{"event", ...}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let text = self.to_string();
        json(&match self {
            Self::Part(part) => NoticeForm::Part { text, part: part.name(), live_node: part.live_node() },
            Self::Stream(state) => NoticeForm::Stream { text, stream: StreamForm::of(state) },
            Self::Problem(error) => NoticeForm::Problem { text, error: ErrorForm::of(error) },
            Self::CaughtUp(caught_up) => {
                NoticeForm::CaughtUp { text, caught_up: CaughtUpForm::of(caught_up) }
            }
            Self::CatchUpFailed(error) => NoticeForm::CatchUpFailed { text, error: ErrorForm::of(error) },
            Self::DeadLetter { id, reason } => NoticeForm::DeadLetter { text, id: *id, reason },
            Self::Store(error) => NoticeForm::Store { text, error: ErrorForm::of(error) },
            Self::Webhook(notice) => NoticeForm::Webhook { text, webhook: WebhookForm::of(notice) },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::StreamTransport;
    use crate::error::ErrorKind;
    use crate::store::inbox_table::{InboxState, Source};

    const FULL: &str = r#"{"code":601,"kind":"store_full","message":"full","httpStatus":null,"retryable":true,"graphqlErrors":[]}"#;

    fn full() -> Error {
        Error::new(ErrorKind::StoreFull, "full")
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_entry_has_every_field_and_what_pico_sent_as_it_was_sent() {
        let entry = InboxEntry {
            id: 7,
            external_order_id: "E".into(),
            operation_id: None,
            order_index: 2,
            at: Some(time(1)),
            produced_serial: Some("S".into()),
            state: InboxState::Dead,
            attempts: 3,
            source: Source::CatchUp,
            arrived: time(2),
            due: None,
            settled: Some(time(3)),
            reason: Some("no such item".into()),
            raw: Some(Json::new(r#"{ "b":1.0, "a":2 }"#).unwrap()),
        };
        assert_eq!(
            entry.to_json().as_str(),
            concat!(
                r#"{"id":7,"externalOrderId":"E","operationId":null,"orderIndex":2,"at":"1970-01-01T00:00:01Z","#,
                r#""producedSerial":"S","state":"dead","attempts":3,"source":"catch_up","#,
                r#""arrived":"1970-01-01T00:00:02Z","due":null,"settled":"1970-01-01T00:00:03Z","#,
                r#""reason":"no such item","raw":{ "b":1.0, "a":2 }}"#,
            )
        );
    }

    #[test]
    fn a_status_holds_the_forms_of_its_parts() {
        let status = FeedStatus {
            inbox: InboxCounts { ready: 1, handed_out: 2, ..InboxCounts::default() },
            watermarks: vec![Watermark { source: Source::Sse, at: time(1), heard: time(2), reports: 3 }],
            part: FeedPart::Standby { live: Some("erp2:77".to_owned()) },
            stream: Some(StreamState::Open {
                transport: StreamTransport::Sse,
                gap: Some(Duration::from_millis(1500)),
            }),
            caught_up: Some(CaughtUp { at: time(4), since: None, listed: 5, found: 6 }),
            catch_up_error: None,
            store_error: Some(full()),
        };
        assert_eq!(
            status.to_json().as_str(),
            [
                r#"{"inbox":{"ready":1,"handedOut":2,"waiting":0,"acked":0,"dead":0,"skipped":0},"#,
                r#""watermarks":[{"source":"sse","at":"1970-01-01T00:00:01Z","heard":"1970-01-01T00:00:02Z","reports":3}],"#,
                r#""part":"standby","liveNode":"erp2:77","#,
                r#""stream":{"state":"open","transport":"sse","gapSeconds":1.5},"#,
                r#""caughtUp":{"at":"1970-01-01T00:00:04Z","since":null,"listed":5,"found":6},"#,
                r#""catchUpError":null,"storeError":"#,
                FULL,
                "}",
            ]
            .concat()
        );
    }

    #[test]
    fn each_notice_names_itself_and_says_it_for_people_too() {
        let retrying =
            StreamState::Retrying { failures: 2, delay: Duration::from_millis(250), cause: Arc::new(full()) };
        for (notice, expected) in [
            (
                FeedNotice::Part(FeedPart::Live),
                r#"{"notice":"part","text":"this node has the live source","part":"live","liveNode":null}"#.to_owned(),
            ),
            (
                FeedNotice::Stream(retrying),
                format!(
                    r#"{{"notice":"stream","text":"not connected, again in 250.0ms: full","stream":{{"state":"retrying","failures":2,"delaySeconds":0.25,"cause":{FULL}}}}}"#
                ),
            ),
            (
                FeedNotice::DeadLetter { id: 7, reason: "no".into() },
                r#"{"notice":"dead_letter","text":"completion 7 is a dead letter: no","id":7,"reason":"no"}"#
                    .to_owned(),
            ),
            (
                FeedNotice::Store(full()),
                format!(r#"{{"notice":"store","text":"store: full","error":{FULL}}}"#),
            ),
            (
                FeedNotice::Webhook(KeeperNotice::Registered(RegistrationCause::NewSettings)),
                r#"{"notice":"webhook","text":"webhook: registered with other settings","webhook":{"event":"registered","cause":"new_settings"}}"#
                    .to_owned(),
            ),
            (
                FeedNotice::Webhook(KeeperNotice::PostsArrive),
                r#"{"notice":"webhook","text":"webhook: posts arrive again","webhook":{"event":"posts_arrive"}}"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(notice.to_json().as_str(), expected);
        }
    }
}
