//! Everything that is watched in the demo, moved forward together.

use super::embed::Embed;
use super::exposition::{Family, batch, text};
use super::gpus::Gpus;
use super::host::Host;
use super::rerank::Rerank;
use super::story::Story;
use super::vllm::Chat;
use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};

/// One thing to scrape: its job, its instance, where its metrics stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) job: &'static str,
    pub(super) instance: &'static str,
    pub(super) path: &'static str,
}

const fn target(job: &'static str, instance: &'static str, path: &'static str) -> Target {
    Target { job, instance, path }
}

pub(super) const TARGETS: [Target; 6] = [
    target("vllm", "chat-1", "/chat/metrics"),
    target("embed", "embed-1", "/embed/metrics"),
    target("triton", "rerank-1", "/rerank/metrics"),
    target("dcgm", "gpu-1", "/gpu/metrics"),
    target("node", "gpu-1", "/node/metrics"),
    target("legacy", "old-box", "/legacy/metrics"),
];

const SHARE_AFTER_ROLL_BACK: f64 = 0.002;

#[derive(Debug)]
pub(crate) struct World {
    story: Story,
    t_ms: i64,
    chat: Chat,
    embed: Embed,
    rerank: Rerank,
    gpus: Gpus,
    host: Host,
    /// The rollout of the embedder that somebody took back.
    rolled_back: Option<i64>,
}

impl World {
    /// As it stood when the history begins.
    pub(crate) fn new(story: Story) -> Self {
        World {
            story,
            t_ms: story.begins_ms(),
            chat: Chat::new(),
            embed: Embed::new(),
            rerank: Rerank::default(),
            gpus: Gpus::default(),
            host: Host::default(),
            rolled_back: None,
        }
    }

    /// Moves everything to `t_ms`; going back is ignored, so that two scrapes at once are harmless.
    pub(super) fn advance(&mut self, t_ms: i64) {
        if t_ms <= self.t_ms {
            return;
        }
        let dt_s = (t_ms - self.t_ms) as f64 / 1000.0;
        let (before, now) = (self.story.at(self.t_ms), self.story.at(t_ms));
        self.chat.step(&now, dt_s);
        let error_share = if self.rolled_back == Some(now.embed_rollout()) {
            SHARE_AFTER_ROLL_BACK
        } else {
            now.embed_error_share()
        };
        self.embed.step(&now, error_share, dt_s);
        self.rerank.step(&before, &now, dt_s);
        self.gpus.step(&now, dt_s);
        self.host.step(&now, dt_s);
        self.t_ms = t_ms;
    }

    /// None where the target does not answer.
    fn families(&self, target: Target) -> Option<Vec<Family>> {
        match target.job {
            "vllm" => Some(self.chat.families()),
            "embed" => Some(self.embed.families()),
            "triton" => Some(self.rerank.families()),
            "dcgm" => Some(self.gpus.families()),
            "node" => Some(self.host.families()),
            _ => None,
        }
    }

    /// What a scrape of this path gets; None when nothing answers there.
    pub(super) fn scrape(&self, path: &str) -> Option<String> {
        let target = TARGETS.into_iter().find(|t| t.path == path)?;
        self.families(target).map(|families| text(&families))
    }

    /// What a probe of this path is answered with; None where nothing is.
    pub(super) fn probe(&self, path: &str) -> Option<(u16, String)> {
        let well = |said: &str| Some((200, said.to_owned()));
        match path {
            "/chat/health" | "/embed/health" | "/spare/health" => well("ok"),
            "/chat/v1/models" | "/spare/v1/models" => {
                well(r#"{"object": "list", "data": [{"id": "chat", "object": "model"}]}"#)
            }
            "/rerank/v2/health/ready" if self.story.at(self.t_ms).rerank_is_wedged() => {
                Some((503, "the engine does not take requests\n".to_owned()))
            }
            "/rerank/v2/health/ready" => well(""),
            _ => None,
        }
    }

    /// What the repairs call; false where there is no such hook.
    pub(super) fn hook(&mut self, name: &str) -> bool {
        match name {
            "roll-back-embed" => {
                self.rolled_back = Some(self.story.at(self.t_ms).embed_rollout());
                true
            }
            // The made-up engine wedges in the past only: there is nothing to restart.
            "restart-rerank" => true,
            _ => false,
        }
    }

    /// What scrapes of all targets would keep at this moment, `up` included.
    pub(super) fn scraped(&self) -> Vec<WriteBatch> {
        let scraped = TARGETS.into_iter().map(|target| {
            let families = self.families(target);
            let labels = [("job", target.job), ("instance", target.instance)];
            let mut out = batch(families.as_deref().unwrap_or_default(), &labels, self.t_ms);
            let up = Labels::from_pairs(labels.into_iter().chain([("__name__", "up")])).unwrap_or_default();
            out.series.push(SeriesWrite {
                labels: up,
                samples: vec![Sample {
                    t_ms: self.t_ms,
                    value: f64::from(u8::from(families.is_some())),
                }],
                ..SeriesWrite::default()
            });
            out
        });
        scraped.collect()
    }
}
