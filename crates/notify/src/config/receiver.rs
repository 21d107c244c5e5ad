//! A receiver and its channels. A new kind of channel is one file in `channels`, one line in [`channel_kinds`].

use super::raw::Global;
use crate::channels::{
    command::CommandConfig, discord::DiscordConfig, email::EmailConfig, incidentio::IncidentioConfig,
    line::FileConfig, line::LogConfig, mattermost::MattermostConfig, ntfy::NtfyConfig,
    opsgenie::OpsgenieConfig, pagerduty::PagerdutyConfig, pushover::PushoverConfig,
    rocketchat::RocketchatConfig, signed::SignedWebhookConfig, slack::SlackConfig, teams::TeamsConfig,
    teams_v1::TeamsV1Config, telegram::TelegramConfig, victorops::VictoropsConfig, webex::WebexConfig,
    webhook::WebhookConfig,
};
use serde::Deserialize;
use std::sync::Arc;

/// What a channel does with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureUse {
    None,
    /// It is part of the page, and has to be there before that leaves.
    Inside,
    /// It follows the page.
    After,
}

#[derive(Clone, Debug)]
pub struct Receiver {
    pub name: String,
    /// For filters of the API.
    pub labels: std::collections::BTreeMap<String, String>,
    pub channels: Vec<Arc<Channel>>,
}

impl Receiver {
    /// Each channel and its place among those of its kind: that place stays when channels of other kinds come and go.
    pub fn slots(&self) -> impl Iterator<Item = (usize, &Arc<Channel>)> {
        self.channels.iter().enumerate().map(|(i, channel)| {
            let same = |c: &&Arc<Channel>| c.kind() == channel.kind();
            (self.channels[..i].iter().filter(same).count(), channel)
        })
    }

    pub fn channel(&self, kind: &str, nth: usize) -> Option<&Arc<Channel>> {
        self.channels.iter().filter(|c| c.kind() == kind).nth(nth)
    }
}

macro_rules! channel_kinds {
    ($($variant:ident $key:ident $kind:literal $config:ty),+ $(,)?) => {
        /// One way to tell someone.
        #[derive(Clone, Debug)]
        pub enum Channel {
            $($variant(Box<$config>),)+
        }

        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct RawReceiver {
            #[serde(default)]
            pub(crate) name: String,
            #[serde(default)]
            pub(crate) labels: std::collections::BTreeMap<String, String>,
            $(#[serde(default)] pub(crate) $key: Vec<$config>,)+
            /// Kinds of Alertmanager's that are known and not spoken: refused by name, because a page to them would be lost.
            #[serde(default)]
            sns_configs: Vec<serde_json::Value>,
            #[serde(default)]
            wechat_configs: Vec<serde_json::Value>,
            #[serde(default)]
            jira_configs: Vec<serde_json::Value>,
        }

        impl Channel {
            /// The word for this kind in the ledger and in metrics.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Channel::$variant(_) => $kind,)+
                }
            }

            pub fn sends_resolved(&self) -> bool {
                match self {
                    $(Channel::$variant(c) => c.send_resolved,)+
                }
            }

            /// What goes out, without sending it.
            pub fn build(&self, context: &crate::message::Context<'_>) -> Result<crate::channels::Outgoing, crate::channels::BuildError> {
                match self {
                    $(Channel::$variant(c) => c.build(context),)+
                }
            }

            /// Whether a drawing of what is wrong goes with the page, or after it.
            pub fn picture_use(&self) -> PictureUse {
                match self {
                    Channel::Slack(c) if c.wants_picture() => PictureUse::After,
                    Channel::Email(c) if c.graph != Some(false) => PictureUse::Inside,
                    Channel::Discord(c) if c.graph != Some(false) => PictureUse::Inside,
                    Channel::Telegram(c) if c.graph != Some(false) => PictureUse::Inside,
                    _ => PictureUse::None,
                }
            }

            /// Every template text of this channel, for the check at load.
            pub fn templates(&self) -> Vec<&str> {
                match self {
                    $(Channel::$variant(c) => c.templates(),)+
                }
            }
        }

        impl Receiver {
            pub(crate) fn compile(raw: RawReceiver, global: &Global) -> Result<Receiver, Vec<(String, String)>> {
                let mut channels = Vec::new();
                let mut errors = Vec::new();
                let unspoken = [
                    ("sns_configs", &raw.sns_configs),
                    ("wechat_configs", &raw.wechat_configs),
                    ("jira_configs", &raw.jira_configs),
                ];
                for (key, _) in unspoken.iter().filter(|(_, list)| !list.is_empty()) {
                    let reason = "this kind of receiver is not supported; a webhook or a command can stand in";
                    errors.push(((*key).to_owned(), reason.to_owned()));
                }
                $(for (i, mut config) in raw.$key.into_iter().enumerate() {
                    match config.resolve(global) {
                        Ok(()) => channels.push(Arc::new(Channel::$variant(Box::new(config)))),
                        Err(reason) => errors.push((format!("{}[{i}]", stringify!($key)), reason)),
                    }
                })+
                if errors.is_empty() {
                    Ok(Receiver { name: raw.name, labels: raw.labels, channels })
                } else {
                    Err(errors)
                }
            }
        }
    };
}

channel_kinds! {
    Webhook webhook_configs "webhook" WebhookConfig,
    SignedWebhook signed_webhook_configs "signed_webhook" SignedWebhookConfig,
    Slack slack_configs "slack" SlackConfig,
    Email email_configs "email" EmailConfig,
    Pagerduty pagerduty_configs "pagerduty" PagerdutyConfig,
    Opsgenie opsgenie_configs "opsgenie" OpsgenieConfig,
    Teams msteamsv2_configs "msteamsv2" TeamsConfig,
    TeamsV1 msteams_configs "msteams" TeamsV1Config,
    Discord discord_configs "discord" DiscordConfig,
    Telegram telegram_configs "telegram" TelegramConfig,
    Pushover pushover_configs "pushover" PushoverConfig,
    Victorops victorops_configs "victorops" VictoropsConfig,
    Webex webex_configs "webex" WebexConfig,
    Rocketchat rocketchat_configs "rocketchat" RocketchatConfig,
    Mattermost mattermost_configs "mattermost" MattermostConfig,
    Incidentio incidentio_configs "incidentio" IncidentioConfig,
    Ntfy ntfy_configs "ntfy" NtfyConfig,
    Command command_configs "command" CommandConfig,
    Log log_configs "log" LogConfig,
    File file_configs "file" FileConfig,
}
