//! Compares the journal with the server's database: random changes, failing writes and syncs, and crashes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use proptest::prelude::*;
use redb::StorageBackend;
use serde_json::{Value, json};
use turnstile_reference::identity::{SessionId, UserId};
use turnstile_reference::model::message::Message;
use turnstile_reference::model::metadata::Metadata;
use turnstile_reference::session::commit::Commit;
use turnstile_reference::session::events::{Event, EventRow};
use turnstile_reference::session::{CalendarMove, Core};
use turnstile_reference::store::{Replay, SessionKey, Storage, Store, StoredJob};

use super::Journal;

/// A disk whose content outlives a process. A crash takes away what was not synced.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    written: Vec<u8>,
    synced: Vec<u8>,
    fault: Option<Fault>,
}

/// A fault of a disk, until it is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing can be written.
    Writes,
    /// Syncs fail after everything was written.
    Syncs,
    /// The next sync fails.
    NextSync,
}

impl Disk {
    fn with<T>(&self, act: impl FnOnce(&mut Platter) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        self.with(|platter| match platter.fault {
            Some(Fault::Writes) => Err(io::Error::other("the disk fails to write")),
            _ => Ok(act(&mut platter.written)),
        })
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|platter| platter.written.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = index(offset);
        self.with(|platter| out.copy_from_slice(&platter.written[from..from + out.len()]));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(|content| content.resize(index(length), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|platter| {
            if platter.fault == Some(Fault::NextSync) {
                platter.fault = None;
                return Err(io::Error::other("the sync failed once"));
            }
            if platter.fault.is_some() {
                return Err(io::Error::other("the sync failed"));
            }
            platter.synced.clone_from(&platter.written);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|content| {
            let end = index(offset) + data.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[index(offset)..end].copy_from_slice(data);
        })
    }
}

/// One thing that happens to a store.
#[derive(Debug, Clone)]
enum Happening {
    Commit(Written),
    Import(u8),
    AddJob(u32),
    UpdateJob(u64, u32),
    RemoveJob(u64),
    ForgetRemoved(u8, i64),
    /// A client begins to read the events of a session, and is not done.
    Replayed(u8),
    Faulty(Fault),
    Healed,
    /// The process dies, and what it wrote is there.
    Killed,
    /// The power goes, and what was not synced is lost.
    PowerLost,
}

/// The rows of a decision about a session.
#[derive(Debug, Clone)]
struct Written {
    session: u8,
    metadata: bool,
    core: Option<bool>,
    messages: Vec<u8>,
    /// Ids of events, each with its entity.
    events: Vec<(u64, Option<u8>)>,
    forgotten: Vec<u8>,
    calendar: Option<(Option<i64>, i64)>,
    removal: bool,
    /// Distinguishes the content of rows.
    version: u32,
}

const SESSIONS: u8 = 3;

fn key(session: u8) -> SessionKey {
    let user: UserId = format!("user{}", session % 2).parse().unwrap();
    SessionKey {
        user,
        session: id(session),
    }
}

fn id(session: u8) -> SessionId {
    format!("agent_6f1b2c3d-0000-4000-8000-0000000000{session:02}")
        .parse()
        .unwrap()
}

fn message(number: u8, version: u32) -> Message {
    let message = json!({
        "id": format!("msg_0123456789abABCDEFGHIJKLM{number}"), "createdAt": "2026-01-01T00:00:00Z",
        "turn": {"type": "prompt", "prompt": format!("prompt {version}")},
        "agent": {"mode": "code", "model": "fake"}, "finalization": {}, "callbackTarget": null,
        "state": {"state": "queued"}, "acceptedBy": null, "failedDeliveries": 0, "retryAt": null,
        "gateResult": null, "callback": null,
    });
    serde_json::from_value(message).unwrap()
}

fn event(id: u64, version: u32) -> Event {
    let event = json!({
        "id": id, "streamEventType": "kilocode", "timestamp": "2026-01-01T00:00:00Z", "data": {"version": version},
    });
    serde_json::from_value(event).unwrap()
}

fn job(version: u32) -> StoredJob {
    let job = json!({
        "owner": "msg_0123456789abABCDEFGHIJKLMN", "target": {"url": "http://receiver/"},
        "body": {}, "failedAttempts": version, "dueAt": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(job).unwrap()
}

fn record(session: u8) -> Value {
    json!({
        "version": 1, "timestamp": 1_767_225_600_000_i64, "sessionId": id(session), "userId": key(session).user,
        "githubRepo": "o/r", "githubToken": "t", "prompt": "hello", "mode": "code", "model": "fake",
    })
}

fn entity(number: u8) -> String {
    format!("message/{number}")
}

fn written() -> impl Strategy<Value = Written> {
    let day = || 20_000..20_003_i64;
    let rows = (
        0..SESSIONS,
        any::<bool>(),
        any::<Option<bool>>(),
        prop::collection::vec(0..4_u8, 0..3),
        prop::collection::vec((1..9_u64, prop::option::of(0..3_u8)), 0..4),
        prop::collection::vec(0..3_u8, 0..2),
    );
    let rest = (
        prop::option::of((prop::option::of(day()), day())),
        prop::bool::weighted(0.1),
        any::<u32>(),
    );
    (rows, rest).prop_map(|(rows, (calendar, removal, version))| {
        let (session, metadata, core, messages, events, forgotten) = rows;
        Written {
            session,
            metadata,
            core,
            messages,
            events,
            forgotten,
            calendar,
            removal,
            version,
        }
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        12 => written().prop_map(Happening::Commit),
        1 => (0..SESSIONS).prop_map(Happening::Import),
        2 => any::<u32>().prop_map(Happening::AddJob),
        1 => (1..4_u64, any::<u32>()).prop_map(|(number, version)| Happening::UpdateJob(number, version)),
        1 => (1..4_u64).prop_map(Happening::RemoveJob),
        1 => (0..SESSIONS, 20_000..20_003_i64).prop_map(|(session, day)| Happening::ForgetRemoved(session, day)),
        2 => (0..SESSIONS).prop_map(Happening::Replayed),
        1 => Just(Happening::Faulty(Fault::Writes)),
        1 => Just(Happening::Faulty(Fault::Syncs)),
        3 => Just(Happening::Healed),
        1 => Just(Happening::Killed),
        1 => Just(Happening::PowerLost),
    ]
}

fn commit(store: &dyn Storage, written: &Written) -> bool {
    let key = key(written.session);
    let version = written.version;
    let metadata = Metadata::new(
        key.session.clone(),
        key.user.clone(),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let messages: Vec<Message> = written
        .messages
        .iter()
        .map(|number| message(*number, version))
        .collect();
    let events = written.events.iter().map(|(id, of)| EventRow {
        event: event(*id, version),
        entity: of.map(entity),
    });
    let events: Vec<EventRow> = events.collect();
    let forgotten: Vec<String> = written.forgotten.iter().copied().map(entity).collect();
    let commit = Commit {
        metadata: written.metadata.then_some(std::borrow::Cow::Borrowed(&metadata)),
        core: written.core.map(|_| Core::default()),
        needs_resuming: written.core == Some(true),
        messages: messages.iter().map(std::borrow::Cow::Borrowed).collect(),
        executions: Vec::new(),
        events: std::borrow::Cow::Borrowed(&events),
        forgotten_entities: &forgotten,
        calendar: written.calendar.map(|(from, to)| CalendarMove { from, to }),
        removal: written.removal,
    };
    store.commit(&key, &commit).is_ok()
}

/// What a call answered.
fn answer<T: std::fmt::Debug>(result: Result<T, impl Sized>) -> String {
    result.map_or_else(|_| "failed".to_owned(), |value| format!("{value:?}"))
}

/// Everything that can be read from a store.
fn content(store: &dyn Storage) -> BTreeMap<String, String> {
    let mut content = BTreeMap::from([
        ("waking".to_owned(), answer(store.waking())),
        ("expiring".to_owned(), answer(store.expiring(20_001))),
        ("jobs".to_owned(), answer(store.jobs())),
    ]);
    for session in 0..SESSIONS {
        let stored = store.load(&key(session)).map(|stored| {
            stored.map(|stored| {
                let core = serde_json::to_value(&stored.core).unwrap();
                (stored.metadata, core, stored.messages, stored.entities)
            })
        });
        content.insert(format!("session {session}"), answer(stored));
        let replay = store.replay(&id(session));
        let events = replay.map_or_else(|_| "failed".to_owned(), |replay| some_events(&replay));
        content.insert(format!("events {session}"), events);
    }
    content
}

fn some_events(replay: &Replay) -> String {
    answer(replay.events(1, 7, 200))
}

/// A store on a disk, and how it is opened.
struct Bench<S> {
    disk: Disk,
    open: fn(Disk) -> Option<S>,
    store: Option<S>,
    /// Snapshots that clients still read.
    replays: Vec<Replay>,
}

impl<S: Storage> Bench<S> {
    fn new(open: fn(Disk) -> Option<S>) -> Self {
        let disk = Disk::default();
        let store = open(disk.clone());
        Self {
            disk,
            open,
            store,
            replays: Vec::new(),
        }
    }

    /// Everything that can be read, now and from earlier snapshots.
    fn content(&self) -> Option<(BTreeMap<String, String>, Vec<String>)> {
        let store = self.store.as_ref()?;
        Some((content(store), self.replays.iter().map(some_events).collect()))
    }

    /// Lets something happen. Returns what the caller of the store learns.
    fn happens(&mut self, happening: &Happening) -> String {
        match happening {
            Happening::Faulty(fault) => self.disk.with(|platter| platter.fault = Some(*fault)),
            Happening::Healed => self.disk.with(|platter| platter.fault = None),
            Happening::Killed | Happening::PowerLost => {
                // A process that ends cannot write any more.
                self.disk.with(|platter| platter.fault = Some(Fault::Writes));
                let left = self.disk.with(|platter| match happening {
                    Happening::PowerLost => platter.synced.clone(),
                    _ => platter.written.clone(),
                });
                self.store = None;
                self.disk.with(|platter| {
                    *platter = Platter {
                        written: left.clone(),
                        synced: left,
                        fault: None,
                    };
                });
                self.store = (self.open)(self.disk.clone());
            }
            Happening::Replayed(session) => {
                let replay = self
                    .store
                    .as_ref()
                    .and_then(|store| store.replay(&id(*session)).ok());
                let is_there = replay.is_some();
                self.replays.extend(replay);
                return is_there.to_string();
            }
            change => {
                return self
                    .store
                    .as_ref()
                    .map_or("closed".to_owned(), |store| changed(store, change));
            }
        }
        String::new()
    }
}

fn changed(store: &dyn Storage, change: &Happening) -> String {
    match change {
        Happening::Commit(written) => commit(store, written).to_string(),
        Happening::Import(session) => answer(store.import(&key(*session).user, &record(*session), &[])),
        Happening::AddJob(version) => answer(store.add_job(&job(*version))),
        Happening::UpdateJob(number, version) => answer(store.update_job(*number, &job(*version))),
        Happening::RemoveJob(number) => answer(store.remove_job(*number)),
        Happening::ForgetRemoved(session, day) => answer(store.forget_removed(&key(*session), *day)),
        Happening::Replayed(_)
        | Happening::Faulty(_)
        | Happening::Healed
        | Happening::Killed
        | Happening::PowerLost => String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_and_the_database_have_the_same_outcomes(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut journal = Bench::new(|disk| Journal::open(move || Ok(disk.clone())).ok());
        let mut database = Bench::new(|disk| Store::open(move || Ok(disk.clone())).ok());
        for happening in &happenings {
            let outcome = journal.happens(happening);
            prop_assert_eq!(outcome, database.happens(happening), "{:?}", happening);
            if !matches!(happening, Happening::Faulty(_)) && journal.store.is_some() && database.store.is_some() {
                prop_assert_eq!(journal.content(), database.content(), "after {:?}", happening);
            }
        }
    }
}

#[test]
fn an_entry_that_was_not_written_completely_does_not_count() {
    let disk = Disk::default();
    let open = |disk: &Disk| {
        let disk = disk.clone();
        Journal::open(move || Ok(disk.clone())).unwrap()
    };
    let store = open(&disk);
    store.add_job(&job(1)).unwrap();
    store.add_job(&job(2)).unwrap();
    drop(store);
    let whole = disk.with(|platter| platter.written.clone());
    for missing in 1..60 {
        disk.with(|platter| platter.written = whole[..whole.len() - missing].to_vec());
        let jobs = open(&disk).jobs().unwrap();
        assert_eq!(jobs, [(1, job(1))], "{missing} bytes are missing");
        // Zeros in place of content that is not on the disk yet.
        let mut zeroed = whole.clone();
        let from = zeroed.len() - missing;
        zeroed[from..].fill(0);
        let is_changed = zeroed != whole;
        disk.with(|platter| platter.written = zeroed);
        let jobs = open(&disk).jobs().unwrap();
        assert_eq!(
            jobs.len(),
            if is_changed { 1 } else { 2 },
            "{missing} bytes are zero"
        );
    }
}

#[test]
fn a_change_whose_sync_failed_counts_if_it_was_written() {
    let disk = Disk::default();
    let files = disk.clone();
    let store = Journal::open(move || Ok(files.clone())).unwrap();
    disk.with(|platter| platter.fault = Some(Fault::NextSync));
    assert_eq!(store.add_job(&job(1)).unwrap(), 1);
    disk.with(|platter| platter.fault = Some(Fault::Writes));
    assert!(store.add_job(&job(2)).is_err());
    disk.with(|platter| platter.fault = None);
    assert_eq!(store.jobs().unwrap(), [(1, job(1))]);
}

/// Reads a snapshot before and after a change for which the disk has no room.
fn snapshot_around_a_failure(store: &dyn Storage, disk: &Disk, session: u8) -> [bool; 2] {
    let replay = store.replay(&id(session)).unwrap();
    let reads = || replay.events(0, 1, 200).is_ok();
    let before = reads();
    disk.with(|platter| platter.fault = Some(Fault::Writes));
    assert!(store.add_job(&job(1)).is_err());
    disk.with(|platter| platter.fault = None);
    // The store works again.
    assert!(store.jobs().unwrap().is_empty());
    [before, reads()]
}

#[test]
fn a_snapshot_cannot_be_read_after_a_failure_of_its_store_unless_there_are_no_events_at_all() {
    let with_an_event = Written {
        session: 0,
        metadata: true,
        core: None,
        messages: Vec::new(),
        events: vec![(1, None)],
        forgotten: Vec::new(),
        calendar: None,
        removal: false,
        version: 1,
    };
    let journal = |disk: &Disk| -> Box<dyn Storage> {
        let disk = disk.clone();
        Box::new(Journal::open(move || Ok(disk.clone())).unwrap())
    };
    let database = |disk: &Disk| -> Box<dyn Storage> {
        let disk = disk.clone();
        Box::new(Store::open(move || Ok(disk.clone())).unwrap())
    };
    for open in [&journal as &dyn Fn(&Disk) -> Box<dyn Storage>, &database] {
        let disk = Disk::default();
        let store = open(&disk);
        assert_eq!(snapshot_around_a_failure(&*store, &disk, 0), [true, true]);
        assert!(commit(&*store, &with_an_event));
        // Also of a session that has none.
        for session in [0, 1] {
            assert_eq!(
                snapshot_around_a_failure(&*store, &disk, session),
                [true, false],
                "{session}"
            );
        }
    }
}
