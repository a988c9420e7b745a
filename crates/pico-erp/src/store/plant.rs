//! [`Plant`]: one of several plants in a store, as this process knows it: its name, and who is to be woken when something
//! of it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use url::{Host, Url};

use crate::error::Error;
use crate::metrics::{Meters, PlantMeters, StoreMeters};

/// What follows a plant's name where its notes are kept. No name of a plant can end so.
pub(super) const NOTES: &str = "#notes";

/// The longest name.
const LONGEST: usize = 64;

pub(super) struct Plant {
    name: String,
    /// Its number in this process.
    number: u64,
    meters: Arc<PlantMeters>,
    inbox_changes: watch::Sender<u64>,
    outbox_changes: watch::Sender<u64>,
}

impl Plant {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn meters(&self) -> &Arc<PlantMeters> {
        &self.meters
    }

    pub(super) fn inbox_changed(&self) {
        self.inbox_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.inbox_changes.subscribe()
    }

    pub(super) fn outbox_changed(&self) {
        self.outbox_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn outbox_changes(&self) -> watch::Receiver<u64> {
        self.outbox_changes.subscribe()
    }
}

/// The plants that this process has worked with, and what is counted for them.
#[derive(Default)]
pub(super) struct Plants {
    known: Mutex<HashMap<String, Arc<Plant>>>,
    meters: Meters,
}

impl Plants {
    pub(super) fn of(&self, name: &str) -> Arc<Plant> {
        let mut plants = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plants.get(name) {
            return Arc::clone(known);
        }
        let plant = Arc::new(Plant {
            name: name.to_owned(),
            number: plants.len() as u64,
            meters: self.meters.plant(name),
            inbox_changes: watch::Sender::new(0),
            outbox_changes: watch::Sender::new(0),
        });
        plants.insert(name.to_owned(), Arc::clone(&plant));
        plant
    }

    /// The plant of that name, when this process works with it.
    #[cfg(feature = "postgres")]
    pub(super) fn known(&self, name: &str) -> Option<Arc<Plant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What is counted for the store, whatever the plant.
    pub(super) fn store_meters(&self) -> &Arc<StoreMeters> {
        &self.meters.store
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Plant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Checks a name. It is part of files' names, labels and logs, so it has nothing that needs quoting anywhere.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::invalid("plant", "is empty; give it a name, or use the store as it was opened"));
    }
    if name.len() > LONGEST {
        return Err(Error::invalid("plant", format!("has {} characters; it can have {LONGEST}", name.len())));
    }
    if let Some(other) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
        return Err(Error::invalid(
            "plant",
            format!("has the character {other:?}; a name is made of ASCII letters, digits, '.', '-' and '_'"),
        ));
    }
    Ok(())
}

/// What says which Pico an endpoint is of: its host and port. What listens on this machine's own addresses is somebody's
/// trial, and on another port each time.
pub(super) fn instance(endpoint: &str) -> String {
    let Ok(endpoint) = Url::parse(endpoint) else { return endpoint.to_owned() };
    let local = match endpoint.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    };
    if local {
        return "localhost".to_owned();
    }
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plants_name_is_one_that_needs_no_quoting_anywhere() {
        for name in ["berlin", "DE-01", "a.b_c", &"x".repeat(64)] {
            check(name).unwrap();
        }
        for (name, part) in
            [("", "empty"), ("a b", "' '"), ("a/b", "'/'"), ("köln", "'ö'"), (&"x".repeat(65), "65")]
        {
            let error = check(name).unwrap_err().to_string();
            assert!(error.starts_with("plant: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_pico_is_known_by_its_host_and_one_on_this_machine_is_a_trial() {
        for (endpoint, expected) in [
            ("https://acme.picomes.com/graphql", "acme.picomes.com"),
            ("https://acme.picomes.com:443/graph/v2", "acme.picomes.com"),
            ("https://acme.example:8443/graphql", "acme.example:8443"),
            ("http://10.1.2.3/graphql", "10.1.2.3"),
            ("http://127.0.0.1:4000/graphql", "localhost"),
            ("http://[::1]:4000/graphql", "localhost"),
            ("http://LOCALHOST:1/graphql", "localhost"),
        ] {
            assert_eq!(instance(endpoint), expected, "{endpoint}");
        }
    }
}
