//! The server under test as a process of its own: started by the harness, or somebody else's that runs already.
//!
//! Nothing here knows what a server answers; whether it is there is told by its first line or by its port.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long a server may take until it listens.
const STARTING: Duration = Duration::from_secs(20);
/// How long a server that is there may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(2);
/// What a server that the harness starts prints when it listens, before its address.
const LISTENING: &str = "listening on http://";
/// What the variables of the environment begin with that set up a server, or this program.
const SETTINGS: &str = "TURNSTILE_";
/// How many of the last lines that a server printed are told when it has ended.
const LAST_WORDS: usize = 12;
/// Where its log goes, in its folder.
const LOG: &str = "server.log";

/// Why there is no server to test.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system would not start it.
    #[error("cannot start {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended before it listened.
    #[error("{program} ended before it listened; its last words: {last_words}")]
    Ended {
        /// What was started.
        program: String,
        /// The end of its log.
        last_words: String,
    },
    /// It neither listened nor ended.
    #[error("{program} did not say within {} s where it listens", STARTING.as_secs())]
    Silent {
        /// What was started.
        program: String,
    },
    /// The command that starts somebody else's server anew failed.
    #[error("the restart command `{command}` failed ({status}); its last words: {last_words}")]
    RestartCommand {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        last_words: String,
    },
    /// The command that starts somebody else's server anew does not end.
    #[error(
        "the restart command `{command}` did not end within {} s: it has to start the server in the background",
        STARTING.as_secs()
    )]
    RestartHangs {
        /// The command.
        command: String,
    },
    /// There is no connecting to somebody else's server.
    #[error("nobody accepts a connection at {address}")]
    NotThere {
        /// Where it should be.
        address: SocketAddr,
        /// What connecting to it came to.
        #[source]
        source: io::Error,
    },
    /// A party of the harness cannot listen where the server will look for it.
    #[error("the harness cannot listen at {address} as {party}")]
    Address {
        /// Which party, by the authority that it has in every world.
        party: String,
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The harness has no room for the server's state.
    #[error("there is no room for the server's data")]
    Folder(#[source] io::Error),
}

/// A server that is started by the harness, with a folder of its own.
#[derive(Debug, Clone)]
pub struct StartedServer {
    /// The program.
    pub program: PathBuf,
    /// What it is told, beside where it listens and where its data are.
    pub arguments: Vec<String>,
    /// What its environment has beside the harness's.
    pub environment: Vec<(String, String)>,
}

/// A server that somebody else has started.
#[derive(Debug, Clone)]
pub struct GivenServer {
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// A shell command that kills it and starts it anew, if there is one.
    pub restart_command: Option<String>,
}

/// The process of a server that the harness starts.
pub struct Process {
    server: StartedServer,
    folder: TempDir,
    /// Where it listened first, and listens ever after.
    address: Option<SocketAddr>,
    child: Option<Child>,
}

impl Process {
    /// Prepares the process of a server, with a temporary folder for its data. It is started by [`Process::start`].
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
            child: None,
        })
    }

    /// A file for it to read, in its folder.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, ServerError> {
        let path = self.folder.path().join(name);
        fs::write(&path, content).map_err(ServerError::Folder)?;
        Ok(path)
    }

    /// Starts it with these further arguments, on the data of its folder, and waits until it listens. Returns the
    /// address.
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
            .map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
        let mut command = Command::new(&self.server.program);
        // What is meant for another server, or for this program, must not set this one up.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(SETTINGS) {
                command.env_remove(name);
            }
        }
        let mut child = command
            // A signal for the harness is not for the server: the harness ends it.
            .process_group(0)
            .args(&self.server.arguments)
            .args(["--listen", &listen, "--data"])
            .arg(self.folder.path().join("data"))
            .args(further)
            .envs(self.server.environment.iter().map(|(name, value)| (name, value)))
            // Held open for as long as the harness is there.
            .arg("--end-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let told = child.stdout.take().map(first_address);
        let address = match told.map(|told| told.recv_timeout(STARTING)) {
            Some(Ok(address)) => address,
            Some(Err(mpsc::RecvTimeoutError::Timeout)) => {
                end(&mut child);
                return Err(ServerError::Silent { program });
            }
            Some(Err(mpsc::RecvTimeoutError::Disconnected)) | None => {
                end(&mut child);
                return Err(ServerError::Ended {
                    program,
                    last_words: self.last_words(),
                });
            }
        };
        self.address = Some(address);
        self.child = Some(child);
        Ok(address)
    }

    /// Kills it, as nothing can be killed more suddenly.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    /// Its number among the machine's processes, while it is up.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// If it has ended by itself since it was last asked: how, in words.
    pub fn has_ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(format!(
            "its process ended by itself ({status}); its last words: {}",
            self.last_words()
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

    fn last_words(&self) -> String {
        last_lines(&self.folder.path().join(LOG)).unwrap_or_else(|error| format!("(unreadable: {error})"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a process and waits for its end.
fn end(child: &mut Child) {
    // It may be gone already, and then there is nothing to kill.
    let _ = child.kill();
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "cannot wait for the end of a server");
    }
}

/// The address in the line with which a server says that it listens. Whatever it prints after that is read and
/// forgotten, so that it never has to wait for a reader.
fn first_address(out: ChildStdout) -> mpsc::Receiver<SocketAddr> {
    let (sender, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let Ok(line) = line else { return };
            if let Some(Ok(address)) = line
                .strip_prefix(LISTENING)
                .map(|rest| rest.trim_end_matches('/').parse())
            {
                // Whoever asked may have given up.
                let _ = sender.send(address);
            }
        }
    });
    told
}

fn last_lines(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | "))
}

/// Runs a shell command that has to end soon and well. What it prints goes to a file of its own: what it starts may
/// hold on to it.
#[expect(clippy::disallowed_methods, reason = "another process works in real time")]
fn run_to_its_end(command: &str) -> Result<(), ServerError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let words = tempfile::NamedTempFile::new().map_err(ServerError::Folder)?;
    let out = |file: &File| file.try_clone().map_err(ServerError::Folder);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out(words.as_file())?)
        .stderr(out(words.as_file())?)
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
        return Ok(());
    }
    let last_words = last_lines(words.path());
    Err(ServerError::RestartCommand {
        command: command.to_owned(),
        status,
        last_words: last_words.unwrap_or_else(|error| format!("(unreadable: {error})")),
    })
}

impl GivenServer {
    /// Kills it and starts it anew, if it is known how, and waits until it accepts connections.
    pub(super) fn restart(&self) -> Option<Result<(), ServerError>> {
        let command = self.restart_command.as_ref()?;
        Some(run_to_its_end(command).and_then(|()| self.wait()))
    }

    /// Whether it accepts connections now.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotThere`].
    pub fn is_there(&self) -> Result<(), ServerError> {
        match std::net::TcpStream::connect_timeout(&self.address, CONNECTING) {
            Ok(_) => Ok(()),
            Err(source) => Err(ServerError::NotThere {
                address: self.address,
                source,
            }),
        }
    }

    /// Waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotThere`].
    #[expect(clippy::disallowed_methods, reason = "another process comes up in real time")]
    fn wait(&self) -> Result<(), ServerError> {
        const PAUSE: Duration = Duration::from_millis(50);
        let deadline = std::time::Instant::now() + STARTING;
        loop {
            match self.is_there() {
                Err(_) if std::time::Instant::now() < deadline => thread::sleep(PAUSE),
                is_there => return is_there,
            }
        }
    }
}
