//! The server under test as a separate process: one that the harness starts, or one that runs already.
//!
//! A server's answers are not inspected here. Whether it is up is determined by its first line of output or
//! by its port.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use super::server_clock::{ClockError, ServerClock};

/// A free port of the loopback.
pub(super) const ANY_PORT: &str = "127.0.0.1:0";
/// Time limit for a server to start listening.
const STARTING: Duration = Duration::from_secs(20);
/// Time limit for a running server to accept a connection.
const CONNECTING: Duration = Duration::from_secs(2);
/// How long a restarted server keeps a connection that is only opened.
const A_MOMENT: Duration = Duration::from_millis(30);
/// Text before the address in the line that a started server prints when it listens.
const LISTENING: &str = "listening on http://";
/// The same in the line before it about a test clock.
const TEST_CLOCK: &str = "test clock on http://";
/// Prefix of the environment variables that configure a server or this program.
const SETTINGS: &str = "TURNSTILE_";
/// Number of last log lines in an error about a server that ended.
const LAST_LINES: usize = 12;
/// Name of the log file in the server's folder.
const LOG: &str = "server.log";

/// Why the server under test is not available.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system could not start it.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// It ended before it listened.
    #[error("{program} ended before it listened; last output: {last_lines}")]
    Ended {
        /// The program.
        program: String,
        /// The end of its log.
        last_lines: String,
    },
    /// It neither listened nor ended.
    #[error("{program} did not print its address within {} s", STARTING.as_secs())]
    Silent {
        /// The program.
        program: String,
    },
    /// The command that restarts a given server failed.
    #[error("the restart command `{command}` failed ({status}); last output: {last_lines}")]
    RestartCommand {
        /// The command.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its output.
        last_lines: String,
    },
    /// The command that restarts a given server does not end.
    #[error(
        "the restart command `{command}` did not end within {} s: it must start the server in the background",
        STARTING.as_secs()
    )]
    RestartHangs {
        /// The command.
        command: String,
    },
    /// A given server does not accept connections after the command that restarts it.
    #[error(
        "after the restart command `{command}` no server accepted connections at {address} within {} s: a command that starts \
         a new process must wait until the killed one has ended, because that holds the port and the data until then; last \
         output: {last_lines}",
        STARTING.as_secs()
    )]
    NotBack {
        /// The command.
        command: String,
        /// The address of the server.
        address: SocketAddr,
        /// The end of the command's output, and of the server's if it has the same.
        last_lines: String,
        /// The error of connecting.
        #[source]
        source: Box<ServerError>,
    },
    /// A given server does not accept connections.
    #[error("no server accepts connections at {address}")]
    NotThere {
        /// Its address.
        address: SocketAddr,
        /// The error of connecting.
        #[source]
        source: io::Error,
    },
    /// A party of the harness cannot listen on the address where the server expects it.
    #[error("cannot listen on {address} as {party}")]
    Address {
        /// Authority of the party.
        party: String,
        /// The address.
        address: SocketAddr,
        /// The error of listening.
        #[source]
        source: io::Error,
    },
    /// Its test clock does not work.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The folder for the server's data could not be created.
    #[error("cannot create a folder for the server's data")]
    Folder(#[source] io::Error),
}

/// A server that the harness starts, with its own folder.
#[derive(Debug, Clone)]
pub struct StartedServer {
    /// The program.
    pub program: PathBuf,
    /// Arguments, in addition to the address to listen on and the data folder.
    pub arguments: Vec<String>,
    /// Environment variables, in addition to those of the harness.
    pub environment: Vec<(String, String)>,
}

/// A server that is already running.
#[derive(Debug, Clone)]
pub struct GivenServer {
    /// Its address.
    pub address: SocketAddr,
    /// A shell command that kills and restarts it.
    pub restart_command: Option<String>,
    /// The authority of its test clock, if it offers one.
    pub test_clock: Option<String>,
}

/// The process of a server that the harness starts.
pub struct Process {
    server: StartedServer,
    folder: TempDir,
    /// The address of its first start, which later starts reuse.
    address: Option<SocketAddr>,
    /// The address of its test clock, if it was started with one.
    test_clock: Option<SocketAddr>,
    child: Option<Child>,
}

impl Process {
    /// Prepares the process of a server, with a temporary folder for its data. [`Process::start`] starts it.
    ///
    /// # Errors
    ///
    /// [`ServerError::Folder`].
    pub fn new(server: StartedServer) -> Result<Self, ServerError> {
        let folder = tempfile::Builder::new().prefix("turnstile-").tempdir();
        Ok(Self {
            server,
            folder: folder.map_err(ServerError::Folder)?,
            address: None,
            test_clock: None,
            child: None,
        })
    }

    /// Writes a file to its folder for it to read.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, ServerError> {
        let path = self.folder.path().join(name);
        fs::write(&path, content).map_err(ServerError::Folder)?;
        Ok(path)
    }

    /// Starts it with these additional arguments, on the data in its folder, and waits until it listens.
    /// Returns the address.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends, or does not listen in time.
    pub fn start(&mut self, further: &[String]) -> Result<SocketAddr, ServerError> {
        let program = self.program();
        let failed = |source| ServerError::Start {
            program: program.clone(),
            source,
        };
        let log = self.log().map_err(ServerError::Folder)?;
        let listen = self
            .address
            .map_or(ANY_PORT.to_owned(), |address| address.to_string());
        let mut command = Command::new(&self.server.program);
        // Variables for another server or for this program must not configure this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(SETTINGS) {
                command.env_remove(name);
            }
        }
        let mut child = command
            // The harness ends the server itself, so signals to the harness must not reach it.
            .process_group(0)
            .args(&self.server.arguments)
            .args(["--listen", &listen, "--data"])
            .arg(self.folder.path().join("data"))
            .args(further)
            .envs(self.server.environment.iter().map(|(name, value)| (name, value)))
            // Standard input stays open while the harness runs.
            .arg("--end-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let addresses = child.stdout.take().map(first_addresses);
        let (address, test_clock) = match addresses.map(|addresses| addresses.recv_timeout(STARTING)) {
            Some(Ok(addresses)) => addresses,
            Some(Err(mpsc::RecvTimeoutError::Timeout)) => {
                end(&mut child);
                return Err(ServerError::Silent { program });
            }
            Some(Err(mpsc::RecvTimeoutError::Disconnected)) | None => {
                end(&mut child);
                return Err(ServerError::Ended {
                    program,
                    last_lines: self.last_lines(),
                });
            }
        };
        self.address = Some(address);
        self.test_clock = test_clock;
        self.child = Some(child);
        Ok(address)
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    /// Its process id, while it is up.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The address of its test clock, if it was started with one.
    pub(super) fn test_clock(&self) -> Option<SocketAddr> {
        self.test_clock
    }

    pub(super) fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Describes how it ended, if it ended since the last call without being killed.
    pub fn has_ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(format!(
            "its process ended ({status}); last output: {}",
            self.last_lines()
        ))
    }

    fn program(&self) -> String {
        self.server.program.display().to_string()
    }

    fn log(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join(LOG))
    }

    fn last_lines(&self) -> String {
        shown_lines(&self.folder.path().join(LOG))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a process and waits for its end.
fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "cannot wait for the end of a server");
    }
}

/// The address in the line that a server prints when it listens, and the address of its test clock. Later output is read
/// and discarded, so that the server never blocks on it.
fn first_addresses(out: ChildStdout) -> mpsc::Receiver<(SocketAddr, Option<SocketAddr>)> {
    let (sender, addresses) = mpsc::channel();
    thread::spawn(move || {
        let mut test_clock = None;
        for line in BufReader::new(out).lines() {
            let Ok(line) = line else { return };
            let address_after = |prefix| {
                let rest = line.strip_prefix(prefix)?;
                rest.trim_end_matches('/').parse().ok()
            };
            test_clock = test_clock.or_else(|| address_after(TEST_CLOCK));
            if let Some(address) = address_after(LISTENING) {
                // The receiver may have given up.
                let _ = sender.send((address, test_clock));
            }
        }
    });
    addresses
}

/// The last lines of a file in one line, or why they cannot be read.
fn shown_lines(file: &Path) -> String {
    last_lines(file).unwrap_or_else(|error| format!("(unreadable: {error})"))
}

fn last_lines(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LAST_LINES)..].join(" | "))
}

/// Runs a shell command that must end in time and successfully. Its output goes to a file, which is returned, because a
/// process that it starts may keep the output open.
#[expect(clippy::disallowed_methods, reason = "another process works in real time")]
fn run_to_completion(command: &str) -> Result<NamedTempFile, ServerError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let output = NamedTempFile::new().map_err(ServerError::Folder)?;
    let out = |file: &File| file.try_clone().map_err(ServerError::Folder);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out(output.as_file())?)
        .stderr(out(output.as_file())?)
        .spawn()
        .map_err(|source| ServerError::Start {
            program: "sh".to_owned(),
            source,
        })?;
    let deadline = std::time::Instant::now() + STARTING;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if std::time::Instant::now() < deadline => thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                end(&mut child);
                let command = command.to_owned();
                return Err(ServerError::RestartHangs { command });
            }
        }
    };
    if status.success() {
        return Ok(output);
    }
    Err(ServerError::RestartCommand {
        command: command.to_owned(),
        status,
        last_lines: shown_lines(output.path()),
    })
}

impl GivenServer {
    /// Kills and restarts it, if there is a restart command, and waits until it accepts connections.
    pub(super) fn restart(&self) -> Option<Result<(), ServerError>> {
        let command = self.restart_command.as_ref()?;
        let output = match run_to_completion(command) {
            Ok(output) => output,
            Err(error) => return Some(Err(error)),
        };
        Some(self.wait().map_err(|source| ServerError::NotBack {
            command: command.clone(),
            address: self.address,
            last_lines: shown_lines(output.path()),
            source: Box::new(source),
        }))
    }

    /// Its test clock, if it offers one.
    pub(super) fn clock(&self) -> Result<Option<ServerClock>, ClockError> {
        self.test_clock.as_deref().map(ServerClock::at).transpose()
    }

    /// Checks that it accepts connections now.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotThere`].
    pub fn is_there(&self) -> Result<(), ServerError> {
        self.connect().map(drop)
    }

    fn connect(&self) -> Result<TcpStream, ServerError> {
        TcpStream::connect_timeout(&self.address, CONNECTING).map_err(|source| self.not_there(source))
    }

    fn not_there(&self, source: io::Error) -> ServerError {
        ServerError::NotThere {
            address: self.address,
            source,
        }
    }

    /// Checks that it accepts a connection now, and keeps it for a moment.
    fn stays(&self) -> Result<(), ServerError> {
        let mut connection = self.connect()?;
        connection
            .set_read_timeout(Some(A_MOMENT))
            .map_err(|source| self.not_there(source))?;
        match connection.read(&mut [0]) {
            Ok(0) => Err(self.not_there(io::ErrorKind::ConnectionAborted.into())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(self.not_there(error)),
            // Nothing was sent, so nothing is answered.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits until it keeps connections open: the one that was killed may still accept some.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotThere`].
    #[expect(clippy::disallowed_methods, reason = "another process starts in real time")]
    fn wait(&self) -> Result<(), ServerError> {
        const PAUSE: Duration = Duration::from_millis(10);
        let deadline = std::time::Instant::now() + STARTING;
        loop {
            match self.stays() {
                Err(_) if std::time::Instant::now() < deadline => thread::sleep(PAUSE),
                stays => return stays,
            }
        }
    }
}
