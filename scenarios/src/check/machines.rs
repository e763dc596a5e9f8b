//! Checks steps that crash and restart machines, and steps that need a running machine.

use turnstile_fault::Fault;

use super::{Checker, Running};
use crate::injection::Injection;
use crate::machine::Machine;
use crate::place::{At, Spot};

impl<'a> Checker<'a, '_> {
    pub(super) fn needs(&mut self, machine: Machine, spot: Spot) {
        if let Running::Down(since) = self.machines[&machine]
            && !self.is_tolerant
        {
            let line = since.line;
            self.report.add(
                spot,
                format_args!("the {machine} is down since line {line}: restart it first"),
            );
        }
    }

    pub(super) fn crash(&mut self, crash: &'a Injection) {
        let Fault::Host { host, at, .. } = &crash.fault else {
            return;
        };
        let Some(machine) = Machine::named(host) else {
            return;
        };
        let [party_spot, point_spot] = crash.spots.map(|at| at.spot);
        if at.is_some() {
            if machine == Machine::Server {
                self.armed = true;
            } else {
                self.report.add(
                    point_spot,
                    format_args!("`at` is only allowed for the server, not the {machine}"),
                );
                return;
            }
        }
        let now = match self.machines[&machine] {
            // The armed crash waits until the server runs again.
            Running::Down(since) if at.is_some() || self.is_tolerant => Running::Down(since),
            Running::Down(since) => {
                let line = since.line;
                self.report.add(
                    party_spot,
                    format_args!("the {machine} is already down since line {line}"),
                );
                return;
            }
            Running::Up | Running::Unknown if at.is_some() || crash.lasts.is_some() => Running::Unknown,
            Running::Up | Running::Unknown => Running::Down(party_spot),
        };
        self.machines.insert(machine, now);
    }

    /// Checks a step that sets the clock of the server: the server must be down.
    pub(super) fn clock(&mut self, spot: Spot) {
        if self.machines[&Machine::Server] == Running::Up && !self.is_tolerant {
            self.report.add(
                spot,
                format_args!("the server is up, and its clock is set while it is down: crash it first"),
            );
        }
    }

    pub(super) fn restart(&mut self, machine: &At<Machine>) {
        let now = match self.machines[&machine.value] {
            Running::Up if self.is_tolerant => Running::Up,
            Running::Up => {
                self.report.add(
                    machine.spot,
                    format_args!("the {} has not crashed, so it cannot be restarted", machine.value),
                );
                return;
            }
            // The armed crash may happen right after this restart.
            Running::Down(_) if machine.value == Machine::Server && self.armed => Running::Unknown,
            // A server that was down has used up its armed crash.
            Running::Down(_) | Running::Unknown => {
                self.armed &= machine.value != Machine::Server;
                Running::Up
            }
        };
        self.machines.insert(machine.value, now);
    }
}
