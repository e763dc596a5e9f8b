//! Effects and rows of decisions, with an interceptor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::SessionId;
use turnstile_reference::session::{Effect, Stored};

use super::kinds::kind_of_effect;
use super::planted::{Fate, Planted, Unit};
use super::rows::{Delayed, Rows};
use super::{Operation, Place};
use crate::{id_of, lock};

/// The operations on effects. Their fields are changed on the wire.
const WHOLE: [Operation; 4] = [
    Operation::Drop,
    Operation::Double,
    Operation::Delay,
    Operation::Swap,
];

/// Rewrites the decisions of all sessions.
pub struct Decisions {
    planted: Arc<Planted>,
    held: Mutex<BTreeMap<SessionId, Held>>,
}

/// What a mutation holds back of one session.
#[derive(Default)]
struct Held {
    /// Effects for the end of the next decision.
    delayed: Vec<Effect>,
    /// An effect for after the next one of its kind.
    swapped: Option<Effect>,
    rows: Delayed,
    state: Delayed,
}

impl Decisions {
    /// Rewrites decisions by what is planted.
    pub fn new(planted: Arc<Planted>) -> Self {
        Self {
            planted,
            held: Mutex::default(),
        }
    }

    fn rewrite_effects(&self, session: &str, effects: &mut Vec<Effect>, held: &mut Held) {
        let late = std::mem::take(&mut held.delayed);
        for effect in std::mem::take(effects) {
            let unit = Unit {
                place: Place::Effect,
                kind: &kind_of_effect(&effect),
                whole: &WHOLE,
                value: &Value::Null,
                is_possible: &|_| false,
            };
            match self.planted.fate(session, &unit) {
                Fate::Whole(Operation::Drop) => {}
                Fate::Whole(Operation::Double) => effects.extend([effect.clone(), effect]),
                Fate::Whole(Operation::Delay) => held.delayed.push(effect),
                Fate::Whole(Operation::Swap) => match held.swapped.take() {
                    Some(earlier) => effects.extend([effect, earlier]),
                    None => held.swapped = Some(effect),
                },
                _ => effects.push(effect),
            }
        }
        effects.extend(late);
    }
}

impl Interceptor for Decisions {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut held = lock(&self.held);
        let session = id_of(decided.session);
        let name = session.to_string();
        let held = held.entry(session.clone()).or_default();
        self.rewrite_effects(&name, &mut decided.effects, held);
        let (late_rows, late_state) = (std::mem::take(&mut held.rows), std::mem::take(&mut held.state));
        let rows = |place, delayed| Rows {
            planted: &self.planted,
            place,
            session: &name,
            delayed,
        };
        rows(Place::Row, &mut held.rows).rewrite(&mut decided.commit);
        let is_changed = rows(Place::State, &mut held.state).rewrite(&mut decided.commit);
        let is_late = late_state.write_with(&mut decided.commit);
        late_rows.write_with(&mut decided.commit);
        if is_changed || is_late {
            Memory::IsReread
        } else {
            Memory::Stays
        }
    }

    fn read(&self, _: &mut Stored) {
        self.planted.note_restored();
    }
}
