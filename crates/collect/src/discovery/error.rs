//! Why a discovery brought nothing new; what was found before stays in force.

use crate::http::{FetchError, HttpConfigError};

#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error("{what} cannot be read")]
    Read {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{what} is not valid: {detail}")]
    Invalid { what: String, detail: String },
    #[error("fetching {url}")]
    Fetch { url: String, source: FetchError },
    #[error("{what} has {count} entries, at most {max} are taken")]
    TooMany { what: String, count: usize, max: usize },
    #[error("looking up {name}: {detail}")]
    Dns { name: String, detail: String },
    #[error("HTTP options")]
    Http(#[from] HttpConfigError),
}
