//! [`KeeperState`]: what a keeper does next. Told what a check has found and when; asks for what is to be done. No server,
//! no clock, no chance.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::arrivals::{Arrival, Arrivals};
use super::notice::{KeeperNotice, RegistrationCause};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::webhook_registration::{Difference, Listing, WebhookOutcome};

/// The longest pause between two repairs of a registration that does not stay. Registering loses the events that happen
/// between removing and adding, so a Pico that lists otherwise than was registered must not make it happen every minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// When a keeper checks, and when it worries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeeperPolicy {
    /// From check to check. Default 60 s.
    pub check_interval: Duration,
    /// How long a post may take to follow its event, and how far apart the clocks may be. Default 60 s.
    pub grace: Duration,
    /// The waits after failures that may pass; never longer than `check_interval`. Default 1 s growing to 60 s.
    pub retry: Backoff,
}

impl Default for KeeperPolicy {
    fn default() -> Self {
        Self {
            check_interval: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            retry: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) },
        }
    }
}

impl KeeperPolicy {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.check_interval.is_zero() {
            return Err(Error::invalid("check_interval", "must be longer than zero"));
        }
        Ok(())
    }
}

/// What a keeper is to do, in this order.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Register the webhook, and tell [`KeeperState::registered`] or [`KeeperState::registration_failed`].
    Register(WebhookOutcome),
    /// Check again after this time.
    CheckAgainIn(Duration),
    /// Tell this.
    Report(KeeperNotice),
}

pub(super) struct KeeperState {
    policy: KeeperPolicy,
    /// Failures in a row, of whatever kind.
    failures: u32,
    check_is_failing: bool,
    registration_is_failing: bool,
    /// Why the webhook is being registered; stays while that fails.
    cause: Option<RegistrationCause>,
    /// Registrations since it was last found as it should be.
    repairs: u32,
    /// No repair before this.
    not_before: Option<Instant>,
    arrivals: Arrivals,
}

impl KeeperState {
    pub(super) fn new(policy: KeeperPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            check_is_failing: false,
            registration_is_failing: false,
            cause: None,
            repairs: 0,
            not_before: None,
            arrivals: Arrivals::default(),
        }
    }

    pub(super) fn policy(&self) -> &KeeperPolicy {
        &self.policy
    }

    /// The list was read.
    pub(super) fn checked(
        &mut self,
        listing: Listing,
        registered_before: bool,
        last_received: Option<Timestamp>,
        now: Instant,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if std::mem::take(&mut self.check_is_failing) {
            actions.push(Action::Report(KeeperNotice::ChecksWork));
            self.failures = 0;
        }
        let (outcome, cause) = match listing {
            Listing::Same(webhook) => {
                self.settled();
                self.watch(webhook.last_event_at, last_received, now, &mut actions);
                return actions;
            }
            Listing::Absent if registered_before => (WebhookOutcome::Registered, RegistrationCause::Lost),
            Listing::Absent => (WebhookOutcome::Registered, RegistrationCause::First),
            Listing::Different(Difference::Wish) => {
                (WebhookOutcome::Replaced, RegistrationCause::NewSettings)
            }
            Listing::Different(Difference::List) => (WebhookOutcome::Replaced, RegistrationCause::Changed),
        };
        let pause = self.not_before.map(|time| time.saturating_duration_since(now)).unwrap_or_default();
        if pause.is_zero() {
            // One that was removed and not yet added again is absent, but not lost.
            self.cause.get_or_insert(cause);
            actions.push(Action::Register(outcome));
        } else {
            actions.push(Action::CheckAgainIn(pause.min(self.policy.check_interval)));
        }
        actions
    }

    /// The registration is as it should be.
    fn settled(&mut self) {
        self.failures = 0;
        self.registration_is_failing = false;
        self.cause = None;
        self.repairs = 0;
        self.not_before = None;
    }

    fn watch(
        &mut self,
        last_event_at: Option<Timestamp>,
        last_received: Option<Timestamp>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let mut wait = self.policy.check_interval;
        let mut report = |notice| actions.push(Action::Report(notice));
        match self.arrivals.look(last_event_at, last_received, self.policy.grace, now) {
            Arrival::Fine | Arrival::StillMissing => {}
            Arrival::Again => report(KeeperNotice::PostsArrive),
            Arrival::Due(left) => wait = wait.min(left),
            Arrival::Missing => {
                if let Some(last_event_at) = last_event_at {
                    report(KeeperNotice::PostsMissing { last_event_at, last_received });
                }
                report(KeeperNotice::CatchUp);
            }
            Arrival::MoreMissing => report(KeeperNotice::CatchUp),
        }
        actions.push(Action::CheckAgainIn(wait));
    }

    /// The list could not be read. `jitter` is a random number in `0.0..1.0`.
    pub(super) fn check_failed(&mut self, error: Error, jitter: f64) -> Vec<Action> {
        let wait = self.wait_after(&error, jitter);
        let first = !std::mem::replace(&mut self.check_is_failing, true);
        let report = first.then_some(Action::Report(KeeperNotice::CheckFailed(error)));
        report.into_iter().chain([Action::CheckAgainIn(wait)]).collect()
    }

    /// The webhook has been registered.
    pub(super) fn registered(&mut self, now: Instant) -> Vec<Action> {
        let cause = self.cause.take().unwrap_or(RegistrationCause::First);
        self.failures = 0;
        self.registration_is_failing = false;
        self.repairs = self.repairs.saturating_add(1);
        let interval = self.policy.check_interval;
        let pause = Backoff { base: interval, cap: LONGEST_PAUSE.max(interval) }.bound(self.repairs);
        self.not_before = Some(now + pause);
        self.arrivals.start_anew();
        vec![
            Action::Report(KeeperNotice::Registered(cause)),
            Action::Report(KeeperNotice::CatchUp),
            Action::CheckAgainIn(interval),
        ]
    }

    /// The webhook could not be registered. `jitter` is a random number in `0.0..1.0`.
    pub(super) fn registration_failed(&mut self, error: Error, jitter: f64) -> Vec<Action> {
        let wait = self.wait_after(&error, jitter);
        let first = !std::mem::replace(&mut self.registration_is_failing, true);
        let report = first.then_some(Action::Report(KeeperNotice::RegistrationFailed(error)));
        report.into_iter().chain([Action::CheckAgainIn(wait)]).collect()
    }

    /// Soon where the cause may pass, else as always: a token or a fragment may be put right at any time.
    fn wait_after(&mut self, error: &Error, jitter: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let interval = self.policy.check_interval;
        if !error.is_retryable() {
            return interval;
        }
        self.policy.retry.wait(self.failures, jitter, error.retry_after(), interval).min(interval)
    }
}
