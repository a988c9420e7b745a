//! [`PlantStatus`]: where one of many plants stands.

use serde::Serialize;
use serde_json::value::RawValue;

use super::running::{Running, Stage};
use crate::catalogue::CatalogueStatus;
use crate::error::Error;
use crate::feed::FeedStatus;
use crate::json::Json;
use crate::outbox::OutboxStatus;

/// How far a plant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlantState {
    /// What it needs is being started.
    Starting,
    /// It runs. Whether Pico can be reached is told by what runs.
    Running,
    /// It could not be started, or its store failed; it is started again.
    Failed,
    /// It was closed, or taken out of the file.
    Closed,
}

impl PlantState {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// Where a plant stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlantStatus {
    /// Its name.
    pub plant: String,
    /// Its Pico's address, as it was given.
    pub endpoint: String,
    /// How far it has come.
    pub state: PlantState,
    /// What is wrong now, as far as is known: why it does not run, or what its feed, its sender or its catalogue met last.
    pub error: Option<Error>,
    /// Where its feed stands, when one runs.
    pub feed: Option<FeedStatus>,
    /// Where its sender stands, when one runs.
    pub sender: Option<OutboxStatus>,
    /// How current its catalogue is, when one runs.
    pub catalogue: Option<CatalogueStatus>,
}

#[derive(Serialize)]
struct StatusForm<'a> {
    plant: &'a str,
    endpoint: &'a str,
    state: &'static str,
    error: Option<Box<RawValue>>,
    feed: Option<Box<RawValue>>,
    sender: Option<Box<RawValue>>,
    catalogue: Option<Box<RawValue>>,
}

impl PlantStatus {
    /// `{"plant","endpoint","state","error","feed","sender","catalogue"}`, with the forms of what runs; what does not is `null`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let raw = |json: Json| RawValue::from_string(json.as_str().to_owned()).ok();
        let form = StatusForm {
            plant: &self.plant,
            endpoint: &self.endpoint,
            state: self.state.name(),
            error: self.error.as_ref().and_then(|it| raw(it.to_json())),
            feed: self.feed.as_ref().and_then(|it| raw(it.to_json())),
            sender: self.sender.as_ref().and_then(|it| raw(it.to_json())),
            catalogue: self.catalogue.as_ref().and_then(|it| raw(it.to_json())),
        };
        Json::from_value(&form).unwrap_or_default()
    }

    pub(super) async fn of(running: &Running) -> Result<Self, Error> {
        let stage = running.stage.borrow().clone();
        let mut status = Self {
            plant: running.name.to_string(),
            endpoint: running.config.endpoint().to_owned(),
            state: PlantState::Starting,
            error: None,
            feed: None,
            sender: None,
            catalogue: None,
        };
        match stage {
            Stage::Starting => {}
            Stage::Closed => status.state = PlantState::Closed,
            Stage::Failed(error) => {
                status.state = PlantState::Failed;
                status.error = Some(error);
            }
            Stage::Running(parts) => {
                status.state = PlantState::Running;
                if let Some(feed) = &parts.feed {
                    status.feed = Some(feed.status().await?);
                }
                if let Some(sender) = &parts.sender {
                    status.sender = Some(sender.status().await?);
                }
                if let Some(catalogue) = &parts.catalogue {
                    status.catalogue = Some(catalogue.status().await?);
                }
                let feed = status.feed.as_ref();
                status.error = feed
                    .and_then(|feed| feed.store_error.as_ref().or(feed.catch_up_error.as_ref()).cloned())
                    .or_else(|| status.sender.as_ref().and_then(|sender| sender.last_error.clone()))
                    .or_else(|| {
                        let error = status.catalogue.as_ref()?.last_error.as_ref()?;
                        Some(Error::clone(error))
                    });
            }
        }
        Ok(status)
    }
}
