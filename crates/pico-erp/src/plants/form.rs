//! The file of plants as it is written: every key that there is, each of them optional. What they mean together is decided by
//! [`super::config`].
//!
//! A plant's form laid over the defaults' gives the plant's settings. Keys that are not known here are errors, because a
//! mistyped one would be a setting that silently does nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::secret::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileForm {
    pub(super) store: StoreForm,
    #[serde(default)]
    pub(super) receiver: Option<ReceiverForm>,
    #[serde(default)]
    pub(super) defaults: PlantForm,
    #[serde(default)]
    pub(super) plants: BTreeMap<String, PlantForm>,
}

/// `store = "place"`, or a table with its settings.
#[derive(Debug)]
pub(super) struct StoreForm(pub(super) StoreTable);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreTable {
    /// It may be a URL with a password.
    pub(super) place: Secret,
    pub(super) must_exist: Option<bool>,
    pub(super) max_size: Option<u64>,
    pub(super) keep_acked: Option<f64>,
    pub(super) keep_sent: Option<f64>,
    pub(super) node_lease: Option<f64>,
    pub(super) connections: Option<usize>,
}

impl<'de> Deserialize<'de> for StoreForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = StoreForm;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the place of the store as a text, or a table with \"place\"")
            }

            fn visit_str<E: de::Error>(self, place: &str) -> Result<StoreForm, E> {
                Ok(StoreForm(StoreTable {
                    place: Secret::new(place),
                    must_exist: None,
                    max_size: None,
                    keep_acked: None,
                    keep_sent: None,
                    node_lease: None,
                    connections: None,
                }))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<StoreForm, A::Error> {
                StoreTable::deserialize(MapAccessDeserializer::new(map)).map(StoreForm)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiverForm {
    pub(super) bind: String,
    pub(super) path: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) any_content_type: Option<bool>,
    pub(super) max_connections: Option<usize>,
}

/// Declares a table of optional settings that can be laid over another of its kind.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)*
        }

        impl $name {
            /// These settings, and those of `under` where there are none.
            fn over(self, under: &Self) -> Self {
                Self { $($field: self.$field.or_else(|| under.$field.clone()),)* }
            }
        }
    };
}

table!(FeedForm {
    enabled: bool,
    start: String,
    live: bool,
    catch_up_every: f64,
    catch_up_overlap: f64,
    visible: f64,
    max_attempts: u32,
    operation: String,
});

table!(SenderForm { enabled: bool, batch: usize, concurrency: usize });

table!(CatalogueForm { enabled: bool, refresh_every: f64 });

table!(WebhookForm {
    enabled: bool,
    id: String,
    url: String,
    secret_header: String,
    secret: Secret,
    secret_env: String,
    secret_file: PathBuf,
    check_every: f64,
});

/// The settings of one plant, or those that all have where they have none of their own.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlantForm {
    pub(super) endpoint: Option<String>,
    pub(super) generation: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) token_env: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) transport: Option<String>,
    pub(super) connect_timeout: Option<f64>,
    pub(super) request_timeout: Option<f64>,
    pub(super) proxy: Option<Secret>,
    pub(super) no_proxy: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) feed: FeedForm,
    #[serde(default)]
    pub(super) sender: SenderForm,
    #[serde(default)]
    pub(super) catalogue: CatalogueForm,
    #[serde(default)]
    pub(super) webhook: WebhookForm,
}

impl PlantForm {
    pub(super) fn over(mut self, under: &Self) -> Self {
        // Where a secret comes from is one setting in three keys.
        if self.token.is_none() && self.token_env.is_none() && self.token_file.is_none() {
            self.token.clone_from(&under.token);
            self.token_env.clone_from(&under.token_env);
            self.token_file.clone_from(&under.token_file);
        }
        let hook = &mut self.webhook;
        let secret_is_own = hook.secret.is_some() || hook.secret_env.is_some() || hook.secret_file.is_some();
        let mut under_hook = under.webhook.clone();
        if secret_is_own {
            (under_hook.secret, under_hook.secret_env, under_hook.secret_file) = (None, None, None);
        }
        // The exceptions belong to the proxy.
        if self.proxy.is_none() {
            self.proxy.clone_from(&under.proxy);
            self.no_proxy = self.no_proxy.or_else(|| under.no_proxy.clone());
        }
        Self {
            endpoint: self.endpoint.or_else(|| under.endpoint.clone()),
            generation: self.generation.or_else(|| under.generation.clone()),
            transport: self.transport.or_else(|| under.transport.clone()),
            connect_timeout: self.connect_timeout.or(under.connect_timeout),
            request_timeout: self.request_timeout.or(under.request_timeout),
            ca_file: self.ca_file.or_else(|| under.ca_file.clone()),
            feed: self.feed.over(&under.feed),
            sender: self.sender.over(&under.sender),
            catalogue: self.catalogue.over(&under.catalogue),
            webhook: self.webhook.over(&under_hook),
            ..self
        }
    }
}
