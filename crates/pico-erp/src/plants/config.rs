//! [`PlantsConfig`]: many plants in one file: read, checked as far as that needs no network, and compared with another.
//!
//! [`super::form`] is the file as it is written; [`PlantConfig`] is one plant with the defaults laid under it and every
//! setting checked; it can say which client, feed, sender, catalogue and webhook that makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::form::{FileForm, PlantForm, ReceiverForm, StoreTable};
use super::secret::{Secret, SecretSource, read_file};
use crate::client::{ApiGeneration, Client, Proxy, StreamPolicy, StreamTransport, Token};
use crate::error::Error;
use crate::feed::{FeedPolicy, FeedStart};
use crate::filter::OrderCompleteFilter;
use crate::json::Json;
use crate::store::{Retention, Store, StoreBuilder, check_plant};
use crate::webhook_keeper::KeeperPolicy;
use crate::webhooks::WebhookSubscribe;

/// What stands for the plant's name in its settings.
const PLANT: &str = "{plant}";

/// The configuration of many plants, read from a file.
///
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct PlantsConfig {
    pub(super) store: StoreConfig,
    pub(super) receiver: Option<ReceiverConfig>,
    pub(super) plants: BTreeMap<String, PlantConfig>,
}

#[derive(Debug)]
pub(super) struct StoreConfig {
    place: Secret,
    form: StoreTable,
}

impl StoreConfig {
    pub(super) fn builder(&self) -> Result<StoreBuilder, Error> {
        let form = &self.form;
        let mut builder = Store::builder(self.place.expose());
        let default = Retention::default();
        builder = builder.retention(Retention {
            acked: seconds("store.keep_acked", form.keep_acked)?.unwrap_or(default.acked),
            sent: seconds("store.keep_sent", form.keep_sent)?.unwrap_or(default.sent),
        });
        if form.must_exist == Some(true) {
            builder = builder.must_exist();
        }
        if let Some(bytes) = form.max_size {
            builder = builder.max_size(bytes);
        }
        if let Some(lease) = seconds("store.node_lease", form.node_lease)? {
            builder = builder.node_lease(lease);
        }
        if let Some(count) = form.connections {
            builder = builder.connections(count);
        }
        Ok(builder)
    }
}

impl PartialEq for StoreConfig {
    fn eq(&self, other: &Self) -> bool {
        let knobs = |form: &StoreTable| {
            (
                form.must_exist,
                form.max_size,
                form.keep_acked,
                form.keep_sent,
                form.node_lease,
                form.connections,
            )
        };
        self.place == other.place && knobs(&self.form) == knobs(&other.form)
    }
}

/// The one HTTP receiver of all plants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReceiverConfig {
    pub(super) bind: String,
    /// Each plant's posts come to this, a slash and its name.
    pub(super) path: String,
    pub(super) tls: Option<(PathBuf, PathBuf)>,
    pub(super) any_content_type: bool,
    pub(super) max_connections: Option<usize>,
}

/// How one plant is to be worked with. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantConfig {
    endpoint: String,
    generation: ApiGeneration,
    token: Option<SecretSource>,
    transport: StreamTransport,
    connect_timeout: Option<Duration>,
    request_timeout: Option<Duration>,
    proxy: Option<Secret>,
    no_proxy: String,
    /// With its content when it was read, so that another is noticed.
    ca: Option<(PathBuf, Option<Vec<u8>>)>,
    pub(super) feed: Option<FeedConfig>,
    pub(super) sender: Option<SenderConfig>,
    pub(super) catalogue: Option<CatalogueConfig>,
    pub(super) webhook: Option<WebhookConfig>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeedConfig {
    pub(super) policy: FeedPolicy,
    pub(super) filter: OrderCompleteFilter,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct SenderConfig {
    pub(super) batch: Option<usize>,
    pub(super) concurrency: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct CatalogueConfig {
    pub(super) refresh_every: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct WebhookConfig {
    id: String,
    /// Where Pico is to post to; without it the plant only receives, and somebody else registers.
    url: Option<String>,
    header: String,
    secret: Option<SecretSource>,
    check_every: Option<Duration>,
}

impl WebhookConfig {
    /// The header that lets a post in.
    pub(super) fn secret(&self) -> Result<Option<(String, String)>, Error> {
        let read = |source: &SecretSource| source.read("webhook.secret");
        Ok(self.secret.as_ref().map(read).transpose()?.map(|secret| (self.header.clone(), secret)))
    }

    /// What is to be registered, and how it is kept; nothing where somebody else does that.
    pub(super) fn registration(&self) -> Result<Option<(WebhookSubscribe, KeeperPolicy)>, Error> {
        let Some(url) = &self.url else { return Ok(None) };
        let mut webhook = WebhookSubscribe::order_completes(&self.id, url);
        if let Some((name, secret)) = self.secret()? {
            webhook = webhook.header(name, secret);
        }
        let mut policy = KeeperPolicy::default();
        if let Some(every) = self.check_every {
            policy.check_interval = every;
        }
        Ok(Some((webhook, policy)))
    }
}

fn seconds(field: &str, value: Option<f64>) -> Result<Option<Duration>, Error> {
    let read = |value: f64| {
        Duration::try_from_secs_f64(value)
            .map_err(|_| Error::invalid(field, format!("is {value}; give a number of seconds, 0 or more")))
    };
    value.map(read).transpose()
}

impl PlantsConfig {
    /// Reads a file. Paths in it are taken from the folder that it lies in.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] with the line and the key, or the plant and the setting. Whether an endpoint, a
    /// token or a certificate is any good is not known here: the plant's status tells.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::invalid("config", format!("{} cannot be read", path.display())).with_source(error)
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|error| error.context(path.display()))
    }

    /// The same of a text, with the folder that its paths are taken from.
    ///
    /// # Errors
    /// As [`PlantsConfig::read`].
    pub fn parse(text: &str, folder: impl AsRef<Path>) -> Result<Self, Error> {
        let form: FileForm = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
        let folder = folder.as_ref();
        let table = form.store.0;
        let place = table.place.expose();
        if place.is_empty() {
            return Err(Error::invalid("store.place", "is empty; give a path, or postgres://..."));
        }
        let place = if place.contains("://") {
            table.place.clone()
        } else {
            Secret::new(folder.join(place).to_string_lossy())
        };
        let store = StoreConfig { place, form: table };
        let _checked = store.builder()?;
        let receiver = form.receiver.map(|form| receiver(form, folder)).transpose()?;
        let mut plants = BTreeMap::new();
        for (name, plant) in form.plants {
            let within = |error: Error| error.context(format!("plants.{name}"));
            check_plant(&name).map_err(within)?;
            let plant = PlantConfig::new(&name, plant.over(&form.defaults), folder).map_err(within)?;
            if plant.webhook.is_some() && receiver.is_none() {
                return Err(within(Error::invalid(
                    "webhook",
                    "needs a [receiver]; add one, or set enabled = false",
                )));
            }
            plants.insert(name, plant);
        }
        Ok(Self { store, receiver, plants })
    }

    /// The store of all plants, to be opened.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] naming a setting.
    pub fn store(&self) -> Result<StoreBuilder, Error> {
        self.store.builder()
    }

    /// The plants, by name.
    pub fn plants(&self) -> impl Iterator<Item = (&str, &PlantConfig)> {
        self.plants.iter().map(|(name, plant)| (name.as_str(), plant))
    }

    /// How a plant is to be worked with.
    #[must_use]
    pub fn plant(&self, name: &str) -> Option<&PlantConfig> {
        self.plants.get(name)
    }
}

/// With the line and the key, and without the line's text: it may hold a secret.
fn unreadable(text: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    let Some(start) = error.span().map(|span| span.start.min(text.len())) else {
        return Error::invalid("config", message);
    };
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count();
    let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let key = key.map(|key| format!(" ({key})")).unwrap_or_default();
    Error::invalid("config", format!("line {}{key}: {message}", line + 1))
}

fn receiver(form: ReceiverForm, folder: &Path) -> Result<ReceiverConfig, Error> {
    let tls = match (form.tls_cert, form.tls_key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((folder.join(cert), folder.join(key))),
        _ => return Err(Error::invalid("receiver.tls_cert", "and tls_key go together; give both or none")),
    };
    let path = form.path.unwrap_or_else(|| "/pico".to_owned());
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(Error::invalid(
            "receiver.path",
            "begins with a slash and ends without one, such as \"/pico\"; the plant's name follows",
        ));
    }
    Ok(ReceiverConfig {
        bind: form.bind,
        path,
        tls,
        any_content_type: form.any_content_type.unwrap_or(false),
        max_connections: form.max_connections,
    })
}

impl PlantConfig {
    fn new(name: &str, form: PlantForm, folder: &Path) -> Result<Self, Error> {
        let named = |text: String| text.replace(PLANT, name);
        let file = |path: PathBuf| folder.join(path.to_string_lossy().replace(PLANT, name));
        let endpoint = form.endpoint.map(named).ok_or_else(|| {
            Error::invalid(
                "endpoint",
                "is missing; give Pico's address, such as https://yourcompany.picomes.com",
            )
        })?;
        let token = SecretSource::of(
            "token",
            form.token.as_ref(),
            form.token_env.map(named),
            form.token_file.map(file),
        )?;
        let feed = &form.feed;
        let hook = form.webhook;
        let hook_is_on = hook.enabled.unwrap_or(hook.url.is_some());
        let webhook = WebhookConfig {
            id: hook.id.map_or_else(|| format!("pico-erp-{name}"), named),
            url: hook.url.map(named),
            header: hook.secret_header.unwrap_or_else(|| "x-pico-secret".to_owned()),
            secret: SecretSource::of(
                "webhook.secret",
                hook.secret.as_ref(),
                hook.secret_env.map(named),
                hook.secret_file.map(file),
            )?,
            check_every: seconds("webhook.check_every", hook.check_every)?,
        };
        let feed_is_on = feed.enabled.unwrap_or(true);
        if hook_is_on && !feed_is_on {
            return Err(Error::invalid(
                "webhook",
                "needs the feed, which is off; turn it on, or the webhook off",
            ));
        }
        Ok(Self {
            endpoint,
            generation: generation(form.generation.as_deref())?,
            token,
            transport: transport(form.transport.as_deref())?,
            connect_timeout: seconds("connect_timeout", form.connect_timeout)?,
            request_timeout: seconds("request_timeout", form.request_timeout)?,
            proxy: form.proxy,
            no_proxy: form.no_proxy.unwrap_or_default(),
            ca: form.ca_file.map(file).map(|path| {
                let content = std::fs::read(&path).ok();
                (path, content)
            }),
            feed: if feed_is_on { Some(feed_config(&form.feed)?) } else { None },
            sender: form
                .sender
                .enabled
                .unwrap_or(true)
                .then_some(SenderConfig { batch: form.sender.batch, concurrency: form.sender.concurrency }),
            catalogue: if form.catalogue.enabled.unwrap_or(false) {
                let refresh_every = seconds("catalogue.refresh_every", form.catalogue.refresh_every)?;
                Some(CatalogueConfig { refresh_every })
            } else {
                None
            },
            webhook: hook_is_on.then_some(webhook),
        })
    }

    /// Pico's address, as it was given.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The client that these settings make.
    ///
    /// # Errors
    /// As [`crate::ClientBuilder::build`]; [`crate::ErrorKind::InvalidArgument`] for a token that is not there.
    pub fn client(&self) -> Result<Client, Error> {
        let stream = StreamPolicy { transport: self.transport, ..StreamPolicy::default() };
        let mut builder = Client::builder(&self.endpoint).generation(self.generation).stream(stream);
        match &self.token {
            // Read for each request, so that a new one needs no reload.
            Some(source @ SecretSource::File(path)) => {
                source.read("token")?;
                let path = path.clone();
                builder = builder.token(Token::provider(move || read_file(&path)));
            }
            Some(source) => builder = builder.token(Token::fixed(source.read("token")?)),
            None => {}
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(timeout) = self.request_timeout {
            builder = builder.request_timeout(timeout);
        }
        match self.proxy.as_ref().map(Secret::expose) {
            None | Some("environment") => {}
            Some("none") => builder = builder.proxy(Proxy::None),
            Some(url) => {
                builder =
                    builder.proxy(Proxy::Explicit { url: url.to_owned(), no_proxy: self.no_proxy.clone() });
            }
        }
        if let Some((path, _)) = &self.ca {
            let pem = std::fs::read(path).map_err(|error| {
                Error::invalid("ca_file", format!("{} cannot be read: {error}", path.display()))
            })?;
            builder = builder.extra_ca_pem(pem);
        }
        builder.build()
    }

    /// What would run, without a secret: `{"endpoint","token","transport","feed","sender","catalogue","webhook"}`. `token` says
    /// where it comes from; what is off is `null`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let feed = self.feed.as_ref().map(|feed| {
            json!({
                "start": match feed.policy.start {
                    FeedStart::Beginning => "beginning".to_owned(),
                    FeedStart::Now => "now".to_owned(),
                    FeedStart::Since(at) => at.to_string(),
                },
                "live": feed.policy.live,
                "catchUpEvery": feed.policy.catch_up_every.as_secs_f64(),
                "visible": feed.policy.visible.as_secs_f64(),
                "maxAttempts": feed.policy.max_attempts,
                "operation": feed.filter.operation_id,
            })
        });
        let sender =
            self.sender.as_ref().map(|it| json!({ "batch": it.batch, "concurrency": it.concurrency }));
        let catalogue = self
            .catalogue
            .as_ref()
            .map(|it| json!({ "refreshEvery": it.refresh_every.map(|every| every.as_secs_f64()) }));
        let webhook = self.webhook.as_ref().map(|it| {
            json!({
                "id": it.id,
                "url": it.url,
                "secretHeader": it.secret.as_ref().map(|_| &it.header),
                "secret": it.secret.as_ref().map(SecretSource::place),
            })
        });
        let form = json!({
            "endpoint": self.endpoint,
            "token": self.token.as_ref().map(SecretSource::place),
            "transport": self.transport.name(),
            "feed": feed,
            "sender": sender,
            "catalogue": catalogue,
            "webhook": webhook,
        });
        Json::from_value(&form).unwrap_or_default()
    }
}

fn feed_config(form: &super::form::FeedForm) -> Result<FeedConfig, Error> {
    let default = FeedPolicy::default();
    let policy = FeedPolicy {
        start: match form.start.as_deref() {
            None | Some("beginning") => FeedStart::Beginning,
            Some("now") => FeedStart::Now,
            Some(time) => FeedStart::Since(time.parse().map_err(|_| {
                Error::invalid(
                    "feed.start",
                    format!("is \"{time}\"; give beginning, now, or a time such as 2025-01-15T14:22:00Z"),
                )
            })?),
        },
        live: form.live.unwrap_or(default.live),
        catch_up_every: seconds("feed.catch_up_every", form.catch_up_every)?
            .unwrap_or(default.catch_up_every),
        catch_up_overlap: seconds("feed.catch_up_overlap", form.catch_up_overlap)?
            .unwrap_or(default.catch_up_overlap),
        visible: seconds("feed.visible", form.visible)?.unwrap_or(default.visible),
        max_attempts: form.max_attempts.unwrap_or(default.max_attempts),
        ..default
    };
    policy.check().map_err(|error| error.context("feed"))?;
    let mut filter = OrderCompleteFilter::all();
    filter.operation_id.clone_from(&form.operation);
    Ok(FeedConfig { policy, filter })
}

fn generation(name: Option<&str>) -> Result<ApiGeneration, Error> {
    match name {
        None | Some("G2") => Ok(ApiGeneration::G2),
        Some("G3") => Ok(ApiGeneration::G3),
        Some(other) => Err(Error::invalid("generation", format!("is \"{other}\"; give G2 or G3"))),
    }
}

fn transport(name: Option<&str>) -> Result<StreamTransport, Error> {
    const ALL: [StreamTransport; 4] =
        [StreamTransport::Auto, StreamTransport::Sse, StreamTransport::WebSocket, StreamTransport::Poll];
    let Some(name) = name else { return Ok(StreamTransport::Auto) };
    ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| {
        Error::invalid("transport", format!("is \"{name}\"; give auto, sse, websocket or poll"))
    })
}
