//! Resource usage of a process.

use std::fs;

use serde::Serialize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Resource usage of a process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// Resident memory in bytes.
    pub memory: u64,
    /// Open files and sockets; 0 where the platform does not report them.
    pub files: u64,
}

impl Resources {
    /// Returns the maximum of each resource.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            files: self.files.max(other.files),
        }
    }
}

/// Samples the resources of one process.
pub(super) struct Sampler {
    system: System,
    process: Option<Pid>,
}

impl Sampler {
    pub(super) fn new(process: Option<u32>) -> Self {
        Self {
            system: System::new(),
            process: process.map(Pid::from_u32),
        }
    }

    /// Returns the current usage, or zeros if the process is gone.
    pub(super) fn sample(&mut self) -> Resources {
        let Some(process) = self.process else {
            return Resources::default();
        };
        let memory = ProcessRefreshKind::nothing().with_memory();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, memory);
        // Linux lists them there; other platforms require more privileges.
        let files = fs::read_dir(format!("/proc/{process}/fd")).map(Iterator::count);
        Resources {
            memory: self.system.process(process).map_or(0, sysinfo::Process::memory),
            files: files.map_or(0, |count| count as u64),
        }
    }
}
