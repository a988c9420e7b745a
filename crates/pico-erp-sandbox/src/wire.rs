//! The listener and the connections of the sandbox, and the faults that live below HTTP: writes split into small
//! pieces, writes that stall, connections cut off or left without a peer. Since they live here, plain replies, event
//! streams and WebSocket meet them all alike. What is sent over a connection is decided elsewhere.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// A fault that may end by itself.
#[derive(Clone, Copy)]
struct Timed<T> {
    value: T,
    until: Option<Instant>,
}

impl<T: Copy> Timed<T> {
    fn live(&self) -> Option<T> {
        self.until.is_none_or(|until| Instant::now() < until).then_some(self.value)
    }
}

#[derive(Default)]
struct WireFaults {
    split: Option<Timed<usize>>,
    stall: Option<Timed<()>>,
}

/// All connections of one sandbox and the faults they suffer.
pub(crate) struct Wire {
    faults: Mutex<WireFaults>,
    lines: Mutex<Vec<Arc<Line>>>,
    open: watch::Sender<usize>,
    closing: AtomicBool,
}

/// What can be done to one connection from outside the task that serves it.
pub(crate) struct Line {
    cut: AtomicBool,
    /// Whether the server has vanished from it: it neither reads nor writes any more, and does not close.
    vanished: AtomicBool,
    /// Whether the last request on it was for the control API. Such a connection is spared: the reply to "stall"
    /// must not stall, nor the reply to "cut" be cut.
    control: AtomicBool,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Line {
    fn wake(&self) {
        for waker in [&self.reader, &self.writer] {
            let waker = lock(waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    pub(crate) fn new() -> Self {
        Wire {
            faults: Mutex::default(),
            lines: Mutex::default(),
            open: watch::Sender::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Splits writes into pieces of at most that many bytes, until that time or until mended.
    pub(crate) fn split(&self, bytes: usize, until: Option<Instant>) {
        lock(&self.faults).split = Some(Timed { value: bytes.max(1), until });
    }

    /// Lets writes pend, until that time or until mended.
    pub(crate) fn stall(&self, until: Option<Instant>) {
        lock(&self.faults).stall = Some(Timed { value: (), until });
    }

    /// Ends splitting and stalling.
    pub(crate) fn mend(&self) {
        *lock(&self.faults) = WireFaults::default();
        for line in lock(&self.lines).iter() {
            line.wake();
        }
    }

    /// Cuts all connections but those of the control API; returns how many.
    pub(crate) fn cut(&self) -> usize {
        self.cut_where(|line| !line.control.load(Ordering::SeqCst))
    }

    /// Vanishes from all connections but those of the control API; returns how many. It lasts until they are cut.
    pub(crate) fn vanish(&self) -> usize {
        let lines = lock(&self.lines);
        let chosen = lines.iter().filter(|line| !line.control.load(Ordering::SeqCst));
        chosen.filter(|line| !line.vanished.swap(true, Ordering::SeqCst)).count()
    }

    /// Cuts all connections, now and from now on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.cut_where(|_| true);
    }

    fn cut_where(&self, chosen: impl Fn(&Line) -> bool) -> usize {
        let lines = lock(&self.lines).clone();
        let mut count = 0;
        for line in lines.iter().filter(|line| chosen(line)) {
            line.cut.store(true, Ordering::SeqCst);
            line.wake();
            count += 1;
        }
        count
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        // Fails only when the sender is gone, which `self` holds.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn connect(&self) -> Arc<Line> {
        let line = Arc::new(Line {
            cut: AtomicBool::new(false),
            vanished: AtomicBool::new(false),
            control: AtomicBool::new(false),
            reader: Mutex::default(),
            writer: Mutex::default(),
        });
        lock(&self.lines).push(Arc::clone(&line));
        // After it is in the list, so that either this or `close` sees the other.
        if self.closing.load(Ordering::SeqCst) {
            line.cut.store(true, Ordering::SeqCst);
        }
        self.open.send_modify(|open| *open += 1);
        line
    }

    fn disconnect(&self, line: &Arc<Line>) {
        lock(&self.lines).retain(|one| !Arc::ptr_eq(one, line));
        self.open.send_modify(|open| *open -= 1);
    }
}

/// Accepts connections that suffer the wire's faults.
pub(crate) struct FaultyListener {
    inner: TcpListener,
    wire: Arc<Wire>,
}

impl FaultyListener {
    pub(crate) fn new(inner: TcpListener, wire: Arc<Wire>) -> Self {
        FaultyListener { inner, wire }
    }
}

impl Listener for FaultyListener {
    type Io = FaultyStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (FaultyStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, addr)) => {
                    // A piece of a split write must leave as a packet of its own.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot set TCP_NODELAY");
                    }
                    let line = self.wire.connect();
                    let wire = Arc::clone(&self.wire);
                    return (FaultyStream { stream, line, wire, stall_timer: None, paused: false }, addr);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: let some connections end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// Tells a request handler which connection it serves.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Line>);

impl Connection {
    /// Says which side the request that is being served is on.
    pub(crate) fn serves_control(&self, control: bool) {
        self.0.control.store(control, Ordering::SeqCst);
    }

    /// Vanishes from this one connection.
    pub(crate) fn vanish(&self) {
        self.0.vanished.store(true, Ordering::SeqCst);
    }

    /// Cuts this one connection. The request that is being served on it ends with it.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
        self.0.wake();
    }

    /// Whether the server has vanished from it.
    pub(crate) fn has_vanished(&self) -> bool {
        self.0.vanished.load(Ordering::SeqCst)
    }
}

impl Connected<IncomingStream<'_, FaultyListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, FaultyListener>) -> Self {
        Connection(Arc::clone(&stream.io().line))
    }
}

/// A connection that suffers the wire's faults.
pub(crate) struct FaultyStream {
    stream: TcpStream,
    line: Arc<Line>,
    wire: Arc<Wire>,
    stall_timer: Option<Pin<Box<Sleep>>>,
    paused: bool,
}

impl FaultyStream {
    fn cut(&self) -> Option<io::Error> {
        if !self.line.cut.load(Ordering::SeqCst) {
            return None;
        }
        // So that the peer sees a reset, as when a machine or a firewall on the way drops the connection, and not
        // an orderly end. Failing to set it only makes the end orderly.
        let _ = self.stream.set_zero_linger();
        Some(io::Error::new(io::ErrorKind::ConnectionReset, "the sandbox cut the connection"))
    }

    fn vanished(&self) -> bool {
        self.line.vanished.load(Ordering::SeqCst)
    }

    /// Pending while writes are stalled.
    fn poll_flowing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stall = lock(&self.wire.faults).stall;
        let Some(stall) = stall.filter(|stall| stall.live().is_some()) else {
            self.stall_timer = None;
            return Poll::Ready(());
        };
        let Some(until) = stall.until else {
            self.stall_timer = None;
            return Poll::Pending;
        };
        let timer = self.stall_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before the flag is looked at: a cut in between finds the waker.
        *lock(&this.line.reader) = Some(cx.waker().clone());
        if let Some(error) = this.cut() {
            return Poll::Ready(Err(error));
        }
        if this.vanished() {
            return Poll::Pending;
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        *lock(&this.line.writer) = Some(cx.waker().clone());
        if let Some(error) = this.cut() {
            return Poll::Ready(Err(error));
        }
        if this.vanished() {
            return Poll::Pending;
        }
        if this.line.control.load(Ordering::SeqCst) {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        if this.poll_flowing(cx).is_pending() {
            return Poll::Pending;
        }
        let split = lock(&this.wire.faults).split.and_then(|split| split.live());
        let Some(most) = split else {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        };
        // Between two pieces the task gives way once, so that the reader gets a chance to see the first alone.
        this.paused = !this.paused;
        if this.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut this.stream).poll_write(cx, &buf[..buf.len().min(most)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.cut() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        *lock(&this.line.writer) = Some(cx.waker().clone());
        if this.vanished() && this.cut().is_none() {
            return Poll::Pending;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl Drop for FaultyStream {
    fn drop(&mut self) {
        self.wire.disconnect(&self.line);
    }
}
