//! Writes the file that describes a probed target.

use std::fmt::Write as _;
use std::net::SocketAddr;

use toml_edit::Value;

use super::Findings;
use super::work::changed_fields;

/// The names of the environment variables with the secrets of a target.
#[derive(Debug, Clone)]
pub struct SecretNames {
    /// Of the secret of users' tokens.
    pub api: String,
    /// Of the secret of stream tickets.
    pub ticket: String,
    /// Of the key of internal procedures.
    pub internal_api_key: String,
}

/// What was declared of a target, as far as its file repeats it.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its host and port.
    pub authority: String,
    /// Factor by which its durations are shortened.
    pub speed: u32,
    /// Kills and restarts it.
    pub restart_command: Option<String>,
    /// The host and port of its test clock.
    pub test_clock: Option<String>,
    /// Where its secrets are.
    pub secrets: SecretNames,
    /// Where the wrapper listens.
    pub wrapper: SocketAddr,
    /// The version that the wrapper reports.
    pub wrapper_version: Option<String>,
    /// Where the receiver listens.
    pub receiver: SocketAddr,
    /// Where the server reaches the receiver.
    pub receiver_reached_at: Option<String>,
    /// The authority of its ingest URL, if it was declared.
    pub ingest_authority: Option<String>,
}

/// The text of the file.
pub fn write_target(declared: &Declaration, findings: &Findings) -> String {
    let mut text = String::from("# Written by `turnstile probe`.\n");
    for step in &findings.failed {
        line(&mut text, format_args!("# The step `{step}` failed."));
    }
    let mut set = |key: &str, value: &str| line(&mut text, format_args!("{key} = {}", quoted(value)));
    set("url", &format!("http://{}", declared.authority));
    if let Some(command) = &declared.restart_command {
        set("restart-command", command);
    }
    if let Some(authority) = &declared.test_clock {
        set("test-clock", &format!("http://{authority}"));
    }
    let found = findings.ingest_authority.as_ref();
    let declared_authority = declared.ingest_authority.as_ref();
    if let Some(authority) = found.or(declared_authority.filter(|given| **given != declared.authority)) {
        set("ingest-authority", authority);
    }
    if declared.speed != 1 {
        line(&mut text, format_args!("speed = {}", declared.speed));
    }
    if findings.sandboxes {
        line(&mut text, format_args!("capabilities = [\"sandboxes\"]"));
    }
    let secrets = &declared.secrets;
    section(
        &mut text,
        "secrets",
        &[
            ("api", Some(&secrets.api)),
            ("ticket", Some(&secrets.ticket)),
            ("internal-api-key", Some(&secrets.internal_api_key)),
        ],
    );
    let (wrapper, receiver) = (declared.wrapper.to_string(), declared.receiver.to_string());
    let version = declared.wrapper_version.as_ref();
    section(
        &mut text,
        "wrapper",
        &[("listen", Some(&wrapper)), ("version", version)],
    );
    let reached_at = declared.receiver_reached_at.as_ref();
    section(
        &mut text,
        "receiver",
        &[("listen", Some(&receiver)), ("reached-at", reached_at)],
    );
    let fields = changed_fields(&findings.profile);
    if !fields.is_empty() {
        line(&mut text, format_args!("\n[profile]\n{}", fields.join("\n")));
    }
    text
}

fn section(text: &mut String, name: &str, values: &[(&str, Option<&String>)]) {
    line(text, format_args!("\n[{name}]"));
    for (key, value) in values {
        if let Some(value) = value {
            line(text, format_args!("{key} = {}", quoted(value)));
        }
    }
}

fn line(text: &mut String, content: std::fmt::Arguments) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content}");
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::live::target::TargetFile;

    #[test]
    fn what_is_written_can_be_read() {
        let declared = Declaration {
            authority: "127.0.0.1:8787".to_owned(),
            speed: 2,
            restart_command: Some("kill \"$(cat pid)\"; ./start \\ now".to_owned()),
            secrets: SecretNames {
                api: "A".to_owned(),
                ticket: "B".to_owned(),
                internal_api_key: "C".to_owned(),
            },
            test_clock: Some("127.0.0.1:8788".to_owned()),
            wrapper: ([127, 0, 0, 1], 9000).into(),
            wrapper_version: None,
            receiver: ([127, 0, 0, 1], 9200).into(),
            receiver_reached_at: Some("here:9200".to_owned()),
            ingest_authority: None,
        };
        let mut findings = Findings {
            sandboxes: true,
            ingest_authority: Some("server.internal:80".to_owned()),
            failed: vec!["session health"],
            ..Findings::default()
        };
        findings.profile.callback_at_start = false;
        findings.profile.delivery_retry_delays_cold = vec![Duration::from_secs(2); 2];
        let text = write_target(&declared, &findings);
        let read = TargetFile::parse(&text, Path::new("target.toml"));
        let read = read.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(read.profile, findings.profile);
        assert_eq!(read.restart_command, declared.restart_command);
        assert_eq!(read.test_clock.as_deref(), Some("http://127.0.0.1:8788"));
        assert_eq!(read.ingest_authority, findings.ingest_authority);
        assert_eq!(read.receiver.reached_at, declared.receiver_reached_at);
        assert_eq!((read.speed, read.capabilities.len()), (Some(2), 1));
        assert!(text.contains("# The step `session health` failed."), "{text}");
    }
}
