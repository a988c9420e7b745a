//! [`ListStream`]: a query whose root field is a list, read element by element while it arrives.
//!
//! A list of Pico's has no pages and can be longer than memory. Nothing here holds more of it than a few pieces of the
//! body and a few batches of elements, and what the caller does not take slows the socket down. [`decoder`] finds the
//! elements; because serde_json reads from a source that blocks, it does so on a thread of tokio's blocking pool.
//! Between the two stand bounded channels, and the thread ends as soon as either is closed: dropping the stream closes
//! both. For the catch-up of completions and for the catalogue; calls read their replies whole, in `client/transport.rs`.

mod decoder;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::task::JoinHandle;

use crate::client::{ReplyStream, Transport};
use crate::error::{Error, ErrorKind};
use crate::graphql::Request;
use crate::json::Json;
use decoder::{Abandoned, Head, decode};

/// How many elements a batch has at most.
const BATCH: usize = 256;
/// A batch of so many bytes is full as well, so that a few huge elements do not pile up.
const BATCH_BYTES: usize = 256 << 10;
/// How many batches may wait for the caller.
const BATCHES: usize = 2;
/// How many pieces of the body may wait for the decoder.
const CHUNKS: usize = 4;

/// The elements of a list as they arrive.
pub(crate) struct ListStream {
    reply: ReplyStream,
    /// Where the body goes; `None` when all of it, or as much as is wanted, has gone there.
    chunks: Option<mpsc::Sender<Result<Bytes, Error>>>,
    batches: mpsc::Receiver<Result<Vec<Json>, Error>>,
    decoder: Option<JoinHandle<()>>,
    held: Arc<Held>,
}

/// How many bytes of the list are in memory, and how many were at most.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Held {
    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn sub(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl ListStream {
    /// Asks once, and returns when the head of a good answer is there. `field` is the query's root field.
    ///
    /// # Errors
    /// As a call has them, for all that can go wrong before the first byte of the body.
    pub(crate) async fn open(
        transport: &Arc<Transport>,
        request: &Request,
        field: &'static str,
    ) -> Result<Self, Error> {
        let reply = transport.open_reply(request).await?;
        let (status, headers) = reply.head();
        let head = Head { status, headers };
        let limit = transport.limits().event;
        let (chunks, waiting_chunks) = mpsc::channel(CHUNKS);
        let (full, batches) = mpsc::channel(BATCHES);
        let held = Arc::<Held>::default();
        let counted = Arc::clone(&held);
        let decoder = tokio::task::spawn_blocking(move || {
            decode_between(waiting_chunks, full, &counted, field, limit, &head);
        });
        Ok(Self { reply, chunks: Some(chunks), batches, decoder: Some(decoder), held })
    }

    /// The next elements, at least one and 256 at most; nulls are left out. `None` at the end; an `Err` is the last, and
    /// comes after the elements that were whole before it. Loses nothing when it is dropped while it waits.
    pub(crate) async fn next_batch(&mut self) -> Option<Result<Vec<Json>, Error>> {
        loop {
            let Self { reply, chunks, batches, .. } = self;
            let batch = tokio::select! {
                biased;
                batch = batches.recv() => batch,
                more = pass_on(reply, chunks.as_ref(), &self.held), if chunks.is_some() => {
                    if !more {
                        self.chunks = None;
                    }
                    continue;
                }
            };
            match batch {
                Some(Ok(batch)) => {
                    self.held.sub(batch.iter().map(|element| element.as_bytes().len()).sum());
                    return Some(Ok(batch));
                }
                Some(Err(error)) => {
                    self.decoder = None;
                    return Some(Err(error));
                }
                None => {
                    tracing::debug!(most = self.held.most.load(Ordering::Relaxed), "a list was read");
                    // The thread has let go of its end: it has ended, and may have done so by a panic.
                    let ended = self.decoder.as_mut()?.await;
                    self.decoder = None;
                    return ended.err().map(|error| {
                        Err(Error::new(ErrorKind::Internal, "the decoder of a list failed")
                            .with_source(error))
                    });
                }
            }
        }
    }
}

/// Waits for room, then for a piece of the body; says whether more may come.
async fn pass_on(
    reply: &mut ReplyStream,
    chunks: Option<&mpsc::Sender<Result<Bytes, Error>>>,
    held: &Held,
) -> bool {
    let Some(chunks) = chunks else { return false };
    // The decoder has ended when there is nobody to give it to: it has sent why.
    let Ok(room) = chunks.reserve().await else { return false };
    match reply.chunk().await {
        Ok(Some(chunk)) => {
            held.add(chunk.len());
            room.send(Ok(chunk));
            true
        }
        Ok(None) => false,
        Err(error) => {
            room.send(Err(error));
            false
        }
    }
}

/// Elements on their way to the caller.
struct Batch<'a> {
    elements: Vec<Json>,
    bytes: usize,
    full: mpsc::Sender<Result<Vec<Json>, Error>>,
    held: &'a Held,
}

impl Batch<'_> {
    fn push(&mut self, element: Json) -> Result<(), Abandoned> {
        self.bytes += element.as_bytes().len();
        self.held.add(element.as_bytes().len());
        self.elements.push(element);
        if self.elements.len() >= BATCH || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Abandoned> {
        self.bytes = 0;
        if self.elements.is_empty() {
            return Ok(());
        }
        self.full.blocking_send(Ok(std::mem::take(&mut self.elements))).map_err(|_| Abandoned)
    }
}

/// The decoder's thread: from the one channel to the other, until the list or the interest in it ends.
fn decode_between(
    mut chunks: mpsc::Receiver<Result<Bytes, Error>>,
    full: mpsc::Sender<Result<Vec<Json>, Error>>,
    held: &Held,
    field: &str,
    limit: usize,
    head: &Head,
) {
    let batch = RefCell::new(Batch { elements: Vec::new(), bytes: 0, full, held });
    let mut last = 0;
    let next_chunk = || {
        held.sub(std::mem::take(&mut last));
        let chunk = match chunks.try_recv() {
            Ok(chunk) => Some(chunk),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                // What has arrived must not wait for what has not. Who is gone is found out by the next to send.
                let _ = batch.borrow_mut().flush();
                chunks.blocking_recv()
            }
        };
        let chunk = chunk.transpose()?;
        last = chunk.as_ref().map_or(0, Bytes::len);
        Ok(chunk)
    };
    let ended = decode(next_chunk, field, limit, head, |element| batch.borrow_mut().push(element));
    let mut batch = batch.into_inner();
    let flushed = batch.flush();
    if let (Ok(()), Some(error)) = (flushed, ended.err()) {
        // The receiver may be gone by now, and then nobody wants to know.
        let _ = batch.full.blocking_send(Err(error));
    }
}

#[cfg(test)]
mod tests;
