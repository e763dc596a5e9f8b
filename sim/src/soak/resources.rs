//! What a process takes of the machine.

use std::fs;

use serde::Serialize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// What a process takes of the machine at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// Memory that is its own and in use, in bytes.
    pub memory: u64,
    /// How many files and sockets it has open; 0 where that cannot be told.
    pub files: u64,
}

impl Resources {
    /// The larger of both, in each.
    pub(super) fn at_least(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            files: self.files.max(other.files),
        }
    }
}

/// Looks at one process again and again.
pub(super) struct Watch {
    system: System,
    process: Option<Pid>,
}

impl Watch {
    pub(super) fn new(process: Option<u32>) -> Self {
        Self {
            system: System::new(),
            process: process.map(Pid::from_u32),
        }
    }

    /// What it takes now; nothing if it is gone.
    pub(super) fn look(&mut self) -> Resources {
        let Some(process) = self.process else {
            return Resources::default();
        };
        let memory = ProcessRefreshKind::nothing().with_memory();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, memory);
        // Linux tells it there; elsewhere nobody does without further rights.
        let files = fs::read_dir(format!("/proc/{process}/fd")).map(Iterator::count);
        Resources {
            memory: self.system.process(process).map_or(0, sysinfo::Process::memory),
            files: files.map_or(0, |count| count as u64),
        }
    }
}
