//! A party of the harness in real time: a thread with its own runtime, so that a crash ends everything that
//! the party runs and nothing else.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle, UnhandledPanic};
use tokio::sync::oneshot;
use turnstile_seams::BoxFuture;

use crate::BootFunction;
use crate::host::Machine;
use crate::panics;

/// A party's machine.
pub(super) struct Host {
    pub name: Arc<str>,
    pub boot: BootFunction,
    /// Number of earlier starts.
    pub restarts: u32,
    /// `None` while it is down.
    pub run: Option<Run>,
}

/// A host from one start to its end.
pub(super) struct Run {
    pub machine: Machine,
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Option<String>>,
}

impl Run {
    /// Starts a host.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread or a resource of the runtime.
    pub(super) fn start(machine: Machine, boot: &BootFunction) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .build()?;
        let handle = runtime.handle().clone();
        {
            let _entered = handle.enter();
            handle.spawn(boot(machine.clone()));
        }
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(machine.name.to_string())
            .spawn(move || {
                panics::recorded(|| {
                    // A stop signal and a dropped sender have the same effect.
                    let _ = runtime.block_on(stopped);
                    drop(runtime);
                })
            })?;
        Ok(Self {
            machine,
            handle,
            stop,
            thread,
        })
    }

    /// Starts another task.
    pub(super) fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    /// Whether it ended without being stopped.
    pub(super) fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    /// Drops everything that runs on it. Returns the message of a panic if one ended it.
    pub(super) fn end(self) -> Option<String> {
        // It may have ended already.
        let _ = self.stop.send(());
        self.thread
            .join()
            .unwrap_or_else(|_| Some("its thread panicked".to_owned()))
    }
}
