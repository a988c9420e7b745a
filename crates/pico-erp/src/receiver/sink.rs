//! [`Sink`]: where received payloads go. The feed's inbox is one.

use futures_util::future::BoxFuture;

use crate::error::Error;
use crate::json::Json;
use crate::store::Store;

/// Keeps payloads durably.
pub(crate) trait Sink: Send + Sync + 'static {
    /// Returns once the payload is on disk. Of a list's elements each is stored before the next is handed over.
    ///
    /// An error is answered with 503; its [`Error::retry_after`] becomes the `Retry-After`.
    fn store(&self, payload: Json) -> BoxFuture<'static, Result<(), Error>>;

    /// Why nothing can be stored at the moment. Asked by the health path only, which shows the message to anybody.
    fn unavailable(&self) -> Option<Error>;

    /// The store whose metrics count the posts, if there is one.
    fn metered(&self) -> Option<Store> {
        None
    }
}
