//! Mutants of the rules of wrapper runs, fences and sockets (protocol §5, §7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::SessionId;
use turnstile_reference::session::wrapper::IngestClaim;
use turnstile_reference::session::{Effect, Input, Reply, Session, SocketId, Stored, ToWrapper};

use crate::core_row::{CoreRow, change_core};
use crate::{id_of, lock};

/// Sends the kill of an interrupted run to the next run, too; violates R6.26.
#[derive(Default)]
pub struct KeepsAbort {
    /// Sessions whose next run is to be killed.
    interrupted: Mutex<BTreeSet<SessionId>>,
}

impl Interceptor for KeepsAbort {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut interrupted = lock(&self.interrupted);
        let session = id_of(decided.session);
        let is_released = |effect: &Effect| matches!(effect, Effect::StopWrapper(_));
        match (moment.input, &decided.reply) {
            (Input::Interrupt, _) if decided.effects.iter().any(is_released) => {
                interrupted.insert(session.clone());
            }
            (Input::IngestOpened { socket, .. }, Reply::Ingest(Ok(()))) if interrupted.remove(session) => {
                decided.effects.push(Effect::Send(*socket, ToWrapper::Kill));
            }
            _ => {}
        }
        Memory::Stays
    }
}

/// Keeps the disconnect grace running after the wrapper has reconnected; violates R7.1.
pub struct LetsGraceRunOn;

impl Interceptor for LetsGraceRunOn {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_back = matches!(moment.input, Input::IngestOpened { .. })
            && matches!(decided.reply, Reply::Ingest(Ok(())));
        let grace = CoreRow::of(moment.before).deadline("grace");
        if !is_back || grace.is_null() {
            return Memory::Stays;
        }
        change_core(decided, |core| core.add_deadline("grace", &grace));
        Memory::IsReread
    }
}

/// Accepts any fence, so a wrapper of an earlier run acts for the current one. Without a current run, its run becomes
/// current again. Violates R5.50 and R5.61.
#[derive(Default)]
pub struct AcceptsStaleFence {
    /// Open sockets, each with the run that it claims.
    sockets: Mutex<BTreeMap<(SessionId, SocketId), Value>>,
    /// Runs that are to be current again.
    revived: Mutex<BTreeMap<SessionId, Value>>,
}

impl AcceptsStaleFence {
    /// Has an input come from a wrapper of the current run. Returns the run that has to be revived for that.
    fn pass_off(&self, run: &Value, session: &SessionId, input: &mut Input) -> Option<Value> {
        let mut sockets = lock(&self.sockets);
        match input {
            Input::IngestOpened { claim, .. } if run.is_null() => {
                return Some(json!({"id": claim.run, "fence": claim.fence}));
            }
            Input::IngestOpened { claim, .. } => *claim = claim_of(run),
            Input::IngestClosed { socket, .. } => {
                sockets.remove(&(session.clone(), *socket));
            }
            Input::IngestEvent { socket, .. } => {
                let spoken_for = sockets.get(&(session.clone(), *socket))?;
                if run.is_null() {
                    return Some(spoken_for.clone());
                }
                if spoken_for != run {
                    let of_session = sockets.iter().filter(|((of, _), _)| of == session);
                    let mut current = of_session.filter(|(_, spoken_for)| *spoken_for == run);
                    *socket = current.next_back().map_or(*socket, |((_, socket), _)| *socket);
                }
            }
            _ => {}
        }
        None
    }
}

impl Interceptor for AcceptsStaleFence {
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        let run = CoreRow::of(session).0["run"].take();
        let session = id_of(session);
        let Some(revived) = self.pass_off(&run, session, input) else {
            return Memory::Stays;
        };
        let mut all_revived = lock(&self.revived);
        all_revived.insert(session.clone(), revived);
        Memory::IsReread
    }

    fn read(&self, stored: &mut Stored) {
        let mut revived = lock(&self.revived);
        if let Some(run) = revived.remove(&stored.metadata.identity.session_id) {
            let mut core = CoreRow::from(&stored.core);
            core.0["run"] = run;
            stored.core = core.into_core();
        }
    }

    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if let (Input::IngestOpened { socket, .. }, Reply::Ingest(Ok(()))) = (moment.input, &decided.reply) {
            let session = id_of(decided.session).clone();
            let run = CoreRow::of(decided.session).0["run"].take();
            let mut sockets = lock(&self.sockets);
            sockets.insert((session, *socket), run);
        }
        Memory::Stays
    }
}

fn claim_of(run: &Value) -> IngestClaim {
    let read = "a run is made of identities";
    IngestClaim {
        run: serde_json::from_value(run["id"].clone()).expect(read),
        fence: serde_json::from_value(run["fence"].clone()).expect(read),
    }
}
