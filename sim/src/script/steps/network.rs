//! Steps that do something to links and connections.

use turnstile_events::world::Link;
use turnstile_scenarios::{self as language, Connections, Direction, Lapse};
use turnstile_world::{AnyWorld, WorldError};

use crate::script::player::{Halt, Player};

impl Player<'_> {
    /// Brings a fault to a link, and heals it after a while if it is to.
    pub(super) fn strike(
        &mut self,
        link: &language::Link,
        heals_after: Option<Lapse>,
        strike: impl Fn(&mut (dyn AnyWorld + 'static), &Link) -> Result<(), WorldError>,
    ) -> Result<(), Halt> {
        let link = match link {
            language::Link::Both(between) => {
                Link::between(&between.one.to_string(), &between.two.to_string())
            }
            language::Link::OneWay(direction) => {
                Link::one_way(&direction.from.to_string(), &direction.to.to_string())
            }
        };
        strike(&mut *self.stage.world, &link)?;
        if let Some(lapse) = heals_after {
            self.arrange(*lapse, move |world| {
                world.heal(&link).expect("a link that was struck can be healed");
            });
        }
        Ok(())
    }

    pub(super) fn reset(&mut self, connections: &Connections) -> Result<(), Halt> {
        let (one, two) = ends(connections);
        Ok(self.stage.world.reset(&one, &two)?)
    }

    pub(super) fn silence(&mut self, connections: &Connections) -> Result<(), Halt> {
        let (one, two) = ends(connections);
        Ok(self.stage.world.silence(&one, &two)?)
    }

    pub(super) fn finish_connections(&mut self, direction: &Direction) -> Result<(), Halt> {
        let (from, to) = (direction.from.to_string(), direction.to.to_string());
        Ok(self.stage.world.finish(&from, &to)?)
    }
}

fn ends(connections: &Connections) -> (String, String) {
    (
        connections.between.one.to_string(),
        connections.between.two.to_string(),
    )
}
