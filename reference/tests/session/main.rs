//! Tests of the session as a state machine, and of the store on a database in memory: no sockets, no clock.

mod bench;

mod deadlines;
mod failing_sync;
mod session_properties;
mod settlement_pairs;
mod store;
