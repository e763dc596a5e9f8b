//! Sends requests to the server and the fakes, and checks the answers.

use http::Method;
use serde_json::Value;
use turnstile_judge::parties::OBSERVER;
use turnstile_scenarios::{Label, Reply, SessionName, Spot, SuccessReply};

use crate::script::player::{Halt, Player};
use crate::stage::client::{Answer, Awaited, Client, Content};
use crate::stage::identity::Login;

impl Player<'_> {
    /// Calls a procedure as a client with the right to a session, and waits for the answer.
    pub(super) fn call(
        &mut self,
        client: &Client,
        procedure: impl Into<String>,
        input: Value,
        session: &SessionName,
    ) -> Result<Answer, Halt> {
        let login = Login::of(self.user(session));
        self.call_with(client, procedure, Content::Json(input), login)
    }

    /// The same, but a request whose answer is not awaited is only sent, and has none.
    pub(super) fn request(
        &mut self,
        client: &Client,
        procedure: impl Into<String>,
        input: Value,
        session: &SessionName,
        is_unawaited: bool,
    ) -> Result<Answer, Halt> {
        if !is_unawaited {
            return self.call(client, procedure, input, session);
        }
        let login = Login::of(self.user(session));
        self.begin_call(client, procedure, Content::Json(input), login)?;
        Ok(None)
    }

    /// The same with any body and any credentials.
    pub(super) fn call_with(
        &mut self,
        client: &Client,
        procedure: impl Into<String>,
        content: Content,
        login: Login,
    ) -> Result<Answer, Halt> {
        let awaited = self.begin_call(client, procedure, content, login)?;
        Ok(self.answer(&awaited)?)
    }

    /// Sends a request. The answer is in the result once it has arrived.
    fn begin_call(
        &mut self,
        client: &Client,
        procedure: impl Into<String>,
        content: Content,
        login: Login,
    ) -> Result<Awaited, Halt> {
        let awaited = Awaited::default();
        let host = client.name().to_owned();
        let calling = client
            .clone()
            .call(procedure.into(), content, login, awaited.clone());
        self.stage.world.spawn(&host, calling)?;
        Ok(awaited)
    }

    /// The same with GET and any credentials.
    pub(super) fn query(
        &mut self,
        client: &Client,
        procedure: String,
        input: Value,
        login: Login,
    ) -> Result<Answer, Halt> {
        let awaited = Awaited::default();
        let host = client.name().to_owned();
        let asking = client.clone().query(procedure, input, login, awaited.clone());
        self.stage.world.spawn(&host, asking)?;
        Ok(self.answer(&awaited)?)
    }

    /// Posts to a test endpoint of a fake.
    pub(in crate::script) fn post_to_fake(&mut self, url: String, body: Value) -> Result<Answer, Halt> {
        let awaited = Awaited::default();
        let asking = self
            .stage
            .observer()
            .ask(Method::POST, url, body, awaited.clone());
        self.stage.world.spawn(OBSERVER, asking)?;
        Ok(self.answer(&awaited)?)
    }

    /// Checks the reply to a message step. Returns its data, or null for an expected refusal or loss, or if it is not
    /// awaited.
    pub(super) fn check_reply(
        &mut self,
        answer: &Answer,
        expected: &Reply,
        label: &Label,
        spot: Spot,
    ) -> Result<Value, Halt> {
        self.check_answer(&format!("`{label}`"), answer, expected, spot)
    }

    /// The same for a request without a label.
    pub(super) fn check_answer(
        &mut self,
        what: &str,
        answer: &Answer,
        expected: &Reply,
        spot: Spot,
    ) -> Result<Value, Halt> {
        let text = match (answer, expected.lost) {
            (None, _) if expected.unawaited => return Ok(Value::Null),
            (None, true) => return Ok(Value::Null),
            (None, false) => format!("{what} got no answer"),
            (Some((status, body)), true) => {
                format!("{what} was answered {status} {body}, but no answer was expected")
            }
            (Some((status, body)), false) => {
                if *status == expected.status.code() && contains(body, expected.contains.as_deref()) {
                    return Ok(body["result"]["data"].clone());
                }
                format!("{what} was answered {status} {body}, which the script does not expect")
            }
        };
        Err(self.fail_step(spot, None, text))
    }

    /// Checks the answer to a request that is not a message.
    pub(super) fn check_success(
        &mut self,
        what: &str,
        answer: &Answer,
        expected: &SuccessReply,
        spot: Spot,
    ) -> Result<(), Halt> {
        let Some((status, body)) = answer else {
            if expected.lost || expected.unawaited {
                return Ok(());
            }
            return Err(self.fail_step(spot, None, format!("the {what} got no answer")));
        };
        let success = &body["result"]["data"]["success"];
        let as_expected = !expected.lost
            && *status == expected.status.code()
            && contains(body, expected.contains.as_deref())
            && expected
                .success
                .is_none_or(|expected| *success == Value::Bool(expected));
        if as_expected {
            return Ok(());
        }
        let text = format!("the {what} was answered {status} {body}, which the script does not expect");
        Err(self.fail_step(spot, None, text))
    }
}

pub(super) fn contains(body: &Value, text: Option<&str>) -> bool {
    text.is_none_or(|text| body.to_string().contains(text))
}
