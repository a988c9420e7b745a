//! [`Router`]: one receiver for several sinks, each behind a path and a secret of its own. Doors are opened and closed while
//! the receiver runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::secrets::Secrets;
use super::sink::Sink;
use crate::error::{Error, ErrorKind};
use crate::json::Json;

/// What is behind a path.
pub(super) struct Door {
    pub(super) secrets: Secrets,
    pub(super) sink: Arc<dyn Sink>,
}

/// Which path leads to which sink.
#[derive(Default)]
pub(crate) struct Router(Mutex<HashMap<String, Arc<Door>>>);

/// A path that leads somewhere until this is dropped.
pub(crate) struct OpenDoor {
    router: Arc<Router>,
    path: String,
    door: Arc<Door>,
}

impl Router {
    fn doors(&self) -> MutexGuard<'_, HashMap<String, Arc<Door>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets posts to `path` in, which carry the secret in the header, where there is one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a header that cannot be one.
    pub(crate) fn open(
        self: &Arc<Self>,
        path: String,
        secret: Option<(String, String)>,
        sink: Arc<dyn Sink>,
    ) -> Result<OpenDoor, Error> {
        let secret: Vec<_> =
            secret.into_iter().map(|(name, secret)| (name, SecretString::from(secret))).collect();
        let door = Arc::new(Door { secrets: Secrets::new(&secret)?, sink });
        self.doors().insert(path.clone(), Arc::clone(&door));
        Ok(OpenDoor { router: Arc::clone(self), path, door })
    }

    pub(super) fn door(&self, path: &str) -> Option<Arc<Door>> {
        self.doors().get(path).cloned()
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        let mut doors = self.router.doors();
        // Another may have taken its place.
        if doors.get(&self.path).is_some_and(|door| Arc::ptr_eq(door, &self.door)) {
            doors.remove(&self.path);
        }
    }
}

/// What has no door of its own; only the health path asks.
impl Sink for Router {
    fn store(&self, _payload: Json) -> BoxFuture<'static, Result<(), Error>> {
        async { Err(Error::new(ErrorKind::Closed, "nothing is behind this path any more")) }.boxed()
    }

    fn unavailable(&self) -> Option<Error> {
        let doors: Vec<_> = self.doors().values().cloned().collect();
        doors.iter().find_map(|door| door.sink.unavailable())
    }
}
