//! The task against the sandbox, with a host in memory. Its interval is out of reach, so that it checks when it is told
//! to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use pico_erp_sandbox::{CompletionSpec, Config, Fault, Sandbox, Waits};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::{Client, Proxy, RetryPolicy, Token};
use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::model::{Model, OrderComplete};
use crate::orders::OrderSave;
use crate::receiver::{Sink, WebhookReceiver};
use crate::webhook_keeper::{KeeperHost, KeeperNotice, KeeperPolicy, WebhookKeeper};
use crate::webhooks::WebhookSubscribe;

use super::short;

const DEADLINE: Duration = Duration::from_secs(20);
const NOBODY: &str = "http://127.0.0.1:9/pico";

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it happens in time")
}

/// The store and the feed, in memory.
#[derive(Default)]
struct Memory {
    fingerprint: Arc<Mutex<Option<String>>>,
    saving_fails: Mutex<Option<Error>>,
    last_received: Mutex<Option<Timestamp>>,
    notices: Mutex<Vec<KeeperNotice>>,
    received: watch::Sender<Vec<Json>>,
}

impl Memory {
    /// The notices since the last call, in short and without times.
    fn told(&self) -> Vec<String> {
        let notices = std::mem::take(&mut *self.notices.lock().unwrap());
        let texts = notices.iter().map(|notice| short(notice, Timestamp::UNIX_EPOCH));
        texts.map(|text| if text.starts_with("missing:") { "missing".to_owned() } else { text }).collect()
    }
}

impl KeeperHost for Memory {
    fn load_fingerprint(&self) -> BoxFuture<'static, Result<Option<String>, Error>> {
        ready(Ok(self.fingerprint.lock().unwrap().clone())).boxed()
    }

    fn save_fingerprint(&self, text: String) -> BoxFuture<'static, Result<(), Error>> {
        let failure = self.saving_fails.lock().unwrap().clone();
        let fingerprint = Arc::clone(&self.fingerprint);
        async move {
            failure.map_or(Ok(()), Err)?;
            *fingerprint.lock().unwrap() = Some(text);
            Ok(())
        }
        .boxed()
    }

    fn last_received(&self) -> Option<Timestamp> {
        *self.last_received.lock().unwrap()
    }

    fn report(&self, notice: KeeperNotice) {
        self.notices.lock().unwrap().push(notice);
    }
}

impl Sink for Memory {
    fn store(&self, payload: Json) -> BoxFuture<'static, Result<(), Error>> {
        *self.last_received.lock().unwrap() = Some(Timestamp::now());
        self.received.send_modify(|received| received.push(payload));
        ready(Ok(())).boxed()
    }

    fn unavailable(&self) -> Option<Error> {
        None
    }
}

fn seldom() -> KeeperPolicy {
    KeeperPolicy { check_interval: DEADLINE * 100, grace: Duration::ZERO, ..KeeperPolicy::default() }
}

fn client(sandbox: &Sandbox) -> Client {
    Client::builder(sandbox.endpoint())
        .token(Token::fixed("tok"))
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

async fn sandbox() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Config { token: Some("tok".into()), ..Config::default() }).await.unwrap();
    let client = client(&sandbox);
    (sandbox, client)
}

fn keeper(client: &Client, wanted: &WebhookSubscribe, host: &Arc<Memory>) -> WebhookKeeper {
    WebhookKeeper::start(client.clone(), wanted.clone(), Arc::clone(host) as _, seldom()).unwrap()
}

#[tokio::test]
async fn it_registers_once_and_again_when_the_registration_is_gone() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    let wanted = WebhookSubscribe::order_completes("erp", NOBODY).header("x-key", "k");
    let keeping = keeper(&client, &wanted, &host);
    within(keeping.check_now()).await;
    assert_eq!(host.told(), ["registered:First", "catch-up"]);
    assert_eq!(sandbox.webhooks().len(), 1);
    within(keeping.check_now()).await;
    assert!(host.told().is_empty());

    client.webhook_unsubscribe("erp").await.unwrap();
    within(keeping.check_now()).await;
    assert_eq!(host.told(), ["registered:Lost", "catch-up"]);
    assert_eq!(sandbox.webhooks().len(), 1);
    within(keeping.close(DEADLINE)).await.unwrap();
    assert_eq!(sandbox.webhooks().len(), 1, "it stays registered");

    // A next start finds all well, and one with another secret does not.
    let again = keeper(&client, &wanted, &host);
    within(again.check_now()).await;
    assert!(host.told().is_empty());
    drop(again);
    let other = keeper(&client, &wanted.header("x-key", "other"), &host);
    within(other.check_now()).await;
    assert_eq!(host.told(), ["registered:NewSettings", "catch-up"]);
}

#[tokio::test]
async fn somebody_elses_change_is_put_right() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    let wanted = WebhookSubscribe::order_completes("erp", NOBODY);
    let keeping = keeper(&client, &wanted, &host);
    within(keeping.check_now()).await;
    within(keeping.check_now()).await;
    host.told();
    let elsewhere = WebhookSubscribe::order_completes("erp", "http://127.0.0.1:9/elsewhere");
    client.webhook_subscribe(&elsewhere).await.unwrap();
    within(keeping.check_now()).await;
    assert_eq!(host.told(), ["registered:Changed", "catch-up"]);
    assert_eq!(sandbox.webhooks()[0].webhook_url, NOBODY);
}

#[tokio::test]
async fn a_server_that_fails_is_told_of_and_tried_again() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    sandbox.set_faults(Fault::status(503).times(2));
    let keeping = keeper(&client, &WebhookSubscribe::order_completes("erp", NOBODY), &host);
    within(keeping.check_now()).await;
    within(keeping.check_now()).await;
    within(keeping.check_now()).await;
    let told = host.told();
    assert_eq!(told, ["check-failed:http_status", "checks-work", "registered:First", "catch-up"]);
    assert_eq!(sandbox.webhooks().len(), 1);
}

#[tokio::test]
async fn a_fingerprint_that_could_not_be_saved_is_saved_later() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    *host.saving_fails.lock().unwrap() = Some(Error::new(ErrorKind::Internal, "the disk is full"));
    let wanted = WebhookSubscribe::order_completes("erp", NOBODY);
    let keeping = keeper(&client, &wanted, &host);
    within(keeping.check_now()).await;
    let told = host.told();
    assert!(told.contains(&"not-saved:internal".to_owned()), "{told:?}");
    // In memory it is known, so nothing is registered anew.
    assert!(!told.contains(&"registered:NewSettings".to_owned()), "{told:?}");
    *host.saving_fails.lock().unwrap() = None;
    within(keeping.check_now()).await;
    assert!(host.told().is_empty());
    assert!(host.fingerprint.lock().unwrap().is_some());
    assert_eq!(sandbox.webhooks().len(), 1);
}

#[tokio::test]
async fn posts_that_do_not_arrive_are_noticed_and_so_is_their_return() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    let keeping = keeper(&client, &WebhookSubscribe::order_completes("erp", NOBODY), &host);
    within(keeping.check_now()).await;
    host.told();
    client.save_order(&OrderSave::new("op-abc-123", "ERP-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("ERP-1")).unwrap();
    sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    within(keeping.check_now()).await;
    assert_eq!(host.told(), ["missing", "catch-up"]);
    within(keeping.check_now()).await;
    assert!(host.told().is_empty());
    *host.last_received.lock().unwrap() = Some(Timestamp::now());
    within(keeping.check_now()).await;
    assert_eq!(host.told(), ["arrive"]);
}

#[tokio::test]
async fn a_completion_goes_from_pico_to_the_sink() {
    let (sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    let receiver = WebhookReceiver::builder(Arc::clone(&host) as _)
        .secret_header("x-pico-secret", "s3cret")
        .start()
        .await
        .unwrap();
    let url = format!("http://{}{}", receiver.local_addr(), receiver.url_path());
    let wanted = WebhookSubscribe::order_completes("erp", url).header("X-Pico-Secret", "s3cret");
    let keeping = keeper(&client, &wanted, &host);
    within(keeping.check_now()).await;
    client.save_order(&OrderSave::new("op-abc-123", "ERP-1")).await.unwrap();
    sandbox.complete(CompletionSpec::new("ERP-1").produced("SN-7")).unwrap();
    within(host.received.subscribe().wait_for(|received| received.len() == 1)).await.unwrap();
    let payload = host.received.borrow()[0].clone();
    let done = OrderComplete::from_json(payload).unwrap();
    assert_eq!((done.operation_id(), done.produced_serial()), (Some("op-abc-123"), Some("SN-7")));
    // The post is exactly what the query lists.
    let listed = client.order_completes(&crate::filter::OrderCompleteFilter::all()).await.unwrap();
    assert_eq!(listed[0].raw(), done.raw());
    sandbox.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
    assert!(sandbox.deliveries()[0].delivered);
    host.told();
    within(keeping.check_now()).await;
    assert!(host.told().is_empty());
    within(receiver.close(DEADLINE)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_field() {
    let (_sandbox, client) = sandbox().await;
    let host = Arc::new(Memory::default());
    let start = |url: &str, policy| {
        let wanted = WebhookSubscribe::order_completes("erp", url);
        WebhookKeeper::start(client.clone(), wanted, Arc::clone(&host) as _, policy).map(drop).unwrap_err()
    };
    assert!(start("erp.example", seldom()).to_string().starts_with("webhook_url: "));
    let never = KeeperPolicy { check_interval: Duration::ZERO, ..seldom() };
    assert!(start(NOBODY, never).to_string().starts_with("check_interval: "));
}
