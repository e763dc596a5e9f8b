//! Where the wrapper of a session is, by a template.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::delivery::Sandboxes;
use crate::store::SessionKey;

/// What stands for the id of the session.
const PLACEHOLDER: &str = "{session}";
/// A session id, to see what a template makes of one.
const SAMPLE: &str = "agent_00000000-0000-0000-0000-000000000000";

/// The URL of wrappers, in which `{session}` stands for the id of the session. Without it, one wrapper works
/// for all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapperUrl(String);

/// Why a text is no such template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongWrapperUrl {
    /// What it makes is no URL.
    #[error("it is not a URL: {0}")]
    NoUrl(#[from] url::ParseError),
    /// What it makes is one that wrappers cannot be reached by.
    #[error("wrappers are reached by plain http, not by {0}")]
    Scheme(String),
    /// It has more than where to begin.
    #[error("it must end before any ? or #")]
    Rest,
    /// It has user and password in it.
    #[error("it must not have a user or a password")]
    Credentials,
    /// It has another placeholder in it.
    #[error("{PLACEHOLDER} is the only thing that may stand in braces")]
    Placeholder,
}

impl FromStr for WrapperUrl {
    type Err = WrongWrapperUrl;

    fn from_str(text: &str) -> Result<Self, WrongWrapperUrl> {
        if text.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return Err(WrongWrapperUrl::Placeholder);
        }
        let url: Url = text.replace(PLACEHOLDER, SAMPLE).parse()?;
        if url.scheme() != "http" {
            return Err(WrongWrapperUrl::Scheme(url.scheme().to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(WrongWrapperUrl::Rest);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WrongWrapperUrl::Credentials);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for WrapperUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Sandboxes for WrapperUrl {
    fn wrapper_url(&self, session: &SessionKey) -> String {
        self.0.replace(PLACEHOLDER, session.session.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(template: &str) -> String {
        let key = SessionKey {
            user: "user-1".parse().unwrap(),
            session: SAMPLE.parse().unwrap(),
        };
        template.parse::<WrapperUrl>().unwrap().wrapper_url(&key)
    }

    #[test]
    fn the_session_stands_wherever_the_template_wants_it() {
        assert_eq!(url_of("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
        assert_eq!(url_of("http://127.0.0.1:9000/"), "http://127.0.0.1:9000");
        assert_eq!(
            url_of("http://{session}.sandboxes:9000/w"),
            format!("http://{SAMPLE}.sandboxes:9000/w")
        );
        assert_eq!(
            url_of("http://proxy/{session}/"),
            format!("http://proxy/{SAMPLE}")
        );
    }

    #[test]
    fn what_no_wrapper_can_be_reached_by_is_refused() {
        for (template, wrong) in [
            ("127.0.0.1:9000", "not a URL"),
            ("wrapper:9000", "plain http"),
            ("https://wrapper", "plain http"),
            ("http://wrapper/?a=b", "before any ?"),
            ("http://me@wrapper", "a user"),
            ("http://wrapper/{user}", "only thing"),
        ] {
            let error = template.parse::<WrapperUrl>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{template}: {error}");
        }
    }
}
