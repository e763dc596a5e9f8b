//! The target of callbacks.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::refusal::Refusal;

/// A callback receiver (R2.46, R2.47). No view, event or log contains it (R9.68).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedTarget")]
pub struct CallbackTarget {
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// Headers for the receiver, which may be secrets. Names and values are legal in HTTP.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for CallbackTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CallbackTarget")
    }
}

/// A target before its check.
#[derive(Deserialize)]
struct UncheckedTarget {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl TryFrom<UncheckedTarget> for CallbackTarget {
    type Error = Refusal;

    fn try_from(UncheckedTarget { url, headers }: UncheckedTarget) -> Result<Self, Refusal> {
        let is_absolute =
            Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The HTTP client must accept the URL too.
        if !is_absolute || url.parse::<http::Uri>().is_err() {
            return Err(Refusal::bad_request(
                "the callback's url is not an absolute http or https URL",
            ));
        }
        for (name, value) in &headers {
            // Neither is repeated: a value may be a secret, and a malformed name may contain one.
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
