//! One row of the table played for one case: a sandbox on a port of its own, a probe in front of it, and the steps.

use std::time::Duration;

use pico_erp::{Client, OrderSave, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Fault, Sandbox};
use tokio::time::Instant;

use crate::probe::{Case, Line, Probe, Transport};
use crate::servers::Reserved;

/// What the sandbox takes.
pub(crate) const TOKEN: &str = "a-token-of-the-tests";
/// Orders that wait to be completed, from each start of the sandbox on.
const ORDERS: [&str; 3] = ["E-1", "E-2", "E-3"];

/// Something that happens, or is expected.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The sandbox comes up, on the same port each time.
    Start,
    /// The sandbox goes down.
    Stop,
    /// An order is completed.
    Complete(&'static str),
    /// Something starts to go wrong.
    Break(Fault),
    /// Nothing goes wrong any more.
    Mend,
    /// All connections are reset.
    Cut,
    /// The token counts no longer.
    Revoke,
    /// The sandbox ends all streams in an orderly way.
    EndStreams,
    /// The probe prints a line.
    See(Line),
    /// As long has passed since the probe was started.
    AtLeast(Duration),
    /// Steps for one transport only.
    On(Transport, &'static [Step]),
}

/// A sandbox and a probe.
pub(crate) struct Scene {
    case: Case,
    port: Reserved,
    sandbox: Option<Sandbox>,
    probe: Option<Probe>,
    started: Instant,
}

impl Scene {
    /// Nothing runs yet.
    pub(crate) fn new(case: Case) -> Self {
        Self { case, port: Reserved::new(), sandbox: None, probe: None, started: Instant::now() }
    }

    /// Where the sandbox is, or will be.
    pub(crate) fn address(&self) -> String {
        self.port.address.to_string()
    }

    /// Starts the probe with these settings.
    pub(crate) async fn probe(&mut self, settings: &[String]) {
        let (endpoint, transport) = (format!("http://{}", self.address()), self.case.transport.name());
        self.probe_of(&endpoint, TOKEN, transport, settings).await;
    }

    /// Starts the probe with all that its command line holds.
    pub(crate) async fn probe_of(
        &mut self,
        endpoint: &str,
        token: &str,
        transport: &str,
        settings: &[String],
    ) {
        // Before it can have asked for anything.
        self.started = Instant::now();
        self.probe = Some(Probe::start(self.case, endpoint, token, transport, settings).await);
    }

    /// Plays the steps.
    pub(crate) async fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Start => self.start().await,
                Step::Stop => self.sandbox.take().expect("it runs").shutdown().await,
                Step::Complete(order) => drop(self.sandbox().complete(CompletionSpec::new(*order)).unwrap()),
                Step::Break(fault) => self.sandbox().set_faults(fault.clone()),
                Step::Mend => self.sandbox().clear_faults(),
                Step::Cut => assert!(self.sandbox().cut_connections() > 0, "nothing was connected"),
                Step::Revoke => self.sandbox().revoke_token(),
                Step::EndStreams => assert_eq!(self.sandbox().complete_streams(), 1),
                Step::See(line) => self.probe.as_mut().expect("it runs").see(*line).await,
                Step::AtLeast(time) => {
                    let passed = self.started.elapsed();
                    assert!(passed >= *time, "{:?}: only {passed:?} had passed", self.case);
                }
                Step::On(transport, steps) if *transport == self.case.transport => {
                    Box::pin(self.play(steps)).await;
                }
                Step::On(..) => {}
            }
        }
    }

    /// Ends both.
    pub(crate) async fn end(self) {
        self.probe.expect("it runs").end().await;
    }

    fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().expect("it runs")
    }

    async fn start(&mut self) {
        let config = Config {
            listen: self.port.address,
            token: Some(TOKEN.into()),
            ping_interval: Duration::from_millis(50),
            ..Config::default()
        };
        let sandbox = Sandbox::start(config).await.expect("the port is ours");
        let client = Client::builder(sandbox.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None);
        let client = client.build().unwrap();
        for order in ORDERS {
            client.save_order(&OrderSave::new("op-abc-123", order)).await.unwrap();
        }
        self.sandbox = Some(sandbox);
    }
}
