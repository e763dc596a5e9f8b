//! HTTP/1 messages: cuts them out of written bytes, and writes them with another content.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode};
use httparse::{EMPTY_HEADER, Header, Request, Response, Status};
use serde_json::{Map, Value, json};

/// The maximum number of headers.
const HEADERS: usize = 64;
/// Headers that belong to the connection.
const OF_CONNECTION: [HeaderName; 3] = [HOST, CONNECTION, CONTENT_LENGTH];

/// The first bytes of a connection.
pub enum Cut<T> {
    /// They are not a whole message yet.
    Incomplete,
    /// They are something else than a message with a known length.
    Unknown,
    /// A message, which was cut off.
    Message(T),
}

/// A message as it was written, and its content.
pub struct Written {
    /// The bytes.
    pub bytes: Bytes,
    /// The first line.
    first_line: Vec<u8>,
    /// Headers in order.
    headers: Vec<(String, Vec<u8>)>,
    /// The content: `path` and `headers` of a request, `status` of a reply, and `body`.
    pub value: Value,
}

/// Cuts off a reply. The switch to a WebSocket is no reply here.
pub fn cut_reply(buffer: &mut BytesMut) -> Cut<Written> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut reply = Response::new(&mut headers);
    let head = match reply.parse(buffer) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) => return Cut::Incomplete,
        Err(_) => return Cut::Unknown,
    };
    let status = reply.code.unwrap_or_default();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Cut::Unknown;
    }
    let value = json!({"status": status});
    let headers = owned(reply.headers);
    cut(buffer, head, headers, value)
}

/// Cuts off a request.
pub fn cut_request(buffer: &mut BytesMut) -> Cut<Written> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    let head = match request.parse(buffer) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) => return Cut::Incomplete,
        Err(_) => return Cut::Unknown,
    };
    let headers = owned(request.headers);
    let mut fields = Map::new();
    for (name, value) in &headers {
        if OF_CONNECTION
            .iter()
            .all(|of_connection| of_connection != name.as_str())
        {
            fields.insert(name.clone(), String::from_utf8_lossy(value).into());
        }
    }
    let path = request.path.unwrap_or_default();
    let value = json!({"path": path, "headers": fields});
    cut(buffer, head, headers, value)
}

fn owned(headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_owned()))
        .collect()
}

/// Cuts off a message whose head has `head` bytes, and adds its body to `value`.
fn cut(
    buffer: &mut BytesMut,
    head: usize,
    headers: Vec<(String, Vec<u8>)>,
    mut value: Value,
) -> Cut<Written> {
    let find = |wanted: &HeaderName| headers.iter().find(|(name, _)| wanted == name.as_str());
    if find(&TRANSFER_ENCODING).is_some() {
        return Cut::Unknown;
    }
    let length = match find(&CONTENT_LENGTH) {
        Some((_, length)) => str::from_utf8(length).ok().and_then(|length| length.parse().ok()),
        // A request without a length has no body.
        None => value.get("path").map(|_| 0),
    };
    let Some(length) = length else { return Cut::Unknown };
    if buffer.len() < head + length {
        return Cut::Incomplete;
    }
    let bytes = buffer.split_to(head + length).freeze();
    let body = &bytes[head..];
    value["body"] = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into());
    let first_line = bytes
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default()
        .to_owned();
    Cut::Message(Written {
        bytes,
        first_line,
        headers,
        value,
    })
}

impl Written {
    /// The status of a reply.
    pub fn status(&self) -> u64 {
        self.value["status"].as_u64().unwrap_or_default()
    }

    /// The bytes of the message with another content; `None` if that is not a message.
    pub fn with(&self, value: &Value) -> Option<Bytes> {
        let mut headers = self.headers.clone();
        let first_line = match value.get("path") {
            Some(path) => {
                let fields = value["headers"].as_object()?;
                headers.retain_mut(|(name, header)| match fields.get(name.as_str()) {
                    Some(Value::String(text)) => {
                        *header = text.clone().into_bytes();
                        true
                    }
                    _ => OF_CONNECTION
                        .iter()
                        .any(|of_connection| of_connection == name.as_str()),
                });
                let (line, path) = (str::from_utf8(&self.first_line).ok()?, path.as_str()?);
                let method = line.split(' ').next()?;
                format!("{method} {path} HTTP/1.1")
            }
            None => {
                let status = u16::try_from(value["status"].as_u64()?).ok()?;
                let status = StatusCode::from_u16(status)
                    .ok()
                    .filter(|status| !status.is_informational())?;
                format!("HTTP/1.1 {status}")
            }
        };
        let body = match &value["body"] {
            // A text that was no JSON before.
            Value::String(text) if !self.bytes.ends_with(b"\"") => text.clone(),
            body => body.to_string(),
        };
        let mut bytes = first_line.into_bytes();
        for (name, header) in headers.iter().filter(|(name, _)| CONTENT_LENGTH != name.as_str()) {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(header);
        }
        bytes.extend_from_slice(format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
        Some(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        "POST /job/abort HTTP/1.1\r\nHost: wrapper:9000\r\nX-Key: a\r\nContent-Length: 9\r\n\r\n{\"run\":1}";

    #[test]
    fn a_request_is_cut_off_when_it_is_complete() {
        let mut buffer = BytesMut::from(&REQUEST[..REQUEST.len() - 1]);
        assert!(matches!(cut_request(&mut buffer), Cut::Incomplete));
        buffer.extend_from_slice(b"}GET");
        let Cut::Message(request) = cut_request(&mut buffer) else {
            panic!("it is complete")
        };
        assert_eq!(&buffer[..], b"GET");
        assert_eq!(request.bytes, REQUEST);
        let expected = json!({"path": "/job/abort", "headers": {"x-key": "a"}, "body": {"run": 1}});
        assert_eq!(request.value, expected);
    }

    #[test]
    fn a_changed_request_has_the_length_of_its_body() {
        let mut buffer = BytesMut::from(REQUEST);
        let Cut::Message(request) = cut_request(&mut buffer) else {
            panic!("it is complete")
        };
        let changed = request
            .with(&json!({"path": "/job/abort", "headers": {}, "body": {}}))
            .unwrap();
        assert_eq!(
            changed,
            "POST /job/abort HTTP/1.1\r\nhost: wrapper:9000\r\ncontent-length: 2\r\n\r\n{}"
        );
        assert_eq!(
            request.with(&json!({"path": null, "headers": {}, "body": {}})),
            None
        );
    }

    #[test]
    fn a_reply_has_a_status_and_a_body() {
        let reply = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone";
        let Cut::Message(reply) = cut_reply(&mut BytesMut::from(reply)) else {
            panic!("it is complete")
        };
        assert_eq!(reply.value, json!({"status": 404, "body": "none"}));
        let changed = reply.with(&json!({"status": 500, "body": "no"})).unwrap();
        assert_eq!(
            changed,
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno"
        );
        assert_eq!(reply.with(&json!({"status": null, "body": "no"})), None);
        let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
        assert!(matches!(cut_reply(&mut BytesMut::from(switch)), Cut::Unknown));
    }
}
