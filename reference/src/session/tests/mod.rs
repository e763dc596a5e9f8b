//! Tests of a session as a whole, with inputs and a manual clock. The bench is here; the tests are in one file for
//! each subject.

mod executions;
mod outbox;
mod queue;
mod settlement;
mod views;
mod wrapper;

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use turnstile_seams::Randomness;

use super::admission::{Ack, Admission, AgentChoice};
use super::deadline::Deadline;
use super::events::Event;
use super::frame::Frame;
use super::wrapper::{Delivery, DeliveryFailure, FailureCode, IngestClaim, Run};
use super::*;
use crate::legacy::model::execution::Closing;
use crate::model::message::{self, Turn};
use crate::model::metadata::{CallbackTarget, Finalization, GateThreshold, Model, Workspace};
use crate::refusal::{Code, Refusal};

const KILO_SESSION: &str = "ses_root";

/// A session with a clock and all its effects.
struct Bench {
    now: Timestamp,
    session: Session,
    randomness: Randomness,
    profile: Arc<Profile>,
    events: Vec<Event>,
    /// The rows of entities, which a restart reads again.
    entities: BTreeMap<String, EventRow>,
    effects: Vec<Effect>,
    sockets: SocketId,
}

impl Bench {
    fn new() -> Self {
        Self::with_gate(None)
    }

    fn with_profile(profile: Profile) -> Self {
        Self::with(None, profile)
    }

    fn with_gate(gate_threshold: Option<GateThreshold>) -> Self {
        Self::with(gate_threshold, Profile::default())
    }

    fn with(gate_threshold: Option<GateThreshold>, profile: Profile) -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(7));
        let session = "agent_00000000-0000-4000-8000-000000000001".parse().unwrap();
        let mut metadata = Metadata::new(session, "user".parse().unwrap(), now);
        metadata.identity.kilo_session_id = Some(KILO_SESSION.to_owned());
        metadata.agent.model = Some(Model::try_from("fake".to_owned()).unwrap());
        metadata.finalization.gate_threshold = gate_threshold;
        metadata.callback = Some(CallbackTarget {
            url: "http://receiver/".to_owned(),
            headers: BTreeMap::new(),
        });
        let profile = Arc::new(profile);
        let session = Session::create(metadata, randomness.clone(), profile.clone());
        Self {
            now,
            session,
            randomness,
            profile,
            events: Vec::new(),
            entities: BTreeMap::new(),
            effects: Vec::new(),
            sockets: 0,
        }
    }

    fn put(&mut self, input: Input) -> Reply {
        let decision = self.session.handle(self.now, input);
        for row in &decision.writes.events {
            if let Some(entity) = &row.entity {
                self.entities.insert(entity.clone(), row.clone());
            }
        }
        for effect in decision.effects {
            match effect {
                Effect::Broadcast(event) => self.events.push(event),
                other => self.effects.push(other),
            }
        }
        decision.reply
    }

    /// Lets time pass, and wakes the session at its deadlines.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.session.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.put(Input::Wake);
        }
        self.now = end;
    }

    /// Restarts the server: only the stored state remains.
    fn restart(&mut self) {
        let stored = Stored {
            metadata: self.session.metadata().clone(),
            core: serde_json::from_value(serde_json::to_value(self.session.core()).unwrap()).unwrap(),
            messages: self.session.messages().cloned().collect(),
            executions: Vec::new(),
            // By the names of the entities, as the store returns them.
            entities: self.entities.values().cloned().collect(),
        };
        self.session = Session::restore(stored, self.randomness.clone(), self.profile.clone());
        self.put(Input::Resume);
    }

    fn admission(&self, id: &MessageId, prompt: &str) -> Admission {
        Admission {
            id: id.clone(),
            turn: Turn::Prompt {
                prompt: prompt.to_owned(),
                images: None,
            },
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
        }
    }

    fn try_admit(&mut self, id: &MessageId, prompt: &str) -> Result<Ack, Refusal> {
        let admission = self.admission(id, prompt);
        match self.put(Input::Admit(Box::new(admission))) {
            Reply::Admission(admitted) => admitted,
            other => panic!("an admission is answered with one, not {other:?}"),
        }
    }

    fn admit(&mut self) -> MessageId {
        let id = MessageId::draw(self.now, &self.randomness);
        self.try_admit(&id, "hello").unwrap();
        id
    }

    /// The last requested delivery.
    fn delivery(&mut self) -> Delivery {
        let found = self
            .effects
            .iter()
            .rposition(|effect| matches!(effect, Effect::Deliver(_)));
        match self.effects.remove(found.expect("a delivery was requested")) {
            Effect::Deliver(delivery) => *delivery,
            _ => unreachable!(),
        }
    }

    fn deliveries(&self) -> usize {
        self.effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Deliver(_)))
            .count()
    }

    /// Waits for the next delivery and accepts it. Returns the ingest socket.
    fn deliver(&mut self) -> SocketId {
        self.pass(self.profile.drain_delay);
        let delivery = self.prepared_delivery();
        let socket = self.connect(&delivery.run);
        self.report(&delivery, Ok(()));
        socket
    }

    /// Makes the wrapper ready for the last requested delivery.
    fn prepared_delivery(&mut self) -> Delivery {
        let delivery = self.delivery();
        let reply = self.put(Input::Prepared {
            run: delivery.run.id.clone(),
            workspace: workspace(),
        });
        assert!(matches!(reply, Reply::Proceed(true)));
        delivery
    }

    fn report(&mut self, delivery: &Delivery, result: Result<(), DeliveryFailure>) {
        self.put(Input::Delivered {
            message: delivery.message.id.clone(),
            run: delivery.run.id.clone(),
            result,
        });
    }

    /// Closes a socket without a close frame.
    fn disconnect(&mut self, socket: SocketId) {
        self.put(Input::IngestClosed {
            socket,
            closing: Closing::default(),
        });
    }

    fn connect(&mut self, run: &Run) -> SocketId {
        self.sockets += 1;
        let claim = IngestClaim {
            run: run.id.clone(),
            fence: run.fence.clone(),
        };
        let reply = self.put(Input::IngestOpened {
            socket: self.sockets,
            claim,
        });
        assert!(matches!(reply, Reply::Ingest(Ok(()))), "{reply:?}");
        self.sockets
    }

    fn fail_delivery(&mut self, failure: DeliveryFailure) {
        let delivery = self.delivery();
        self.report(&delivery, Err(failure));
    }

    fn wrapper_says(&mut self, socket: SocketId, stream_event_type: &str, data: Value) {
        self.put(Input::IngestEvent {
            socket,
            frame: Frame::read(stream_event_type.to_owned(), data),
        });
    }

    fn kilo_says(&mut self, socket: SocketId, event: &str, properties: Value) {
        let data = json!({"event": event, "type": event, "properties": properties});
        self.wrapper_says(socket, events::name::KILOCODE, data);
    }

    fn assistant_answers(&mut self, socket: SocketId, message: &MessageId, text: &str) {
        let part = json!({"id": "p1", "messageID": format!("a-{message}"), "type": "text", "text": text});
        self.kilo_says(socket, "message.part.updated", json!({"part": part}));
        let info = json!({"id": format!("a-{message}"), "role": "assistant", "parentID": message,
            "time": {"created": 1, "completed": 2}});
        self.kilo_says(socket, "message.updated", json!({"info": info}));
    }

    /// The user's message of a turn, with which the wrapper reports that it has taken it.
    fn wrapper_reports(&mut self, socket: SocketId, message: &MessageId) {
        self.kilo_says(
            socket,
            "message.updated",
            json!({"info": {"id": message, "role": "user"}}),
        );
    }

    /// An answer that is not finished.
    fn assistant_begins(&mut self, socket: SocketId, message: &MessageId) {
        let info = json!({"id": format!("a-{message}"), "role": "assistant", "parentID": message,
            "time": {"created": 1}});
        self.kilo_says(socket, "message.updated", json!({"info": info}));
    }

    /// The number of events of that type.
    fn count(&self, stream_event_type: &str) -> usize {
        let is_of_type = |event: &&Event| event.stream_event_type == stream_event_type;
        self.events.iter().filter(is_of_type).count()
    }

    fn root_idle(&mut self, socket: SocketId) {
        self.kilo_says(socket, "session.idle", json!({"sessionID": KILO_SESSION}));
    }

    /// The types of the events of a message.
    fn events_of(&self, message: &MessageId) -> Vec<&str> {
        self.events
            .iter()
            .filter(|event| event.data["messageId"] == json!(message))
            .map(|event| event.stream_event_type.strip_prefix("cloud.message.").unwrap())
            .collect()
    }

    fn end_of(&self, message: &MessageId) -> &Outcome {
        self.session
            .message(message)
            .unwrap()
            .outcome()
            .expect("the message has ended")
    }

    fn jobs(&self) -> Vec<&CallbackJob> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Enqueue(job) => Some(&**job),
                _ => None,
            })
            .collect()
    }

    /// A step for changing a part of the session directly.
    fn step(&self) -> Step {
        Step::new(self.now, self.profile.clone(), self.randomness.clone())
    }

    fn current_run(&self) -> Option<Run> {
        self.session.wrapper.run().cloned()
    }
}

fn workspace() -> Workspace {
    Workspace {
        workspace_path: Some("/w".to_owned()),
        sandbox_id: Some("s".to_owned()),
        session_home: Some("/h".to_owned()),
        branch_name: Some("main".to_owned()),
        kilo_session_id: Some(KILO_SESSION.to_owned()),
    }
}
