//! Mutants for bugs that services of this kind have had and fixed.
//!
//! Each module covers one part of the protocol. As with the other mutants, the server's code knows nothing of them.

pub mod answers;
pub mod callbacks;
pub mod delivery;
pub mod grace;
pub mod settlement;
pub mod store;
pub mod stream;
