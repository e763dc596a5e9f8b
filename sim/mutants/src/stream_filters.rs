//! Mutants of the filters of a stream (protocol §9). Each changes the query of the request.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http::Uri;
use turnstile_reference::server::Hooks;

/// Returns the new value of a parameter, by its name and its value; `None` to leave it out.
type Change = fn(&str, &str) -> Option<String>;

/// Ignores the filter by executions; violates R9.6.
pub fn ignore_executions(hooks: &mut Hooks) {
    change_query(hooks, |name, value| {
        (name != "executionIds").then(|| value.to_owned())
    });
}

/// Ignores the filter by time; violates R9.7.
pub fn ignore_times(hooks: &mut Hooks) {
    change_query(hooks, |name, value| {
        (!matches!(name, "startTime" | "endTime")).then(|| value.to_owned())
    });
}

/// Lets only the first type of a list pass; violates R9.5.
pub fn let_first_type_pass(hooks: &mut Hooks) {
    change_query(hooks, |name, value| {
        let types = value.replace("%2C", ",");
        let first = types.split(',').next().filter(|_| name == "eventTypes");
        Some(first.unwrap_or(value).to_owned())
    });
}

/// Changes the parameters of every request for a stream.
fn change_query(hooks: &mut Hooks, change: Change) {
    hooks.router = Box::new(move |router| {
        router.layer(from_fn(move |mut request: Request, next: Next| async move {
            if let Some(uri) = changed(request.uri(), change) {
                *request.uri_mut() = uri;
            }
            next.run(request).await
        }))
    });
}

/// The URL of a stream with changed parameters; `None` for other URLs.
fn changed(uri: &Uri, change: Change) -> Option<Uri> {
    if uri.path() != "/stream" {
        return None;
    }
    let pairs = uri.query()?.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some(format!("{name}={}", change(name, value)?))
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    format!("{}?{query}", uri.path()).parse().ok()
}
