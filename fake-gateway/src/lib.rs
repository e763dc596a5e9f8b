//! Fakes of the three services around a session server. They speak the wire protocol and share no code with
//! any server.
//!
//! * [`gateway`]: an OpenRouter-shaped LLM API. A directive in the last user message selects the answer
//!   (R11.3–R11.10). Control routes: `POST /test/release?tag=`, `GET /test/gate-status?tag=` and
//!   `GET /test/waiters` (R11.14–R11.16).
//! * [`wrapper`]: the process in a session's sandbox with its agent, kilo. It is an HTTP server, a client of
//!   the server's ingest WebSocket and a client of the gateway, and acts only on requests and frames of the
//!   session server. Control route: `POST /test/behaviour` configures misbehaviour until the next such
//!   request or the end of the process. The body has the form of the script step `wrapper`, for example
//!   `{"deaf":true,"job":{"lose-reply":1}}`; `{}` restores normal behaviour. The answer is 204, or 400 with
//!   the path of the invalid field.
//! * [`receiver`]: the callback receiver. It answers 200 unless `POST /test/answers` queued other answers,
//!   one per callback:
//!   `[{"status":500},{"stall":true},{"drop":true},{"twice":true},{"delayMs":5000,"status":200}]`. A new list
//!   replaces the unused answers. `GET /test/answers` returns the unused answers.
//!
//! Each fake is built from [`turnstile_seams::Seams`] and a [`turnstile_events::observation::Probe`], and
//! runs while the future of its `serve` is polled. It reports what crosses its edges to the probe at the
//! moment it is sent or received. `/health` and the control routes are not observed.
//!
//! Each fake is also a program, `fake-gateway`, `fake-wrapper` or `fake-receiver`; see `program`.
//!
//! Dropping the runtime under a fake simulates a crash. Drop guards run during the crash, in any order, and may report
//! [`turnstile_events::observation::Observation::PeerGone`], so do not record that observation of a fake that has crashed.

pub mod coverage;
pub mod cut;
pub mod edge;
mod endless;
pub mod gateway;
#[cfg(feature = "program")]
pub mod program;
pub mod receiver;
mod twice;
pub mod wrapper;
