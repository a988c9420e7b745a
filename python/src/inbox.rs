//! [`Inbox`]: a look at the completions in a store, and what can be done about dead letters.

use std::sync::Arc;

use pico_erp::{Error, InboxEntry, InboxState};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::Mutex;

use crate::error::raise;
use crate::pages::Pages;
use crate::record;
use crate::slot::Slot;
use crate::wait::wait;

/// The completions in a store: to look at, and to hand dead letters out again. Needs no feed, and works from another
/// process than the feed's.
///
/// All calls raise StoreError and its subclasses when the store refuses, and ClosedError when it is closed.
#[pyclass(module = "pico_erp", frozen)]
pub(crate) struct Inbox {
    inbox: Slot<pico_erp::Inbox>,
}

impl Inbox {
    pub(crate) fn new(inbox: pico_erp::Inbox) -> Self {
        Self { inbox: Slot::new("inbox", inbox) }
    }

    fn ask<T: Send, F>(&self, py: Python<'_>, ask: impl FnOnce(pico_erp::Inbox) -> F) -> PyResult<T>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let inbox = self.inbox.get().map_err(|error| raise(py, &error))?;
        wait(py, None, None, ask(inbox))
    }
}

fn state(name: &str) -> Result<InboxState, Error> {
    InboxState::ALL.iter().copied().find(|state| state.name() == name).ok_or_else(|| {
        let names: Vec<&str> = InboxState::ALL.iter().map(|state| state.name()).collect();
        Error::invalid("state", format!("is \"{name}\"; give one of {}", names.join(", ")))
    })
}

#[pymethods]
impl Inbox {
    /// How many completions are in which state.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let counts = self.ask(py, |inbox| async move { inbox.counts().await })?;
        record::counts(py, counts)
    }

    /// How far each source has come.
    fn watermarks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let marks = self.ask(py, |inbox| async move { inbox.watermarks().await })?;
        record::watermarks(py, marks)
    }

    /// The completions in the order of their arrival: those in `state`, or all. An iterator that reads page after page, and
    /// so sees what changes meanwhile.
    ///
    /// Raises InvalidArgumentError for a state that there is not.
    #[pyo3(signature = (state=None))]
    fn entries(&self, py: Python<'_>, state: Option<&str>) -> PyResult<InboxEntries> {
        let made = state.map(self::state).transpose().and_then(|state| Ok((state, self.inbox.get()?)));
        let (state, inbox) = made.map_err(|error| raise(py, &error))?;
        let pages = Pages::new(move |last: Option<&InboxEntry>, limit| {
            let (inbox, after) = (inbox.clone(), last.map_or(0, |last| last.id));
            async move { inbox.entries(state, after, limit).await }
        });
        Ok(InboxEntries { pages: Slot::new("inbox", Arc::new(Mutex::new(pages))) })
    }

    /// One completion by its number; None when there is none.
    fn entry<'py>(&self, py: Python<'py>, id: i64) -> PyResult<Option<Bound<'py, PyAny>>> {
        let entry = self.ask(py, |inbox| async move { inbox.entry(id).await })?;
        entry.map(|entry| record::entry(py, entry)).transpose()
    }

    /// Hands a completion out again that is a dead letter or was acknowledged, as if it were new.
    ///
    /// Raises InvalidArgumentError when there is no such completion, it is still on its way, or its text is not kept any
    /// more.
    fn replay(&self, py: Python<'_>, id: i64) -> PyResult<()> {
        self.ask(py, |inbox| async move { inbox.replay(id).await })
    }

    /// Hands all dead letters out again, and returns how many there were.
    fn replay_dead(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |inbox| async move { inbox.replay_dead().await })
    }

    /// Gives a dead letter up for good: it is never handed out, and stays known.
    ///
    /// Raises InvalidArgumentError when there is no such dead letter.
    fn drop(&self, py: Python<'_>, id: i64) -> PyResult<()> {
        self.ask(py, |inbox| async move { inbox.drop_dead(id).await })
    }
}

/// The entries of an inbox, page by page. See Inbox.entries.
#[pyclass(module = "pico_erp._native", frozen)]
pub(crate) struct InboxEntries {
    pages: Slot<Arc<Mutex<Pages<InboxEntry>>>>,
}

#[pymethods]
impl InboxEntries {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let pages = self.pages.get().map_err(|error| raise(py, &error))?;
        let entry = wait(py, None, None, async { pages.lock().await.next().await })?;
        entry.map(|entry| record::entry(py, entry)).transpose()
    }
}
