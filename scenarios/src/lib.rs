//! The script language: its types, its parser and its checker.
//!
//! A script is a YAML file with a title, a reason, steps and expectations; `README.md` of this crate explains
//! it with examples. [`Scenario::parse`] returns a valid scenario, or [all errors of the file](ScriptErrors)
//! with line and column. [`Library`] loads all scripts of a folder.
//!
//! Playing scripts is not part of this crate, and it knows only the names of the parties.

mod call;
mod check;
mod client;
mod directive;
mod disk;
mod draft;
mod expectation;
mod file;
mod ingest;
mod injection;
mod json;
mod lasting;
mod legacy;
mod library;
mod machine;
mod message;
mod message_id;
mod name;
mod network;
mod parse;
mod party;
mod place;
mod problem;
mod profile;
mod prompt;
mod reply;
mod rule_name;
mod scenario;
mod selection;
mod session;
mod shorthand;
mod step;
mod stored;
mod surface;
mod text;
mod ticket;
mod user;
mod wait;
mod watcher;
mod write;

pub use call::{Body, Call, CallMethod, CallReply, Caller};
pub use client::{Close, Interrupt, Open, ReadingSpeed, Resume};
pub use directive::Directive;
pub use expectation::{
    BadgeShown, BadgeWord, Bounds, Callback, Deliveries, Delivery, Expectation, GateResult, GatewayState,
    IngestOutcome, Milestone, Outcome, Reason, Snapshot, Source, StreamCount, Terminal,
};
pub use file::{FileError, LARGEST_FILE, read_file};
pub use ingest::{Credentials, Fence, Ingest, IngestFrame};
pub use injection::Injection;
pub use json::{Json, JsonObject, LengthError, SessionIds, Subset, has_field, text_with_ids};
pub use legacy::{CallbackTarget, Delete, Initiate, Prepare, Update};
pub use library::{Entry, Library, LibraryError, LibraryErrors};
pub use machine::Machine;
pub use message::{Form, SendMessage, Start};
pub use message_id::{IdMaker, IdMakerError, MessageId, MessageIdError};
pub use name::{ClientName, IngestName, Label, OBSERVER, SessionName, Tag};
pub use network::Heal;
pub use party::Party;
pub use place::{At, Spot};
pub use problem::{Problem, ScriptErrors};
pub use profile::RequiredProfile;
pub use prompt::{Command, Finalization, Prompt};
pub use reply::{Reply, SuccessReply};
pub use rule_name::{RuleName, RuleNameError};
pub use scenario::{Scenario, Seam, schema};
pub use selection::{FilterError, Selection, UnmatchedFilter};
pub use session::{Gate, Session};
pub use step::Step;
pub use stored::{ExecutionId, ExecutionStatus, RecordForm, Stored, StoredExecution};
pub use surface::{Surface, Surfaces};
pub use text::{printable, shortened};
pub use ticket::Ticket;
pub use turnstile_fault::{
    Answer, ClockChange, Completion, ConnectionEnd, CrashPoint, DiskBehaviour, DiskOperation, Failure, Fault,
    FaultKind, Finalizing, GateVerdict, JobBehaviour, JobCode, Lapse, LateAnswer, Link, LinkEffect,
    OddAnswer, OddAnswers, PartChange, Preparing, QueueBehaviour, ReadyBehaviour, ReadyCode, Status,
    WrapperBehaviour,
};
pub use user::{UserName, UserNameError};
pub use wait::{Await, AwaitedEvent, Condition, DEFAULT_WITHIN, Moment};
pub use watcher::Watcher;
