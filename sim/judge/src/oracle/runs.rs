//! What the wire shows of one run of a wrapper: its sockets, its frames and its pings (protocol §5, §7).
//!
//! The wrapper observes them. The server sees a socket open before the wrapper does, and everything else up to a
//! transit earlier or later. This module judges nothing.

use std::time::Duration;

use super::history::{Fence, Ingest, SessionHistory, WrapperFrame};

/// One run.
pub(super) struct Run<'s, 'a> {
    session: &'s SessionHistory<'a>,
    fence: &'a Fence,
    /// Its sockets, in order of opening.
    sockets: Vec<&'a Ingest>,
    /// Its frames, in order of sending, each with its socket.
    frames: Vec<(&'a Ingest, &'a WrapperFrame)>,
}

impl<'s, 'a> Run<'s, 'a> {
    /// The run with that fence; `None` if no socket of it was ever open.
    pub(super) fn of(session: &'s SessionHistory<'a>, fence: &'a Fence) -> Option<Self> {
        let sockets = session.ingests().filter(|ingest| ingest.fence == *fence);
        let sockets: Vec<&Ingest> = sockets.collect();
        let mut frames = Vec::new();
        for socket in &sockets {
            let of_socket = session.frames_on(socket);
            frames.extend(of_socket.map(|(place, frame)| (place, *socket, frame)));
        }
        frames.sort_unstable_by_key(|(place, ..)| *place);
        (!sockets.is_empty()).then_some(Self {
            session,
            fence,
            sockets,
            frames: frames
                .into_iter()
                .map(|(_, socket, frame)| (socket, frame))
                .collect(),
        })
    }

    /// The host of its wrapper.
    pub(super) fn host(&self) -> &'a str {
        self.sockets[0].host.as_str()
    }

    /// Its sockets, in order of opening.
    pub(super) fn sockets(&self) -> &[&'a Ingest] {
        &self.sockets
    }

    /// Its frames, in order of sending, each with its socket.
    pub(super) fn frames(&self) -> impl Iterator<Item = (&'a Ingest, &'a WrapperFrame)> {
        self.frames.iter().copied()
    }

    /// The times at which pings reached its wrapper.
    pub(super) fn pings(&self) -> impl Iterator<Item = Duration> {
        let (run, fence, id) = (self.session.run, self.fence, self.session.id);
        let is_own = move |ingest: &Ingest| ingest.fence == *fence && *ingest.session == *id;
        let pings = run.pings.iter();
        pings
            .filter(move |ping| is_own(&run.ingests[ping.ingest]))
            .map(|ping| ping.at)
    }

    /// The times at which pings reached its wrapper on one of its sockets.
    pub(super) fn pings_on(&self, socket: &Ingest) -> impl Iterator<Item = Duration> {
        let run = self.session.run;
        let pings = run.pings.iter();
        pings
            .filter(move |ping| std::ptr::eq(&raw const run.ingests[ping.ingest], socket))
            .map(|ping| ping.at)
    }

    /// The times at which its wrapper gave up opening a socket. The server may have accepted it and seen it close.
    pub(super) fn lost_openings(&self) -> impl Iterator<Item = Duration> {
        let (fence, id) = (self.fence, self.session.id);
        let lost = self.session.run.lost_openings.iter();
        lost.filter(move |lost| lost.fence == *fence && *lost.session == *id)
            .map(|lost| lost.at)
    }

    /// The time since which the run has had no socket at `time`, as its wrapper sees it; `None` if it may have one.
    ///
    /// A socket replaces the ones that were opened before it (R5.60), also if the wrapper keeps them. No socket survives a
    /// stop of the server; one that was opened before the restart is reported is one with the new process.
    pub(super) fn without_socket_since(&self, time: Duration) -> Option<Duration> {
        let faults = &self.session.run.faults;
        let restarted_at = faults.server_restarted_at(time);
        let stopped_at = restarted_at.and_then(|restart| faults.server_stopped_before(restart));
        let opened = self.sockets.iter().filter(|socket| {
            socket.opened_at <= time && stopped_at.is_none_or(|stop| socket.opened_at > stop)
        });
        let Some(newest) = opened.clone().map(|socket| socket.opened_at).max() else {
            return restarted_at;
        };
        // The server may have accepted two sockets in another order than the wrapper saw, by far if an answer was held up.
        let newest = opened.filter(|socket| {
            socket.opened_at + self.session.run.max_transit() >= newest
                || faults.may_have_held_up(self.host(), socket.opened_at, newest)
        });
        let closed_at = newest.map(|socket| socket.closed_at.filter(|closed_at| *closed_at <= time));
        closed_at.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether a socket of the run may have ended without a sign for the server, between its opening and `until`.
    pub(super) fn may_have_ended_silently(&self, until: Duration) -> bool {
        let faults = &self.session.run.faults;
        let opened_at = self.sockets[0].opened_at;
        faults.may_have_ended_silently(self.host(), opened_at, until)
    }
}

/// Whether a frame is a pong.
pub(super) fn is_pong(frame: &WrapperFrame) -> bool {
    frame.name == "pong"
}
