//! The kinds of effects and events.

use serde_json::Value;
use turnstile_reference::session::Effect;

/// The kind of an effect. Effects that are added to the server must be added here.
pub fn kind_of_effect(effect: &Effect) -> String {
    match effect {
        Effect::Broadcast(event) => {
            let kept = if event.id == 0 { "volatile" } else { "kept" };
            format!(
                "broadcast/{kept}/{}",
                kind_of_event(&event.stream_event_type, &event.data)
            )
        }
        Effect::Deliver(_) => "deliver".to_owned(),
        Effect::CancelDelivery(_) => "cancel-delivery".to_owned(),
        Effect::Send(_, command) => format!("send/{command:?}").to_lowercase(),
        Effect::Close(_, code) => format!("close/{code}"),
        Effect::StopWrapper(_) => "stop-wrapper".to_owned(),
        Effect::Enqueue(_) => "enqueue".to_owned(),
        Effect::CallbackGivenUp(..) => "callback-given-up".to_owned(),
        Effect::EndStreams => "end-streams".to_owned(),
    }
}

/// The kind of an event: its type, and for events of the agent their own name.
pub fn kind_of_event(stream_event_type: &str, data: &Value) -> String {
    match data["event"].as_str() {
        Some(event) => format!("{stream_event_type}/{event}"),
        None => stream_event_type.to_owned(),
    }
}
