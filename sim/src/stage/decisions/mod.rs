//! Notes the decisions of a simulated server, and which of them a mutant changes, to measure how near `turnstile why` comes to
//! the cause of a failure. It changes nothing itself, and without [`noted`] it is not installed.
//!
//! Decisions are noted on the thread of the play.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn, map_request};
use axum::response::Response;
use turnstile_reference::host::Subscription;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_reference::session::{Input, Session, Stored};
use turnstile_reference::store::{Storage, StoreError};
use turnstile_seams::{Seams, Wrapped};

use self::network::NotingStreams;
use self::store::NotingStore;
use super::Recorder;

mod network;
mod store;

/// Where the paths of calls begin.
const CALLS: &str = "/trpc/";

thread_local! {
    static NOTED: RefCell<Option<Vec<Decision>>> = const { RefCell::new(None) };
}

/// A decision of a session, something that it read from the store, the first answer to a client that subscribed, a request, the
/// answer to a call, what was sent on a WebSocket, or what the callback queue stores about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Number of records in the trace before it.
    pub record: usize,
    /// A hash of what was decided, after a mutant's change.
    pub digest: u64,
    /// Whether a mutant that intercepts sessions changed it, or what it was about.
    pub is_changed: bool,
}

/// Runs `play` and returns the decisions of its server, in order.
pub fn noted<T>(play: impl FnOnce() -> T) -> (T, Vec<Decision>) {
    NOTED.set(Some(Vec::new()));
    let played = play();
    (played, NOTED.take().unwrap_or_default())
}

/// Lets a server note its decisions if a [`noted`] play runs on this thread.
pub(super) fn note(hooks: &mut Hooks, seams: &mut Seams, recorder: &Recorder) {
    if NOTED.with_borrow(Option::is_none) {
        return;
    }
    note_exchanges(hooks, recorder.clone());
    let streams = NotingStreams(recorder.clone());
    seams.network = Arc::new(Wrapped::new(Arc::clone(&seams.network), streams));
    hooks.interceptor = Some(Arc::new(Noting {
        mutant: hooks.interceptor.take(),
        recorder: recorder.clone(),
        is_input_changed: AtomicBool::new(false),
    }));
}

/// Wraps `open`: the store notes jobs if a [`noted`] play runs on this thread.
pub(super) fn noting_jobs(
    open: impl Fn() -> Result<Arc<dyn Storage>, StoreError>,
    recorder: Recorder,
) -> impl Fn() -> Result<Arc<dyn Storage>, StoreError> {
    move || {
        let store = open()?;
        if NOTED.with_borrow(Option::is_none) {
            return Ok(store);
        }
        let recorder = recorder.clone();
        Ok(Arc::new(NotingStore { recorder, store }))
    }
}

/// Notes the method and URI of each request that the server receives, as a mutant passes it on, and the answers to calls, after
/// a mutant's change.
fn note_exchanges(hooks: &mut Hooks, recorder: Recorder) {
    let wrap = mem::replace(&mut hooks.router, Box::new(|router| router));
    let of_requests = recorder.clone();
    let note_request = map_request(move |request: Request| {
        add(&of_requests, hash_of(&(request.method(), request.uri())), false);
        future::ready(request)
    });
    let note_answer = from_fn(move |request: Request, next: Next| {
        let recorder = recorder.clone();
        async move {
            let is_call = request.uri().path().starts_with(CALLS);
            let answer = next.run(request).await;
            match is_call {
                true => note_answer(&recorder, answer).await,
                false => answer,
            }
        }
    });
    hooks.router = Box::new(move |router| wrap(router.layer(note_request)).layer(note_answer));
}

async fn note_answer(recorder: &Recorder, answer: Response) -> Response {
    let (head, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(head, Body::empty());
    };
    add(recorder, hash_of(&(head.status, &bytes)), false);
    Response::from_parts(head, Body::from(bytes))
}

/// Passes everything to the interceptor of the mutant, and compares. The right server has none.
struct Noting {
    mutant: Option<Arc<dyn Interceptor>>,
    recorder: Recorder,
    /// Whether the mutant changed the input of the decision that comes next.
    is_input_changed: AtomicBool,
}

fn add(recorder: &Recorder, digest: u64, is_changed: bool) {
    let record = recorder.read(|trace| trace.records().len());
    NOTED.with_borrow_mut(|noted| {
        if let Some(noted) = noted {
            noted.push(Decision {
                record,
                digest,
                is_changed,
            });
        }
    });
}

impl Interceptor for Noting {
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        let Some(mutant) = &self.mutant else {
            return Memory::Stays;
        };
        let before = hash_of(input);
        let memory = mutant.before(session, input);
        let is_changed = hash_of(input) != before || memory == Memory::IsReread;
        self.is_input_changed.fetch_or(is_changed, Ordering::Relaxed);
        memory
    }

    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let hash = |decided: &Decided<'_>| hash_of(&(&decided.reply, &decided.commit, &decided.effects));
        let before = hash(decided);
        let memory = match &self.mutant {
            Some(mutant) => mutant.decided(moment, decided),
            None => Memory::Stays,
        };
        let after = hash(decided);
        let is_input_changed = self.is_input_changed.swap(false, Ordering::Relaxed);
        add(&self.recorder, after, is_input_changed || after != before);
        memory
    }

    fn read(&self, stored: &mut Stored) {
        let before = hash_of(stored);
        if let Some(mutant) = &self.mutant {
            mutant.read(stored);
        }
        let after = hash_of(stored);
        add(&self.recorder, after, after != before);
    }

    fn subscribed(&self, session: &Session, subscription: &mut Subscription) {
        let hash = |subscription: &Subscription| {
            let Subscription {
                up_to,
                replay,
                snapshot,
                cloud_status,
                commands,
                ..
            } = subscription;
            hash_of(&(up_to, replay, snapshot, cloud_status, commands))
        };
        let before = hash(subscription);
        if let Some(mutant) = &self.mutant {
            mutant.subscribed(session, subscription);
        }
        let after = hash(subscription);
        add(&self.recorder, after, after != before);
    }
}

/// A hash of all that a value shows of itself.
fn hash_of(value: &impl Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{value:?}").hash(&mut hasher);
    hasher.finish()
}
