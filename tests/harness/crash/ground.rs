//! [`Ground`]: where the store of a round is, a file or a database. The same programs are killed on either.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    File,
    #[cfg(unix)]
    Database,
}

impl Ground {
    pub(crate) const ALL: &[Self] = &[
        Self::File,
        #[cfg(unix)]
        Self::Database,
    ];

    /// A place for a new store; the file is in `folder`.
    pub(crate) fn place(self, folder: &tempfile::TempDir) -> PathBuf {
        match self {
            Self::File => folder.path().join("erp.pico"),
            #[cfg(unix)]
            Self::Database => pico_erp_test_cluster::Cluster::shared().database().into(),
        }
    }

    /// What a life lasts besides: on a database it takes longer to come to anything, and has to wait until the last one counts
    /// as dead before it can take that one's place.
    pub(crate) fn longer(self, dice: &mut fastrand::Rng) -> Duration {
        match self {
            Self::File => Duration::ZERO,
            #[cfg(unix)]
            Self::Database if dice.u8(..3) == 0 => Duration::from_millis(dice.u64(400..1500)),
            #[cfg(unix)]
            Self::Database => Duration::from_millis(dice.u64(50..400)),
        }
    }

    /// How far the times in the store may be from this machine's: those in a database are by its clock, as a node knows it.
    pub(crate) fn inexact(self) -> Duration {
        match self {
            Self::File => Duration::ZERO,
            #[cfg(unix)]
            Self::Database => Duration::from_millis(50),
        }
    }
}
