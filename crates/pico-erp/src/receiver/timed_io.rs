//! [`TimedIo`]: a socket that fails with a time-out when the client does not keep the [`Pace`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::Pace;

pub(super) struct TimedIo<I> {
    inner: I,
    pace: Arc<Pace>,
    /// Wakes the connection when the client is late. Made at the first wait, then set anew.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<I> TimedIo<I> {
    pub(super) fn new(inner: I, pace: Arc<Pace>) -> Self {
        Self { inner, pace, alarm: None }
    }

    pub(super) fn into_inner(self) -> I {
        self.inner
    }

    /// Called while the socket has nothing: pending, with an alarm set, or the error when it is too late.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.pace.deadline() else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TimedIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buffer) {
            Poll::Pending => Poll::Ready(Err(ready!(this.wait(cx)))),
            ready => {
                if buffer.filled().len() > before {
                    this.pace.received(Instant::now());
                }
                ready
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TimedIo<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_write(cx, bytes) {
            Poll::Pending => Poll::Ready(Err(ready!(this.wait(cx)))),
            ready => ready,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_flush(cx) {
            Poll::Pending => Poll::Ready(Err(ready!(this.wait(cx)))),
            ready => {
                this.pace.flushed(Instant::now());
                ready
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
