//! What stands around a session server, faked: three parties that speak the wire and know nothing of
//! any server's code.
//!
//! * [`gateway`]: an OpenRouter-shaped LLM API. The last user message of a request says how it is to be
//!   answered, as `__fake__:<directive>`: `echo:<text>`, `slow:<chunks>:<ms>`, `idle`, `hang`,
//!   `error:<text>`, `gate:<tag>`. Side doors: `POST /test/release?tag=` lets a gate's parked requests
//!   go on (204, or 404 if nobody is parked there), `GET /test/gate-status?tag=` tells whether anybody
//!   is, `GET /test/waiters` counts the parked and the unfinished answers.
//! * [`wrapper`]: the process in a session's sandbox, with its agent, kilo. An HTTP server, a client of
//!   the server's ingest WebSocket, and a client of the gateway. The session server's own requests and
//!   frames are all that moves it. `POST /test/behaviour` sets how it misbehaves until the next
//!   such request or the end of its process, in the form of the script step `wrapper`: `{"deaf":true,"job":{"lose-reply":1}}`; `{}` is to behave
//!   (204, or 400 with the place of what is wrong).
//! * [`receiver`]: where callbacks arrive. It answers 200 until `POST /test/answers` gives it other
//!   answers, one a callback, in place of those that are left:
//!   `[{"status":500},{"stall":true},{"drop":true},{"twice":true},{"delayMs":5000,"status":200}]`.
//!   `GET /test/answers` tells which are left.
//!
//! Each is made of [`turnstile_seams::Seams`] and an [`turnstile_events::observation::Witness`], and lives for as long as
//! the future of its `serve` is polled. What crosses its edges goes to the witness at the moment it is
//! handed over; `/health` and the side doors are not part of what is judged and leave no sight.
//!
//! Each is also a program of its own, `fake-gateway`, `fake-wrapper` and `fake-receiver`; see `program`.
//!
//! Dropping the runtime under a party is a crash. Its guards then run too and may report a peer as
//! gone: whoever stages a crash stops listening to the party's witness first.

pub mod coverage;
mod cut;
mod edge;
pub mod gateway;
#[cfg(feature = "program")]
pub mod program;
pub mod receiver;
mod twice;
pub mod wrapper;
