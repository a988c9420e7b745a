//! The feed as the other end of Pico's webhooks: its inbox takes in what a receiver is posted, and it keeps the
//! registration.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::notice::FeedNotice;
use super::{Feed, Shared, Take, locked};
use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::receiver::{Sink, WebhookReceiver, WebhookReceiverBuilder};
use crate::store::inbox_table::Source;
use crate::store::{Durability, Store};
use crate::webhook_keeper::{KeeperHost, KeeperNotice, KeeperPolicy, WebhookKeeper};
use crate::webhooks::WebhookSubscribe;

impl Feed {
    /// Starts building an HTTP server whose posts go into this feed's inbox. A post is answered with 200 once its completion
    /// is on disk.
    ///
    /// ```no_run
    /// # async fn example(feed: pico_erp::Feed) -> Result<(), pico_erp::Error> {
    /// use pico_erp::WebhookSubscribe;
    ///
    /// let receiver = feed
    ///     .receiver()
    ///     .bind("0.0.0.0:8443")
    ///     .tls_files("erp.crt", "erp.key")
    ///     .secret_header("x-pico-secret", "s3cret")
    ///     .start()
    ///     .await?;
    /// let webhook = WebhookSubscribe::order_completes("erp-completions", "https://erp.example:8443/pico")
    ///     .header("x-pico-secret", "s3cret");
    /// let keeper = feed.keep_webhook(webhook, pico_erp::KeeperPolicy::default())?;
    /// # Ok(()) }
    /// ```
    pub fn receiver(&self) -> WebhookReceiverBuilder {
        WebhookReceiver::builder(Arc::new(Inbound(Arc::clone(&self.shared))))
    }

    /// The inbox, for a receiver that others share.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(Inbound(Arc::clone(&self.shared)))
    }

    /// Keeps `webhook` registered with Pico for as long as the keeper is held: registers it now, makes it anew when it is
    /// gone or changed, notices when posts do not arrive, and catches up after each. Tells of it by [`Feed::notices`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the field.
    pub fn keep_webhook(
        &self,
        webhook: WebhookSubscribe,
        policy: KeeperPolicy,
    ) -> Result<WebhookKeeper, Error> {
        let host =
            Host { shared: Arc::clone(&self.shared), note: format!("webhook.{}", webhook.subscription_id) };
        WebhookKeeper::start(self.shared.client.clone(), webhook, Arc::new(host), policy)
    }
}

/// The inbox, as a receiver sees it.
struct Inbound(Arc<Shared>);

impl Sink for Inbound {
    fn store(&self, payload: Json) -> BoxFuture<'static, Result<(), Error>> {
        let shared = Arc::clone(&self.0);
        async move {
            if shared.standing.borrow().closed {
                return Err(Error::new(ErrorKind::Closed, "the feed is closed"));
            }
            *locked(&shared.last_post) = Some(Timestamp::now());
            shared.take_in(vec![payload], Source::Webhook, Take::All).await.map(|_| ())
        }
        .boxed()
    }

    fn metered(&self) -> Option<Store> {
        Some(self.0.store.clone())
    }

    fn unavailable(&self) -> Option<Error> {
        if self.0.standing.borrow().closed {
            return Some(Error::new(ErrorKind::Closed, "the feed is closed"));
        }
        // The message has the path of the store, which is nobody's business out there.
        locked(&self.0.news)
            .store_error
            .as_ref()
            .map(|error| Error::new(error.kind(), format!("the store refuses ({})", error.kind().name())))
    }
}

/// What the keeper of one webhook needs.
struct Host {
    shared: Arc<Shared>,
    /// Where its fingerprint is kept.
    note: String,
}

impl KeeperHost for Host {
    fn load_fingerprint(&self) -> BoxFuture<'static, Result<Option<String>, Error>> {
        let (store, note) = (self.shared.store.clone(), self.note.clone());
        async move { store.run(Durability::Process, move |backend| backend.note(&note)).await }.boxed()
    }

    fn save_fingerprint(&self, text: String) -> BoxFuture<'static, Result<(), Error>> {
        let (store, note) = (self.shared.store.clone(), self.note.clone());
        async move { store.run(Durability::Disk, move |backend| backend.set_note(&note, &text)).await }
            .boxed()
    }

    fn last_received(&self) -> Option<Timestamp> {
        *locked(&self.shared.last_post)
    }

    fn report(&self, notice: KeeperNotice) {
        if matches!(notice, KeeperNotice::CatchUp) {
            self.shared.catch_up_wanted.notify_one();
        } else {
            self.shared.notify(FeedNotice::Webhook(notice));
        }
    }
}
