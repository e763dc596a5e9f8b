//! Ingest steps: the harness acts as the wrapper of an older service or as an impostor.

use std::time::Duration;

use serde_json::json;
use turnstile_scenarios::{
    At, Credentials, Fence, Ingest, IngestFrame, IngestName, Reply, SessionName, Spot, Ticket, text_with_ids,
};

use crate::script::player::{Halt, Player, altered};
use crate::stage::IngestOrder;
use crate::stage::client::Awaited;

/// In real time, the longest wait for the close of a socket.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
/// Content of binary frames: not valid UTF-8.
const BINARY: [u8; 4] = [0, 159, 146, 150];
/// Default kilo session id.
const SOME_KILO_SESSION: &str = "ses_00000000000000000000000000";

impl Player<'_> {
    pub(super) fn ingest(&mut self, ingest: &Ingest, spot: Spot) -> Result<(), Halt> {
        match ingest {
            Ingest::Open {
                name,
                credentials,
                ticket,
                reply,
            } => self.open_ingest(name, credentials, *ticket, reply, spot),
            Ingest::Send { name, frame } => {
                let order = match frame {
                    IngestFrame::Event { event, data } => {
                        let data = data.with_ids(|name| self.id_or_session(name, &SessionName::default()));
                        let mut frame = json!({
                            "streamEventType": event,
                            "timestamp": self.stage.world.now().to_string(),
                        });
                        if !data.is_null() {
                            frame["data"] = data;
                        }
                        IngestOrder::Text(frame.to_string())
                    }
                    IngestFrame::Raw(text) => IngestOrder::Text(text_with_ids(text, |name| {
                        self.id_or_session(name, &SessionName::default())
                    })),
                    IngestFrame::Binary => IngestOrder::Binary(BINARY.to_vec()),
                };
                self.order_ingest(name, order, spot)
            }
            Ingest::Close { name, code } => self.order_ingest(name, IngestOrder::Close(*code), spot),
        }
    }

    fn open_ingest(
        &mut self,
        name: &At<IngestName>,
        credentials: &Credentials,
        ticket: Ticket,
        reply: &Reply,
        spot: Spot,
    ) -> Result<(), Halt> {
        let query = match credentials {
            Credentials::Execution(label) => {
                let id = self.id(label).unwrap_or_else(|| label.to_string());
                format!("executionId={id}")
            }
            Credentials::Fence(fence) => match self.fence_query(*fence) {
                Some(query) => query,
                None => {
                    let text = "the server has not bound the wrapper to anything yet";
                    return Err(self.fail_step(spot, None, text.to_owned()));
                }
            },
        };
        let session = self.session(&SessionName::default()).unwrap_or_default();
        let session = session.to_owned();
        let claim = self.claim(&SessionName::default(), ticket);
        let opened = Awaited::default();
        let ingest = self
            .stage
            .open_ingest(name, &session, &query, &claim, opened.clone())?;
        self.ingests.insert(name.value.clone(), ingest);
        self.check_opened(
            &format!("the ingest socket `{}`", name.value),
            &opened,
            reply,
            spot,
        )
    }

    /// Query parameters of a fence, based on the wrapper's last binding.
    fn fence_query(&self, fence: Fence) -> Option<String> {
        let binding = self.view.binding()?;
        let text = |field: &str| binding[field].as_str().unwrap_or_default().to_owned();
        let (mut run, mut connection) = (text("wrapperRunId"), text("wrapperConnectionId"));
        match fence {
            Fence::Current => {}
            Fence::StaleRun => run = altered(&run),
            Fence::StaleConnection => connection = altered(&connection),
        }
        let session = self.session(&SessionName::default()).unwrap_or_default();
        let kilo_session = self.view.kilo_session(session).unwrap_or(SOME_KILO_SESSION);
        let generation = &binding["wrapperGeneration"];
        Some(format!(
            "wrapperRunId={run}&kiloSessionId={kilo_session}&sessionId={session}\
             &wrapperGeneration={generation}&wrapperConnectionId={connection}"
        ))
    }

    fn order_ingest(&mut self, name: &At<IngestName>, order: IngestOrder, spot: Spot) -> Result<(), Halt> {
        let closes = matches!(order, IngestOrder::Close(_));
        let ingest = self.ingests.get(&name.value).cloned();
        let is_taken = ingest.as_ref().is_some_and(|ingest| ingest.order(order));
        let Some(ingest) = ingest.filter(|_| is_taken) else {
            let text = format!("the ingest socket `{}` is over already", name.value);
            return Err(self.fail_step(spot, None, text));
        };
        // The thread of the socket may be late, and the next step may be a fault that would hold the close. Frames are sent in a
        // burst: after a wait for one of them the server may have closed the socket.
        if closes && self.stage.world.is_in_real_time() {
            let deadline = self.stage.world.now() + LONGEST_CLOSE;
            self.run_until(deadline, |_| ingest.is_over())?;
        }
        Ok(())
    }
}
