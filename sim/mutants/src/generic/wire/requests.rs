//! The requests of a server to wrappers and callback receivers.

use std::sync::Arc;

use bytes::BytesMut;
use serde_json::Value;

use super::Output;
use super::http::{Cut, cut_request};
use crate::generic::planted::{Fate, Planted, Unit};
use crate::generic::{Operation, Place};

/// The operations on whole requests. A second request on the same connection would not be read.
const WHOLE: [Operation; 2] = [Operation::Drop, Operation::Delay];

/// The requests on one connection.
pub struct Requests {
    planted: Arc<Planted>,
    /// The first label of the host's name, because all wrappers are alike.
    host: String,
    buffer: BytesMut,
}

impl Requests {
    /// Reads requests to `authority`.
    pub fn new(authority: &str, planted: Arc<Planted>) -> Self {
        let host = authority.split(['.', ':']).next().unwrap_or_default();
        Self {
            planted,
            host: host.to_owned(),
            buffer: BytesMut::new(),
        }
    }

    /// Takes written bytes.
    pub fn write(&mut self, bytes: &[u8], out: &mut Output) {
        self.buffer.extend_from_slice(bytes);
        loop {
            match cut_request(&mut self.buffer) {
                Cut::Incomplete => return,
                Cut::Unknown => return out.bytes(self.buffer.split()),
                Cut::Message(request) => {
                    let path = request.value["path"].as_str().unwrap_or_default();
                    let path = path.split('?').next().unwrap_or_default();
                    let unit = Unit {
                        place: Place::Request,
                        kind: &format!("{}{path}", self.host),
                        whole: &WHOLE,
                        value: &request.value,
                        is_possible: &|value: &Value| request.with(value).is_some(),
                    };
                    match self.planted.fate(&self.host, &unit) {
                        Fate::Whole(Operation::Drop) => {}
                        Fate::Whole(Operation::Delay) => out.late(request.bytes),
                        Fate::Changed(value) => out.bytes(request.with(&value).unwrap_or(request.bytes)),
                        _ => out.bytes(request.bytes),
                    }
                }
            }
        }
    }
}
