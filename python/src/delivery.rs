//! [`Delivery`] and [`NoteDelivery`]: a completion or a note in the hands of a Python program, which owes the feed an answer.
//! [`BaseDelivery`] is what both can do.

use std::pin::Pin;
use std::time::Duration;

use pico_erp::{Error, ErrorKind};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::error::{is_ours, raise};
use crate::model::{NoteEvent, OrderComplete};
use crate::slot::Slot;
use crate::subject::{AnyDelivery, Subject, whichever};
use crate::time::{Span, Utc};
use crate::wait::wait;

/// What Delivery and NoteDelivery have in common. Not for direct use.
#[pyclass(module = "pico_erp._native", subclass, frozen)]
pub(crate) struct BaseDelivery {
    /// Empty once answered.
    delivery: Slot<AnyDelivery>,
    raw: pico_erp::Json,
    key: String,
    id: i64,
    attempt: u32,
    source: &'static str,
    arrived: jiff::Timestamp,
    plant: String,
}

impl BaseDelivery {
    fn of(delivery: AnyDelivery) -> Self {
        whichever!(&delivery, given => Self {
            raw: given.raw().clone(),
            key: given.key(),
            id: given.id(),
            attempt: given.attempt(),
            source: given.source().name(),
            arrived: given.arrived(),
            plant: given.plant().to_owned(),
            delivery: Slot::new("delivery", delivery),
        })
    }

    fn answer<F>(&self, py: Python<'_>, answer: impl FnOnce(AnyDelivery) -> F) -> PyResult<()>
    where
        F: Future<Output = Result<(), Error>> + Send,
    {
        let delivery = pico_erp::runtime::check_process().and_then(|()| {
            let answered = || {
                let text = format!("delivery {} has been answered already", self.id);
                Error::new(ErrorKind::Closed, text)
            };
            self.delivery.take().ok_or_else(answered)
        });
        wait(py, None, None, answer(delivery.map_err(|error| raise(py, &error))?))
    }

    fn ask_again(&self, py: Python<'_>, after: Option<Duration>, reason: &str) -> PyResult<()> {
        self.answer(py, |delivery| async move {
            whichever!(delivery, delivery => delivery.retry(after, reason).await)
        })
    }
}

#[pymethods]
impl BaseDelivery {
    /// The JSON text exactly as Pico sent it.
    #[getter]
    fn raw(&self) -> &str {
        self.raw.as_str()
    }

    /// A text that stands for this completion in this and every other store: what to remember it by, where booking it
    /// twice would do harm. Made of order, operation, unit, time and serial; for a note, of its id, time and number.
    #[getter]
    fn key(&self) -> &str {
        &self.key
    }

    /// Its number in the inbox. It stays the same however often the completion is handed out.
    #[getter]
    fn id(&self) -> i64 {
        self.id
    }

    /// How often it has been handed out, this time included. Above 1, an earlier time may have booked it.
    #[getter]
    fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How it came in first: "sse", "web_socket", "poll", "webhook" or "catch_up".
    #[getter]
    fn source(&self) -> &'static str {
        self.source
    }

    /// When it came in (UTC).
    #[getter]
    fn arrived(&self) -> Utc {
        Utc(self.arrived)
    }

    /// The name of the plant that it is of; empty where the store is used without plants.
    #[getter]
    fn plant(&self) -> &str {
        &self.plant
    }

    /// Whether ack(), retry() or reject() was called.
    #[getter]
    fn answered(&self) -> bool {
        self.delivery.is_empty()
    }

    /// Says that the completion is booked. When this returns, that is on disk, and it is never handed out again.
    ///
    /// Raises StoreError when the store refuses: the completion is then handed out again. Raises ClosedError when it has
    /// been answered already, LeaseLostError when it was handed out to somebody else meanwhile, whose answer counts: the
    /// feed was closed, the node was not heard of for too long, or the feed's `visible` time was over.
    fn ack(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py, |delivery| async move { whichever!(delivery, delivery => delivery.ack().await) })
    }

    /// Asks for the completion again: after so many seconds (or a timedelta), or after a wait that grows with each attempt.
    /// `reason` is kept for whoever looks at the inbox. At the feed's `max_attempts` it becomes a dead letter.
    ///
    /// Raises as ack().
    #[pyo3(signature = (after=None, reason=""))]
    fn retry(&self, py: Python<'_>, after: Option<Span<'_>>, reason: &str) -> PyResult<()> {
        let after = after.map(|after| after.read(py, "after")).transpose()?;
        self.ask_again(py, after, reason)
    }

    /// Says that trying again would be of no use: the completion becomes a dead letter, kept with the reason, and can be
    /// replayed by `store.inbox.replay(id)`, or a note's by `store.notes_inbox.replay(id)`.
    ///
    /// Raises as ack().
    fn reject(&self, py: Python<'_>, reason: &str) -> PyResult<()> {
        self.answer(
            py,
            |delivery| async move { whichever!(delivery, delivery => delivery.reject(reason).await) },
        )
    }

    /// Asks for more time, where several nodes share the store: the completion is not handed out to another for so many seconds
    /// (or a timedelta) from now on.
    ///
    /// Raises as ack().
    fn extend(&self, py: Python<'_>, visible: Span<'_>) -> PyResult<()> {
        let visible = visible.read(py, "visible")?;
        let extending = self.delivery.look(|delivery| {
            whichever!(delivery, delivery => {
                Box::pin(delivery.extend(visible)) as Pin<Box<dyn Future<Output = _> + Send>>
            })
        });
        wait(py, None, None, extending.map_err(|error| raise(py, &error))?)
    }

    #[pyo3(signature = (exc_type, exc, traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_type, traceback);
        if self.answered() {
            return Ok(());
        }
        let Some(exc) = exc else {
            return self.ack(py);
        };
        // Ctrl-C and sys.exit() are nothing that the completion is to blame for: whoever comes next may have it at once.
        let after = (!exc.is_instance_of::<PyException>()).then_some(Duration::ZERO);
        match self.ask_again(py, after, &text(&exc)) {
            // The exception of the block matters more. Without an answer the completion is handed out again as well.
            Err(error) if is_ours(py, &error)? => Ok(()),
            other => other,
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (name, this) = (slf.get_type().name()?, slf.get());
        Ok(format!("{name}(id={}, key={:?}, attempt={})", this.id, this.key, this.attempt))
    }
}

/// A completion, and the duty to say what became of it: `ack()` once it is booked, `retry()` or `reject()`.
///
/// As a context manager it gives the completion, acknowledges it when the block is done, and asks for it again when the
/// block raises, with the exception's text as the reason; the exception goes on. An answer given inside the block
/// counts instead. One that is dropped without an answer is handed out again, after a wait, and so is one that the
/// process died of: cope with seeing a completion again that was booked but not acknowledged, by `key`.
#[pyclass(module = "pico_erp", extends = BaseDelivery, frozen)]
pub(crate) struct Delivery {
    completion: Py<OrderComplete>,
}

impl Delivery {
    pub(crate) fn new(py: Python<'_>, delivery: pico_erp::Delivery) -> PyResult<Py<Self>> {
        let completion = Py::new(py, OrderComplete::new(delivery.completion().clone()))?;
        let base = PyClassInitializer::from(BaseDelivery::of(delivery.into()));
        Py::new(py, base.add_subclass(Self { completion }))
    }
}

#[pymethods]
impl Delivery {
    /// The completion.
    #[getter]
    fn completion(&self, py: Python<'_>) -> Py<OrderComplete> {
        self.completion.clone_ref(py)
    }

    /// The completion, to be acknowledged at the end of the block.
    fn __enter__(&self, py: Python<'_>) -> Py<OrderComplete> {
        self.completion.clone_ref(py)
    }
}

/// A change of an operator's note, and the duty to say what became of it, as a Delivery is of a completion.
#[pyclass(module = "pico_erp", extends = BaseDelivery, frozen)]
pub(crate) struct NoteDelivery {
    note: Py<NoteEvent>,
}

impl NoteDelivery {
    fn new(py: Python<'_>, delivery: pico_erp::Delivery<pico_erp::NoteEvent>) -> PyResult<Py<Self>> {
        let note = Py::new(py, NoteEvent::new(delivery.note().clone()))?;
        let base = PyClassInitializer::from(BaseDelivery::of(Subject::Notes(delivery)));
        Py::new(py, base.add_subclass(Self { note }))
    }
}

#[pymethods]
impl NoteDelivery {
    /// The note, as it was at this event.
    #[getter]
    fn note(&self, py: Python<'_>) -> Py<NoteEvent> {
        self.note.clone_ref(py)
    }

    /// The note, to be acknowledged at the end of the block.
    fn __enter__(&self, py: Python<'_>) -> Py<NoteEvent> {
        self.note.clone_ref(py)
    }
}

/// A delivery as the Python object that it is.
pub(crate) fn object(py: Python<'_>, delivery: AnyDelivery) -> PyResult<Py<PyAny>> {
    Ok(match delivery {
        Subject::Completions(delivery) => Delivery::new(py, delivery)?.into_any(),
        Subject::Notes(delivery) => NoteDelivery::new(py, delivery)?.into_any(),
    })
}

/// `Type: what it says`, as the last line of a traceback.
fn text(exception: &Bound<'_, PyAny>) -> String {
    let class =
        exception.get_type().name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    match exception.str().map(|text| text.to_string()) {
        Ok(text) if !text.is_empty() => format!("{class}: {text}"),
        _ => class,
    }
}
