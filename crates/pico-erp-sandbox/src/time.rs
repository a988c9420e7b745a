//! Times as Pico writes them (RFC 3339, UTC, milliseconds, `Z`) and the clock that hands them out. Used by the
//! schema's `Time` and `DateTime` scalars, by seeds and by the control API. It measures no durations.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A point in time, to the millisecond. It prints as `2025-01-15T10:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time now, by the machine's clock.
    pub fn now() -> Self {
        Time(Timestamp::now().as_millisecond())
    }

    /// The time that many milliseconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// A time outside the years -9999 to 9999 is refused.
    pub fn from_unix_millis(millis: i64) -> Result<Self, Error> {
        match Timestamp::from_millisecond(millis) {
            Ok(_) => Ok(Time(millis)),
            Err(error) => Err(Error::invalid(format!("no time at {millis} ms")).caused_by(error)),
        }
    }

    /// Milliseconds after 1970-01-01T00:00:00Z.
    pub fn unix_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In range: both constructors go through `Timestamp`, and the clock adds milliseconds to the present.
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX);
        write!(f, "{timestamp:.3}")
    }
}

impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let timestamp: Timestamp = text.parse().map_err(|error: jiff::Error| {
            Error::invalid(format!("`{text}` is no RFC 3339 time such as 2025-01-15T10:00:00.000Z"))
                .caused_by(error)
        })?;
        Ok(Time(timestamp.as_millisecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hands out the present, but never the same millisecond twice and never an earlier one than before. A client
/// that pages by `at` or `updatedAt` can so rely on the order, even when thousands of events share one
/// millisecond of wall time; the clock then runs ahead by as many milliseconds.
///
/// A clock that is set wrong keeps that promise only among the times of one offset: set back, its times go backwards,
/// as those of a machine do whose clock is corrected.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: i64,
    /// The last time handed out, by the offset it was shifted by.
    last: HashMap<i64, Time>,
}

/// A century: far more than a clock is ever wrong by, and far from the last year that [`Time`] can hold.
const LARGEST_OFFSET: i64 = 100 * 366 * 86_400;

impl Clock {
    /// Shifts all times from now on.
    pub(crate) fn set_offset(&mut self, seconds: i64) -> Result<(), Error> {
        if !(-LARGEST_OFFSET..=LARGEST_OFFSET).contains(&seconds) {
            return Err(Error::invalid(format!(
                "offsetSeconds: must be from -{LARGEST_OFFSET} to {LARGEST_OFFSET}"
            )));
        }
        self.offset_seconds = seconds;
        Ok(())
    }

    pub(crate) fn offset_seconds(&self) -> i64 {
        self.offset_seconds
    }

    /// The present, shifted. It is no tick: the same time may be handed out again.
    pub(crate) fn now(&self) -> Time {
        self.shifted(Time::now())
    }

    pub(crate) fn tick(&mut self) -> Time {
        self.tick_from(Time::now())
    }

    fn tick_from(&mut self, now: Time) -> Time {
        let now = self.shifted(now);
        let last = self.last.entry(self.offset_seconds).or_insert(Time(i64::MIN));
        *last = now.max(Time(last.0.saturating_add(1)));
        *last
    }

    fn shifted(&self, time: Time) -> Time {
        Time(time.0 + self.offset_seconds * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_with_milliseconds_and_z() {
        let time: Time = "2025-01-15T11:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2025-01-15T10:00:00.000Z");
        let time: Time = "2025-01-15T10:00:00.1239Z".parse().unwrap();
        assert_eq!(time.to_string(), "2025-01-15T10:00:00.123Z");
    }

    #[test]
    fn a_bad_time_is_refused_with_an_example() {
        let error = "yesterday".parse::<Time>().unwrap_err();
        assert!(error.to_string().contains("`yesterday` is no RFC 3339 time such as 2025-"), "{error}");
    }

    #[test]
    fn the_clock_never_repeats_a_millisecond_even_when_wall_time_stands_still_or_goes_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick_from(Time(100)), Time(100));
        assert_eq!(clock.tick_from(Time(100)), Time(101));
        assert_eq!(clock.tick_from(Time(50)), Time(102));
        assert_eq!(clock.tick_from(Time(500)), Time(500));
    }

    #[test]
    fn a_clock_that_is_set_back_goes_backwards_once_and_increases_again_from_there() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick_from(Time(10_000)), Time(10_000));
        clock.set_offset(-5).unwrap();
        assert_eq!(clock.tick_from(Time(10_000)), Time(5_000));
        assert_eq!(clock.tick_from(Time(10_000)), Time(5_001));
        clock.set_offset(0).unwrap();
        assert_eq!(clock.tick_from(Time(10_000)), Time(10_001));
        let error = clock.set_offset(i64::MAX).unwrap_err();
        assert!(error.to_string().starts_with("offsetSeconds: must be from -"), "{error}");
        assert_eq!(clock.offset_seconds(), 0);
    }
}
