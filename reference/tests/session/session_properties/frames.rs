//! The frames of a wrapper as JSON (protocol §11).

use serde_json::{Value, json};
use turnstile_reference::identity::MessageId;

use crate::session_properties::actions::{Frame, Index, ReplyEnd};
use crate::session_properties::setting::KILO_SESSION;

/// The type and the data of a frame. `None` if it refers to a message and there is none.
#[expect(clippy::too_many_lines, reason = "one arm for each frame")]
pub fn to_json(
    frame: &Frame,
    message_at: impl Fn(Index) -> Option<MessageId>,
) -> Option<(&'static str, Value)> {
    let assistant_id = |message: Index, assistant: u8| {
        let id = message_at(message)?;
        Some((format!("a{assistant}-{id}"), id))
    };
    let kilo = |event: &str, properties: Value| {
        let mut data = properties.clone();
        data["event"] = json!(event);
        data["type"] = json!(event);
        data["properties"] = properties;
        ("kilocode", data)
    };
    Some(match frame {
        Frame::Reply {
            message,
            assistant,
            end,
        } => {
            let (id, parent) = assistant_id(*message, *assistant)?;
            let mut info = json!({"id": id, "role": "assistant", "sessionID": KILO_SESSION,
                "parentID": parent, "time": {"created": 1}});
            match end {
                ReplyEnd::Open => {}
                ReplyEnd::Completed => info["time"]["completed"] = json!(2),
                ReplyEnd::Failed => {
                    info["error"] = json!({"name": "APIError", "data": {"message": "402"}});
                }
            }
            kilo("message.updated", json!({"info": info}))
        }
        Frame::ReplyToUnknown => {
            let info = json!({"id": "a-nobody", "role": "assistant",
                "parentID": "msg_000000000000AAAAAAAAAAAAAA", "time": {"created": 1, "completed": 2}});
            kilo("message.updated", json!({"info": info}))
        }
        Frame::UserMessage { message } => {
            let info = json!({"id": message_at(*message)?, "role": "user", "time": {"created": 1}});
            kilo("message.updated", json!({"info": info}))
        }
        Frame::Part {
            message,
            assistant,
            part,
            content,
        } => {
            let (id, _) = assistant_id(*message, *assistant)?;
            let mut part = json!({"id": format!("p{part}"), "messageID": id, "type": "tool"});
            if let Some(text) = content {
                part["type"] = json!("text");
                part["text"] = json!(text);
            }
            kilo("message.part.updated", json!({"part": part}))
        }
        Frame::PartRemoved {
            message,
            assistant,
            part,
        } => {
            let (id, _) = assistant_id(*message, *assistant)?;
            kilo(
                "message.part.removed",
                json!({"messageID": id, "partID": format!("p{part}")}),
            )
        }
        Frame::Delta => kilo("message.part.delta", json!({"field": "text", "delta": "x"})),
        Frame::RootIdle => kilo("session.idle", json!({"sessionID": KILO_SESSION})),
        Frame::ChildIdle => kilo("session.idle", json!({"sessionID": "ses_child"})),
        Frame::Complete { branch, gate } => {
            let mut data = json!({"exitCode": 0});
            if let Some(branch) = branch {
                data["currentBranch"] = json!(branch);
            }
            if let Some(gate) = gate {
                data["gateResult"] = json!(gate);
            }
            ("complete", data)
        }
        Frame::Interrupted => ("interrupted", json!({})),
        Frame::Error { fatal } => ("error", json!({"fatal": fatal, "error": "broken"})),
        Frame::Pong => ("pong", json!({})),
        Frame::Other(event) if event.contains('.') => kilo(event, json!({})),
        Frame::Other(name) => (name, json!({})),
    })
}
