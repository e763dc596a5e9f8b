//! The template for the URLs of wrappers.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::delivery::Sandboxes;
use crate::store::SessionKey;

/// The placeholder for the session's id.
const PLACEHOLDER: &str = "{session}";
/// A session id with which a template is checked.
const SAMPLE: &str = "agent_00000000-0000-0000-0000-000000000000";

/// The URL of wrappers, in which `{session}` is replaced by the session's id. Without it, all sessions share one
/// wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapperUrl(String);

/// Why a text is not a valid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapperUrlError {
    /// The result is not a URL.
    #[error("it is not a URL: {0}")]
    NoUrl(#[from] url::ParseError),
    /// The scheme is not `http`.
    #[error("the scheme is {0}; only plain http is supported")]
    Scheme(String),
    /// The URL has a query or a fragment.
    #[error("it must not have a query or a fragment")]
    Rest,
    /// The URL has a user or a password.
    #[error("it must not have a user or a password")]
    Credentials,
    /// There is a placeholder other than `{session}`.
    #[error("{PLACEHOLDER} is the only placeholder")]
    Placeholder,
}

impl FromStr for WrapperUrl {
    type Err = WrapperUrlError;

    fn from_str(text: &str) -> Result<Self, WrapperUrlError> {
        if text.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return Err(WrapperUrlError::Placeholder);
        }
        let url: Url = text.replace(PLACEHOLDER, SAMPLE).parse()?;
        if url.scheme() != "http" {
            return Err(WrapperUrlError::Scheme(url.scheme().to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(WrapperUrlError::Rest);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WrapperUrlError::Credentials);
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
    fn the_placeholder_is_replaced_by_the_session_id() {
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
    fn invalid_templates_are_rejected() {
        for (template, wrong) in [
            ("127.0.0.1:9000", "not a URL"),
            ("wrapper:9000", "plain http"),
            ("https://wrapper", "plain http"),
            ("http://wrapper/?a=b", "query"),
            ("http://me@wrapper", "a user"),
            ("http://wrapper/{user}", "only placeholder"),
        ] {
            let error = template.parse::<WrapperUrl>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{template}: {error}");
        }
    }
}
