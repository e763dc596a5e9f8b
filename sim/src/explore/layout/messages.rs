//! Lays out messages: their labels, prompts and values, and repeats of them.

use proptest::sample::Index;
use serde_json::{Value, json};
use turnstile_scenarios::{
    At, Call, Directive, Finalization, Finalizing, Form, IdMaker, Json, Label, Lapse, Moment, Prompt, Reply,
    SendMessage, SessionName, Step, Surface, Tag, WrapperBehaviour,
};

use super::{COMMAND, Layout, TURN, await_message, name};
use crate::explore::values::{Extras, Values};
use crate::explore::workload::{Saying, Sending};
use crate::explore::wrapper_faults::misbehaving;

/// A prompt without a directive.
const PLAIN: &str = "\u{1f389} Stra\u{df}e \"a\" \\ <b>&amp;";

/// A message that was sent.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) label: Label,
    pub(super) session: SessionName,
    pub(super) prompt: Prompt,
    pub(super) values: Values,
}

impl Layout<'_> {
    /// Draws up the label and the prompt of a new message.
    pub(super) fn message(&mut self, saying: &Saying, session: &SessionName) -> (Label, Prompt) {
        let number = self.messages.len() + 1;
        let label: Label = name(&format!("m{number}"));
        let directive = match saying {
            Saying::Echo | Saying::Plain => Directive::Echo(format!("m{number}")),
            Saying::Slow { chunks, milliseconds } => Directive::Slow {
                chunks: *chunks,
                milliseconds: *milliseconds,
            },
            Saying::Idle => Directive::Idle,
            Saying::Hang => Directive::Hang,
            Saying::Error => Directive::Error("refused".to_owned()),
            Saying::Tools { calls } => Directive::Tools {
                calls: *calls,
                text: format!("m{number}"),
            },
            Saying::Gate => {
                let tag: Tag = name(&format!("t{number}"));
                self.tags.push(tag.clone());
                Directive::Gate(tag)
            }
        };
        let prompt = match saying {
            Saying::Plain => Prompt::Text(format!("{PLAIN} m{number}")),
            _ => Prompt::Say(directive),
        };
        self.messages.push(Sent {
            label: label.clone(),
            session: session.clone(),
            prompt: prompt.clone(),
            values: Values::default(),
        });
        (label, prompt)
    }

    /// A new message that runs a command, in place of what it would say: its label and its prompt.
    pub(super) fn command(&mut self, saying: &Saying, session: &SessionName) -> (Label, Prompt) {
        let (label, said) = self.message(saying, session);
        if let Prompt::Say(Directive::Gate(_)) = said {
            self.tags.pop();
        }
        let prompt = Prompt::Command(turnstile_scenarios::Command {
            name: COMMAND.to_owned(),
            arguments: None,
        });
        if let Some(sent) = self.messages.last_mut() {
            sent.prompt.clone_from(&prompt);
        }
        (label, prompt)
    }

    /// Sends a message, or the first one of a further session.
    pub(super) fn send(&mut self, send: &Sending, values: &Values) {
        let which = send.session.index(self.swarm.sessions);
        if which >= self.sessions.len() {
            let next = format!("s{}", self.sessions.len() + 1);
            return self.start(name(&next), &send.saying, values.user);
        }
        let session = self.sessions[which].clone();
        let surface = self.surface(send.on_other_surface);
        let is_legacy = surface.unwrap_or(self.swarm.surface) == Surface::Legacy;
        if let Some(extras) = &values.extras {
            return self.send_by_call(&send.saying, &session, is_legacy, extras);
        }
        let is_command = send.is_command && is_legacy;
        let (label, prompt) = match is_command {
            true => self.command(&send.saying, &session),
            false => self.message(&send.saying, &session),
        };
        let values = match is_command {
            true => Values::default(),
            false => values.on(is_legacy),
        };
        if let Some(sent) = self.messages.last_mut() {
            sent.values = values.clone();
        }
        let client = self.sender(send.by_viewer);
        let id = match (values.id, send.id_by_server) {
            (_, true) => IdMaker::Server,
            (None, false) => IdMaker::Client,
            (Some(chosen), false) => IdMaker::Script(chosen.of(self.messages.len())),
        };
        self.push(Step::Send(SendMessage {
            form: is_command.then(|| Form::Payload.into()),
            client: client.into(),
            id: id.into(),
            surface: surface.map(At::from),
            ..valued(plain(label, prompt, &session), values)
        }));
    }

    /// Sends a message with values that no word for messages has.
    pub(super) fn send_by_call(
        &mut self,
        saying: &Saying,
        session: &SessionName,
        is_legacy: bool,
        extras: &Extras,
    ) {
        let (label, prompt) = self.message(saying, session);
        let mut agent = json!({"mode": self.settings.mode, "model": self.settings.model});
        if let Some(variant) = &extras.variant {
            agent["variant"] = json!(variant);
        }
        let mut message = json!({"prompt": prompt.text()});
        if let Some(images) = &extras.images {
            message["images"] = images.clone();
        }
        let (procedure, input) = match is_legacy {
            true => ("sendMessageV2", merged(agent, message)),
            false => ("send", json!({"agent": agent, "message": message})),
        };
        self.push(Step::Call(Call {
            r#as: Some(label.into()),
            input: Some(Json(input).into()),
            ..Call::by_owner(procedure, session)
        }));
    }

    /// Sends several messages at once.
    pub(super) fn burst(&mut self, session: &SessionName, count: usize) {
        for _ in 0..count {
            let (label, prompt) = self.message(&Saying::Echo, session);
            self.push(Step::Send(plain(label, prompt, session)));
        }
    }

    /// Sends a message after which the wrapper commits for this long, and waits for the end of its turn.
    pub(super) fn finalize(&mut self, session: &SessionName, takes: Lapse) {
        self.push(misbehaving(WrapperBehaviour {
            finalize: Some(Finalizing {
                takes,
                ..Finalizing::default()
            }),
            ..WrapperBehaviour::default()
        }));
        let (label, prompt) = self.message(&Saying::Echo, session);
        self.push(Step::Send(SendMessage {
            finalization: Some(Finalization {
                auto_commit: Some(true),
                ..Finalization::default()
            }),
            ..plain(label.clone(), prompt, session)
        }));
        self.push(await_message(label, Moment::Completed, TURN));
    }

    /// Sends an earlier message again, under another label.
    pub(super) fn repeat(&mut self, message: Index, on_other_surface: bool) {
        let step = self.repeat_of(message.get(&self.messages), on_other_surface);
        self.push(Step::Send(step));
    }

    /// A repeat of a message.
    pub(super) fn repeat_of(&self, message: &Sent, on_other_surface: bool) -> SendMessage {
        let Sent {
            label,
            session,
            prompt,
            values,
        } = message.clone();
        let again: Label = name(&format!("r{}", self.steps.len()));
        let surface = match prompt {
            // Only the legacy surface supports this.
            Prompt::Command(_) => Some(Surface::Legacy),
            _ => self.surface(on_other_surface),
        };
        let is_legacy = surface.unwrap_or(self.swarm.surface) == Surface::Legacy;
        SendMessage {
            repeat: Some(label.into()),
            surface: surface.map(At::from),
            ..valued(plain(again, prompt, &session), values.on(is_legacy))
        }
    }

    /// Lets every prompt that is sent request an auto-commit. A repeat must have the intent of its message (R3.9).
    pub(super) fn commit_after_turns(&mut self) {
        let mut committed: Vec<Label> = Vec::new();
        for step in &mut self.steps {
            let Step::Send(send) = &mut step.value else {
                continue;
            };
            let commits = match &send.repeat {
                Some(repeated) => committed.contains(&repeated.value),
                None => matches!(send.prompt, Prompt::Say(_)),
            };
            if commits {
                committed.push(send.label.value.clone());
                send.finalization.get_or_insert_default().auto_commit = Some(true);
            }
        }
    }
}

/// An object with the fields of both.
fn merged(mut one: Value, mut other: Value) -> Value {
    if let (Some(fields), Some(others)) = (one.as_object_mut(), other.as_object_mut()) {
        fields.append(others);
    }
    one
}

/// A message with these values.
fn valued(send: SendMessage, values: Values) -> SendMessage {
    let Values {
        model, finalization, ..
    } = values;
    SendMessage {
        model,
        finalization,
        ..send
    }
}

/// A message with default settings.
pub(super) fn plain(label: Label, prompt: Prompt, session: &SessionName) -> SendMessage {
    SendMessage {
        label: label.into(),
        prompt,
        repeat: None,
        model: None,
        finalization: None,
        session: session.clone().into(),
        client: At::default(),
        id: IdMaker::default().into(),
        surface: None,
        form: None,
        reply: Reply::default(),
    }
}
