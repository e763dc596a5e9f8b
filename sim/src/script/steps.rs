//! What each step does.

use http::Method;
use serde_json::{Value, json};
use turnstile_reference::host::Checkpoint;
use turnstile_scenarios::{
    self as language, Answer as ReceiverAnswer, At, ClientName, Crash, CrashPoint, IdMaker, Interrupt, Label,
    Open, Prompt, Reply, Resume, SendMessage, Spot, Start, Step,
};

use super::player::{Halt, Player};
use crate::stage::client::{Answer, Awaited, Client, From};
use crate::stage::{GATEWAY_AUTHORITY, OBSERVER, QueueBehaviour, RECEIVER_AUTHORITY, SERVER};
use crate::world::{Link, World, WorldError};

/// A header that the receiver wants, secret to everybody else.
const CALLBACK_HEADER: (&str, &str) = ("x-callback-secret", "secret-of-the-receiver");

impl Player<'_> {
    pub(super) fn step(&mut self, step: &At<Step>) -> Result<(), Halt> {
        let spot = step.spot;
        match &step.value {
            Step::Start(start) => self.start(start, spot),
            Step::Send(send) => self.send(send, spot),
            Step::Interrupt(interrupt) => self.interrupt(interrupt, spot),
            Step::Open(open) => self.open(open),
            Step::Close(close) => {
                let client = self.client(&close.client);
                let host = client.name().to_owned();
                Ok(self.stage.world.spawn(&host, client.close())?)
            }
            Step::Await(wait) => self.wait_for(wait, spot),
            Step::Release(tag) => self.release(&tag.value.to_string(), spot),
            Step::Cut(fault) => self.strike(&fault.link, fault.heals_after, World::cut),
            Step::BlackHole(fault) => self.strike(&fault.link, fault.heals_after, World::black_hole),
            Step::Delay(delay) => self.strike(&delay.link, delay.heals_after, |world, link| {
                world.delay(link, *delay.by)
            }),
            Step::Heal(heal) => self.strike(&heal.link, None, World::heal),
            Step::Reset(connections) => {
                let (one, two) = ends(connections);
                Ok(self.stage.world.reset(&one, &two)?)
            }
            Step::Silence(connections) => {
                let (one, two) = ends(connections);
                Ok(self.stage.world.silence(&one, &two)?)
            }
            Step::Fin(direction) => {
                let (from, to) = (direction.from.to_string(), direction.to.to_string());
                Ok(self.stage.world.finish(&from, &to)?)
            }
            Step::Crash(crash) => self.crash(crash),
            Step::Restart(machine) => self.restart(machine.name()),
            Step::Receiver(receiver) => self.script_receiver(&receiver.answers, spot),
            Step::Queue(behaviour) => {
                self.stage.queue.set(match behaviour {
                    language::QueueBehaviour::Works => QueueBehaviour::Works,
                    language::QueueBehaviour::Refuses => QueueBehaviour::Refuses,
                    language::QueueBehaviour::LosesAck => QueueBehaviour::LosesAck,
                });
                Ok(())
            }
            Step::Wait(lapse) => Ok(self.run_for(**lapse)?),
        }
    }

    fn start(&mut self, start: &Start, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&start.client);
        let id = client.draw_message_id();
        let session = &self.scenario.session;
        let mut repository = json!({"type": "github", "repo": "turnstile/example"});
        if let Some(branch) = &session.branch {
            repository["branch"] = json!(branch);
        }
        let mut options = json!({"createdOnPlatform": "turnstile"});
        if session.callback {
            let (header, secret) = CALLBACK_HEADER;
            options["callbackTarget"] =
                json!({"url": format!("http://{RECEIVER_AUTHORITY}/callback"), "headers": {header: secret}});
        }
        let mut finalization = json!({});
        if let Some(gate) = session.gate {
            finalization["gateThreshold"] = json!(gate);
        }
        let model = start.model.as_ref().unwrap_or(&session.model);
        let input = json!({
            "message": message(&start.prompt, Some(&id)),
            "agent": {"mode": session.mode, "model": model},
            "finalization": finalization,
            "repository": repository,
            "options": options,
        });
        let answer = self.call(&client, "start", input)?;
        let data = self.check_reply(&answer, &start.reply, &start.label, spot)?;
        self.name(&start.label, id);
        if let Some(session) = data["cloudAgentSessionId"].as_str() {
            self.session = Some(session.to_owned());
            let watching = self.stage.observer().watch(session.to_owned());
            self.stage.world.spawn(OBSERVER, watching)?;
        }
        Ok(())
    }

    fn send(&mut self, send: &SendMessage, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&send.client);
        let id = match (&send.repeat, send.id) {
            (Some(repeated), _) => Some(self.messages[&repeated.value].clone()),
            (None, IdMaker::Client) => Some(client.draw_message_id()),
            (None, IdMaker::Server) => None,
        };
        let mut input = json!({
            "cloudAgentSessionId": self.session,
            "message": message(&send.prompt, id.as_deref()),
        });
        if let Some(model) = &send.model {
            input["agent"] = json!({"model": model});
        }
        let answer = self.call(&client, "send", input)?;
        let data = self.check_reply(&answer, &send.reply, &send.label, spot)?;
        let acked = data["messageId"].as_str().map(str::to_owned);
        // A repetition that is refused is no message: its label must not stand for the one that it repeats.
        let is_message = send.repeat.is_none() || send.reply.lost || send.reply.status.is_success();
        if let Some(id) = id.or(acked).filter(|_| is_message) {
            self.name(&send.label, id);
        }
        Ok(())
    }

    fn interrupt(&mut self, interrupt: &Interrupt, spot: Spot) -> Result<(), Halt> {
        let client = self.client(&interrupt.client);
        let answer = self.call(&client, "interruptSession", json!({"sessionId": self.session}))?;
        let expected = &interrupt.reply;
        let Some((status, body)) = &answer else {
            if expected.lost {
                return Ok(());
            }
            return Err(self.break_off(spot, None, "the interrupt got no answer".to_owned()));
        };
        let success = &body["result"]["data"]["success"];
        let as_expected = !expected.lost
            && *status == expected.status.code()
            && contains(body, expected.contains.as_deref())
            && expected
                .success
                .is_none_or(|expected| *success == json!(expected));
        if as_expected {
            return Ok(());
        }
        let text = format!("the interrupt was answered {status} {body}, which is not as scripted");
        Err(self.break_off(spot, None, text))
    }

    fn open(&mut self, open: &Open) -> Result<(), Halt> {
        let client = self.client(&open.client);
        let from = match open.from {
            Resume::Start => From::After(0),
            Resume::Last => From::Last,
            Resume::None => From::Nowhere,
            Resume::After(event) => From::After(event),
        };
        let session = self.session.clone().unwrap_or_default();
        let host = client.name().to_owned();
        Ok(self.stage.world.spawn(&host, client.stream(session, from))?)
    }

    fn release(&mut self, tag: &str, spot: Spot) -> Result<(), Halt> {
        let url = format!("http://{GATEWAY_AUTHORITY}/test/release?tag={tag}");
        let status = self.side_door(url, Value::Null)?.map(|(status, _)| status);
        self.view.released(tag);
        match status {
            Some(204) => Ok(()),
            Some(404) => Err(self.break_off(spot, None, format!("nobody is parked under `{tag}`"))),
            other => Err(self.break_off(
                spot,
                None,
                format!("the gateway answered the release with {other:?}"),
            )),
        }
    }

    pub(super) fn script_receiver(&mut self, answers: &[ReceiverAnswer], spot: Spot) -> Result<(), Halt> {
        let answers: Vec<Value> = answers
            .iter()
            .map(|answer| match answer {
                ReceiverAnswer::Status(status) => json!({"status": status.code()}),
                ReceiverAnswer::Stall => json!({"stall": true}),
                ReceiverAnswer::Drop => json!({"drop": true}),
            })
            .collect();
        let url = format!("http://{RECEIVER_AUTHORITY}/test/answers");
        match self.side_door(url, json!(answers))? {
            Some((status, _)) if (200..300).contains(&status) => Ok(()),
            other => Err(self.break_off(
                spot,
                None,
                format!("the receiver answered its script with {other:?}"),
            )),
        }
    }

    fn side_door(&mut self, url: String, body: Value) -> Result<Answer, Halt> {
        let awaited = Awaited::default();
        let asking = self
            .stage
            .observer()
            .ask(Method::POST, url, body, awaited.clone());
        self.stage.world.spawn(OBSERVER, asking)?;
        Ok(self.answer(&awaited)?)
    }

    /// Brings a fault to a link, and heals it after a while if it is to.
    fn strike(
        &mut self,
        link: &language::Link,
        heals_after: Option<language::Lapse>,
        strike: impl Fn(&mut World, &Link) -> Result<(), WorldError>,
    ) -> Result<(), Halt> {
        let link = match link {
            language::Link::Both(between) => {
                Link::between(&between.one.to_string(), &between.two.to_string())
            }
            language::Link::OneWay(direction) => {
                Link::one_way(&direction.from.to_string(), &direction.to.to_string())
            }
        };
        strike(&mut self.stage.world, &link)?;
        if let Some(lapse) = heals_after {
            self.arrange(*lapse, move |world| {
                world.heal(&link).expect("a link that was struck can be healed");
            });
        }
        Ok(())
    }

    fn crash(&mut self, crash: &Crash) -> Result<(), Halt> {
        let host = crash.party.name();
        if let Some(point) = &crash.at {
            let checkpoint = match point.value {
                CrashPoint::AfterCommit => Checkpoint::AfterCommit,
                CrashPoint::AfterEnqueue => Checkpoint::AfterEnqueue,
            };
            self.stage.crash_plan.arm(checkpoint, crash.power_loss);
            self.restart_after.insert(SERVER.to_owned(), crash.restart_after);
            return Ok(());
        }
        if crash.power_loss {
            self.stage.world.crash_silently(host)?;
        } else {
            self.stage.world.crash(host)?;
        }
        if let Some(after) = crash.restart_after {
            self.restart_later(host.to_owned(), *after);
        }
        Ok(())
    }

    fn restart(&mut self, host: &str) -> Result<(), Halt> {
        if self.stage.world.is_up(host)? {
            // It had an order to start by itself, or never came to the point where it was to crash.
            return Ok(());
        }
        Ok(self.stage.world.restart(host)?)
    }

    fn call(&mut self, client: &Client, procedure: &'static str, input: Value) -> Result<Answer, Halt> {
        let awaited = Awaited::default();
        let host = client.name().to_owned();
        self.stage
            .world
            .spawn(&host, client.clone().call(procedure, input, awaited.clone()))?;
        Ok(self.answer(&awaited)?)
    }

    /// The data of an answer that is as scripted; null if it is a scripted refusal or loss.
    fn check_reply(
        &mut self,
        answer: &Answer,
        expected: &Reply,
        label: &Label,
        spot: Spot,
    ) -> Result<Value, Halt> {
        let text = match (answer, expected.lost) {
            (None, true) => return Ok(Value::Null),
            (None, false) => format!("`{label}` got no answer"),
            (Some((status, body)), true) => {
                format!("`{label}` was answered {status} {body}, and no answer was to come")
            }
            (Some((status, body)), false) => {
                if *status == expected.status.code() && contains(body, expected.contains.as_deref()) {
                    return Ok(body["result"]["data"].clone());
                }
                format!("`{label}` was answered {status} {body}, which is not as scripted")
            }
        };
        Err(self.break_off(spot, None, text))
    }

    /// The client of that name; new ones come into the world when they are first spoken of.
    fn client(&mut self, name: &ClientName) -> Client {
        let name = name.to_string();
        if let Some(client) = self.clients.get(&name) {
            return client.clone();
        }
        let client = self.stage.add_client(&name);
        self.clients.insert(name, client.clone());
        client
    }
}

fn ends(connections: &language::Connections) -> (String, String) {
    (
        connections.between.one.to_string(),
        connections.between.two.to_string(),
    )
}

fn message(prompt: &Prompt, id: Option<&str>) -> Value {
    let mut message = json!({"prompt": prompt.text()});
    if let Some(id) = id {
        message["id"] = json!(id);
    }
    message
}

fn contains(body: &Value, text: Option<&str>) -> bool {
    text.is_none_or(|text| body.to_string().contains(text))
}
