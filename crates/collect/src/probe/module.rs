//! Modules of blackbox_exporter, as its `blackbox.yml` says them: which probe of ours does the same to a target.
//!
//! Whatever cannot be done as it is written is refused with its name when the file is read: a module that looks elsewhere
//! than its owner meant (past a proxy, without a login) would be worse than none.

use super::dial::{IpPreference, TlsOptions};
use super::dns::DnsProbe;
use super::dns_rules::{DnsRules, RecordRules, class_number};
use super::expect::Expect;
use super::grpc::GrpcProbe;
use super::http::{Basic, HttpProbe};
use super::http_rules::{HeaderRule, HttpRules};
use super::icmp::IcmpProbe;
use super::kind::Probe;
use super::tcp::{Exchange, TcpProbe};
use crate::http::{Bytes, Secret, TlsVersion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
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
    compression: Option<String>,
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
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    source_ip_address: Option<IpAddr>,
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
    source_ip_address: Option<IpAddr>,
    query_name: String,
    query_type: Option<String>,
    query_class: Option<String>,
    recursion_desired: Option<bool>,
    transport_protocol: Option<String>,
    dns_over_tls: bool,
    tls_config: TlsSettings,
    valid_rcodes: Vec<String>,
    validate_answer_rrs: RecordRules,
    validate_authority_rrs: RecordRules,
    validate_additional_rrs: RecordRules,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IcmpSettings {
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    source_ip_address: Option<IpAddr>,
    payload_size: Option<u16>,
    dont_fragment: bool,
    ttl: Option<u8>,
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
            &mut self.dns.tls_config,
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

    /// The address of ours that it comes from.
    pub fn source_ip(&self) -> Option<IpAddr> {
        match self.prober.as_str() {
            "tcp" => self.tcp.source_ip_address,
            "dns" => self.dns.source_ip_address,
            "icmp" => self.icmp.source_ip_address,
            _ => None,
        }
    }

    /// The same for a target that is asked by another name, as the parameter `hostname` says it.
    pub fn with_host(mut self, hostname: &str) -> Result<Self, String> {
        if self.prober == "tcp" && self.tcp.tls_config.server_name.is_none() {
            self.tcp.tls_config.server_name = Some(hostname.to_owned());
        }
        if self.prober == "http" {
            if let Some(own) = self.http.host().filter(|own| *own != hostname) {
                return Err(format!(
                    "the module says the header Host ({own:?}), and the parameter `hostname` another ({hostname:?})"
                ));
            }
            self.http.headers.retain(|n, _| !n.eq_ignore_ascii_case("host"));
            self.http.headers.insert("Host".to_owned(), hostname.to_owned());
        }
        Ok(self)
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
                ttl: self.icmp.ttl,
                dont_fragment: self.icmp.dont_fragment,
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
            min_version: self.min_version,
            max_version: self.max_version,
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
        let expect = Expect {
            status: self.valid_status_codes.iter().map(u16::to_string).collect(),
            matches: self.fail_if_body_not_matches_regexp.clone(),
            not_matches: self.fail_if_body_matches_regexp.clone(),
            ..Expect::default()
        };
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
        let mut tls = self.tls_config.options();
        tls.server_name = tls.server_name.or_else(|| self.host().map(bare_name));
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
            tls,
            https,
            http_versions: self.valid_http_versions.clone(),
            no_http2: self.enable_http2 == Some(false),
            expect,
            rules: Some(HttpRules {
                headers: self.header_rules(),
                is_gzip: self.is_gzip()?,
            }),
            ..HttpProbe::default()
        })
    }

    /// By which name it is asked, where that is not its address.
    fn host(&self) -> Option<&str> {
        let host = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("host"));
        host.map(|(_, value)| value.as_str())
    }

    fn header_rules(&self) -> Vec<HeaderRule> {
        let rule = |one: &HeaderMatch, must_match: bool| HeaderRule {
            header: one.header.clone(),
            pattern: one.regexp.clone(),
            may_be_missing: one.allow_missing,
            must_match,
        };
        let bad = self.fail_if_header_matches.iter().map(|one| rule(one, false));
        let good = self.fail_if_header_not_matches.iter().map(|one| rule(one, true));
        bad.chain(good).collect()
    }

    /// Whether the body is to be unpacked. As there, the server is told so only by the header that the module says.
    fn is_gzip(&self) -> Result<bool, String> {
        let word = self.compression.as_deref().unwrap_or("");
        if !matches!(word, "" | "gzip" | "identity") {
            return Err(format!("compression {word:?} is neither gzip nor identity"));
        }
        let mut said = self.headers.iter();
        let said = said.find(|(n, _)| n.eq_ignore_ascii_case("accept-encoding"));
        match said {
            Some((_, accepted)) if !word.is_empty() && !accepts(accepted, word) => Err(format!(
                "the header Accept-Encoding ({accepted:?}) does not allow compression {word:?}"
            )),
            _ => Ok(word == "gzip"),
        }
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

/// Whether a list such as `br;q=1.0, gzip;q=0.8, *;q=0` allows this encoding.
fn accepts(list: &str, word: &str) -> bool {
    let weight = |name: &str| {
        list.split(',').find_map(|one| {
            let (said, more) = one.split_once(';').unwrap_or((one, ""));
            let q = more
                .trim()
                .strip_prefix("q=")
                .map_or(Some(1.0), |q| q.parse::<f64>().ok());
            (said.trim() == name).then_some(q.unwrap_or(0.0))
        })
    };
    weight(word).or_else(|| weight("*")).is_some_and(|q| q > 0.0)
}

/// `Host` may say a port; a certificate does not.
fn bare_name(host: &str) -> String {
    let without = host
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok());
    without.map_or(host, |(name, _)| name).to_owned()
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
        if self.dns_over_tls && !tcp {
            return Err("dns_over_tls needs transport_protocol: tcp".to_owned());
        }
        let rules = DnsRules {
            class: class_number(self.query_class.as_deref())?,
            wants_recursion: self.recursion_desired != Some(false),
            tls: self.dns_over_tls.then(|| self.tls_config.options()),
            sections: [
                self.validate_answer_rrs.clone(),
                self.validate_authority_rrs.clone(),
                self.validate_additional_rrs.clone(),
            ],
        };
        Ok(DnsProbe {
            server: Some(server),
            name: self.query_name.clone(),
            kind: Some(self.query_type.clone().unwrap_or_else(|| "ANY".to_owned())),
            tcp,
            rcode: self.valid_rcodes.clone(),
            may_be_empty: true,
            rules: Some(Box::new(rules)),
            ..DnsProbe::default()
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
        let rules = probe.rules.unwrap().headers;
        let said: Vec<_> = rules
            .iter()
            .map(|r| {
                (
                    r.header.as_str(),
                    r.pattern.as_str(),
                    r.may_be_missing,
                    r.must_match,
                )
            })
            .collect();
        assert_eq!(said, [("x-c", "d", false, false), ("x-a", "^b", true, true)]);
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
        let dns = |more: Value| {
            let mut settings = json!({ "query_name": "a.b" });
            settings
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({ "prober": "dns", "dns": settings })
        };
        refused(dns(json!({ "query_class": "XX" })), "query_class");
        refused(dns(json!({ "dns_over_tls": true })), "transport_protocol: tcp");
        refused(
            dns(json!({ "validate_additional_rrs": { "fail_if_matches_regexp": ["("] } })),
            "regular",
        );
        refused(
            json!({ "prober": "http", "http": { "compression": "br" } }),
            "neither gzip nor identity",
        );
        refused(
            json!({ "prober": "http", "http": { "compression": "gzip", "headers": { "accept-encoding": "br, *;q=0" } } }),
            "does not allow",
        );
        refused(
            json!({ "prober": "http", "http": { "fail_if_header_matches": [{ "header": "X-A" }] } }),
            "needs `header` and `regexp`",
        );
        refused(
            json!({ "prober": "http", "http": { "authorization": { "type": "Digest", "credentials": "x" } } }),
            "Digest",
        );
    }
}
