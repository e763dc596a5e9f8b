//! What the buttons of the page do: faults that a script can have too.

use std::io;

use http::StatusCode;
use serde::Deserialize;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_events::world::{Cause, WorldEvent};
use turnstile_fault::{self as fault, Answer, ConnectionEnd, Fault, Place, WireAnswer, WireAnswerError};
use turnstile_judge::parties::{GATEWAY, OBSERVER, SERVER, WRAPPER};

use super::sessions::{Links, Session};
use super::{CLIENT, Playground, StartError};
use crate::stage::RELEASE_PATH;
use crate::tunnel::link::Link;

/// An action, as the page sends it.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Action {
    /// Holds what passes on a link of a session.
    Cut { session: String, link: Between },
    /// Lets everything pass again.
    Heal { session: String, link: Between },
    /// Ends the connections of a link.
    Reset { session: String, link: Between },
    /// Ends the server at once.
    Crash,
    /// Starts the server again.
    Restart,
    /// Ends the wrapper of a session at once.
    CrashWrapper { session: String },
    /// Starts a new wrapper for a session.
    RestartWrapper { session: String },
    /// Lets the requests continue that wait at the gateway under a tag.
    Release { session: String, tag: String },
    /// Sets the receiver's answers to its next requests.
    Receiver { answers: Vec<WireAnswer> },
}

/// The parties at the ends of a link.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Between {
    /// The clients and the server.
    Client,
    /// The wrapper and the server.
    Wrapper,
    /// The wrapper and the gateway.
    Gateway,
}

/// Why an action was not performed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActionError {
    #[error("no session {0} is known")]
    NoSession(String),
    #[error("no request waits under the tag {0}")]
    NothingWaits(String),
    #[error("the answers of the receiver are invalid")]
    Answers(#[from] WireAnswerError),
    #[error("the server does not start")]
    Start(#[from] StartError),
    #[error("no port is free")]
    Port(#[from] io::Error),
}

impl ActionError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSession(_) => StatusCode::NOT_FOUND,
            Self::NothingWaits(_) => StatusCode::CONFLICT,
            Self::Answers(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Start(_) | Self::Port(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Action {
    /// Performs it and logs it as the world of a play does.
    pub(super) async fn perform(self, playground: &Playground) -> Result<(), ActionError> {
        let log = &playground.log;
        match self {
            Self::Cut { session, link } => cut(playground, &session, link).await?,
            Self::Heal { session, link } => heal(playground, &session, link).await?,
            Self::Reset { session, link } => reset(playground, &session, link).await?,
            Self::Crash => {
                let before = || log.fault(None, &Fault::crash(SERVER));
                playground.server.crash(before).await;
            }
            Self::Restart => {
                let after = || log.world(None, ended(Place::host(SERVER)));
                playground.server.start(after).await?;
            }
            Self::CrashWrapper { session } => {
                let (id, known) = known(playground, &session).await?;
                let before = || log.fault(Some(&id), &Fault::crash(WRAPPER));
                known.wrapper.crash(before).await;
            }
            Self::RestartWrapper { session } => {
                let (id, known) = known(playground, &session).await?;
                let after = || log.world(Some(&id), ended(Place::host(WRAPPER)));
                known.wrapper.restart(after).await?;
            }
            Self::Release { session, tag } => {
                let (id, known) = known(playground, &session).await?;
                if !known.gateway.release(&tag) {
                    return Err(ActionError::NothingWaits(tag));
                }
                log.observed(
                    Some(&id),
                    OBSERVER,
                    Observation::RequestSent {
                        exchange: playground.next_exchange(),
                        to: GATEWAY.to_owned(),
                        method: "POST".to_owned(),
                        path: format!("{RELEASE_PATH}{tag}"),
                        credentials: Credentials::Own,
                        body: serde_json::Value::Null,
                    },
                );
            }
            Self::Receiver { answers } => {
                let answers: Vec<Answer> = answers
                    .into_iter()
                    .map(Answer::try_from)
                    .collect::<Result<_, _>>()?;
                log.fault(
                    None,
                    &Fault::Receiver {
                        answers: answers.clone(),
                    },
                );
                playground.receiver.replace_answers(answers);
            }
        }
        Ok(())
    }
}

async fn cut(playground: &Playground, session: &str, link: Between) -> Result<(), ActionError> {
    let (id, known) = known(playground, session).await?;
    for ends in link.ends(playground, &id) {
        playground.log.fault(Some(&id), &Fault::cut(&ends));
    }
    link.of(&known.links).set_cut(true);
    Ok(())
}

async fn heal(playground: &Playground, session: &str, link: Between) -> Result<(), ActionError> {
    let (id, known) = known(playground, session).await?;
    link.of(&known.links).set_cut(false);
    for ends in link.ends(playground, &id) {
        playground.log.world(Some(&id), ended(Place::Link(ends)));
    }
    Ok(())
}

async fn reset(playground: &Playground, session: &str, link: Between) -> Result<(), ActionError> {
    let (id, known) = known(playground, session).await?;
    for ends in link.ends(playground, &id) {
        let reset = Fault::end_of(&ends.from, &ends.to, ConnectionEnd::Reset);
        let began = WorldEvent::began(reset, Cause::Order);
        playground.log.world(Some(&id), began);
    }
    link.of(&known.links).reset();
    Ok(())
}

fn ended(place: Place) -> WorldEvent {
    WorldEvent::Ended { place }
}

/// A known session, with its id in lower case.
async fn known(playground: &Playground, id: &str) -> Result<(String, std::sync::Arc<Session>), ActionError> {
    let id = id.to_lowercase();
    match playground.sessions.get(&id).await {
        Some(session) => Ok((id, session)),
        None => Err(ActionError::NoSession(id)),
    }
}

impl Between {
    fn of(self, links: &Links) -> &Link {
        match self {
            Self::Client => &links.client,
            Self::Wrapper => &links.wrapper,
            Self::Gateway => &links.gateway,
        }
    }

    /// The links that a script has in place of this one: each client has one.
    fn ends(self, playground: &Playground, session: &str) -> Vec<fault::Link> {
        match self {
            Self::Client => {
                let watchers = playground.watchers.of(session);
                let clients = std::iter::once(CLIENT.to_owned()).chain(watchers);
                clients
                    .map(|client| fault::Link::between(&client, SERVER))
                    .collect()
            }
            Self::Wrapper => vec![fault::Link::between(WRAPPER, SERVER)],
            Self::Gateway => vec![fault::Link::between(WRAPPER, GATEWAY)],
        }
    }
}
