//! [`Cluster`]: a PostgreSQL server for one test process, in a temporary folder, on a port of 127.0.0.1 that was free.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use crate::certificate::Certificate;
use crate::programs;
use crate::server::{Refusal, Server, Stop};
use crate::user::User;

/// The user of every database, who may do anything.
pub const SUPERUSER: &str = "pico";

/// How often another port is tried, or the same one once more.
const ATTEMPTS: usize = 20;
/// How long a statement of the harness's own may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a cluster is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Asks for this password over TCP (SCRAM-SHA-256) instead of letting everyone in.
    pub password: Option<String>,
    /// Takes only TLS over TCP, with a certificate for `localhost` and 127.0.0.1.
    pub tls: bool,
    /// Waits for the disk at each commit, as a server does unless told otherwise. Only a test that kills no server may
    /// do without.
    pub fsync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { password: None, tls: false, fsync: true }
    }
}

/// A server and its databases. It stops with the value, or with the process, however that ends; the folder goes too.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    user: User,
    options: Options,
    authority: Option<String>,
    port: u16,
    server: Mutex<Option<Server>>,
}

impl Cluster {
    /// The cluster that all tests of this process share, without password and TLS; each test makes its own
    /// [`database`](Self::database). A test that kills the server takes a cluster of its own.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default()))
    }

    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When there is no PostgreSQL, with how to get it, or it does not start, with what it said.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let programs = programs::folder();
        let folder = tempfile::Builder::new().prefix("pico-postgres-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let user = User::for_server(folder.path());
        user.give(folder.path());
        init(&programs, folder.path(), user);
        let authority = options.tls.then(|| certify(folder.path(), user));
        write(&folder.path().join("data/pg_hba.conf"), &access(&options), user);
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match Server::start(&programs, folder.path(), user, &arguments(folder.path(), port, &options)) {
                Ok(server) => {
                    // From here on the shell removes the folder.
                    let folder = folder.keep();
                    let server = Mutex::new(Some(server));
                    let cluster = Self { programs, folder, user, options, authority, port, server };
                    if let Some(password) = &cluster.options.password {
                        cluster.execute(&format!(
                            "ALTER ROLE {SUPERUSER} PASSWORD '{}'",
                            password.replace('\'', "''")
                        ));
                    }
                    return cluster;
                }
                Err(Refusal::PortTaken) => {}
                Err(Refusal::Other(why)) => panic!("PostgreSQL did not start: {why}"),
            }
        }
        panic!("PostgreSQL found no free port in {ATTEMPTS} attempts");
    }

    /// Makes an empty database and returns its URL, with the password if there is one.
    ///
    /// # Panics
    /// When the server does not make it within a minute.
    #[must_use]
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}"));
        self.url(self.port, &name)
    }

    /// The URL of a database as seen through another port, such as that of a [`Cut`](crate::Cut).
    ///
    /// # Panics
    /// When `url` is not one of [`database`](Self::database).
    #[must_use]
    pub fn through(&self, port: u16, url: &str) -> String {
        let (_, name) = url.rsplit_once('/').expect("the URL of a database");
        self.url(port, name)
    }

    /// The port on 127.0.0.1; it stays the same over a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate, in PEM, of the authority to trust, when the server takes TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Runs a statement as the superuser in the database `postgres`, past password, TLS and any [`Cut`](crate::Cut).
    ///
    /// # Panics
    /// When the statement fails.
    pub fn execute(&self, statement: &str) {
        let mut config = Config::new();
        config.host_path(&self.folder).port(self.port).user(SUPERUSER).dbname("postgres");
        // A thread of its own: a runtime cannot be started within one, and tests are asynchronous.
        let done = std::thread::scope(|scope| scope.spawn(|| execute(&config, statement)).join());
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{statement}: {error}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Kills the server's first process with SIGKILL and waits until the others are gone too.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_hard(&self) {
        self.running().take().expect("the server runs").stop(Stop::Hard);
    }

    /// Stops the server as an administrator would: connections are closed.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&self) {
        self.running().take().expect("the server runs").stop(Stop::Fast);
    }

    /// Starts the server again, on the same port, and waits until it has recovered; one that runs is stopped first.
    ///
    /// # Panics
    /// When it does not start, or another process has taken the port for good.
    pub fn restart(&self) {
        let mut server = self.running();
        if let Some(old) = server.take() {
            old.stop(Stop::Fast);
        }
        let arguments = arguments(&self.folder, self.port, &self.options);
        for attempt in 1..=ATTEMPTS {
            match Server::start(&self.programs, &self.folder, self.user, &arguments) {
                Ok(started) => {
                    *server = Some(started);
                    return;
                }
                // Someone's outgoing connection, which will go again.
                Err(Refusal::PortTaken) => std::thread::sleep(Duration::from_millis(50 * attempt as u64)),
                Err(Refusal::Other(why)) => panic!("PostgreSQL did not start again: {why}"),
            }
        }
        panic!("port {} was taken while the server was down", self.port);
    }

    fn running(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, port: u16, name: &str) -> String {
        let password =
            self.options.password.as_ref().map_or_else(String::new, |password| format!(":{password}"));
        format!("postgres://{SUPERUSER}{password}@127.0.0.1:{port}/{name}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.running().take());
        // The shell does it, unless the server was down.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn connected(config: &Config, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(statement).await;
    drop(client);
    let _ = connection.await;
    done
}

fn execute(config: &Config, statement: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, connected(config, statement)).await });
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)),
        Err(_) => Err(format!("not done within {PATIENCE:?}")),
    }
}

/// Makes the files of a cluster.
fn init(programs: &Path, folder: &Path, user: User) {
    let mut initdb = Command::new(programs.join("initdb"));
    initdb.arg("--pgdata").arg(folder.join("data")).arg(format!("--username={SUPERUSER}"));
    // Without the locales of the system, which a container may not have. The files need not be on the disk yet: no
    // test cuts the power this early.
    initdb.args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--no-sync"]);
    initdb.current_dir(folder).env("LC_ALL", "C");
    user.run(&mut initdb);
    let output = initdb.output().unwrap_or_else(|error| panic!("{initdb:?} could not be started: {error}"));
    assert!(
        output.status.success(),
        "{initdb:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Lays down the server's certificate and returns its authority's.
fn certify(folder: &Path, user: User) -> String {
    let made = Certificate::new();
    write(&folder.join("data/server.crt"), &made.certificate, user);
    write(&folder.join("data/server.key"), &made.key, user);
    made.authority
}

/// A file that only the server may read, as it demands of its key.
fn write(path: &Path, text: &str, user: User) {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    user.give(path);
}

/// Who may come in, and how; over the socket in the folder, which only the server's user and root can reach, the harness.
fn access(options: &Options) -> String {
    let connection = if options.tls { "hostssl" } else { "host" };
    let method = if options.password.is_some() { "scram-sha-256" } else { "trust" };
    format!("local all all trust\n{connection} all all 127.0.0.1/32 {method}\n")
}

fn arguments(folder: &Path, port: u16, options: &Options) -> Vec<String> {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=200".to_owned(),
        "password_encryption=scram-sha-256".to_owned(),
        format!("fsync={}", on(options.fsync)),
        format!("ssl={}", on(options.tls)),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "lc_messages=C".to_owned(),
    ];
    let mut arguments = vec!["-D".to_owned(), folder.join("data").display().to_string()];
    for setting in settings {
        arguments.extend(["-c".to_owned(), setting]);
    }
    arguments
}

/// One that is free now; whoever takes it before the server does makes the server try another.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a listener has an address").port()
}
