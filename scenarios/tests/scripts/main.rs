//! Tests of scripts: the project's own are valid, and errors in invalid ones say what is wrong and where.

mod invalid;
#[cfg(unix)]
mod limits;
mod valid;
