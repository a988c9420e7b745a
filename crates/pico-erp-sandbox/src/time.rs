//! Times as Pico writes them (RFC 3339, UTC, milliseconds, `Z`) and the clock that hands them out. Used by the
//! schema's `Time` and `DateTime` scalars, by seeds and by the control API. It measures no durations.

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
#[derive(Debug)]
pub(crate) struct Clock {
    last: Time,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { last: Time(i64::MIN) }
    }
}

impl Clock {
    pub(crate) fn tick(&mut self) -> Time {
        self.tick_from(Time::now())
    }

    fn tick_from(&mut self, now: Time) -> Time {
        self.last = now.max(Time(self.last.0.saturating_add(1)));
        self.last
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
}
