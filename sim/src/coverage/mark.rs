//! Marks, told apart by the list that they are in and their place in it.

use fake_gateway::coverage::FakeEvent;
use turnstile_reference::coverage::Row;
use turnstile_seams::coverage::Described;

/// Every list of marks, by its name: the server's, then the fakes'.
const LISTS: [(&str, &[Described]); 2] = [(Row::LIST, Row::ALL), (FakeEvent::LIST, FakeEvent::ALL)];

/// Something that the server or a fake can come by. Marks are ordered as their lists have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    list: usize,
    place: usize,
}

impl Mark {
    /// The mark of something that the server can come by.
    pub const fn of_server(row: Row) -> Self {
        Self {
            list: 0,
            place: row as usize,
        }
    }

    /// The mark of something that a fake can do.
    pub const fn of_fakes(event: FakeEvent) -> Self {
        Self {
            list: 1,
            place: event as usize,
        }
    }

    /// The mark at `place` of the list with that name, if there is one.
    pub(super) fn at(list: &str, place: u64) -> Option<Self> {
        let list = LISTS.iter().position(|(name, _)| *name == list)?;
        let place = usize::try_from(place).ok()?;
        LISTS[list].1.get(place).map(|_| Self { list, place })
    }

    /// All marks there are, by section of the protocol.
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

    /// What it says.
    pub fn text(self) -> &'static str {
        self.described().text
    }

    fn described(self) -> Described {
        LISTS[self.list].1[self.place]
    }
}
