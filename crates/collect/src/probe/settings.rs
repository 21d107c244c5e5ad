//! What is wrong with a probe's settings whatever its target does: found when the configuration is read, so that a slip of the pen
//! is not a check that never judges anything.

use super::dial::TlsOptions;
use super::http::{HttpProbe, http_url, join};
use super::json::KINDS;
use super::kind::Probe;
use super::tcp::split_host_port;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Probe {
    /// Whether it can be asked at all; `base` is the endpoint of its model or its own.
    pub fn check_target(&self, base: Option<&str>) -> Result<(), String> {
        match self {
            Probe::Http(p) => check_http(p, base),
            Probe::OpenaiChat(_)
            | Probe::OpenaiCompletion(_)
            | Probe::OpenaiEmbedding(_)
            | Probe::KserveV2(_)
            | Probe::Triton(_)
            | Probe::Torchserve(_)
            | Probe::Golden(_) => check_url(self.address().or(base)),
            Probe::Websocket(_) => match self.address().or(base) {
                None => Err("it has no url".to_owned()),
                Some(url) => split_host_port(url, Some(80)).map(drop),
            },
            Probe::Tcp(_) | Probe::Grpc(_) => check_host(self.address().or(base), None),
            // Each of them has a port of its own; zero stands for it.
            Probe::Dns(_)
            | Probe::Tls(_)
            | Probe::Postgres(_)
            | Probe::Mysql(_)
            | Probe::Redis(_)
            | Probe::Smtp(_)
            | Probe::Icmp(_) => check_host(self.address().or(base), Some(0)),
            Probe::Process(_)
            | Probe::Systemd(_)
            | Probe::Container(_)
            | Probe::Resources(_)
            | Probe::Command(_)
            | Probe::Artifact(_) => Ok(()),
        }
    }

    /// Files that its TLS needs, to be looked for where the configuration is read.
    pub fn tls_files(&self) -> Vec<&Path> {
        let all: Vec<&TlsOptions> = match self {
            Probe::Http(p) => {
                let steps = p.steps.iter().map(|s| &s.tls);
                std::iter::once(&p.tls).chain(steps).collect()
            }
            Probe::Tcp(p) => p.tls.iter().chain(&p.starttls).collect(),
            Probe::Tls(p) => vec![&p.options],
            Probe::Grpc(p) => p.tls.iter().collect(),
            Probe::Dns(p) => p.rules.iter().filter_map(|r| r.tls.as_ref()).collect(),
            Probe::Websocket(p) => vec![&p.tls],
            Probe::Postgres(p) => p.tls.iter().collect(),
            Probe::Mysql(p) => p.tls.iter().collect(),
            Probe::Redis(p) => p.tls.iter().collect(),
            Probe::Smtp(p) => p.tls.iter().chain(&p.starttls).collect(),
            Probe::OpenaiChat(p) | Probe::OpenaiCompletion(p) | Probe::OpenaiEmbedding(p) => vec![&p.tls],
            Probe::KserveV2(p) | Probe::Triton(p) | Probe::Torchserve(p) | Probe::Golden(p) => vec![&p.tls],
            _ => Vec::new(),
        };
        all.into_iter()
            .flat_map(|tls| [&tls.ca_file, &tls.cert_file, &tls.key_file])
            .flatten()
            .map(std::path::PathBuf::as_path)
            .collect()
    }
}

fn check_http(probe: &HttpProbe, base: Option<&str>) -> Result<(), String> {
    let whole = probe.url.as_deref().or(base);
    if probe.steps.is_empty() {
        return check_request(probe, whole);
    }
    let mut saved = BTreeSet::new();
    for (i, step) in probe.steps.iter().enumerate() {
        check_saved(step, &saved)
            .and_then(|()| check_request(step, step.url.as_deref().or(whole)))
            .map_err(|why| format!("step {}: {why}", i + 1))?;
        saved.extend(step.save.keys().map(String::as_str));
    }
    Ok(())
}

/// In a single request such braces are whatever they are to the server.
fn check_saved(request: &HttpProbe, saved: &BTreeSet<&str>) -> Result<(), String> {
    let json = request.json.as_ref().map(Value::to_string);
    let texts = [&request.url, &request.path, &request.body, &json];
    let texts = texts.into_iter().flatten().chain(request.headers.values());
    for name in texts.flat_map(|text| placeholders(text)) {
        if !saved.contains(name) {
            return Err(format!("{{{{{name}}}}} was saved by no step before it"));
        }
    }
    Ok(())
}

fn check_request(request: &HttpProbe, base: Option<&str>) -> Result<(), String> {
    match base {
        // A part of it comes from an answer: it is known once that is there.
        Some(url) if url.contains("{{") => Ok(()),
        Some(url) => {
            let path = request.path.as_deref().filter(|p| !p.contains("{{"));
            check_url(Some(&join(url, path, &BTreeMap::new())))
        }
        None => check_url(None),
    }
}

/// The names in `{{name}}`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("{{").skip(1);
    let names = parts.filter_map(|part| part.split_once("}}").map(|(name, _)| name));
    names.filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

fn check_url(url: Option<&str>) -> Result<(), String> {
    let url = url.ok_or("it has neither a url nor an endpoint")?;
    http_url(url).map(drop).map_err(|fault| fault.detail)
}

fn check_host(address: Option<&str>, default_port: Option<u16>) -> Result<(), String> {
    let address = address.ok_or("it has neither an address nor an endpoint")?;
    split_host_port(address, default_port).map(drop)
}

/// A token of HTTP: what a method and the name of a header are made of.
pub(super) fn is_token(text: &str) -> bool {
    let is_mark = |b: u8| b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || is_mark(b))
}

/// Types of a schema that nothing can be of.
pub(super) fn check_schema(schema: &Value) -> Result<(), String> {
    let kinds = match schema.get("type") {
        None => &[],
        Some(Value::Array(many)) => many.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    for kind in kinds {
        if !kind.as_str().is_some_and(|k| KINDS.contains(&k)) {
            return Err(format!("schema: type {kind} is none of {}", KINDS.join(", ")));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let inner = properties.into_iter().flat_map(|p| p.values());
    inner.chain(schema.get("items")).try_for_each(check_schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(probe: Value, base: Option<&str>, expect: Result<(), &str>) {
        let shown = probe.to_string();
        let probe: Probe = serde_json::from_value(probe).unwrap();
        match (probe.check().and_then(|()| probe.check_target(base)), expect) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(expect)) if got.contains(expect) => {}
            (got, _) => panic!("{shown}: {got:?}"),
        }
    }

    #[test]
    fn a_probe_has_somewhere_to_go() {
        check(json!({"http": {}}), None, Err("neither a url nor an endpoint"));
        check(json!({"http": {}}), Some("http://a"), Ok(()));
        check(json!({"http": {"path": "/x"}}), Some("http://a:1/v1/"), Ok(()));
        check(json!({"http": {"url": "nope"}}), None, Err("nope"));
        check(json!({"http": {"url": "ftp://x"}}), None, Err("not an http URL"));
        check(json!({"golden": {}}), None, Err("neither a url"));
        check(json!({"openai_chat": {}}), Some("http://a"), Ok(()));
        check(json!({"websocket": {"url": "ws://a/x"}}), None, Ok(()));
        check(
            json!({"tcp": {}}),
            None,
            Err("neither an address nor an endpoint"),
        );
        check(json!({"tcp": {}}), Some("http://a"), Ok(()));
        check(json!({"tcp": {"address": "a:99999"}}), None, Err("a:99999"));
        check(json!({"tcp": {"address": "a"}}), None, Err("not host:port"));
        check(json!({"tcp": {"address": "[::1]:5"}}), None, Ok(()));
        check(json!({"icmp": {"host": ""}}), None, Err("\"\""));
        check(json!({"icmp": {"host": "10.0.0.1"}}), None, Ok(()));
        check(
            json!({"postgres": {"user": "a"}}),
            None,
            Err("neither an address"),
        );
        check(json!({"postgres": {"address": "db"}}), None, Ok(()));
        check(json!({"dns": {"name": "a"}}), None, Err("neither an address"));
        check(json!({"dns": {"name": "a", "server": "9.9.9.9"}}), None, Ok(()));
        check(json!({"resources": {}}), None, Ok(()));
    }

    #[test]
    fn conditions_that_can_never_hold_are_named() {
        let expect = |expect: Value| json!({"http": {"url": "http://a", "expect": expect}});
        check(expect(json!({"status": "9xx"})), None, Err("9xx"));
        check(expect(json!({"status": ["2xx", "404"]})), None, Ok(()));
        check(expect(json!({"status": "999"})), None, Ok(()));
        check(expect(json!({"status": "1000"})), None, Err("1000"));
        check(
            expect(json!({"json": {"a": "> x"}})),
            None,
            Err("\"x\" is not a number"),
        );
        check(
            expect(json!({"json": {"a": "> 0.5", "b": "=~ ^ok", "c": "!= x"}})),
            None,
            Ok(()),
        );
        check(
            expect(json!({"json": {"b": "=~ ("}})),
            None,
            Err("regular expression"),
        );
        check(expect(json!({"schema": {"type": "foo"}})), None, Err("\"foo\""));
        let nested = json!({"properties": {"a": {"items": {"type": ["null", "int"]}}}});
        check(expect(json!({"schema": nested})), None, Err("\"int\""));
        check(
            json!({"http": {"url": "http://a", "method": "B AD"}}),
            None,
            Err("B AD"),
        );
        check(
            json!({"http": {"url": "http://a", "headers": {"a b": "c"}}}),
            None,
            Err("a b"),
        );
        check(
            json!({"tls": {"address": "a", "warn_days": -1}}),
            None,
            Err("warn_days"),
        );
        check(
            json!({"tls": {"address": "a", "tls": {"warn_days": -1}}}),
            None,
            Err("warn_days"),
        );
    }

    #[test]
    fn a_step_speaks_of_what_was_saved_before_it() {
        let steps = |path: &str| {
            json!({"http": {"url": "http://a", "steps": [
                {"path": "/login", "save": {"token": "json t"}},
                {"path": path},
            ]}})
        };
        check(steps("/x?{{token}}"), None, Ok(()));
        check(steps("/x?{{tokn}}"), None, Err("step 2: {{tokn}}"));
    }
}
