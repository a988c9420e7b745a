//! `pico-erp sandbox`: a local Pico until Ctrl-C.

use pico_erp_sandbox::{Config, ErrorKind, Generation, Sandbox, Seed, WebSocketProtocols};

use crate::args::{self, Connection, ProtocolName};
use crate::calls::seconds;
use crate::exit::Failure;
use crate::output::{line, value};

fn generation(name: Option<&str>) -> Result<Generation, Failure> {
    let known =
        [("all", Generation::All), ("g1", Generation::G1), ("g2", Generation::G2), ("g3", Generation::G3)];
    let Some(name) = name else { return Ok(Generation::All) };
    known
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, generation)| generation)
        .ok_or_else(|| Failure::usage(format!("--generation {name}: a sandbox speaks G1, G2, G3 or all")))
}

pub(crate) async fn run(arguments: args::Sandbox, connection: &Connection) -> Result<(), Failure> {
    let (token, json) = (connection.token.clone(), connection.json);
    let seed = match &arguments.seed {
        None => Seed::builtin(),
        Some(file) => Seed::from_file(file)
            .map_err(|error| Failure::usage(format!("--seed {}: {error}", file.display())))?,
    };
    let auto_complete = arguments.auto_complete.map(|delay| seconds("--auto-complete", delay)).transpose()?;
    let config = Config {
        listen: arguments.listen,
        token: token.clone(),
        seed,
        auto_complete,
        waterfall: arguments.waterfall,
        child_completions: arguments.waterfall,
        ping_interval: seconds("--ping-interval", arguments.ping_interval)?,
        web_socket_protocols: match arguments.web_socket {
            ProtocolName::Both => WebSocketProtocols::Both,
            ProtocolName::TransportWs => WebSocketProtocols::TransportWsOnly,
            ProtocolName::Legacy => WebSocketProtocols::LegacyOnly,
            ProtocolName::None => WebSocketProtocols::None,
        },
        time_filter: arguments.time_filter,
        generation: generation(connection.generation.as_deref())?,
        introspection: !arguments.no_introspection,
        legacy_webhooks: arguments.legacy_webhooks,
        ..Config::default()
    };
    let sandbox = Sandbox::start(config).await.map_err(|error| {
        let message = format!("no sandbox at {}: {error}", arguments.listen);
        if error.kind() == ErrorKind::Invalid { Failure::usage(message) } else { Failure::other(message) }
    })?;
    if json {
        value(&serde_json::json!({ "endpoint": sandbox.endpoint(), "control": sandbox.url() + "/sandbox" }))?;
    } else {
        line(&format!("A local Pico listens at {}", sandbox.endpoint()))?;
        line(match token {
            Some(_) => "The token is the one you gave.",
            None => "Any token will do.",
        })?;
        line(&format!("The shop floor is played over {}/sandbox; see {}/", sandbox.url(), sandbox.url()))?;
        line("Ctrl-C ends it.")?;
    }
    tokio::signal::ctrl_c().await?;
    sandbox.shutdown().await;
    Ok(())
}
