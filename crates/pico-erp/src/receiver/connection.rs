//! One connection: TLS where it is on, then request after request, then an orderly end.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::acceptor::Standing;
use super::answer::{self, Answer, close_after};
use super::counts::Counted;
use super::pace::{Limits, Pace};
use super::site::{Answered, Site};
use super::timed_io::TimedIo;

/// Bytes of one request's head. More is answered with 431.
const HEAD_LIMIT: usize = 64 << 10;

/// How long an end waits for the client to stop sending.
const LINGER: Duration = Duration::from_secs(2);

/// What all connections have in common.
pub(super) struct Ways {
    pub(super) site: Arc<Site>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) limits: Limits,
}

/// Serves `stream` until the client or the receiver ends it. Nothing that goes wrong here concerns anybody else.
pub(super) async fn serve(stream: TcpStream, ways: Arc<Ways>, mut standing: watch::Receiver<Standing>) {
    // Answers are short and each is waited for. Where this fails the connection is gone already.
    let _ = stream.set_nodelay(true);
    let pace = Arc::new(Pace::new(ways.limits, Instant::now()));
    let Some(acceptor) = &ways.tls else {
        return speak(stream, pace, &ways.site, standing).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(ways.limits.head, acceptor.accept(stream)) => handshake,
        // Nothing was asked yet, so there is nothing to finish.
        _ = standing.wait_for(|now| *now == Standing::Closing) => return,
    };
    match handshake {
        Ok(Ok(stream)) => speak(stream, pace, &ways.site, standing).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn speak<I>(stream: I, pace: Arc<Pace>, site: &Arc<Site>, mut standing: watch::Receiver<Standing>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Requests { site: Arc::clone(site), pace: Arc::clone(&pace), standing: standing.clone() };
    let io = TokioIo::new(TimedIo::new(stream, Arc::clone(&pace)));
    let mut connection = http1::Builder::new()
        // `Pace` does this, and tells a head from a wait for the next.
        .header_read_timeout(None)
        // A client that has closed its sending side still gets its answer.
        .half_close(true)
        .max_header_size(HEAD_LIMIT)
        .serve_connection(io, service);
    let ended = loop {
        let wish = tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            wish = next_wish(&mut standing) => wish,
        };
        match wish {
            // Ends at once where no request has begun, else after the request.
            Standing::Closing => Pin::new(&mut connection).graceful_shutdown(),
            // The place is wanted. While a head is awaited it is not given up: the event is on the way. The answer to
            // it will say that the connection ends.
            Standing::Crowded if !pace.is_reading_head() => Pin::new(&mut connection).graceful_shutdown(),
            Standing::Crowded | Standing::Open => {}
        }
    };
    if let Err(error) = &ended {
        tracing::debug!(%error, "a connection ended");
    }
    // After an error as well: what was no HTTP has been answered with 400, and that answer must arrive.
    let unread = pace.is_unread() || ended.is_err_and(|error| error.is_parse());
    let stream = connection.into_parts().io.into_inner().into_inner();
    // A client that does not read or never stops sending is left.
    let _ = timeout(LINGER, end(stream, unread)).await;
}

/// What is wished of this connection from now on.
async fn next_wish(standing: &mut watch::Receiver<Standing>) -> Standing {
    match standing.changed().await {
        Ok(()) => *standing.borrow_and_update(),
        // Nobody is there to wish anything: the acceptor is gone, and soon so is this task, which it owns.
        Err(_) => pending().await,
    }
}

/// Says that nothing more comes, and reads on for a while where the client may still be sending: closing a socket with
/// unread bytes resets the connection, and the reset can overtake the answer (RFC 9112, section 9.6).
async fn end(mut stream: impl AsyncRead + AsyncWrite + Unpin, unread: bool) {
    if stream.shutdown().await.is_err() || !unread {
        return;
    }
    // On the heap: it would otherwise be part of every connection's task.
    let mut waste = vec![0; 16 << 10];
    while stream.read(&mut waste).await.is_ok_and(|count| count > 0) {}
}

/// hyper's end of [`Site`]: keeps the pace and catches panics.
struct Requests {
    site: Arc<Site>,
    pace: Arc<Pace>,
    standing: watch::Receiver<Standing>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.pace.handling();
        let (site, pace, standing) = (Arc::clone(&self.site), Arc::clone(&self.pace), self.standing.clone());
        Box::pin(async move {
            let answered = AssertUnwindSafe(site.answer(request)).catch_unwind().await;
            let Answered { mut answer, unread } = answered.unwrap_or_else(|_| {
                site.counts.count(Counted::Failed);
                Answered { answer: answer::failed(), unread: true }
            });
            if unread || *standing.borrow() != Standing::Open {
                close_after(&mut answer);
            }
            pace.answering(unread, Instant::now());
            Ok(answer)
        })
    }
}
