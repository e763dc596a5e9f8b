//! Marks, identified by their list and their position in it.

use fake_gateway::coverage::FakeEvent;
use turnstile_judge::rules::RuleId;
use turnstile_reference::coverage::ServerMark;
use turnstile_seams::coverage::Described;

use super::rules::rules_of;

/// All lists of marks with their names.
const LISTS: [(&str, &[Described]); 2] = [
    (ServerMark::LIST, ServerMark::ALL),
    (FakeEvent::LIST, FakeEvent::ALL),
];

/// A point in the code of the server or of a fake that a scenario can hit. Marks are ordered as in their lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    list: usize,
    place: usize,
}

impl Mark {
    /// A mark of the server.
    pub const fn of_server(row: ServerMark) -> Self {
        Self {
            list: 0,
            place: row as usize,
        }
    }

    /// A mark of a fake.
    pub const fn of_fakes(event: FakeEvent) -> Self {
        Self {
            list: 1,
            place: event as usize,
        }
    }

    /// The mark at a position of the list with that name.
    pub(super) fn at(list: &str, place: u64) -> Option<Self> {
        let list = LISTS.iter().position(|(name, _)| *name == list)?;
        let place = usize::try_from(place).ok()?;
        LISTS[list].1.get(place).map(|_| Self { list, place })
    }

    /// All marks, by section of the protocol.
    pub fn all() -> Vec<Self> {
        let of_list = |(list, (_, marks)): (usize, (&str, &[Described]))| {
            (0..marks.len()).map(move |place| Self { list, place })
        };
        let mut all: Vec<Self> = LISTS.into_iter().enumerate().flat_map(of_list).collect();
        all.sort_by_key(|mark| mark.section());
        all
    }

    /// The name of its list.
    pub fn list(self) -> &'static str {
        LISTS[self.list].0
    }

    /// The section of the protocol that it belongs to.
    pub fn section(self) -> u8 {
        self.described().section
    }

    /// Its description.
    pub fn text(self) -> &'static str {
        self.described().text
    }

    /// The rules of the protocol that it is about.
    pub fn rules(self) -> &'static [RuleId] {
        rules_of(self)
    }

    fn described(self) -> Described {
        LISTS[self.list].1[self.place]
    }
}
