//! What a page carries besides words: a drawing of what it is about, and the message that it continues.

use serde::{Deserialize, Serialize};

/// A drawing, made by whoever has the series.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub png: Vec<u8>,
    /// For those who cannot see it, and where only words are taken.
    pub text: String,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} bytes, {:?})", self.png.len(), self.text)
    }
}

/// Where the receiver keeps a message that can be changed: Slack's channel and time stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    pub place: String,
    pub id: String,
}

/// The message that this page continues, and how the page differs from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continued {
    pub posted: Posted,
    /// Something fires that the message has not shown: an edit alone would be seen by nobody.
    pub has_news: bool,
}
