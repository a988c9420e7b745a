//! [`Arrivals`]: whether what Pico says it had events for does arrive. No server, no clock.
//!
//! Two clocks are compared: Pico's in `lastEventAt`, and this machine's in the time of the last post. If Pico's runs
//! ahead, every delivered event would look like a missing one. How far ahead it runs is learnt from events that were
//! followed by a post: the smallest lead that was seen is the clock's, anything above it is a missing post.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// What is known of one registration's events and posts.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    last: Option<Sight>,
    /// How far Pico's clock is ahead, as far as is known.
    lead: Option<SignedDuration>,
    /// The event that was last told to be missing.
    told: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Sight {
    event_at: Timestamp,
    first_seen: Instant,
    received: Option<Timestamp>,
}

/// What follows from a look at the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// All is well, or nothing has happened.
    Fine,
    /// Posts arrive that did not before.
    Again,
    /// A post is due, and may be on its way for so long.
    Due(Duration),
    /// A post is missing.
    Missing,
    /// One more is missing.
    MoreMissing,
    /// It is known already that one is missing.
    StillMissing,
}

impl Arrivals {
    /// Forgets what belongs to an earlier registration. The clocks stay what they are.
    pub(super) fn start_anew(&mut self) {
        self.last = None;
    }

    pub(super) fn look(
        &mut self,
        event_at: Option<Timestamp>,
        received: Option<Timestamp>,
        grace: Duration,
        now: Instant,
    ) -> Arrival {
        let Some(event_at) = event_at else { return Arrival::Fine };
        let first_seen = match self.last {
            Some(last) if last.event_at == event_at => last.first_seen,
            _ => now,
        };
        self.learn_lead(event_at, received);
        self.last = Some(Sight { event_at, first_seen, received });

        let lead = self.lead.unwrap_or_default().max(SignedDuration::ZERO);
        let grace_signed = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let arrived = received
            .is_some_and(|received| event_at.duration_since(received) <= lead.saturating_add(grace_signed));
        if arrived {
            return if self.told.take().is_some() { Arrival::Again } else { Arrival::Fine };
        }
        // It may have happened a moment ago.
        let waited = now.saturating_duration_since(first_seen);
        if waited < grace {
            return Arrival::Due(grace - waited);
        }
        match self.told.replace(event_at) {
            None => Arrival::Missing,
            Some(told) if told < event_at => Arrival::MoreMissing,
            Some(_) => Arrival::StillMissing,
        }
    }

    /// An event and a post since the last look belong together, unless a post is missing besides, which makes the lead
    /// too large until a smaller one is seen.
    fn learn_lead(&mut self, event_at: Timestamp, received: Option<Timestamp>) {
        let (Some(last), Some(received)) = (self.last, received) else { return };
        if event_at > last.event_at && last.received.is_none_or(|before| received > before) {
            let lead = event_at.duration_since(received);
            self.lead = Some(self.lead.map_or(lead, |known| known.min(lead)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    /// Looks at Pico's time, the last post's time and the time of looking, all in seconds from a common start.
    fn looks(script: &[(Option<i64>, Option<i64>, u64, Arrival)]) {
        let mut arrivals = Arrivals::default();
        let start = Instant::now();
        let time = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        for (step, (event, post, now, expected)) in script.iter().enumerate() {
            let now = start + Duration::from_secs(*now);
            let arrival = arrivals.look(event.map(time), post.map(time), GRACE, now);
            assert_eq!(arrival, *expected, "step {step} of {script:?}");
        }
    }

    use Arrival::{Again, Due, Fine, Missing, MoreMissing, StillMissing};

    #[test]
    fn nothing_is_missing_while_each_event_is_followed_by_a_post() {
        looks(&[
            (None, None, 0, Fine),
            (None, Some(-500), 0, Fine),
            (Some(10), Some(11), 20, Fine),
            (Some(10), Some(11), 2000, Fine),
            (Some(3000), Some(3001), 3010, Fine),
        ]);
    }

    #[test]
    fn a_post_has_the_grace_to_arrive() {
        looks(&[
            (Some(10), Some(11), 20, Fine),
            (Some(300), Some(11), 301, Due(GRACE)),
            (Some(300), Some(11), 331, Due(Duration::from_secs(30))),
            (Some(300), Some(310), 340, Fine),
        ]);
    }

    #[test]
    fn a_missing_post_is_told_once_until_posts_arrive_again() {
        looks(&[
            (Some(300), None, 301, Due(GRACE)),
            (Some(300), None, 361, Missing),
            (Some(300), None, 421, StillMissing),
            (Some(400), None, 481, Due(GRACE)),
            (Some(400), None, 541, MoreMissing),
            (Some(600), Some(601), 610, Again),
            (Some(600), Some(601), 670, Fine),
            (Some(900), Some(601), 901, Due(GRACE)),
            (Some(900), Some(601), 961, Missing),
        ]);
    }

    #[test]
    fn an_event_from_before_the_start_is_noticed_too() {
        looks(&[(Some(-3600), Some(-7200), 0, Due(GRACE)), (Some(-3600), Some(-7200), 60, Missing)]);
    }

    #[test]
    fn a_clock_that_is_ahead_raises_no_alarm_and_hides_no_loss() {
        // Pico's clock is 300 s ahead; the first look has nothing to learn from.
        looks(&[
            (Some(310), Some(11), 20, Due(GRACE)),
            (Some(410), Some(111), 80, Fine),
            (Some(510), Some(211), 220, Fine),
            (Some(910), Some(211), 620, Due(GRACE)),
            (Some(910), Some(211), 680, Missing),
        ]);
        // A loss in the very interval that is learnt from makes the lead too large; a later event puts it right.
        looks(&[
            (Some(10), Some(11), 20, Fine),
            (Some(500), Some(101), 510, Fine),
            (Some(600), Some(601), 610, Fine),
            (Some(1000), Some(601), 1001, Due(GRACE)),
            (Some(1000), Some(601), 1061, Missing),
        ]);
    }

    #[test]
    fn a_clock_that_is_behind_only_delays_the_alarm() {
        looks(&[
            (Some(-290), Some(11), 20, Fine),
            (Some(-200), Some(101), 110, Fine),
            (Some(500), Some(101), 810, Due(GRACE)),
            (Some(500), Some(101), 870, Missing),
        ]);
    }
}
