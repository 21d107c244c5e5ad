//! HTTP and HTTPS: one request, or several steps that carry values on (log in → predict → assert).
//!
//! Bounds: redirects, steps, bytes of each body; the look's timeout is over everything.

use super::cookies::Cookies;
use super::dial::TlsOptions;
use super::exchange::{Answer, Ask, Reading, ask};
use super::expect::{Expect, beginning, plain};
use super::http_rules::HttpRules;
use super::json::at_path;
use super::look::{Fault, Found, Look, too_slow};
use super::settings::is_token;
use crate::http::{Bytes, Secret};
use base64::Engine as _;
use lapwing_types::{ProbeReason, go_regex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::Url;

const REDIRECTS_MAX: usize = 10;
const STEPS_MAX: usize = 20;
const BODY_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpProbe {
    /// Whole, or without it `path` below the endpoint.
    pub url: Option<String>,
    pub path: Option<String>,
    /// GET, or POST when there is something to send.
    pub method: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
    /// Sent as JSON, with its content type.
    pub json: Option<serde_json::Value>,
    pub basic_auth: Option<Basic>,
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<std::path::PathBuf>,
    pub no_redirects: bool,
    pub body_max: Option<Bytes>,
    pub tls: TlsOptions,
    /// Whether the answer must come over HTTPS, or must not.
    pub https: Option<bool>,
    /// `HTTP/1.1`, `HTTP/2.0`: any without it.
    #[serde(deserialize_with = "super::expect::one_or_many")]
    pub http_versions: Vec<String>,
    pub no_http2: bool,
    pub expect: Expect,
    /// Values for later steps: `token: json access_token`, `id: header x-id`, `n: regex id=(\d+)`; used as `{{token}}`.
    pub save: BTreeMap<String, String>,
    /// Where in the answer the served version stands, as a JSON path.
    pub version: Option<String>,
    /// What only a module of blackbox_exporter says.
    #[serde(skip)]
    pub rules: Option<HttpRules>,
    /// Asked one after the other instead of the request above, whose headers, login and TLS they share.
    pub steps: Vec<HttpProbe>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Basic {
    pub username: String,
    pub password: Option<Secret>,
    pub password_file: Option<std::path::PathBuf>,
}

/// From one step to the next.
#[derive(Default)]
struct Carried {
    values: BTreeMap<String, String>,
    cookies: Cookies,
}

impl HttpProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.steps.len() > STEPS_MAX {
            return Err(format!("{} steps, {STEPS_MAX} are allowed", self.steps.len()));
        }
        self.expect.check()?;
        self.rules.as_ref().map_or(Ok(()), HttpRules::check)?;
        if let Some(method) = self.method.as_ref().filter(|m| !is_token(m)) {
            return Err(format!("{method:?} is no method of HTTP"));
        }
        if let Some(name) = self.headers.keys().find(|n| !is_token(n)) {
            return Err(format!("{name:?} is no name of a header"));
        }
        for rule in self.save.values() {
            match rule.split_once(' ') {
                Some(("regex", pattern)) => drop(go_regex(pattern).map_err(|e| e.to_string())?),
                Some(("json" | "header", _)) => {}
                _ => {
                    return Err(format!(
                        "{rule:?}: write `json PATH`, `header NAME` or `regex PATTERN`"
                    ));
                }
            }
        }
        self.steps.iter().try_for_each(HttpProbe::check)
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let mut carried = Carried::default();
        if self.steps.is_empty() {
            return self.step(look, self, &mut carried).await;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let started = look.nanos();
            step.step(look, self, &mut carried).await.map_err(|fault| Fault {
                detail: format!("step {}: {}", i + 1, fault.detail),
                ..fault
            })?;
            let what = format!("step {}", i + 1);
            let allowed = step.expect.degraded_above;
            if let Some(said) =
                allowed.and_then(|limit| too_slow(&what, look.seconds_since(started), limit.0))
            {
                look.degrade(ProbeReason::Latency, said);
            }
        }
        Ok(())
    }

    async fn step(&self, look: &Look, whole: &HttpProbe, carried: &mut Carried) -> Found {
        let started = look.nanos();
        let first = self.first_ask(look, whole, &carried.values)?;
        let mut answer = self.follow(look, first, &mut carried.cookies).await?;
        if let Some(seconds) = answer.header("last-modified").and_then(moment_s) {
            look.measure_more("probe_http_last_modified_timestamp_seconds", &[], seconds);
        }
        let connected = self.judge_connection(&answer);
        if connected.is_err() && !look.tells_all {
            return connected;
        }
        let (body, is_whole) = answer.read(look, &self.reading(whole)).await;
        connected?;
        let text = String::from_utf8_lossy(&body);
        // A wrong status says more than what is wrong with the body that came with it.
        if !self.expect.allows_status(answer.status) {
            look.note("body", beginning(&text));
            let detail = format!("the server answered with status {}", answer.status);
            return Err(Fault::new(ProbeReason::Status, detail));
        }
        is_whole?;
        self.judge(look, (&answer, &text), &mut carried.values)?;
        self.expect.judge_latency(look.seconds_since(started))
    }

    fn reading(&self, whole: &HttpProbe) -> Reading {
        let bytes_max = self.body_max.or(whole.body_max).map(|b| b.0);
        match &self.rules {
            Some(rules) => rules.reading(self.expect.judges_answers(), bytes_max),
            None => {
                let bytes_max = bytes_max.unwrap_or(BODY_BYTES_MAX);
                Reading {
                    bytes_max,
                    kept_max: bytes_max,
                    fails_unkept: false,
                    is_gzip: false,
                }
            }
        }
    }

    fn judge_connection(&self, answer: &Answer) -> Found {
        let version = answer.version();
        if !self.http_versions.is_empty() && !self.http_versions.iter().any(|v| v == version) {
            let wanted = self.http_versions.join(" or ");
            return Err(Fault::new(
                ProbeReason::Protocol,
                format!("the server speaks {version}, not {wanted}"),
            ));
        }
        match (self.https, answer.is_tls) {
            (Some(true), false) => Err(Fault::new(ProbeReason::Tls, "the answer did not come over TLS")),
            (Some(false), true) => Err(Fault::new(ProbeReason::Tls, "the answer came over TLS")),
            _ => Ok(()),
        }
    }

    fn judge(
        &self,
        look: &Look,
        (answer, text): (&Answer, &str),
        values: &mut BTreeMap<String, String>,
    ) -> Found {
        for (name, pattern) in &self.expect.headers {
            let value = answer.header(name).unwrap_or("");
            if !go_regex(pattern).is_ok_and(|r| r.is_match(value)) {
                let detail = format!("header {name} is {value:?}, not {pattern:?}");
                return Err(Fault::new(ProbeReason::Header, detail));
            }
        }
        for (name, pattern) in &self.expect.not_headers {
            let Some(value) = answer.header(name) else {
                continue;
            };
            if go_regex(pattern).is_ok_and(|r| r.is_match(value)) {
                let detail = format!("header {name} is {value:?}, which matches {pattern:?}");
                return Err(Fault::new(ProbeReason::Header, detail));
            }
        }
        if let Some(rules) = &self.rules {
            rules.judge(look, answer)?;
        }
        look.note("body", beginning(text));
        let judged = self.expect.judge_text(text, ProbeReason::Body);
        look.measure(
            "probe_failed_due_to_regex",
            if judged.is_err() { 1.0 } else { 0.0 },
        );
        judged?;
        for (name, rule) in &self.save {
            let value = saved(rule, answer, text).ok_or_else(|| {
                Fault::new(
                    ProbeReason::Body,
                    format!("there is no {name} ({rule}) in the answer"),
                )
            })?;
            values.insert(name.clone(), value);
        }
        if let Some(path) = &self.version {
            let json = serde_json::from_str(text).unwrap_or_default();
            let found = at_path(&json, path)
                .map(plain)
                .ok_or_else(|| Fault::new(ProbeReason::JsonPath, format!("there is no version at {path}")))?;
            look.serves_version(found);
        }
        Ok(())
    }

    fn first_ask(
        &self,
        look: &Look,
        whole: &HttpProbe,
        values: &BTreeMap<String, String>,
    ) -> Result<Ask, Fault> {
        let url = match (&self.url, &whole.url) {
            (Some(url), _) => fill(url, values),
            (None, Some(base)) if self.path.is_some() => join(base, self.path.as_deref(), values),
            (None, Some(url)) => fill(url, values),
            (None, None) => {
                let base = look
                    .base
                    .as_deref()
                    .ok_or_else(|| Fault::config("neither a url nor an endpoint"))?;
                join(base, self.path.as_deref(), values)
            }
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in whole.headers.iter().chain(&self.headers) {
            headers.push((name.clone(), fill(value, values)));
        }
        let body = match (&self.json, &self.body) {
            (Some(json), _) => {
                headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
                fill(&json.to_string(), values).into_bytes()
            }
            (None, Some(body)) => fill(body, values).into_bytes(),
            (None, None) => Vec::new(),
        };
        headers.extend(
            self.login()?
                .or(whole.login()?)
                .map(|value| ("authorization".to_owned(), value)),
        );
        let has_body = self.json.is_some() || self.body.is_some();
        Ok(Ask {
            method: self
                .method
                .clone()
                .unwrap_or_else(|| if has_body { "POST" } else { "GET" }.to_owned()),
            url: http_url(&url)?,
            headers,
            body,
            tls: if self.tls == TlsOptions::default() {
                whole.tls.clone()
            } else {
                self.tls.clone()
            },
            offer_h2: !self.no_http2 && !whole.no_http2,
        })
    }

    fn login(&self) -> Result<Option<String>, Fault> {
        let reveal = |secret: Option<Secret>| {
            let revealed = secret.map(|s| s.reveal()).transpose();
            revealed.map_err(|e| Fault::unjudged(ProbeReason::Config, format!("cannot read a secret: {e}")))
        };
        if let Some(token) = reveal(Secret::either(
            self.bearer_token.as_ref(),
            self.bearer_token_file.as_ref(),
        ))? {
            return Ok(Some(format!("Bearer {token}")));
        }
        let Some(basic) = &self.basic_auth else {
            return Ok(None);
        };
        let password = reveal(Secret::either(
            basic.password.as_ref(),
            basic.password_file.as_ref(),
        ))?;
        let pair = format!("{}:{}", basic.username, password.unwrap_or_default());
        let packed = base64::engine::general_purpose::STANDARD.encode(pair);
        Ok(Some(format!("Basic {packed}")))
    }

    /// Follows redirects; a circle ends at the bound. Credentials stay with the host that they were meant for.
    async fn follow(&self, look: &Look, mut next: Ask, cookies: &mut Cookies) -> Result<Answer, Fault> {
        for redirects in 0..=REDIRECTS_MAX {
            let answer = ask(look, &with_cookies(&next, cookies)).await?;
            look.measure("probe_http_status_code", f64::from(answer.status));
            look.measure("probe_http_content_length", answer.content_length());
            for text in answer.all("set-cookie") {
                cookies.take(&next.url, text);
            }
            let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            let to = answer.header("location").filter(|_| is_redirect);
            // One that was met and not followed counts, as it does in blackbox_exporter.
            let met = redirects + usize::from(to.is_some());
            look.measure("probe_http_redirects", met as f64);
            let Some(to) = to.filter(|_| !self.no_redirects) else {
                return Ok(answer);
            };
            let to = next
                .url
                .join(to)
                .map_err(|e| Fault::protocol(format!("redirect to {to:?}: {e}")))?;
            let to = http_url(to.as_str())?;
            if to.host_str() != next.url.host_str()
                || to.port_or_known_default() != next.url.port_or_known_default()
            {
                const OF_THE_HOST: [&str; 3] = ["authorization", "cookie", "host"];
                next.headers
                    .retain(|(n, _)| !OF_THE_HOST.iter().any(|one| n.eq_ignore_ascii_case(one)));
                next.tls.server_name = None;
            }
            if answer.status == 303 || (matches!(answer.status, 301 | 302) && next.method == "POST") {
                "GET".clone_into(&mut next.method);
                next.body.clear();
            }
            next.url = to;
        }
        let detail = format!("more than {REDIRECTS_MAX} redirects, the last to {}", next.url);
        Err(Fault::new(ProbeReason::Redirects, detail))
    }
}

/// Those that the answers set, after what the request itself says.
fn with_cookies(ask: &Ask, cookies: &Cookies) -> Ask {
    let mut ask = ask.clone();
    if let Some(text) = cookies.of(&ask.url) {
        let own = ask
            .headers
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case("cookie"));
        match own {
            Some((_, said)) => *said = format!("{said}; {text}"),
            None => ask.headers.push(("cookie".to_owned(), text)),
        }
    }
    ask
}

/// A date as HTTP writes it, `Wed, 21 Oct 2015 07:28:00 GMT`.
fn moment_s(text: &str) -> Option<f64> {
    let moment = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(moment.timestamp().as_second() as f64)
}

pub(super) fn http_url(text: &str) -> Result<Url, Fault> {
    let url = Url::parse(text).map_err(|e| Fault::config(format!("{text:?}: {e}")))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(Fault::config(format!("{text:?} is not an http URL")))
    }
}

/// The path below the endpoint, which may have a path of its own.
pub(super) fn join(base: &str, path: Option<&str>, values: &BTreeMap<String, String>) -> String {
    let path = fill(path.unwrap_or(""), values);
    let slash = if path.is_empty() || path.starts_with('/') {
        ""
    } else {
        "/"
    };
    format!("{}{slash}{path}", base.trim_end_matches('/'))
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    for (name, value) in values {
        out = out.replace(&format!("{{{{{name}}}}}"), value);
    }
    out
}

fn saved(rule: &str, answer: &Answer, text: &str) -> Option<String> {
    let (kind, what) = rule.split_once(' ')?;
    match kind {
        "header" => answer.header(what.trim()).map(str::to_owned),
        "json" => {
            let value: serde_json::Value = serde_json::from_str(text).ok()?;
            at_path(&value, what.trim()).map(plain)
        }
        _ => {
            let found = go_regex(what).ok()?.captures(text)?;
            let group = found.get(1).or_else(|| found.get(0))?;
            Some(group.as_str().to_owned())
        }
    }
}
