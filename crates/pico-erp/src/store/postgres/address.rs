//! [`Address`]: the URL of a database, read: what PostgreSQL's own clients take, and three parameters of ours.
//!
//! Source: PostgreSQL's manual, "Connection URIs" (libpq). `sslrootcert`, `sslcert` and `sslkey` are libpq's names.
//! `schema` is ours: where the tables are.

use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::client::tls::TlsSettings;
use crate::error::{Error, ErrorKind};

/// Where the tables are when the URL does not say.
const SCHEMA: &str = "pico_erp";
/// The longest name that PostgreSQL keeps whole.
const LONGEST_NAME: usize = 63;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long data may stay unacknowledged, and after how long of silence the other end is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(in crate::store) struct Address {
    /// Without the password.
    text: String,
    pub(super) config: Config,
    pub(super) schema: String,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Address {
    pub(in crate::store) fn read(url: &str) -> Result<Self, Error> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let mut address = Self {
            text: without_password(place, query),
            config: Config::new(),
            schema: SCHEMA.to_owned(),
            root: None,
            certificate: None,
            key: None,
        };
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || decoded(name, value);
            match name {
                "schema" => address.schema = value()?,
                "sslrootcert" => address.root = Some(value()?),
                "sslcert" => address.certificate = Some(value()?),
                "sslkey" => address.key = Some(value()?),
                // A certificate is always checked in full: see `tls`.
                "sslmode" if matches!(pair, "sslmode=verify-full" | "sslmode=verify-ca") => {
                    rest.push("sslmode=require");
                }
                _ => rest.push(pair),
            }
        }
        check_schema(&address.schema)?;
        let plain = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
        // Its message names the parameter, never a value.
        address.config = Config::from_str(&plain).map_err(|error| {
            Error::invalid("store", format!("is not the URL of a database: {}", deepest(&error)))
        })?;
        if address.config.get_application_name().is_none() {
            address.config.application_name("pico-erp");
        }
        if address.config.get_connect_timeout().is_none() {
            address.config.connect_timeout(CONNECT_TIMEOUT);
        }
        address.config.keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        Ok(address)
    }

    /// How to encrypt. A certificate must be one that the platform trusts, or `sslrootcert`, and name the host: encryption
    /// to nobody knows whom protects nothing.
    pub(super) fn tls(&self) -> Result<rustls::ClientConfig, Error> {
        let read = |field: &str, path: &str| {
            std::fs::read(Path::new(path))
                .map_err(|error| Error::invalid(field, format!("{path} cannot be read: {error}")))
        };
        let mut settings = TlsSettings::default();
        if let Some(root) = &self.root {
            settings.extra_ca_pem.push(read("sslrootcert", root)?);
        }
        settings.client_certificate_pem = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((read("sslcert", certificate)?, read("sslkey", key)?)),
            (Some(_), None) => return Err(Error::invalid("sslkey", "is missing beside sslcert; give both")),
            (None, Some(_)) => return Err(Error::invalid("sslcert", "is missing beside sslkey; give both")),
        };
        let mut config = settings.config(self.encrypts())?;
        // The database speaks no HTTP.
        config.alpn_protocols.clear();
        Ok(config)
    }

    pub(super) fn encrypts(&self) -> bool {
        self.config.get_ssl_mode() != SslMode::Disable
    }

    pub(super) fn error(&self, kind: ErrorKind, message: impl fmt::Display) -> Error {
        Error::new(kind, format!("{self}: {message}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The name goes into statements, and is written as the manual's "identifier" without quotes.
fn check_schema(name: &str) -> Result<(), Error> {
    let fits = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        return Ok(());
    }
    Err(Error::invalid(
        "schema",
        format!(
            "\"{name}\" is no name of a schema; give lower-case ASCII letters, digits and '_', {LONGEST_NAME} at most"
        ),
    ))
}

/// For people and logs: who, where, which database and schema; no password, in whichever place.
fn without_password(place: &str, query: &str) -> String {
    let (scheme, rest) = place.split_once("://").unwrap_or(("postgres", place));
    let place = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let kept: Vec<_> =
        query.split('&').filter(|pair| pair.starts_with("schema=") || pair.starts_with("host=")).collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    format!("{scheme}://{place}{query}")
}

fn decoded(name: &str, value: &str) -> Result<String, Error> {
    let (pair, _) = (url::form_urlencoded::parse(value.as_bytes()).next().unwrap_or_default(), ());
    if pair.0.contains('\u{fffd}') {
        return Err(Error::invalid(name, "is not UTF-8"));
    }
    Ok(pair.0.into_owned())
}

/// The innermost cause, which is the one that says something.
pub(super) fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_password() {
        for (url, shown, schema) in [
            ("postgres://erp@db/erp", "postgres://erp@db/erp", "pico_erp"),
            (
                "postgres://erp:s3cret@db:5433/erp?schema=plants",
                "postgres://erp@db:5433/erp?schema=plants",
                "plants",
            ),
            (
                "postgresql://u:p@h1:1,h2:2/d?target_session_attrs=read-write",
                "postgresql://u@h1:1,h2:2/d",
                "pico_erp",
            ),
            ("postgres://u:a@b@h/d?password=s3cret", "postgres://u@h/d", "pico_erp"),
            (
                "postgres:///d?host=/run/postgresql&sslmode=verify-full",
                "postgres:///d?host=/run/postgresql",
                "pico_erp",
            ),
        ] {
            let address = Address::read(url).unwrap();
            assert_eq!((address.to_string().as_str(), address.schema.as_str()), (shown, schema), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_says_what_is_wrong_and_not_the_password() {
        for (url, part) in [
            ("postgres://u:s3cret@db/d?schema=Plants", "schema: \"Plants\""),
            ("postgres://u:s3cret@db/d?schema=a;b", "schema"),
            ("postgres://u:s3cret@db/d?sslmode=maybe", "sslmode"),
            ("postgres://u:s3cret@db/d?nonsense=1", "nonsense"),
            ("postgres://u:s3cret@db:port/d", "port"),
        ] {
            let error = Address::read(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part) && !error.contains("s3cret"), "{url}: {error}");
        }
        let alone = Address::read("postgres://db/d?sslcert=/x").unwrap();
        assert!(alone.tls().unwrap_err().to_string().contains("sslkey"));
    }
}
