//! Mutants that rewrite requests, their answers, the opening of ingests, and orders of the server.

use std::collections::BTreeSet;

use serde_json::json;

use super::Mutant;
use crate::wrapper::binding::Binding;
use crate::wrapper::lifecycle::{Action, Command, Input, LinkFailure, RequestId};
use crate::wrapper::reply::Reply;
use crate::wrapper::request::{Prompt, Request};

/// HTTP status and close code of a stale fence.
const STALE: (u16, u16) = (409, 4401);
/// What marks a message id that was taken again.
const AGAIN: &str = "Again";

/// The state of a mutant.
pub(super) struct Edges {
    mutant: Mutant,
    /// Ids of the prompts so far.
    prompted: BTreeSet<String>,
    /// The prompt that is held back.
    held: Option<(RequestId, Prompt, Binding)>,
    /// Requests that the mutant has answered itself.
    answered: BTreeSet<RequestId>,
    first_url: Option<String>,
    first_binding: Option<Binding>,
    /// The run of the latest binding, and the run that was aborted.
    run: String,
    aborted: Option<String>,
}

impl Edges {
    pub(super) fn new(mutant: Mutant) -> Self {
        Self {
            mutant,
            prompted: BTreeSet::new(),
            held: None,
            answered: BTreeSet::new(),
            first_url: None,
            first_binding: None,
            run: String::new(),
            aborted: None,
        }
    }

    pub(super) fn inputs(&mut self, input: Input) -> Vec<Input> {
        match (self.mutant, input) {
            (_, Input::Request(id, request)) => self.request(id, *request),
            (Mutant::IgnoresPing, Input::Command(_, Command::Ping))
            | (Mutant::IgnoresSnapshot, Input::Command(_, Command::RequestSnapshot))
            | (Mutant::IgnoresKill, Input::Command(_, Command::Kill)) => Vec::new(),
            (Mutant::StaysAborted, input @ Input::Command(_, Command::Kill)) => {
                self.aborted = Some(self.run.clone());
                vec![input]
            }
            (Mutant::IgnoresStaleClose, Input::LinkLost(link, Some(code))) if code == STALE.1 => {
                vec![Input::LinkLost(link, None)]
            }
            (Mutant::IgnoresStaleRefusal, Input::LinkFailed(link, failure))
                if failure.status == Some(STALE.0) =>
            {
                let failure = LinkFailure {
                    status: None,
                    ..failure
                };
                vec![Input::LinkFailed(link, failure)]
            }
            (_, input) => vec![input],
        }
    }

    fn request(&mut self, id: RequestId, mut request: Request) -> Vec<Input> {
        if let Request::Ready(ready) = &mut request {
            self.see_binding(&mut ready.binding);
        }
        if let Request::Prompt(_, binding) = &mut request {
            self.see_binding(binding);
        }
        match (self.mutant, request) {
            (Mutant::TakesRepeatedIds, Request::Prompt(mut prompt, binding)) => {
                while !self.prompted.insert(prompt.message_id.clone()) {
                    prompt.message_id.push_str(AGAIN);
                }
                vec![to_input(id, Request::Prompt(prompt, binding))]
            }
            (Mutant::NewestFirst, Request::Prompt(prompt, binding)) => {
                self.reverse_second_and_third(id, prompt, binding)
            }
            (Mutant::AbortsNothing, Request::Abort(_)) => vec![to_input(id, Request::Status)],
            (Mutant::StaysAborted, request @ Request::Abort(_)) => {
                self.aborted = Some(self.run.clone());
                vec![to_input(id, request)]
            }
            (_, request) => vec![to_input(id, request)],
        }
    }

    fn see_binding(&mut self, binding: &mut Binding) {
        let first = self.first_binding.get_or_insert_with(|| binding.clone());
        if self.mutant == Mutant::IgnoresRebinding {
            *binding = first.clone();
        }
        self.run.clone_from(&binding.wrapper_run_id);
    }

    /// Answers the second prompt at once and passes it on after the third.
    fn reverse_second_and_third(&mut self, id: RequestId, prompt: Prompt, binding: Binding) -> Vec<Input> {
        self.prompted.insert(prompt.message_id.clone());
        if self.prompted.len() == 2 {
            self.held = Some((id, prompt, binding));
            return vec![to_input(id, Request::Status)];
        }
        let mut inputs = vec![to_input(id, Request::Prompt(prompt, binding))];
        if let Some((held_id, prompt, binding)) = self.held.take() {
            self.answered.insert(held_id);
            inputs.push(to_input(held_id, Request::Prompt(prompt, binding)));
        }
        inputs
    }

    pub(super) fn actions(&mut self, actions: Vec<Action>) -> Vec<Action> {
        actions
            .into_iter()
            .filter_map(|action| self.action(action))
            .collect()
    }

    fn action(&mut self, action: Action) -> Option<Action> {
        Some(match (self.mutant, action) {
            (_, Action::Answer(id, reply)) => {
                if self.answered.remove(&id) {
                    return None;
                }
                Action::Answer(id, self.reply(id, reply))
            }
            (Mutant::StaysConnected, Action::Close(_)) | (Mutant::KeepsCalling, Action::StopTurn(_)) => {
                return None;
            }
            (Mutant::StaysAborted, Action::StartTurn(..))
                if self.aborted.as_ref().is_some_and(|run| *run != self.run) =>
            {
                return None;
            }
            (
                _,
                Action::Open {
                    link,
                    url,
                    token,
                    gives_up,
                },
            ) => Action::Open {
                link,
                url: self.url(url),
                token: match self.mutant {
                    Mutant::NoToken => "none".to_owned(),
                    _ => token,
                },
                gives_up,
            },
            (_, action) => action,
        })
    }

    fn url(&mut self, url: String) -> String {
        let first = self.first_url.get_or_insert_with(|| url.clone());
        match self.mutant {
            Mutant::OldFence => first.clone(),
            Mutant::NoGeneration => {
                let (path, query) = url.split_once('?').unwrap_or((&url, ""));
                let is_kept = |parameter: &&str| !parameter.starts_with("wrapperGeneration=");
                let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
                format!("{path}?{}", kept.join("&"))
            }
            _ => url,
        }
    }

    fn reply(&self, id: RequestId, mut reply: Reply) -> Reply {
        let is_health = reply.body.get("healthy").is_some();
        let is_ready = reply.body["status"] == "ready";
        let is_status = !is_health && reply.body.get("pendingMessages").is_some();
        let held = self.held.as_ref().filter(|(held, ..)| *held == id);
        match self.mutant {
            Mutant::HealthIsIdle if is_health => reply.body["state"] = json!("idle"),
            Mutant::HealthCountsNothing if is_health => reply.body["pendingMessages"] = json!(0),
            Mutant::StatusNamesNothing if is_status => reply.body["pendingMessages"] = json!([]),
            Mutant::ReadyElsewhere if is_ready => {
                reply.body["workspaceReady"]["workspacePath"] = json!("/elsewhere");
            }
            Mutant::SentWithoutId => {
                if let Some(body) = reply.body.as_object_mut() {
                    body.remove("messageId");
                }
            }
            Mutant::NoSessionAs500 if reply.body["error"] == "NO_SESSION" => reply.status = 500,
            Mutant::TakesRepeatedIds => {
                if let Some(name) = reply.body["messageId"].as_str() {
                    reply.body["messageId"] = json!(name.trim_end_matches(AGAIN));
                }
            }
            Mutant::NewestFirst => {
                if let Some((_, prompt, _)) = held {
                    return Reply::sent(prompt.kind, &prompt.message_id);
                }
            }
            // The status was asked for in place of the abort.
            Mutant::AbortsNothing if is_status => return Reply::ok(json!({ "status": "aborted" })),
            _ => {}
        }
        reply
    }
}

fn to_input(id: RequestId, request: Request) -> Input {
    Input::Request(id, Box::new(request))
}

/// The message id as it was sent, for one that was taken again.
pub(super) fn without_marks(text: &str) -> String {
    text.replace(AGAIN, "")
}
