//! [`Cut`]: a cable between a client and a server that can be cut, so that nobody hears anything, pulled out, so that both
//! see the end, and mended.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of those who connect while the cable is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomers {
    /// They are connected, and never hear anything: a firewall that drops packets.
    Hang,
    /// Their connection is closed at once: a host without the service.
    Refused,
}

/// How the cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// What happens to newcomers while nothing passes; nothing when it does pass.
    cut: Option<Newcomers>,
    /// Connections of an earlier age are closed.
    age: u64,
}

/// A port on 127.0.0.1 that leads to another. It has a thread of its own, so that a test's runtime that is busy or gone
/// does not slow it; the thread ends with the value.
#[derive(Debug)]
pub struct Cut {
    address: SocketAddr,
    state: Option<watch::Sender<State>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Cut {
    /// Leads to `target`, whole.
    ///
    /// # Panics
    /// When there is no port or no thread.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener need not block");
        let address = listener.local_addr().expect("a listener has an address");
        let (state, changes) = watch::channel(State { cut: None, age: 0 });
        let thread = std::thread::Builder::new().name("cut".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serve(listener, target, changes)));
        let thread = Some(thread.expect("a thread can be started"));
        Self { address, state: Some(state), thread }
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing passes from now on, in either direction, and no end is seen either.
    pub fn cut(&self, newcomers: Newcomers) {
        self.change(|state| state.cut = Some(newcomers));
    }

    /// Closes all connections, by a reset; new ones come in as before.
    pub fn reset(&self) {
        self.change(|state| state.age += 1);
    }

    /// Everything passes again; what was sent meanwhile arrives late, as TCP would have it.
    pub fn heal(&self) {
        self.change(|state| state.cut = None);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.as_ref().expect("only `drop` takes it").send_modify(change);
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.state.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, target: SocketAddr, mut changes: watch::Receiver<State>) {
    let listener = TcpListener::from_std(listener).expect("it does not block");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that went away before it was accepted is none.
                let Ok((client, _)) = accepted else { continue };
                let state = *changes.borrow_and_update();
                if state.cut == Some(Newcomers::Refused) {
                    refuse(client);
                } else {
                    connections.spawn(connection(client, target, changes.clone(), state.age));
                }
            }
            Some(_) = connections.join_next() => {}
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
}

/// Closes with a reset instead of an orderly end.
fn refuse(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

/// One connection, from its first byte to its end or the reset.
async fn connection(client: TcpStream, target: SocketAddr, mut changes: watch::Receiver<State>, age: u64) {
    let mut reset = changes.clone();
    let passed = async {
        // While the cable is cut the server does not even hear of it.
        if whole(&mut changes).await.is_err() {
            return Err(client);
        }
        let Ok(server) = TcpStream::connect(target).await else { return Err(client) };
        Ok((client, server))
    };
    let closed = async |changes: &mut watch::Receiver<State>| {
        let _ = changes.wait_for(|state| state.age != age).await;
    };
    let (client, server) = tokio::select! {
        passed = passed => match passed {
            Ok(both) => both,
            Err(client) => return refuse(client),
        },
        // Dropping the future closes the client's side.
        () = closed(&mut reset) => return,
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = (client.set_zero_linger(), server.set_zero_linger());
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        let there = pass(from_client, to_server, changes.clone());
        let back = pass(from_server, to_client, changes.clone());
        tokio::try_join!(there, back)
    };
    tokio::select! {
        _ = both => {}
        () = closed(&mut reset) => {}
    }
}

/// Waits until the cable is whole; an error when it is gone for good.
async fn whole(changes: &mut watch::Receiver<State>) -> io::Result<()> {
    changes.wait_for(|state| state.cut.is_none()).await.map(|_| ()).map_err(io::Error::other)
}

/// Passes bytes on in one direction to their end, and then the end.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut changes: watch::Receiver<State>,
) -> io::Result<OwnedReadHalf> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        // What was on its way when the cable was cut waits too, and so does the end.
        whole(&mut changes).await?;
        match read? {
            0 => {
                to.shutdown().await?;
                return Ok(from);
            }
            length => to.write_all(&buffer[..length]).await?,
        }
    }
}
