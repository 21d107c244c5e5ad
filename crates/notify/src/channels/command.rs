//! A command on this machine: the webhook's JSON on its standard input, the essentials in its environment.
//!
//! No shell is involved; alert texts never become arguments unless the config puts a template there.

use super::outgoing::{BuildError, Call, Outgoing};
use super::{webhook, yes};
use crate::config::Global;
use crate::message::Context;
use lapwing_types::parse_duration_ms;
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// The program and its arguments.
    pub command: Vec<String>,
    pub timeout: Option<String>,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl CommandConfig {
    pub(crate) fn resolve(&mut self, _global: &Global) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("command must name a program".to_owned());
        }
        if let Some(timeout) = &self.timeout {
            parse_duration_ms(timeout).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn build(&self, context: &Context<'_>) -> Result<Outgoing, BuildError> {
        let n = context.notification;
        let body = serde_json::to_vec(&webhook::payload(context, 0))
            .map_err(|e| format!("encoding the payload: {e}"))?;
        let (program, args) = self
            .command
            .split_first()
            .ok_or_else(|| "command must name a program".to_owned())?;
        let timeout = self.timeout.as_deref().and_then(|t| parse_duration_ms(t).ok());
        Ok(Outgoing::Command(Call {
            program: program.clone(),
            args: args.iter().map(|a| context.exact("command", a, a)).collect(),
            environment: vec![
                ("LAPWING_STATUS".to_owned(), n.status().to_owned()),
                ("LAPWING_SEVERITY".to_owned(), n.severity().as_str().to_owned()),
                ("LAPWING_RECEIVER".to_owned(), n.receiver.clone()),
                ("LAPWING_NOTIFICATION_ID".to_owned(), n.id.clone()),
                (
                    "LAPWING_SUBJECT".to_owned(),
                    context.text("subject", r#"{{ template "__subject" . }}"#),
                ),
            ],
            stdin: body,
            timeout: timeout.map_or(TIMEOUT, |ms| Duration::from_millis(ms.unsigned_abs())),
        }))
    }

    pub(crate) fn templates(&self) -> Vec<&str> {
        self.command.iter().skip(1).map(String::as_str).collect()
    }
}
