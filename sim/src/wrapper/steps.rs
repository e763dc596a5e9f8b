//! Steps of cases that are about turns: their beginning at a gate of the gateway, their events, and their end.

use axum::http::Method;
use serde_json::{Value, json};

use super::ingest::{Admission, Event, Happened};
use super::rules::{COMPLETE, IDLE, LEAVES, OPENS, PING, RECONNECTS, TURN};
use super::stage::{Stage, frames};
use super::turns::{Turn, is_root_idle, name};
use crate::role::case::Step;
use crate::role::rule::RoleRule;
use crate::role::socket::Cut;

/// The tag of the gate at which a turn of a case waits.
const TAG: &str = "hold";
/// The prompt of a turn that waits at the gate.
pub(super) const AT_GATE: &str = "Please wait. __fake__:gate:hold";
/// The text of its answer.
pub(super) const RELEASED: &str = "done";
/// The close code of a server that restarts.
pub(super) const RESTART: u16 = 1012;
/// The close code for a stale fence.
pub(super) const STALE_CODE: u16 = 4401;
/// The status of a server that is not ready.
pub(super) const UNAVAILABLE: u16 = 503;

impl Stage {
    /// Makes the wrapper ready, sends a prompt that waits at the gate, and returns its id and the ingest.
    pub(super) async fn at_gate(&mut self, number: u32) -> Step<(String, usize)> {
        self.ready().await?;
        let id = self.session.message(number);
        self.prompt(&id, AT_GATE).await?;
        let socket = self.opened(&OPENS).await?;
        self.engaged().await?;
        Ok((id, socket))
    }

    /// Waits until a turn waits at the gate.
    pub(super) async fn engaged(&mut self) -> Step {
        let path = format!("/test/gate-status?tag={TAG}");
        let is_engaged = async |stage: &mut Self| {
            let status = stage.ask_gateway(Method::GET, &path).await;
            Ok((status["engaged"] == true).then_some(()))
        };
        self.poll(
            &TURN,
            "the gateway was not called for an accepted prompt",
            is_engaged,
        )
        .await
    }

    /// Lets the turn at the gate go on.
    pub(super) async fn release(&mut self) {
        self.ask_gateway(Method::POST, &format!("/test/release?tag={TAG}"))
            .await;
    }

    /// The number of answers that the gateway is sending.
    pub(super) async fn live_calls(&mut self) -> u64 {
        let waiters = self.ask_gateway(Method::GET, "/test/waiters").await;
        waiters["liveResponses"].as_u64().unwrap_or_default()
    }

    /// Repeats a request until it has a result.
    pub(super) async fn poll<T>(
        &mut self,
        rule: &RoleRule,
        what: &str,
        ask: impl AsyncFn(&mut Self) -> Step<Option<T>>,
    ) -> Step<T> {
        let deadline = self.record.seams.clock.now() + self.patience;
        loop {
            if let Some(result) = ask(self).await? {
                return Ok(result);
            }
            if self.record.seams.clock.now() >= deadline {
                let seconds = self.patience.as_secs_f64();
                return self.record.violated(rule, format!("{what} within {seconds} s"));
            }
            self.pause().await;
        }
    }

    /// Waits until the status of the job is idle, and nothing is pending.
    pub(super) async fn at_rest(&mut self, rule: &RoleRule) -> Step {
        let is_idle = async |stage: &mut Self| {
            let status = stage.status().await?;
            let is_empty = status["pendingMessages"].as_array().is_some_and(Vec::is_empty);
            Ok((status["state"] == "idle" && is_empty).then_some(()))
        };
        self.poll(rule, "`GET /job/status` is not idle and empty", is_idle)
            .await
    }

    /// Waits until a turn has ended, and checks what was reported of it: answers with these texts. Idle must not come
    /// before. Returns the index after its end.
    pub(super) async fn turn_ends(&mut self, from: usize, id: &str, texts: &[&str]) -> Step<usize> {
        let kilo = self.session.kilo.clone();
        let count = texts.len();
        let look = |events: &[Event]| {
            let end = Turn::of(frames(events), id).end(count);
            let idle = frames(events).position(|frame| is_root_idle(frame, &kilo));
            match (end, idle) {
                (Some(end), None) => Some(Ok(end)),
                (Some(end), Some(idle)) if end < idle => Some(Ok(end)),
                (_, Some(_)) => Some(Err(())),
                (None, None) => None,
            }
        };
        let what = format!("the turn of {id} did not end");
        if self.wait(&TURN, from, &what, look).await?.is_err() {
            // Whether the turn ends at all decides which rule is violated.
            let deadline = self.record.seams.clock.now() + self.patience;
            while Turn::of(&self.frames(from), id).end(count).is_none()
                && self.record.seams.clock.now() < deadline
            {
                self.pause().await;
            }
            let turn = Turn::of(&self.frames(from), id);
            if turn.end(count).is_some() {
                let text = format!("`session.idle` came before the end of the turn of {id}");
                return self.record.violated(&IDLE, text);
            }
            let ended = turn.answers.iter().filter(|(_, answer)| answer.end.is_some());
            let text = format!(
                "the wrapper is idle, and {} of {count} answers to {id} have ended",
                ended.count()
            );
            return self.record.violated(&TURN, text);
        }
        let frames = self.frames(from);
        let turn = Turn::of(&frames, id);
        if let Some(difference) = turn.difference(texts) {
            return self.record.violated(&TURN, format!("turn of {id}: {difference}"));
        }
        let end = turn.end(count).unwrap_or_default();
        Ok(self.after_frame(from, end))
    }

    /// Waits until `count` answers to a message have ended, and skips everything before. Returns the index after the end.
    pub(super) async fn ended(&mut self, id: &str, count: usize) -> Step<usize> {
        let what = format!("the turn of {id} did not end");
        let look = |events: &[Event]| Turn::of(frames(events), id).end(count);
        let end = self.wait(&TURN, 0, &what, look).await?;
        Ok(self.after_frame(0, end))
    }

    /// The index after a frame with this number.
    fn after_frame(&self, from: usize, number: usize) -> usize {
        let events = self.since(from);
        let mut frames = events
            .iter()
            .enumerate()
            .filter(|(_, event)| matches!(event.what, Happened::Frame(_)));
        frames.nth(number).map_or(from, |(index, _)| from + index + 1)
    }

    /// Waits for the idle of the session, then for `complete`, with no second one of either. Returns the data of
    /// `complete`.
    pub(super) async fn completes(&mut self, from: usize) -> Step<Value> {
        let (idle, after) = self.until(&IDLE, from, "session.idle", &["complete"]).await?;
        if !is_root_idle(&idle, &self.session.kilo) {
            let (seen, expected) = (&idle["data"]["properties"], &self.session.kilo);
            let text = format!("the properties of `session.idle` are {seen}, and the session is {expected}");
            return self.record.violated(&IDLE, text);
        }
        let (complete, after) = self.until(&COMPLETE, after, "complete", &[]).await?;
        self.calm().await;
        if self.frames(after).iter().any(|frame| name(frame) == "complete") {
            let text = "`complete` came twice".to_owned();
            return self.record.violated(&COMPLETE, text);
        }
        let data = complete["data"].clone();
        let gate = &data["gateResult"];
        if !data["exitCode"].is_number() || !(gate.is_null() || gate == "pass" || gate == "fail") {
            let text = format!(
                "the data of `complete` are {data}; `exitCode` must be a number, and `gateResult` `pass` or `fail`"
            );
            return self.record.violated(&COMPLETE, text);
        }
        Ok(data)
    }

    /// Waits until the wrapper closes an ingest.
    pub(super) async fn leaves(&mut self, rule: &RoleRule, socket: usize) -> Step {
        let what = format!("the wrapper did not close ingest {socket}");
        self.wait(rule, 0, &what, |events| {
            let is_closed =
                |event: &Event| event.socket == socket && matches!(event.what, Happened::Closed(_));
            events.iter().any(is_closed).then_some(())
        })
        .await
    }

    /// Waits for the end of a turn and of all work, and until the ingest is closed.
    pub(super) async fn turn_and_end(
        &mut self,
        from: usize,
        id: &str,
        texts: &[&str],
        socket: usize,
    ) -> Step {
        let after = self.turn_ends(from, id, texts).await?;
        self.completes(after).await?;
        self.leaves(&LEAVES, socket).await
    }

    /// Waits until everything that the wrapper wrote before on an ingest has arrived.
    pub(super) async fn flush(&mut self, socket: usize) -> Step {
        let from = self.mark();
        self.ingest.write(socket, json!({"type": "ping"}));
        self.until(&PING, from, "pong", &[]).await?;
        self.calm().await;
        Ok(())
    }

    /// Ends an ingest while a turn waits at the gate, holds the next one until the turn has ended, and returns the index
    /// from which on the next one is logged.
    pub(super) async fn lose_while_it_works(&mut self, socket: usize, cut: Cut) -> Step<usize> {
        self.flush(socket).await?;
        self.ingest.admit(Admission::Hold);
        let from = self.mark();
        self.cut(socket, cut);
        self.wait(
            &RECONNECTS,
            from,
            "the wrapper did not open a lost ingest again",
            |events| {
                events
                    .iter()
                    .any(|event| event.what == Happened::Connecting)
                    .then_some(())
            },
        )
        .await?;
        self.release().await;
        self.at_rest(&TURN).await?;
        self.ingest.admit(Admission::Accept);
        Ok(from)
    }
}
