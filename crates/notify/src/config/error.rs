//! One mistake in a configuration, with its place.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub line: u64,
    pub column: u64,
    /// Which part of the file: `route.routes[2]`, `receivers[ops].slack_configs[0]`.
    pub place: String,
    pub reason: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.reason)
    }
}

impl ConfigError {
    /// Something that is spoken of is not there.
    pub fn is_about_absence(&self) -> bool {
        self.reason.starts_with("undefined ")
            || self.reason.starts_with("missing ")
            || self.reason.starts_with("no route ")
    }

    pub(crate) fn at(place: impl Into<String>, reason: impl Into<String>) -> Self {
        ConfigError {
            line: 0,
            column: 0,
            place: place.into(),
            reason: reason.into(),
        }
    }
}
