//! [`KeeperNotice`]: what a keeper has to tell.

use std::fmt;

use jiff::Timestamp;

use crate::error::Error;

/// Why a webhook was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationCause {
    /// For the first time.
    First,
    /// Pico did not list it any more.
    Lost,
    /// Pico listed it otherwise than it was registered.
    Changed,
    /// What is wanted has changed, or it is not known what it was registered with.
    NewSettings,
}

/// Something that a keeper has done, wants done, or has noticed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeeperNotice {
    /// The webhook has been registered. A [`KeeperNotice::CatchUp`] follows.
    Registered(RegistrationCause),
    /// Events may have been dropped: run the catch-up query.
    CatchUp,
    /// Pico had an event and no post followed: the receiver may not be reachable from there, or refuse what comes. Told
    /// once; [`KeeperNotice::PostsArrive`] tells its end. A [`KeeperNotice::CatchUp`] follows, and another with each
    /// further event that does not arrive.
    PostsMissing {
        /// When Pico last had an event, by its clock.
        last_event_at: Timestamp,
        /// When a post was last received, by this machine's clock.
        last_received: Option<Timestamp>,
    },
    /// Posts arrive again.
    PostsArrive,
    /// The list could not be read. Told once, for the first of several failures in a row.
    CheckFailed(Error),
    /// The list can be read again.
    ChecksWork,
    /// The webhook could not be registered, and is not. Told once, for the first of several failures in a row.
    RegistrationFailed(Error),
    /// The fingerprint could not be saved. It is tried again; if it fails until the end, the next start registers anew.
    FingerprintNotSaved(Error),
}

impl fmt::Display for KeeperNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(RegistrationCause::First) => f.write_str("registered"),
            Self::Registered(RegistrationCause::Lost) => f.write_str("was gone, and is registered again"),
            Self::Registered(RegistrationCause::Changed) => {
                f.write_str("was changed, and is registered anew")
            }
            Self::Registered(RegistrationCause::NewSettings) => f.write_str("registered with other settings"),
            Self::CatchUp => f.write_str("events may have been dropped"),
            Self::PostsMissing { last_event_at, last_received } => {
                write!(f, "no post arrived for the event of {last_event_at}; the last one came ")?;
                match last_received {
                    Some(time) => write!(f, "at {time}"),
                    None => f.write_str("never"),
                }?;
                f.write_str("; can this machine be reached from Pico?")
            }
            Self::PostsArrive => f.write_str("posts arrive again"),
            Self::CheckFailed(error) => write!(f, "the registrations cannot be read: {error}"),
            Self::ChecksWork => f.write_str("the registrations can be read again"),
            Self::RegistrationFailed(error) => write!(f, "cannot be registered: {error}"),
            Self::FingerprintNotSaved(error) => write!(f, "its fingerprint cannot be saved: {error}"),
        }
    }
}
