//! The generations of Pico's API and its notes, as C sees them.

use pico_erp::{Client, OrderSave, Proxy, Token};
use pico_erp_sandbox::{CompletionSpec, Config, Generation, NoteSpec, Sandbox};
use pico_erp_tests::run;
use tempfile::TempDir;

use crate::workshop::{BOTH, DEADLINE, TOKEN, Workshop, against, operation};

#[tokio::test(flavor = "multi_thread")]
async fn generations_and_notes_keep_what_the_header_promises() {
    let (workshop, folder) = (Workshop::new(), TempDir::new().expect("a folder"));
    let program = workshop.compile("tests/c/notes.c").await;
    for how in BOTH {
        for (generation, introspection) in
            [(Generation::G2, true), (Generation::G2, false), (Generation::G3, true), (Generation::G3, false)]
        {
            let token = Some(TOKEN.into());
            let config = Config { token, generation, introspection, ..Config::default() };
            let sandbox = Sandbox::start(config).await.expect("a sandbox on a free port");
            let operation = operation(&sandbox);
            play_the_floor(&sandbox, &operation).await;
            let mut command = against(&sandbox, &program, how);
            command
                .arg(format!("{generation:?}"))
                .env("TEST_OPERATION", operation)
                .env("TEST_FOLDER", folder.path());
            assert_eq!(run(&mut command, DEADLINE).await, "passed\n");
            sandbox.shutdown().await;
        }
    }
}

async fn play_the_floor(sandbox: &Sandbox, operation: &str) {
    let client = Client::builder(sandbox.endpoint()).token(Token::fixed(TOKEN)).proxy(Proxy::None);
    let order = OrderSave::new(operation, "GENERATIONS");
    client.build().expect("a client").save_order(&order).await.expect("an order");
    let completion = CompletionSpec::new("GENERATIONS").ordered_with("RES-1", "SALES-1");
    sandbox.complete(completion).expect("an open order");
    sandbox.add_note(NoteSpec::new("another")).expect("a note");
    let ticket = NoteSpec { external_id: "T-1".into(), ..NoteSpec::new("worn") };
    sandbox.add_note(ticket).expect("a note");
}
