//! The C ABI as a C programmer meets it: the header, the shared and the static library, the examples and
//! the contract tests, compiled strictly and run against the sandbox, natively and under valgrind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pico_erp_sandbox::{
    Attribute, CompletionSpec, Config, Fault, FaultKind, Faults, HUGE_BODY, NoteSpec, OperationSpec, Sandbox,
};
use pico_erp_tests::{repository, run, tool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

const TOKEN: &str = "a-token-of-the-tests";
/// For anything that should take seconds: the machine may be busy, and valgrind is slow.
const DEADLINE: Duration = Duration::from_secs(300);
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];
/// What rustc asks for on Linux when a static library is linked (`--print native-static-libs`).
const NATIVE_LIBRARIES: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// A folder with the shared library under the names that the linker and the loader look for, and room for
/// programs.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
        for name in ["libpico_erp.so", "libpico_erp.so.0"] {
            std::os::unix::fs::symlink(&library, folder.path().join(name)).expect("a link to the library");
        }
        Self { folder }
    }

    fn compiler(&self, source: &str, program: &Path) -> Command {
        let mut compiler = Command::new(tool("PICO_TEST_CC"));
        compiler.args(STRICT).arg("-g").arg("-I").arg(repository().join("include"));
        compiler.arg(repository().join(source)).arg("-o").arg(program).arg("-pthread");
        compiler
    }

    /// Compiles a C file of the repository against the shared library.
    async fn compile(&self, source: &str) -> PathBuf {
        let program = self.folder.path().join(Path::new(source).file_stem().expect("a file"));
        let folder = self.folder.path();
        let mut compiler = self.compiler(source, &program);
        compiler.arg("-L").arg(folder).arg("-lpico_erp").arg(format!("-Wl,-rpath,{}", folder.display()));
        run(&mut compiler, DEADLINE).await;
        program
    }

    async fn compile_statically(&self, source: &str) -> PathBuf {
        let program = self.folder.path().join("linked-statically");
        let mut compiler = self.compiler(source, &program);
        compiler.arg(tool("PICO_TEST_LIB_DIR").join("libpico_erp.a")).args(NATIVE_LIBRARIES);
        run(&mut compiler, DEADLINE).await;
        program
    }
}

/// How a program is run.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Natively,
    /// Any error and any block that is lost for good ends with status 99. Nothing is suppressed. Blocks
    /// that threads of the library still use as the process ends are reachable, and no leak.
    UnderValgrind,
}

const BOTH: [How; 2] = [How::Natively, How::UnderValgrind];

fn command(program: &Path, how: How) -> Command {
    let mut command = match how {
        How::Natively => Command::new(program),
        How::UnderValgrind => {
            let mut valgrind = Command::new(tool("PICO_TEST_VALGRIND"));
            valgrind
                .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
                .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"])
                // Threads take turns, so that none starves behind one that spins or is long.
                .arg("--fair-sched=try")
                .arg(program);
            valgrind
        }
    };
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// The same, with the environment that tells programs where the sandbox is.
fn against(sandbox: &Sandbox, program: &Path, how: How) -> Command {
    let mut command = command(program, how);
    command.env("PICO_API_ENDPOINT", sandbox.endpoint()).env("PICO_API_TOKEN", TOKEN);
    command
}

async fn sandbox() -> Sandbox {
    let config = Config {
        token: Some(TOKEN.into()),
        auto_complete: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    Sandbox::start(config).await.expect("a sandbox on a free port")
}

/// The id of an operation that orders can be saved for.
fn operation(sandbox: &Sandbox) -> String {
    let spec = OperationSpec::new("op-of-the-tests", "Operation of the tests");
    sandbox.deploy(spec).expect("an operation").id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_order_is_listed_saved_and_completed() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/order_and_completion.c").await;
    for (how, order) in BOTH.into_iter().zip(["ERP-C-1", "ERP-C-2"]) {
        let printed = run(against(&sandbox, &program, how).arg(order), DEADLINE).await;
        let serial = sandbox
            .completions()
            .into_iter()
            .find(|one| one.external_order_id == order)
            .and_then(|one| one.end_state)
            .and_then(|state| state.produced_serial);
        let expected = format!("completed {order} {}", serial.as_deref().unwrap_or("-"));
        assert_eq!(printed.lines().last(), Some(expected.as_str()), "{printed}");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_its_own_event_loop_takes_the_completion_there() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/event_loop.c").await;
    for (how, order) in BOTH.into_iter().zip(["LOOP-1", "LOOP-2"]) {
        let printed = run(against(&sandbox, &program, how).arg(order), DEADLINE).await;
        assert!(printed.starts_with(&format!("saved {order}\ncompleted {order} ")), "{printed}");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_listed_also_by_a_program_that_is_linked_statically() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    operation(&sandbox);
    let shared = workshop.compile("examples/c/list_operations.c").await;
    let linked = workshop.compile_statically("examples/c/list_operations.c").await;
    let mut printed = BTreeSet::new();
    for (program, how) in [(&shared, How::Natively), (&shared, How::UnderValgrind), (&linked, How::Natively)]
    {
        printed.insert(run(&mut against(&sandbox, program, how), DEADLINE).await);
    }
    assert_eq!(printed.len(), 1, "{printed:?}");
    assert!(printed.first().is_some_and(|text| text.contains("op-of-the-tests\t")), "{printed:?}");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_registered_listed_and_removed() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("examples/c/manage_webhooks.c").await;
    for how in BOTH {
        let mut command = against(&sandbox, &program, how);
        let printed = run(command.args(["http://127.0.0.1:9/pico", "secret"]), DEADLINE).await;
        assert_eq!(printed, "erp-order-completions -> http://127.0.0.1:9/pico\nremoved 1\n");
    }
    assert!(sandbox.webhooks().is_empty());
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_keep_what_the_header_promises() {
    contract("tests/c/callbacks.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_cancelling_forking_and_freeing_keep_what_the_header_promises() {
    contract("tests/c/control.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_keep_what_the_header_promises() {
    contract("tests/c/batches.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_is_readable_exactly_while_there_is_something_to_take() {
    contract("tests/c/descriptor.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_over_every_transport_and_losses_are_counted() {
    contract("tests/c/transports.c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_proxy_holds_back_tells_that_it_goes_another_way() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/transports.c").await;
    for how in BOTH {
        let sandbox = sandbox().await;
        sandbox.set_faults(Fault::buffer_sse(false, None));
        let mut command = against(&sandbox, &program, how);
        command.arg("held-back").env("TEST_OPERATION", operation(&sandbox));
        assert_eq!(run(&mut command, DEADLINE).await, "passed\n");
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_loads_and_unloads_leave_no_threads_and_no_memory_behind() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/loading.c").await;
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    // The memory of a process under valgrind is mostly valgrind's.
    for (how, rounds, most_kib) in [(How::Natively, "100", "4096"), (How::UnderValgrind, "10", "0")] {
        let mut command = against(&sandbox, &program, how);
        let printed = run(command.arg(&library).args([rounds, most_kib]), DEADLINE).await;
        assert_eq!(printed, "passed\n");
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_subscriptions_have_no_threads_of_their_own() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/thousand.c").await;
    // Server-Sent Events take a connection each, and many machines allow a process 1,024 descriptors.
    for (how, transport, count) in [
        (How::Natively, "websocket", "1000"),
        (How::Natively, "sse", "300"),
        (How::UnderValgrind, "websocket", "50"),
    ] {
        let sandbox = sandbox().await;
        let mut command = against(&sandbox, &program, how);
        command.args([transport, count]).env("TEST_OPERATION", operation(&sandbox));
        assert_eq!(run(&mut command, DEADLINE).await, "passed\n");
        sandbox.shutdown().await;
    }
}

/// The functions that wait are those that go through that guard; what the header says must agree.
#[test]
fn every_function_that_waits_says_so_and_is_tried_inside_a_callback() {
    let header = std::fs::read_to_string(repository().join("include/pico_erp.h")).expect("the header");
    let tried = std::fs::read_to_string(repository().join("tests/c/callbacks.c")).expect("the test's source");
    let mut waiting = 0;
    for file in std::fs::read_dir(repository().join("crates/pico-erp-ffi/src")).expect("the sources") {
        let source = std::fs::read_to_string(file.expect("a source").path()).expect("a source");
        for function in source.split("extern \"C\" fn ").skip(1).filter(|it| it.contains("guard::waiting(")) {
            let name = function.split_once('(').expect("a function").0;
            let (before, _) = header.split_once(&format!("PICO_CALL {name}(")).expect("it is declared");
            let comment = before.rsplit_once("/**").expect("it has a comment").1;
            assert!(comment.to_lowercase().contains("waits"), "{name} does not say that it waits");
            let call = tried.split_once("static void call_all_that_waits(").expect("the test").1;
            assert!(call.contains(&format!("{name}(")), "tests/c/callbacks.c does not call {name}");
            waiting += 1;
        }
    }
    assert!(waiting >= 14, "only {waiting} functions that wait were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_arrives_with_all_its_fields() {
    let workshop = Workshop::new();
    let program = workshop.compile("tests/c/events.c").await;
    for how in BOTH {
        let sandbox = Sandbox::start(Config { token: Some(TOKEN.into()), ..Config::default() }).await;
        let sandbox = sandbox.expect("a sandbox on a free port");
        let mut command = against(&sandbox, &program, how);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut line =
            async || tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("in time").ok()?;

        assert_eq!(line().await.as_deref(), Some("open"));
        assert!(sandbox.cut_connections() >= 5);
        assert_eq!(line().await.as_deref(), Some("open again"));
        // The fault takes whichever event is sent next, so there must be no other one until it was seen.
        sandbox.set_faults(Fault::new(FaultKind::MalformedEvent).times(1));
        sandbox.deploy(new_operation()).expect("an operation");
        assert_eq!(line().await.as_deref(), Some("problem"));
        play_the_floor(&sandbox).await;
        for expected in [
            "operation op-new PART-9 C Gearbox tpl-1 left 1 PART-10",
            "sub_operation prod-123 op-new 7",
            "order_complete EVENTS 3 op-new PART-9 C Gearbox SN-1 PART-10=S-1",
            "note mind the gap {\"a\":1.5} /1.png",
            r#"data {"operationOrderCompletesStream":{"externalOrderId":"EVENTS"}}"#,
            "passed",
        ] {
            assert_eq!(line().await.as_deref(), Some(expected));
        }
        assert!(child.wait().await.expect("it ends").success());
        sandbox.shutdown().await;
    }
}

fn new_operation() -> OperationSpec {
    let slot = Attribute { id: Some("slot".into()), external_id: Some("PART-10".into()), value: None };
    let mut spec = OperationSpec::new("op-new", "Gearbox").part("PART-9");
    spec.external_revision = Some("C".into());
    spec.template_id = Some("tpl-1".into());
    spec.variant_name = Some("left".into());
    spec.consumed_serials = vec![slot];
    spec
}

/// One event for each stream.
async fn play_the_floor(sandbox: &Sandbox) {
    sandbox.deploy(new_operation()).expect("the same operation again");
    sandbox.link("prod-123", "op-new", Some(7)).expect("an edge");

    let client = pico_erp::Client::builder(sandbox.endpoint()).token(pico_erp::Token::fixed(TOKEN));
    let order = pico_erp::OrderSave::new("op-new", "EVENTS").order_index(3);
    client.build().expect("a client").save_order(&order).await.expect("an order");
    let mut completion = CompletionSpec::new("EVENTS");
    completion.produced_serial = Some("SN-1".into());
    completion.consumed_serials =
        Some(vec![Attribute { id: Some("slot".into()), external_id: None, value: Some("S-1".into()) }]);
    sandbox.complete(completion).expect("an open order");

    let mut note = NoteSpec::new("mind the gap");
    note.metadata = Some(serde_json::json!({ "a": 1.5 }));
    note.images = Some(vec!["/1.png".into()]);
    sandbox.add_note(note).expect("a note");
}

async fn contract(source: &str) {
    let workshop = Workshop::new();
    let program = workshop.compile(source).await;
    for how in BOTH {
        let sandbox = sandbox().await;
        let mut command = against(&sandbox, &program, how);
        let printed = run(command.env("TEST_OPERATION", operation(&sandbox)), DEADLINE).await;
        assert_eq!(printed, "passed\n");
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_refused_by_every_function() {
    let source = "tests/c/null_arguments.c";
    let text = std::fs::read_to_string(repository().join(source)).expect("the test's source");
    let missing: Vec<_> =
        functions().into_iter().filter(|name| !text.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "{source} does not call {missing:?}");

    let workshop = Workshop::new();
    let program = workshop.compile(source).await;
    for how in BOTH {
        assert_eq!(run(&mut command(&program, how), DEADLINE).await, "passed\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_leaves_with_everything_open_ends_with_its_own_status() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/leaving.c").await;
    for how in BOTH {
        let mut command = against(&sandbox, &program, how);
        let child = command.env("TEST_OPERATION", operation(&sandbox)).kill_on_drop(true).output();
        let output = tokio::time::timeout(DEADLINE, child).await.expect("it ends").expect("it starts");
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
    sandbox.shutdown().await;
}

/// The functions that the header declares.
fn functions() -> BTreeSet<String> {
    let header = std::fs::read_to_string(repository().join("include/pico_erp.h")).expect("the header");
    let names = header.split("PICO_CALL ").skip(1).filter_map(|rest| rest.split_once('('));
    names.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("pico_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    let listed = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library), DEADLINE).await;
    let exported: BTreeSet<_> = listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let declared = functions();
    assert_eq!(exported, declared.iter().map(String::as_str).collect());
    assert!(declared.len() > 100, "only {} functions were found in the header", declared.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_has_its_soname_and_stays_mapped() {
    let library = tool("PICO_TEST_LIB_DIR").join("libpico_erp.so");
    let dynamic = run(Command::new("readelf").args(["-d", "-W"]).arg(&library), DEADLINE).await;
    assert!(dynamic.contains("[libpico_erp.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(!dynamic.contains("libssl"), "{dynamic}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_alone_is_valid_c_and_cxx() {
    let header = repository().join("include/pico_erp.h");
    let flags = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];
    for (compiler, language, standard) in [
        (tool("PICO_TEST_CC"), "c", "-std=c99"),
        (tool("PICO_TEST_CC"), "c", "-std=c11"),
        (tool("PICO_TEST_CXX"), "c++", "-std=c++11"),
        (tool("PICO_TEST_CXX"), "c++", "-std=c++17"),
    ] {
        run(Command::new(compiler).args(flags).args([standard, "-x", language]).arg(&header), DEADLINE).await;
    }
}

/// Runs the one call, and gives what it printed.
async fn outcome(program: &Path, endpoint: &str, token: &str, timeout_ms: u32) -> String {
    let mut command = command(program, How::Natively);
    run(command.args([endpoint, token, &timeout_ms.to_string()]), DEADLINE).await.trim_end().to_owned()
}

/// One way to fail, and what is to be said of it.
struct Failure<'a> {
    faults: Faults,
    endpoint: &'a str,
    token: &'a str,
    timeout_ms: u32,
    /// Status, name and HTTP status.
    starts: &'a str,
    /// A part of the message.
    says: &'a str,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_own_status_and_names_its_cause() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/failures.c").await;
    let endpoint = &sandbox.endpoint();
    // Bound and never listened on again: a port that refuses.
    let refusing = TcpListener::bind("127.0.0.1:0").await.and_then(|one| one.local_addr()).expect("a port");
    let refusing = &format!("http://{refusing}/graphql");

    let served = |kind, starts, says| {
        let faults = Fault::new(kind).into();
        Failure { faults, endpoint, token: TOKEN, timeout_ms: 60_000, starts, says }
    };
    let status = |status| FaultKind::Status { status, retry_after: None };
    let elsewhere = |endpoint, starts, says| Failure {
        faults: Faults::new(),
        endpoint,
        token: TOKEN,
        timeout_ms: 60_000,
        starts,
        says,
    };
    for failure in [
        Failure { token: "wrong", ..elsewhere(endpoint, "401 unauthorized ", "token") },
        served(FaultKind::Html, "403 not_json 200 ", "JSON"),
        Failure { timeout_ms: 200, ..served(FaultKind::Hang, "200 timeout 0 ", "200ms") },
        served(FaultKind::CutBody, "304 connection_lost 0 ", "the connection broke after"),
        served(FaultKind::MalformedJson, "403 not_json 200 ", "JSON"),
        served(FaultKind::HugeBody { bytes: HUGE_BODY }, "404 too_large 200 ", "67108864 bytes"),
        served(status(502), "400 http_status 502 ", "502"),
        served(status(429), "402 rate_limited 429 ", ""),
        elsewhere(refusing, "300 connect 0 ", "refused"),
        elsewhere("http://nonexistent.invalid/graphql", "301 dns 0 ", "nonexistent.invalid"),
    ] {
        sandbox.set_faults(failure.faults);
        let printed = outcome(&program, failure.endpoint, failure.token, failure.timeout_ms).await;
        let as_expected = printed.starts_with(failure.starts) && printed.contains(failure.says);
        assert!(as_expected, "not {}...{}: {printed}", failure.starts, failure.says);
    }
    sandbox.clear_faults();
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_operations_arrive_whole() {
    let (workshop, sandbox) = (Workshop::new(), sandbox().await);
    let program = workshop.compile("tests/c/failures.c").await;
    let seeded = outcome(&program, &sandbox.endpoint(), TOKEN, 60_000).await;
    let seeded: usize = seeded.split(' ').nth(3).and_then(|count| count.parse().ok()).expect("a count");
    sandbox.deploy_many(10_000);
    let printed = outcome(&program, &sandbox.endpoint(), TOKEN, 60_000).await;
    assert_eq!(printed, format!("0 ok 0 {} operations", seeded + 10_000));
    sandbox.shutdown().await;
}
