//! What follows from each finding.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use super::short;
use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::model::{Model, Webhook};
use crate::webhook_keeper::state::{Action, KeeperPolicy, KeeperState};
use crate::webhook_registration::{Difference, Listing};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Listed as it should be, with an event at that second.
fn same(event: Option<i64>) -> Listing {
    let json = json!({ "subscriptionId": "a", "lastEventAt": event.map(time) });
    Listing::Same(Box::new(Webhook::from_json(Json::from_value(&json).unwrap()).unwrap()))
}

const CHANGED: Listing = Listing::Different(Difference::List);
const NEW_SETTINGS: Listing = Listing::Different(Difference::Wish);

/// Something that happens to a keeper.
enum Step {
    /// A check finds this; with it whether it was registered before, and when the last post came.
    Checked(Listing, bool, Option<i64>),
    CheckFailed(ErrorKind),
    Registered,
    RegistrationFailed(ErrorKind),
}
use Step::{CheckFailed, Checked, Registered, RegistrationFailed};

fn told(actions: &[Action]) -> String {
    let words: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Register(outcome) => format!("register:{outcome:?}"),
            Action::CheckAgainIn(time) => format!("in:{}", time.as_secs_f64()),
            Action::Report(notice) => short(notice, time(0)),
        })
        .collect();
    words.join(" ")
}

/// Plays steps, each at its second, with a jitter of one half.
fn plays(script: Vec<(u64, Step, &str)>) {
    let mut state = KeeperState::new(KeeperPolicy::default());
    let start = Instant::now();
    for (second, step, expected) in script {
        let now = start + Duration::from_secs(second);
        let actions = match step {
            Checked(listing, before, post) => state.checked(listing, before, post.map(time), now),
            CheckFailed(kind) => state.check_failed(Error::new(kind, "x"), 0.5),
            Registered => state.registered(now),
            RegistrationFailed(kind) => state.registration_failed(Error::new(kind, "x"), 0.5),
        };
        assert_eq!(told(&actions), expected, "at {second} s");
    }
}

#[test]
fn a_registration_that_is_as_it_should_be_is_looked_at_now_and_then() {
    plays(vec![
        (0, Checked(same(None), true, None), "in:60"),
        (60, Checked(same(Some(50)), true, Some(51)), "in:60"),
    ]);
}

#[test]
fn each_other_finding_is_repaired_and_followed_by_a_catch_up() {
    for (listing, before, register, cause) in [
        (Listing::Absent, false, "Registered", "First"),
        (Listing::Absent, true, "Registered", "Lost"),
        (CHANGED, true, "Replaced", "Changed"),
        (NEW_SETTINGS, true, "Replaced", "NewSettings"),
        (NEW_SETTINGS, false, "Replaced", "NewSettings"),
    ] {
        plays(vec![
            (0, Checked(listing, before, None), &format!("register:{register}")),
            (0, Registered, &format!("registered:{cause} catch-up in:60")),
            (60, Checked(same(None), true, None), "in:60"),
        ]);
    }
}

#[test]
fn what_is_lost_again_and_again_is_repaired_ever_more_seldom() {
    plays(vec![
        (0, Checked(Listing::Absent, true, None), "register:Registered"),
        (0, Registered, "registered:Lost catch-up in:60"),
        (60, Checked(CHANGED, true, None), "register:Replaced"),
        (60, Registered, "registered:Changed catch-up in:60"),
        (120, Checked(CHANGED, true, None), "in:60"),
        (180, Checked(CHANGED, true, None), "register:Replaced"),
        (180, Registered, "registered:Changed catch-up in:60"),
        (240, Checked(Listing::Absent, true, None), "in:60"),
        (390, Checked(Listing::Absent, true, None), "in:30"),
        (420, Checked(Listing::Absent, true, None), "register:Registered"),
        // What holds once counts as new.
        (420, Registered, "registered:Lost catch-up in:60"),
        (480, Checked(same(None), true, None), "in:60"),
        (540, Checked(Listing::Absent, true, None), "register:Registered"),
    ]);
}

#[test]
fn failures_are_told_once_and_tried_again_soon_if_they_may_pass() {
    plays(vec![
        (0, CheckFailed(ErrorKind::Connect), "check-failed:connect in:0.5"),
        (1, CheckFailed(ErrorKind::Connect), "in:1"),
        (2, CheckFailed(ErrorKind::Timeout), "in:2"),
        (9, CheckFailed(ErrorKind::Unauthorized), "in:60"),
        (69, CheckFailed(ErrorKind::Connect), "in:8"),
        (80, Checked(same(None), true, None), "checks-work in:60"),
        (140, CheckFailed(ErrorKind::Connect), "check-failed:connect in:0.5"),
        (141, Checked(Listing::Absent, true, None), "checks-work register:Registered"),
        (141, RegistrationFailed(ErrorKind::Connect), "not-registered:connect in:0.5"),
        (142, Checked(Listing::Absent, true, None), "register:Registered"),
        (142, RegistrationFailed(ErrorKind::Graphql), "in:60"),
        (202, Checked(Listing::Absent, true, None), "register:Registered"),
        (202, Registered, "registered:Lost catch-up in:60"),
    ]);
}

#[test]
fn one_that_was_removed_and_not_added_again_is_not_called_lost() {
    plays(vec![
        (0, Checked(NEW_SETTINGS, true, None), "register:Replaced"),
        (0, RegistrationFailed(ErrorKind::ConnectionLost), "not-registered:connection_lost in:0.5"),
        (1, Checked(Listing::Absent, true, None), "register:Registered"),
        (1, Registered, "registered:NewSettings catch-up in:60"),
    ]);
}

#[test]
fn an_event_without_a_post_is_told_once_and_caught_up_each_time() {
    plays(vec![
        (0, Checked(same(Some(0)), true, Some(1)), "in:60"),
        (300, Checked(same(Some(280)), true, Some(1)), "in:60"),
        (330, Checked(same(Some(280)), true, Some(1)), "in:30"),
        (360, Checked(same(Some(280)), true, Some(1)), "missing:280>Some(1) catch-up in:60"),
        (420, Checked(same(Some(280)), true, Some(1)), "in:60"),
        (480, Checked(same(Some(470)), true, Some(1)), "in:60"),
        (540, Checked(same(Some(470)), true, Some(1)), "catch-up in:60"),
        (600, Checked(same(Some(590)), true, Some(591)), "arrive in:60"),
    ]);
}

#[test]
fn a_new_registration_has_no_old_events() {
    plays(vec![
        (0, Checked(same(Some(-900)), true, None), "in:60"),
        (60, Checked(Listing::Absent, true, None), "register:Registered"),
        (60, Registered, "registered:Lost catch-up in:60"),
        (120, Checked(same(Some(110)), true, None), "in:60"),
        (180, Checked(same(Some(110)), true, None), "missing:110>None catch-up in:60"),
    ]);
}
