//! [`Shelf`]: a sink that keeps payloads in memory, or does what a test tells it to.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::peer::within;
use crate::error::Error;
use crate::json::Json;
use crate::receiver::Sink;

#[derive(Clone)]
pub(super) enum Behaviour {
    Keep,
    /// Keeps a payload once told to go on.
    Hold,
    Refuse(Error),
    /// Refuses those that hold this text.
    RefuseSome(&'static str, Error),
    Panic,
    PanicLater,
}

pub(super) struct Shelf {
    behaviour: watch::Sender<Behaviour>,
    begun: watch::Sender<usize>,
    kept: watch::Sender<Vec<String>>,
    unavailable: Mutex<Option<Error>>,
}

impl Shelf {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            behaviour: watch::Sender::new(Behaviour::Keep),
            begun: watch::Sender::default(),
            kept: watch::Sender::default(),
            unavailable: Mutex::default(),
        })
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    pub(super) fn set_unavailable(&self, error: Option<Error>) {
        *self.unavailable.lock().unwrap() = error;
    }

    pub(super) fn kept(&self) -> Vec<String> {
        self.kept.borrow().clone()
    }

    /// Waits until so many payloads have come in.
    pub(super) async fn begun(&self, count: usize) {
        within(self.begun.subscribe().wait_for(|begun| *begun >= count)).await.unwrap();
    }

    /// Waits until so many payloads are kept.
    pub(super) async fn keeps(&self, count: usize) {
        within(self.kept.subscribe().wait_for(|kept| kept.len() >= count)).await.unwrap();
    }
}

impl Sink for Shelf {
    fn store(&self, payload: Json) -> BoxFuture<'static, Result<(), Error>> {
        self.begun.send_modify(|begun| *begun += 1);
        let mut behaviour = self.behaviour.subscribe();
        assert!(!matches!(*behaviour.borrow(), Behaviour::Panic), "told to");
        let kept = self.kept.clone();
        Box::pin(async move {
            let now = behaviour.wait_for(|now| !matches!(now, Behaviour::Hold)).await.unwrap().clone();
            match now {
                Behaviour::Refuse(error) => return Err(error),
                Behaviour::RefuseSome(text, error) if payload.as_str().contains(text) => return Err(error),
                Behaviour::PanicLater => panic!("told to"),
                _ => {}
            }
            kept.send_modify(|kept| kept.push(payload.as_str().to_owned()));
            Ok(())
        })
    }

    fn unavailable(&self) -> Option<Error> {
        assert!(!matches!(*self.behaviour.borrow(), Behaviour::Panic), "told to");
        self.unavailable.lock().unwrap().clone()
    }
}
