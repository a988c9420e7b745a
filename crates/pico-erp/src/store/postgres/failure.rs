//! What PostgreSQL says went wrong, as one of this crate's errors: the database, the reason, and what can be done about it.
//!
//! Source: PostgreSQL's manual, appendix "Error Codes".

use tokio_postgres::error::SqlState;

use super::address::{Address, deepest};
use crate::error::{Error, ErrorKind};

/// What `error` means for who wanted to do `what`.
pub(super) fn failure(address: &Address, what: &str, error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        let reason = deepest(error);
        let advice = if reason.contains("invalid peer certificate") || reason.contains("UnknownIssuer") {
            "; give the certificate of its authority as sslrootcert, or sslmode=disable on a network that is safe"
        } else {
            ""
        };
        return address.error(ErrorKind::Store, format!("{what}: {reason}{advice}"));
    };
    let code = said.code();
    let class = code.code().get(..2).unwrap_or_default();
    let (kind, lasting, advice) = match code {
        c if *c == SqlState::DISK_FULL => (ErrorKind::StoreFull, false, "; make room on the database's disk"),
        c if *c == SqlState::READ_ONLY_SQL_TRANSACTION => (
            ErrorKind::StoreReadOnly,
            false,
            "; it is a standby: give the primary, or target_session_attrs=read-write",
        ),
        c if *c == SqlState::INSUFFICIENT_PRIVILEGE => (
            ErrorKind::StoreReadOnly,
            true,
            "; the role needs the rights that the manual of the store names, and its owner must have made the tables",
        ),
        c if *c == SqlState::DATA_CORRUPTED || *c == SqlState::INDEX_CORRUPTED => {
            (ErrorKind::StoreDamaged, true, "; restore the database")
        }
        // Not who they say they are, or not let in; no such database.
        _ if class == "28" || class == "3D" => (ErrorKind::Store, true, ""),
        _ => (ErrorKind::Store, false, ""),
    };
    address
        .error(kind, format!("{what}: {} (SQLSTATE {}){advice}", said.message(), code.code()))
        .with_transient(!lasting)
}
