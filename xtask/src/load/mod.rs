//! The load of the benches: a synthetic fleet, the bytes that carry it, and what a process used meanwhile.

mod answer;
mod fleet;
mod otlp;
mod page;
mod remote;
mod sink;
mod usage;

pub(crate) use self::answer::Answering;
pub(crate) use self::fleet::{Fleet, SERIES_PER_HOST};
pub(crate) use self::otlp::OtlpSender;
pub(crate) use self::page::Page;
pub(crate) use self::remote::Sender;
pub(crate) use self::sink::{Sink, Told};
pub(crate) use self::usage::{Usage, disk_bytes, usage};
