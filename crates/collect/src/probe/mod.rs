//! Looks at things: does it answer, rightly, soon enough? One file per kind of probe.
//!
//! Useful for: one look at one target, within its time, ending with a verdict and a named reason.
//! Not for: deciding a state (`judge::health`), repeating (the engine does).
//!
//! Must never happen: a look that outlives its timeout, a body or message without a bound, a secret in a detail, a panic
//! on what a target sends.

mod artifact;
mod call;
mod certificate;
mod command;
mod cookies;
mod dial;
mod dns;
mod dns_rules;
mod exchange;
mod expect;
mod grpc;
mod http;
mod http_rules;
mod icmp;
mod inference;
mod json;
mod kind;
mod line;
mod look;
mod module;
mod mysql;
mod openai;
mod postgres;
mod process;
mod redis;
mod resources;
mod s3;
mod scram;
mod settings;
mod smtp;
mod tcp;
mod tls;
mod websocket;

pub use artifact::ArtifactProbe;
pub use call::{Call, call};
pub use command::{CommandLine, Ended, run_command};
pub use dial::{IpPreference, TlsOptions};
pub use dns::DnsProbe;
pub use dns_rules::DnsRules;
pub use expect::{EmbeddingExpect, Expect, NumberExpect};
pub use grpc::GrpcProbe;
pub use http::{Basic, HttpProbe};
pub use http_rules::HttpRules;
pub use icmp::IcmpProbe;
pub use inference::InferenceProbe;
pub use kind::{Probe, probe};
pub use look::{Look, Nanos};
pub use module::Module;
pub use mysql::MysqlProbe;
pub use openai::OpenAiProbe;
pub use postgres::PostgresProbe;
pub use process::{ContainerProbe, ProcessProbe, SystemdProbe};
pub use redis::RedisProbe;
pub use resources::{ResourcesProbe, Thresholds};
pub use s3::S3Options;
pub use smtp::SmtpProbe;
pub use tcp::{Exchange, TcpProbe};
pub use tls::TlsProbe;
pub use websocket::WebSocketProbe;
