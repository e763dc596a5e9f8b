//! Where callbacks go to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

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
        let is_absolute =
            Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // What requests are made with has to understand it too.
        if !is_absolute || url.parse::<http::Uri>().is_err() {
            return Err(Refusal::bad_request(
                "the callback's url is not an absolute http or https URL",
            ));
        }
        for (name, value) in &headers {
            // Neither is repeated: a value may be a secret, and a wrong name a whole line with one.
            if name.parse::<http::HeaderName>().is_err() {
                return Err(Refusal::bad_request("a header's name is not one that HTTP has"));
            }
            if value.parse::<http::HeaderValue>().is_err() {
                let text = format!("the value of the header {name:?} is not one that HTTP has");
                return Err(Refusal::bad_request(text));
            }
        }
        Ok(Self { url, headers })
    }
}
