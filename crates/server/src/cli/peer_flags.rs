//! Flags as Go's command lines read them (`--name value`, `--name=value`, `--no-name`), for the commands that stand in a
//! peer's place.
//!
//! A flag that the peer does not know is a mistake, with a guess; one without a meaning here is taken, and named in
//! [`Flags::idle`] for whoever wants to say so.

use super::Exit;
use super::serve::LogFormat;
use crate::config::{Config, did_you_mean, normal_prefix};
use lapwing_types::parse_duration_ms;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// What a flag means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Takes a value that counts.
    Value,
    /// Is on or off, and counts.
    Switch,
    /// Takes a value that has no meaning here.
    IdleValue,
    /// Is on or off, and has no meaning here.
    IdleSwitch,
}

use Meaning::{IdleSwitch, IdleValue, Switch, Value};

/// A peer: the word on the command line, what it is called, and its flags in the order of their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) command: &'static str,
    pub(super) name: &'static str,
    pub(super) flags: &'static [(&'static str, Meaning)],
}

/// Flags as they were given; one that may come several times has several values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
    switches: BTreeMap<&'static str, bool>,
    /// Those without a meaning here, in the order in which they were given.
    pub(super) idle: Vec<&'static str>,
}

impl Peer {
    pub(super) fn parse(&self, words: impl IntoIterator<Item = String>) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let bare = match word.as_str() {
                "-h" => "help",
                word => word
                    .strip_prefix("--")
                    .ok_or_else(|| format!("unexpected {word:?}; flags begin with --"))?,
            };
            let (name, given) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            let (name, meaning, is_on) = self.find(name)?;
            match meaning {
                Switch | IdleSwitch => {
                    let is_on = match given.as_deref() {
                        None => is_on,
                        Some("true") => true,
                        Some("false") => false,
                        Some(other) => return Err(format!("--{name} is on or off and takes no {other:?}")),
                    };
                    flags.switches.insert(name, is_on);
                }
                Value | IdleValue => {
                    let value = given
                        .or_else(|| words.next())
                        .ok_or_else(|| format!("--{name} needs a value"))?;
                    flags.values.entry(name).or_default().push(value);
                }
            }
            if matches!(meaning, IdleValue | IdleSwitch) {
                flags.idle.push(name);
            }
        }
        Ok(flags)
    }

    /// The flag, and what a bare mention of it says.
    fn find(&self, name: &str) -> Result<(&'static str, Meaning, bool), String> {
        let exact = |wanted: &str| self.flags.iter().copied().find(|(known, _)| *known == wanted);
        if let Some((known, meaning)) = exact(name) {
            return Ok((known, meaning, true));
        }
        let negated = name.strip_prefix("no-").and_then(exact);
        if let Some((known, meaning @ (Switch | IdleSwitch))) = negated {
            return Ok((known, meaning, false));
        }
        let near = did_you_mean(name, self.flags.iter().map(|(known, _)| *known));
        let hint = near.map(|n| format!("; did you mean --{n}?")).unwrap_or_default();
        Err(format!("unknown flag --{name}{hint}"))
    }

    pub(super) fn help(&self) -> String {
        let mut out = format!(
            "usage: lapwing {} [<flags>]\n\nIn the place of {}. Flags:\n",
            self.command, self.name
        );
        for (name, meaning) in self.flags {
            let shown = match meaning {
                Value => format!("--{name}=VALUE"),
                Switch => format!("--[no-]{name}"),
                IdleValue => format!("--{name}=VALUE (no effect here)"),
                IdleSwitch => format!("--[no-]{name} (no effect here)"),
            };
            let _ = writeln!(out, "  {shown}");
        }
        out
    }

    pub(super) fn refuse(&self, message: &str) -> Exit {
        eprintln!("lapwing {}: {message}", self.command);
        Exit::Usage
    }

    /// Answers `--help` and `--version`, if one of them was asked for.
    pub(super) fn about(&self, flags: &Flags, more: &str) -> Option<Exit> {
        if flags.is_on("help") {
            print!("{}{more}", self.help());
            return Some(Exit::Fine);
        }
        if flags.is_on("version") {
            println!("lapwing, version {}", env!("CARGO_PKG_VERSION"));
            return Some(Exit::Fine);
        }
        None
    }
}

impl Flags {
    pub(super) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.switch(name).unwrap_or(false)
    }

    /// Nothing where it was not given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.switches.get(name).copied()
    }

    /// Comma-separated words of a flag that may come several times.
    pub(super) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        let lists = self.all(name).iter().flat_map(|v| v.split(','));
        lists.map(str::trim).filter(|w| !w.is_empty())
    }

    /// Nothing where it was not given, or is not above zero.
    pub(super) fn duration_ms(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.last(name) else {
            return Ok(None);
        };
        let ms = parse_duration_ms(text).map_err(|e| format!("--{name}: {e}"))?;
        Ok(Some(ms).filter(|ms| *ms > 0))
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, String> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| format!("--{name}: not a number: {text:?}"))
        };
        self.last(name).map(parse).transpose()
    }

    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        self.last(name).filter(|f| !f.is_empty()).map(PathBuf::from)
    }

    /// Level and format of the log, as the peers write them.
    pub(super) fn logging(&self) -> Result<(&'static str, LogFormat), String> {
        let level = self.one_of("log.level", &["info", "debug", "warn", "error"])?;
        let format = match self.one_of("log.format", &["logfmt", "json"])? {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        Ok((level, format))
    }

    /// One of a few words, the first where none was given; in which case they are typed is one.
    fn one_of(&self, name: &str, words: &[&'static str]) -> Result<&'static str, String> {
        let Some(given) = self.last(name) else {
            return Ok(words[0]);
        };
        let found = words.iter().find(|word| word.eq_ignore_ascii_case(given));
        found
            .copied()
            .ok_or_else(|| format!("--{name} is one of {} and not {given:?}", words.join(", ")))
    }

    /// Where to listen and how it is called from outside: the same flags in both peers.
    pub(super) fn listen(&self, default: &str, config: &mut Config) -> Result<(), String> {
        let mut addresses = Vec::new();
        for text in self.all("web.listen-address") {
            addresses.push(address_of(text)?);
        }
        if addresses.is_empty() {
            addresses.push(address_of(default)?);
        }
        config.web.listen = addresses.remove(0);
        config.web.listen_also = addresses;
        config.web.external_url = self
            .last("web.external-url")
            .filter(|u| !u.is_empty())
            .map(str::to_owned);
        // As there: without a prefix of its own, the path of the external address is the prefix.
        let path_outside = config
            .web
            .external_url
            .as_deref()
            .and_then(|url| url::Url::parse(url).ok());
        let prefix = match self.last("web.route-prefix") {
            Some(prefix) => prefix.to_owned(),
            None => path_outside.map_or_else(String::new, |url| url.path().to_owned()),
        };
        config.web.route_prefix = normal_prefix(&prefix)?;
        // The peers' own rule: an open address needs no login.
        config.web.open_without_token = true;
        Ok(())
    }
}

/// What a person who only changed the name of a binary should know of the addresses listened on.
pub(super) fn open_addresses(config: &Config) -> Option<String> {
    let open: Vec<String> = config
        .web
        .addresses()
        .filter(|a| !a.ip().is_loopback())
        .map(|a| a.to_string())
        .collect();
    (!open.is_empty()).then(|| {
        format!(
            "{} can be reached from other machines; unless --web.config.file names users, anyone there may read and write",
            open.join(", ")
        )
    })
}

/// `:9090` is every address of this machine.
fn address_of(text: &str) -> Result<SocketAddr, String> {
    let spelled = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    };
    let found = spelled.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| format!("--web.listen-address: not an address and port: {text:?}"))
}
