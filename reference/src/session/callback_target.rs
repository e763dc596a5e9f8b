//! Where callbacks go to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Where a callback goes to. Not told to anybody, not even to a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenTarget")]
pub struct CallbackTarget {
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers that the receiver wants, secrets among them. Their names and values are such as HTTP has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for CallbackTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CallbackTarget")
    }
}

/// A [`CallbackTarget`] before it was looked at.
#[derive(Deserialize)]
struct WrittenTarget {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl TryFrom<WrittenTarget> for CallbackTarget {
    type Error = Refusal;

    fn try_from(WrittenTarget { url, headers }: WrittenTarget) -> Result<Self, Refusal> {
        let parsed: Option<http::Uri> = url.parse().ok();
        let is_absolute = parsed.is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
        });
        if !is_absolute {
            return Err(Refusal::bad_request(
                "the callback's url is not an absolute http or https URL",
            ));
        }
        for (name, value) in &headers {
            if name.parse::<http::HeaderName>().is_err() || value.parse::<http::HeaderValue>().is_err() {
                // The value may be a secret.
                return Err(Refusal::bad_request(format!(
                    "{name:?} is not a valid HTTP header"
                )));
            }
        }
        Ok(Self { url, headers })
    }
}
