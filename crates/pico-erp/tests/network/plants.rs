//! Many plants in one process, against a sandbox each: what is wrong with one concerns no other, a reload touches what
//! changed, and every completion comes out with the name of its plant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use pico_erp::{Client, ErrorKind, OrderSave, PlantState, Plants, PlantsConfig, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox, Waits};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::waiting::{DEADLINE, within};

const TOKEN: &str = "plants-token";
const OPERATION: &str = "op-abc-123";

/// Sandboxes, and the file that names them.
struct Company {
    folder: tempfile::TempDir,
    picos: BTreeMap<&'static str, Sandbox>,
}

impl Company {
    async fn of(names: &[&'static str]) -> Self {
        let mut picos = BTreeMap::new();
        for name in names {
            picos.insert(*name, pico().await);
        }
        Self { folder: tempfile::tempdir().unwrap(), picos }
    }

    /// The configuration of so many plants, each with what it has besides.
    fn config(&self, plants: &[(&str, &str)], more: &str) -> PlantsConfig {
        let mut text = format!(
            "store = \"erp.pico\"\n{more}\n[defaults]\ntoken = \"{TOKEN}\"\nproxy = \"none\"\ntransport = \"sse\"\n"
        );
        for (name, besides) in plants {
            let endpoint = self.picos[name].endpoint();
            writeln!(text, "[plants.{name}]\nendpoint = \"{endpoint}\"\n{besides}").unwrap();
        }
        PlantsConfig::parse(&text, self.folder.path()).unwrap()
    }

    async fn complete(&self, plant: &str, order: &str) {
        let pico = &self.picos[plant];
        let client =
            Client::builder(pico.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None).build().unwrap();
        within(client.save_order(&OrderSave::new(OPERATION, order))).await.unwrap();
        pico.complete(CompletionSpec::new(order)).unwrap();
    }
}

async fn pico() -> Sandbox {
    Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await.unwrap()
}

/// Takes so many, acknowledges them, and says what they were.
async fn take(plants: &Plants, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let next = within(plants.next()).await.expect("the plants go on").unwrap();
        taken.push(format!("{}/{}", next.plant, next.delivery.completion().external_order_id));
        next.delivery.ack().await.unwrap();
    }
    taken.sort();
    taken
}

async fn opened(plants: &Plants, name: &str) {
    let plant = plants.plant(name).unwrap();
    within(plant.started()).await.unwrap();
    within(plant.feed().unwrap().opened()).await.unwrap();
}

/// Waits until a plant's status is as it should be.
async fn until(plants: &Plants, name: &str, is: impl Fn(&pico_erp::PlantStatus) -> bool) {
    within(async {
        loop {
            if is(&plants.plant(name).unwrap().status().await.unwrap()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_one_plant_keeps_no_other_from_its_work() {
    let company = Company::of(&["berlin", "munich", "paris"]).await;
    for (plant, order) in [("berlin", "B-1"), ("munich", "M-1"), ("berlin", "B-2"), ("paris", "P-1")] {
        company.complete(plant, order).await;
    }
    let plants = [("berlin", ""), ("munich", ""), ("paris", "token = \"wrong\"")];
    let plants = Plants::start(company.config(&plants, "")).await.unwrap();
    assert_eq!(take(&plants, 3).await, ["berlin/B-1", "berlin/B-2", "munich/M-1"]);
    until(&plants, "paris", |status| {
        status.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Unauthorized)
    })
    .await;
    // Orders go to the plant's own Pico.
    let munich = plants.plant("munich").unwrap();
    munich.outbox().save(OrderSave::new(OPERATION, "M-2")).await.unwrap();
    company.picos["munich"].wait_for(Waits { orders: 2, ..Waits::default() }, DEADLINE).await.unwrap();
    let status = plants.status().await.unwrap();
    let shown: serde_json::Value = status[0].to_json().decode().unwrap();
    assert_eq!((&shown["plant"], &shown["state"]), (&"berlin".into(), &"running".into()));
    assert_eq!(shown["feed"]["inbox"]["acked"], 2);
    within(plants.close(DEADLINE)).await;
    assert!(plants.next().await.is_none());
    assert_eq!(munich.status().await.unwrap().state, PlantState::Closed);
}

#[tokio::test]
async fn a_plant_that_cannot_be_started_is_started_when_that_is_mended() {
    let company = Company::of(&["berlin", "munich"]).await;
    company.complete("berlin", "B-1").await;
    company.complete("munich", "M-1").await;
    let plants = [("berlin", ""), ("munich", "token_file = \"munich.token\"")];
    let plants = Plants::start(company.config(&plants, "")).await.unwrap();
    until(&plants, "munich", |status| {
        status.state == PlantState::Failed
            && status.error.as_ref().is_some_and(|it| it.message().contains("munich.token"))
    })
    .await;
    assert_eq!(take(&plants, 1).await, ["berlin/B-1"]);
    std::fs::write(company.folder.path().join("munich.token"), format!("{TOKEN}\n")).unwrap();
    assert_eq!(take(&plants, 1).await, ["munich/M-1"]);
    within(plants.close(DEADLINE)).await;
}

#[tokio::test]
async fn a_reload_adds_removes_and_changes_and_leaves_the_others_connected() {
    let company = Company::of(&["berlin", "munich", "paris", "rome"]).await;
    let no_sender = "sender.enabled = false";
    let before = [("berlin", ""), ("munich", ""), ("paris", "")];
    let plants = Plants::start(company.config(&before, "")).await.unwrap();
    for name in ["berlin", "munich", "paris"] {
        opened(&plants, name).await;
    }
    let (berlin, requests) = (plants.plant("berlin").unwrap(), company.picos["berlin"].requests());
    let feed = berlin.feed().unwrap();
    let paris = plants.plant("paris").unwrap();
    let after = [("berlin", ""), ("munich", no_sender), ("rome", "")];
    let reloaded = within(plants.reload(company.config(&after, ""))).await.unwrap();
    assert_eq!(
        (&reloaded.added[..], &reloaded.removed[..]),
        (&["rome".to_owned()][..], &["paris".to_owned()][..])
    );
    assert_eq!(
        (&reloaded.changed[..], &reloaded.kept[..]),
        (&["munich".to_owned()][..], &["berlin".to_owned()][..])
    );
    assert_eq!(plants.names(), ["berlin", "munich", "rome"]);
    for name in ["munich", "rome"] {
        opened(&plants, name).await;
    }
    assert!(plants.plant("munich").unwrap().status().await.unwrap().sender.is_none());
    assert_eq!(paris.status().await.unwrap().state, PlantState::Closed);
    within(async {
        while company.picos["paris"].open_streams().sse > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Berlin was not asked for anything anew, and its feed is the same.
    assert_eq!(company.picos["berlin"].requests(), requests);
    assert!(std::sync::Arc::ptr_eq(&feed, &berlin.feed().unwrap()));
    for (plant, order) in [("berlin", "B-1"), ("munich", "M-1"), ("rome", "R-1")] {
        company.complete(plant, order).await;
    }
    assert_eq!(take(&plants, 3).await, ["berlin/B-1", "munich/M-1", "rome/R-1"]);

    let elsewhere = PlantsConfig::parse("store = \"other.pico\"", company.folder.path()).unwrap();
    let error = plants.reload(elsewhere).await.unwrap_err().to_string();
    assert!(error.contains("store: is another than at the start"), "{error}");
    assert_eq!(plants.names(), ["berlin", "munich", "rome"]);
    within(plants.close(DEADLINE)).await;
    assert_eq!(plants.reload(company.config(&after, "")).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_completion_and_plants_take_turns() {
    let company = Company::of(&["berlin", "munich"]).await;
    for number in 0..30 {
        company.complete("berlin", &format!("B-{number:02}")).await;
    }
    let plants = [("berlin", ""), ("munich", "")];
    let plants = Plants::start(company.config(&plants, "")).await.unwrap();
    opened(&plants, "munich").await;
    company.complete("munich", "M-1").await;
    until(&plants, "munich", |status| status.feed.as_ref().is_some_and(|feed| feed.inbox.handed_out == 1))
        .await;
    // Given up at every point where it can be.
    for polls in 0..50_u64 {
        let taken = tokio::time::timeout(Duration::from_micros(polls), plants.next()).await;
        if let Ok(Some(taken)) = taken {
            taken.unwrap().delivery.put_back();
        }
    }
    let mut taken = Vec::new();
    for _ in 0..31 {
        taken.extend(take(&plants, 1).await);
    }
    let place = taken.iter().position(|one| one == "munich/M-1").unwrap();
    assert!(place <= 4, "munich came {place} places behind berlin: {taken:?}");
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 31);
    within(plants.close(DEADLINE)).await;
}

#[tokio::test]
async fn one_receiver_takes_the_posts_of_all_plants_each_at_its_path_with_its_secret() {
    let company = Company::of(&["berlin", "munich"]).await;
    // A free port, for the URL must be known before the receiver listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let receiver = format!("[receiver]\nbind = \"127.0.0.1:{port}\"\n");
    let hook = |secret: &str| {
        format!(
            "feed.live = false\nwebhook = {{ url = \"http://127.0.0.1:{port}/pico/{{plant}}\", secret = \"{secret}\" }}"
        )
    };
    let (berlin, munich) = (hook("b3rlin"), hook("mun1ch"));
    let plants = [("berlin", berlin.as_str()), ("munich", munich.as_str())];
    let plants = Plants::start(company.config(&plants, &receiver)).await.unwrap();
    for (name, pico) in &company.picos {
        opened(&plants, name).await;
        within(async {
            while pico.webhooks().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    company.complete("berlin", "B-1").await;
    company.complete("munich", "M-1").await;
    assert_eq!(take(&plants, 2).await, ["berlin/B-1", "munich/M-1"]);
    for pico in company.picos.values() {
        pico.wait_for(Waits { deliveries: 1, ..Waits::default() }, DEADLINE).await.unwrap();
        assert!(pico.deliveries()[0].delivered);
    }
    let post = |path: &'static str| async move {
        let mut stream = within(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: erp\r\nx-pico-secret: b3rlin\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    assert_eq!((post("/pico/munich").await, post("/pico/paris").await, post("/pico").await), (401, 404, 404));
    // A plant that is gone has no door any more.
    within(plants.reload(company.config(&[("munich", munich.as_str())], &receiver))).await.unwrap();
    assert_eq!(post("/pico/berlin").await, 404);
    within(plants.close(DEADLINE)).await;
}
