//! Steps about links and connections.

use super::Picture;
use crate::party::{Link, Party};
use crate::place::{At, Spot};

impl<'a> Picture<'a, '_> {
    /// Reports clients among the ends of a link that nobody has introduced.
    pub(super) fn ends(&mut self, ends: [&At<Party>; 2]) {
        for end in ends {
            if let Party::Client(name) = &end.value {
                self.client(name, end.spot);
            }
        }
    }

    pub(super) fn fault(&mut self, link: &'a Link) {
        self.ends(link.ends());
        self.faulted.extend(link.directions());
    }

    pub(super) fn heal(&mut self, link: &'a Link, spot: Spot) {
        self.ends(link.ends());
        let healed: Vec<bool> = link
            .directions()
            .iter()
            .map(|direction| self.faulted.remove(direction))
            .collect();
        if !healed.contains(&true) && self.unclear.is_none() && !self.is_tolerant {
            self.report.add(
                spot,
                format_args!("nothing {link} is cut, black-holed or delayed here"),
            );
        }
    }
}
