//! One line per page: to the log, or appended to a file.

use super::outgoing::{BuildError, LineTarget, Outgoing};
use super::yes;
use crate::config::Global;
use crate::message::{Context, rfc3339};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub text: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    pub path: String,
    pub text: Option<String>,
}

const TEXT: &str = r#"{{ template "line.default.text" . }}"#;

fn line(context: &Context<'_>, text: &Option<String>) -> String {
    let n = context.notification;
    let said = context.text("text", text.as_deref().unwrap_or(TEXT));
    let flat: Vec<&str> = said.split_whitespace().collect();
    format!("{} {} {}", rfc3339(n.now_ms), n.severity(), flat.join(" "))
}

impl LogConfig {
    pub(crate) fn resolve(&mut self, _global: &Global) -> Result<(), String> {
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        Ok(Outgoing::Line(LineTarget::Console, line(context, &self.text)))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        self.text.iter().map(String::as_str).collect()
    }
}

impl FileConfig {
    pub(crate) fn resolve(&mut self, _global: &Global) -> Result<(), String> {
        if self.path.is_empty() {
            return Err("missing path on file_config".to_owned());
        }
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let target = LineTarget::File(self.path.clone());
        Ok(Outgoing::Line(target, line(context, &self.text)))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        self.text.iter().map(String::as_str).collect()
    }
}
