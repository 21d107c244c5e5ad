//! All kinds of probes in one list: a new one is a file, a line here in each of the places, and nothing else.

use super::artifact::ArtifactProbe;
use super::command::CommandLine;
use super::dns::DnsProbe;
use super::grpc::GrpcProbe;
use super::http::HttpProbe;
use super::icmp::IcmpProbe;
use super::inference::{InferenceProbe, Server};
use super::look::{Found, Look};
use super::mysql::MysqlProbe;
use super::openai::{Flavour, OpenAiProbe};
use super::postgres::PostgresProbe;
use super::process::{ContainerProbe, ProcessProbe, SystemdProbe};
use super::redis::RedisProbe;
use super::resources::ResourcesProbe;
use super::smtp::SmtpProbe;
use super::tcp::TcpProbe;
use super::tls::TlsProbe;
use super::websocket::WebSocketProbe;
use lapwing_types::ProbeOutcome;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What to do, as the configuration says it: `http: { path: /health }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    Http(Box<HttpProbe>),
    Tcp(Box<TcpProbe>),
    Dns(Box<DnsProbe>),
    Tls(Box<TlsProbe>),
    Icmp(IcmpProbe),
    Grpc(Box<GrpcProbe>),
    Websocket(Box<WebSocketProbe>),
    Postgres(Box<PostgresProbe>),
    Mysql(Box<MysqlProbe>),
    Redis(Box<RedisProbe>),
    Smtp(Box<SmtpProbe>),
    Process(ProcessProbe),
    Systemd(SystemdProbe),
    Container(ContainerProbe),
    Resources(ResourcesProbe),
    Command(CommandLine),
    Artifact(Box<ArtifactProbe>),
    OpenaiChat(Box<OpenAiProbe>),
    OpenaiCompletion(Box<OpenAiProbe>),
    OpenaiEmbedding(Box<OpenAiProbe>),
    KserveV2(Box<InferenceProbe>),
    /// Speaks KServe v2.
    Triton(Box<InferenceProbe>),
    Torchserve(Box<InferenceProbe>),
    /// A known input and what must come of it.
    Golden(Box<InferenceProbe>),
}

impl Probe {
    /// The key under which each stands in the configuration.
    pub const KINDS: &'static [&'static str] = &[
        "http",
        "tcp",
        "dns",
        "tls",
        "icmp",
        "grpc",
        "websocket",
        "postgres",
        "mysql",
        "redis",
        "smtp",
        "process",
        "systemd",
        "container",
        "resources",
        "command",
        "artifact",
        "openai_chat",
        "openai_completion",
        "openai_embedding",
        "kserve_v2",
        "triton",
        "torchserve",
        "golden",
    ];

    pub fn kind(&self) -> &'static str {
        match self {
            Probe::Http(_) => "http",
            Probe::Tcp(_) => "tcp",
            Probe::Dns(_) => "dns",
            Probe::Tls(_) => "tls",
            Probe::Icmp(_) => "icmp",
            Probe::Grpc(_) => "grpc",
            Probe::Websocket(_) => "websocket",
            Probe::Postgres(_) => "postgres",
            Probe::Mysql(_) => "mysql",
            Probe::Redis(_) => "redis",
            Probe::Smtp(_) => "smtp",
            Probe::Process(_) => "process",
            Probe::Systemd(_) => "systemd",
            Probe::Container(_) => "container",
            Probe::Resources(_) => "resources",
            Probe::Command(_) => "command",
            Probe::Artifact(_) => "artifact",
            Probe::OpenaiChat(_) => "openai_chat",
            Probe::OpenaiCompletion(_) => "openai_completion",
            Probe::OpenaiEmbedding(_) => "openai_embedding",
            Probe::KserveV2(_) => "kserve_v2",
            Probe::Triton(_) => "triton",
            Probe::Torchserve(_) => "torchserve",
            Probe::Golden(_) => "golden",
        }
    }

    /// Where it goes by its own settings: a URL, `host:port` or a host.
    pub fn address(&self) -> Option<&str> {
        let address = match self {
            Probe::Http(p) => &p.url,
            Probe::Tcp(p) => &p.address,
            Probe::Dns(p) => &p.server,
            Probe::Tls(p) => &p.address,
            Probe::Icmp(p) => &p.host,
            Probe::Grpc(p) => &p.address,
            Probe::Websocket(p) => &p.url,
            Probe::Postgres(p) => &p.address,
            Probe::Mysql(p) => &p.address,
            Probe::Redis(p) => &p.address,
            Probe::Smtp(p) => &p.address,
            Probe::Artifact(p) => &p.url,
            Probe::OpenaiChat(p) | Probe::OpenaiCompletion(p) | Probe::OpenaiEmbedding(p) => &p.url,
            Probe::KserveV2(p) | Probe::Triton(p) | Probe::Torchserve(p) | Probe::Golden(p) => &p.url,
            Probe::Process(_)
            | Probe::Systemd(_)
            | Probe::Container(_)
            | Probe::Resources(_)
            | Probe::Command(_) => &None,
        };
        address.as_deref()
    }

    /// `degraded_above` as it is spelt in a kind's own settings: of the whole look, like the one that stands beside every kind.
    pub fn degraded_above_ms(&self) -> Option<i64> {
        let said = match self {
            Probe::Postgres(p) => p.degraded_above,
            Probe::Http(p) => p.expect.degraded_above,
            Probe::Websocket(p) => p.expect.degraded_above,
            Probe::OpenaiChat(p) | Probe::OpenaiCompletion(p) | Probe::OpenaiEmbedding(p) => {
                p.expect.degraded_above
            }
            Probe::KserveV2(p) | Probe::Triton(p) | Probe::Torchserve(p) | Probe::Golden(p) => {
                p.expect.degraded_above
            }
            _ => None,
        };
        said.map(|limit| limit.0)
    }

    /// Whether it asks a model something and judges what comes.
    pub fn judges_answers(&self) -> bool {
        match self {
            Probe::OpenaiChat(_)
            | Probe::OpenaiCompletion(_)
            | Probe::OpenaiEmbedding(_)
            | Probe::KserveV2(_)
            | Probe::Triton(_)
            | Probe::Torchserve(_)
            | Probe::Golden(_) => true,
            Probe::Http(p) => p.expect.judges_answers() || p.steps.iter().any(|s| s.expect.judges_answers()),
            _ => false,
        }
    }

    /// What is wrong with its settings, found before it is first used.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Probe::Http(p) => p.check(),
            Probe::Tcp(p) => p.check(),
            Probe::Dns(p) => p.check(),
            Probe::Websocket(p) => p.check(),
            Probe::Process(p) => p.check(),
            Probe::Resources(p) => p.check(),
            Probe::Postgres(p) => p.check(),
            Probe::Command(p) => p.check(),
            Probe::Artifact(p) => p.check(),
            Probe::OpenaiChat(p) | Probe::OpenaiCompletion(p) | Probe::OpenaiEmbedding(p) => p.check(),
            Probe::KserveV2(p) | Probe::Triton(p) | Probe::Torchserve(p) | Probe::Golden(p) => p.check(),
            Probe::Tls(p) => p.check(),
            Probe::Icmp(p) => p.check(),
            Probe::Grpc(_)
            | Probe::Mysql(_)
            | Probe::Redis(_)
            | Probe::Smtp(_)
            | Probe::Systemd(_)
            | Probe::Container(_) => Ok(()),
        }
    }

    async fn look(&self, look: &Look) -> Found {
        match self {
            Probe::Http(p) => p.look(look).await,
            Probe::Tcp(p) => p.look(look).await,
            Probe::Dns(p) => p.look(look).await,
            Probe::Tls(p) => p.look(look).await,
            Probe::Icmp(p) => p.look(look).await,
            Probe::Grpc(p) => p.look(look).await,
            Probe::Websocket(p) => p.look(look).await,
            Probe::Postgres(p) => p.look(look).await,
            Probe::Mysql(p) => p.look(look).await,
            Probe::Redis(p) => p.look(look).await,
            Probe::Smtp(p) => p.look(look).await,
            Probe::Process(p) => p.look(look).await,
            Probe::Systemd(p) => p.look(look).await,
            Probe::Container(p) => p.look(look).await,
            Probe::Resources(p) => p.look(look).await,
            Probe::Command(p) => p.look(look).await,
            Probe::Artifact(p) => p.look(look).await,
            Probe::OpenaiChat(p) => p.look(look, Flavour::Chat).await,
            Probe::OpenaiCompletion(p) => p.look(look, Flavour::Completion).await,
            Probe::OpenaiEmbedding(p) => p.look(look, Flavour::Embedding).await,
            Probe::KserveV2(p) | Probe::Triton(p) => p.look(look, Server::KserveV2).await,
            Probe::Torchserve(p) => p.look(look, Server::Torchserve).await,
            Probe::Golden(p) => p.look(look, Server::Golden).await,
        }
    }
}

/// One look, done within its time whatever the target does.
pub async fn probe(probe: &Probe, look: &Look) -> ProbeOutcome {
    let started = look.nanos();
    let limit = Duration::from_millis(look.timeout_ms.max(1).unsigned_abs());
    let found = tokio::time::timeout(limit, probe.look(look)).await.ok();
    let degraded_above_ms = probe.degraded_above_ms().or(look.degraded_above_ms);
    look.outcome(started, found, degraded_above_ms)
}
