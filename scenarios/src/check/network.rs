//! Checks steps about links and connections.

use turnstile_fault::{Fault, Link};

use super::Checker;
use crate::injection::Injection;
use crate::json::Json;
use crate::machine::Machine;
use crate::network::Heal;
use crate::place::{At, Spot};

impl<'a> Checker<'a, '_> {
    /// Reports unknown clients among the ends of a link.
    fn ends(&mut self, ends: [&str; 2], spots: &[At<()>; 2]) {
        for (end, spot) in ends.into_iter().zip(spots) {
            if Machine::named(end).is_none() {
                self.client(end, spot.spot);
            }
        }
    }

    pub(super) fn fault(&mut self, injection: &'a Injection, spot: Spot) {
        let Injection { fault, spots, .. } = injection;
        if let Some(ends) = fault.ends() {
            self.ends(ends, spots);
        }
        match fault {
            Fault::Link { link, .. } => self.faulted.extend(link.directions()),
            Fault::Host { .. } => self.crash(injection),
            Fault::Clock { .. } => self.clock(spot),
            Fault::Wrapper(behaviour) => {
                self.needs(Machine::Wrapper, spot);
                let ready = behaviour.ready.as_ref().and_then(|ready| ready.reply.as_ref());
                let job = behaviour.job.as_ref().and_then(|job| job.reply.as_ref());
                for reply in [ready, job].into_iter().flatten() {
                    self.check_labels(Json(reply.body.clone()).labels(), spot);
                }
            }
            Fault::Connections { .. } | Fault::Disk { .. } | Fault::Queue { .. } | Fault::Receiver { .. } => {
            }
        }
    }

    pub(super) fn heal(&mut self, Heal { link, spots }: &'a Heal, spot: Spot) {
        self.ends([&link.from, &link.to], spots);
        let healed: Vec<bool> = link
            .directions()
            .map(|direction| self.faulted.remove(&direction))
            .collect();
        if !healed.contains(&true) && self.unclear.is_none() && !self.is_tolerant {
            let way = match link {
                Link {
                    from,
                    to,
                    one_way: false,
                } => format!("between {from} and {to}"),
                Link { from, to, .. } => format!("from {from} to {to}"),
            };
            self.report.add(
                spot,
                format_args!("nothing to heal {way}: no fault of the link is active"),
            );
        }
    }
}
