//! The keeper: its decisions by table, its task against the sandbox.

mod decisions;
mod task;

use jiff::Timestamp;

use super::KeeperNotice;

/// A notice in short; times as seconds since `start`.
fn short(notice: &KeeperNotice, start: Timestamp) -> String {
    let seconds = |at: Timestamp| at.duration_since(start).as_secs();
    match notice {
        KeeperNotice::Registered(cause) => format!("registered:{cause:?}"),
        KeeperNotice::CatchUp => "catch-up".to_owned(),
        KeeperNotice::PostsMissing { last_event_at, last_received } => {
            format!("missing:{}>{:?}", seconds(*last_event_at), last_received.map(seconds))
        }
        KeeperNotice::PostsArrive => "arrive".to_owned(),
        KeeperNotice::CheckFailed(error) => format!("check-failed:{}", error.kind().name()),
        KeeperNotice::ChecksWork => "checks-work".to_owned(),
        KeeperNotice::RegistrationFailed(error) => format!("not-registered:{}", error.kind().name()),
        KeeperNotice::FingerprintNotSaved(error) => format!("not-saved:{}", error.kind().name()),
    }
}
