//! Modules of blackbox_exporter, as its `blackbox.yml` says them: which probe of ours does the same to a target.
//!
//! Whatever cannot be done as it is written is refused with its name when the file is read: a module that looks elsewhere
//! than its owner meant (past a proxy, without a login) would be worse than none.

use super::dial::{IpPreference, TlsOptions};
use super::dns::DnsProbe;
use super::expect::Expect;
use super::grpc::GrpcProbe;
use super::http::{Basic, HttpProbe};
use super::icmp::IcmpProbe;
use super::kind::Probe;
use super::tcp::{Exchange, TcpProbe};
use crate::http::{Bytes, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One entry of `modules:`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Module {
    pub prober: String,
    /// `5s`; the scraper's own without it.
    pub timeout: Option<crate::http::Millis>,
    pub http: HttpSettings,
    pub tcp: TcpSettings,
    pub dns: DnsSettings,
    pub icmp: IcmpSettings,
    pub grpc: GrpcSettings,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    valid_status_codes: Vec<u16>,
    valid_http_versions: Vec<String>,
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    method: Option<String>,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_file: Option<PathBuf>,
    body_size_limit: Option<Bytes>,
    follow_redirects: Option<bool>,
    no_follow_redirects: Option<bool>,
    fail_if_ssl: bool,
    fail_if_not_ssl: bool,
    fail_if_body_matches_regexp: Vec<String>,
    fail_if_body_not_matches_regexp: Vec<String>,
    fail_if_header_matches: Vec<HeaderMatch>,
    fail_if_header_not_matches: Vec<HeaderMatch>,
    basic_auth: Option<Basic>,
    authorization: Option<Authorization>,
    bearer_token: Option<Secret>,
    bearer_token_file: Option<PathBuf>,
    tls_config: TlsSettings,
    enable_http2: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeaderMatch {
    header: String,
    regexp: String,
    allow_missing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Authorization {
    #[serde(rename = "type")]
    kind: Option<String>,
    credentials: Option<Secret>,
    credentials_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TlsSettings {
    insecure_skip_verify: bool,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    server_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    tls: bool,
    tls_config: TlsSettings,
    query_response: Vec<QueryResponse>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QueryResponse {
    expect: Option<String>,
    send: Option<String>,
    starttls: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    query_name: String,
    query_type: Option<String>,
    transport_protocol: Option<String>,
    valid_rcodes: Vec<String>,
    validate_answer_rrs: Validate,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Validate {
    fail_if_matches_regexp: Vec<String>,
    fail_if_all_match_regexp: Vec<String>,
    fail_if_not_matches_regexp: Vec<String>,
    fail_if_none_matches_regexp: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IcmpSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    payload_size: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    service: Option<String>,
    tls: bool,
    tls_config: TlsSettings,
}

impl Module {
    pub const PROBERS: [&str; 5] = ["http", "tcp", "dns", "icmp", "grpc"];

    /// The modules of blackbox_exporter's example file; those of the owner's own file stand before them.
    pub fn well_known() -> BTreeMap<String, Module> {
        let of = |prober: &str| Module {
            prober: prober.to_owned(),
            ..Module::default()
        };
        let mut known = BTreeMap::from([
            ("http_2xx", of("http")),
            ("http_post_2xx", of("http")),
            ("tcp_connect", of("tcp")),
            ("tls_connect", of("tcp")),
            ("ssh_banner", of("tcp")),
            ("icmp", of("icmp")),
            ("dns_udp", of("dns")),
            ("grpc", of("grpc")),
        ]);
        if let Some(post) = known.get_mut("http_post_2xx") {
            post.http.method = Some("POST".to_owned());
        }
        if let Some(tls) = known.get_mut("tls_connect") {
            tls.tcp.tls = true;
        }
        if let Some(ssh) = known.get_mut("ssh_banner") {
            ssh.tcp.query_response = vec![QueryResponse {
                expect: Some("^SSH-2.0-".to_owned()),
                ..QueryResponse::default()
            }];
        }
        if let Some(dns) = known.get_mut("dns_udp") {
            "prometheus.io".clone_into(&mut dns.dns.query_name);
        }
        known.into_iter().map(|(n, m)| (n.to_owned(), m)).collect()
    }

    /// Files that it names stand beside its own.
    pub fn beside(mut self, dir: &Path) -> Self {
        let place = |file: &mut Option<PathBuf>| {
            if let Some(path) = file {
                *path = dir.join(&*path);
            }
        };
        for tls in [
            &mut self.http.tls_config,
            &mut self.tcp.tls_config,
            &mut self.grpc.tls_config,
        ] {
            place(&mut tls.ca_file);
            place(&mut tls.cert_file);
            place(&mut tls.key_file);
        }
        place(&mut self.http.body_file);
        place(&mut self.http.bearer_token_file);
        if let Some(authorization) = &mut self.http.authorization {
            place(&mut authorization.credentials_file);
        }
        if let Some(basic) = &mut self.http.basic_auth {
            place(&mut basic.password_file);
        }
        self
    }

    /// What is wrong with it, found when it is read.
    pub fn check(&self) -> Result<(), String> {
        self.probe("http://target.invalid:1")?.check()
    }

    /// Which addresses of a name are asked. blackbox_exporter's default is IPv6 with a way back.
    pub fn ip_preference(&self) -> Result<IpPreference, String> {
        let (preferred, fallback) = match self.prober.as_str() {
            "http" => (&self.http.preferred_ip_protocol, self.http.ip_protocol_fallback),
            "tcp" => (&self.tcp.preferred_ip_protocol, self.tcp.ip_protocol_fallback),
            "dns" => (&self.dns.preferred_ip_protocol, self.dns.ip_protocol_fallback),
            "icmp" => (&self.icmp.preferred_ip_protocol, self.icmp.ip_protocol_fallback),
            _ => (&self.grpc.preferred_ip_protocol, self.grpc.ip_protocol_fallback),
        };
        let is_only = fallback == Some(false);
        match preferred.as_deref() {
            None | Some("" | "ip6") => Ok(IpPreference::V6 { is_only }),
            Some("ip4") => Ok(IpPreference::V4 { is_only }),
            Some(other) => Err(format!("preferred_ip_protocol is {other:?}, not ip4 or ip6")),
        }
    }

    /// The probe of this target.
    pub fn probe(&self, target: &str) -> Result<Probe, String> {
        self.ip_preference()?;
        let bare = || {
            let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
            rest.to_owned()
        };
        Ok(match self.prober.as_str() {
            "http" => Probe::Http(Box::new(self.http.probe(target)?)),
            "tcp" => Probe::Tcp(Box::new(self.tcp.probe(bare()))),
            "dns" => Probe::Dns(Box::new(self.dns.probe(bare())?)),
            "icmp" => Probe::Icmp(IcmpProbe {
                host: Some(bare()),
                payload_bytes: self.icmp.payload_size,
            }),
            "grpc" => Probe::Grpc(Box::new(GrpcProbe {
                address: Some(bare()),
                service: self.grpc.service.clone(),
                tls: self.grpc.tls.then(|| self.grpc.tls_config.options()),
            })),
            other => {
                let known = Module::PROBERS.join(", ");
                return Err(format!("prober {other:?} is none of {known}"));
            }
        })
    }
}

impl TlsSettings {
    fn options(&self) -> TlsOptions {
        TlsOptions {
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            insecure_skip_verify: self.insecure_skip_verify,
            server_name: self.server_name.clone(),
            warn_days: None,
        }
    }
}

impl HttpSettings {
    fn probe(&self, target: &str) -> Result<HttpProbe, String> {
        let url = if target.contains("://") {
            target.to_owned()
        } else {
            format!("http://{target}")
        };
        let mut expect = Expect {
            status: self.valid_status_codes.iter().map(u16::to_string).collect(),
            matches: self.fail_if_body_not_matches_regexp.clone(),
            not_matches: self.fail_if_body_matches_regexp.clone(),
            ..Expect::default()
        };
        for one in &self.fail_if_header_not_matches {
            let pattern = match one.allow_missing {
                true => format!("^$|(?:{})", one.regexp),
                false => one.regexp.clone(),
            };
            if expect.headers.insert(one.header.clone(), pattern).is_some() {
                return Err(format!(
                    "two conditions on header {:?} cannot be kept",
                    one.header
                ));
            }
        }
        for one in &self.fail_if_header_matches {
            if !one.allow_missing {
                expect
                    .headers
                    .entry(one.header.clone())
                    .or_insert_with(|| ".".to_owned());
            }
            let pattern = one.regexp.clone();
            let known = expect.not_headers.entry(one.header.clone());
            known
                .and_modify(|p| *p = format!("(?:{p})|(?:{pattern})"))
                .or_insert(pattern);
        }
        let body = match (&self.body, &self.body_file) {
            (Some(_), Some(_)) => return Err("body and body_file exclude each other".to_owned()),
            (body, None) => body.clone(),
            (None, Some(file)) => {
                let read = std::fs::read_to_string(file);
                Some(read.map_err(|e| format!("cannot read body_file {}: {e}", file.display()))?)
            }
        };
        let https = match (self.fail_if_ssl, self.fail_if_not_ssl) {
            (true, true) => return Err("fail_if_ssl and fail_if_not_ssl fail always".to_owned()),
            (is_bad, is_needed) => (is_bad || is_needed).then_some(is_needed),
        };
        let (bearer_token, bearer_token_file) = self.bearer()?;
        Ok(HttpProbe {
            url: Some(url),
            method: Some(self.method.clone().unwrap_or_else(|| "GET".to_owned())),
            headers: self.headers.clone(),
            body: body.filter(|b| !b.is_empty()),
            basic_auth: self.basic_auth.clone(),
            bearer_token,
            bearer_token_file,
            no_redirects: self.follow_redirects == Some(false) || self.no_follow_redirects == Some(true),
            body_max: self.body_size_limit,
            tls: self.tls_config.options(),
            https,
            http_versions: self.valid_http_versions.clone(),
            no_http2: self.enable_http2 == Some(false),
            expect,
            ..HttpProbe::default()
        })
    }

    fn bearer(&self) -> Result<(Option<Secret>, Option<PathBuf>), String> {
        let Some(given) = &self.authorization else {
            return Ok((self.bearer_token.clone(), self.bearer_token_file.clone()));
        };
        match given.kind.as_deref() {
            None | Some("" | "Bearer" | "bearer") => {
                Ok((given.credentials.clone(), given.credentials_file.clone()))
            }
            Some(other) => Err(format!("authorization of type {other:?} is not known: Bearer is")),
        }
    }
}

impl TcpSettings {
    fn probe(&self, address: String) -> TcpProbe {
        let tls = self.tls_config.options();
        TcpProbe {
            address: Some(address),
            tls: self.tls.then(|| tls.clone()),
            starttls: self.query_response.iter().any(|q| q.starttls).then_some(tls),
            bare_newline: true,
            // There, what is expected comes before what is sent; here, after it.
            talk: self
                .query_response
                .iter()
                .flat_map(|q| {
                    let heard = Exchange {
                        expect: q.expect.clone(),
                        ..Exchange::default()
                    };
                    let said = Exchange {
                        // There, nothing to send is nothing, not an empty line.
                        send: q.send.clone().filter(|s| !s.is_empty()),
                        starttls: q.starttls,
                        ..Exchange::default()
                    };
                    [heard, said]
                })
                .collect(),
        }
    }
}

impl DnsSettings {
    fn probe(&self, server: String) -> Result<DnsProbe, String> {
        let tcp = match self.transport_protocol.as_deref() {
            None | Some("" | "udp") => false,
            Some("tcp") => true,
            Some(other) => return Err(format!("transport_protocol {other:?} is neither udp nor tcp")),
        };
        if self.query_name.is_empty() {
            return Err("query_name is missing".to_owned());
        }
        let validate = &self.validate_answer_rrs;
        Ok(DnsProbe {
            server: Some(server),
            name: self.query_name.clone(),
            kind: Some(self.query_type.clone().unwrap_or_else(|| "ANY".to_owned())),
            tcp,
            rcode: self.valid_rcodes.clone(),
            none_match: validate.fail_if_matches_regexp.clone(),
            not_all_match: validate.fail_if_all_match_regexp.clone(),
            all_match: validate.fail_if_not_matches_regexp.clone(),
            answers: validate.fail_if_none_matches_regexp.clone(),
            may_be_empty: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn module(value: Value) -> Result<Module, String> {
        let module: Module = serde_json::from_value(value).map_err(|e| e.to_string())?;
        module.check().map(|()| module)
    }

    fn refused(value: Value, why: &str) {
        let said = module(value).expect_err("it must be refused");
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn what_its_owner_wrote_is_what_is_done() {
        let m = module(json!({ "prober": "http", "timeout": "5s", "http": {
            "valid_status_codes": [200, 404], "method": "HEAD", "fail_if_not_ssl": true,
            "preferred_ip_protocol": "ip4", "ip_protocol_fallback": false, "no_follow_redirects": true,
            "fail_if_header_not_matches": [{ "header": "x-a", "regexp": "^b", "allow_missing": true }],
            "fail_if_header_matches": [{ "header": "x-c", "regexp": "d" }],
            "tls_config": { "ca_file": "ca.pem" } } }))
        .unwrap()
        .beside(Path::new("/etc/blackbox"));
        assert_eq!(m.ip_preference(), Ok(IpPreference::V4 { is_only: true }));
        let Probe::Http(probe) = m.probe("example.org").unwrap() else {
            panic!("{m:?}")
        };
        assert_eq!(probe.url.as_deref(), Some("http://example.org"));
        assert_eq!((probe.method.as_deref(), probe.https), (Some("HEAD"), Some(true)));
        assert_eq!(probe.expect.headers["x-a"], "^$|(?:^b)");
        assert_eq!(
            (&*probe.expect.headers["x-c"], &*probe.expect.not_headers["x-c"]),
            (".", "d")
        );
        assert_eq!(
            probe.tls.ca_file.as_deref(),
            Some(Path::new("/etc/blackbox/ca.pem"))
        );
        for (name, known) in Module::well_known() {
            assert_eq!(known.check(), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        refused(json!({ "prober": "htp" }), "none of http, tcp");
        refused(
            json!({ "prober": "http", "http": { "proxy_url": "http://p" } }),
            "proxy_url",
        );
        refused(
            json!({ "prober": "http", "http": { "fail_if_body_matches_regexp": ["("] } }),
            "regular",
        );
        refused(
            json!({ "prober": "http", "http": { "preferred_ip_protocol": "ip5" } }),
            "ip4 or ip6",
        );
        refused(json!({ "prober": "dns" }), "query_name is missing");
        refused(
            json!({ "prober": "http", "http": { "authorization": { "type": "Digest", "credentials": "x" } } }),
            "Digest",
        );
    }
}
