//! Clients that speak as an `http_config` says: proxies and who is reached without one, authorities, own certificates.
//!
//! No proxy is used that the configuration does not ask for: what the environment of the process says counts only with
//! `proxy_from_environment`.

use super::http::{HttpConfig, TlsConfig};
use super::transport::words;
use reqwest::Url;
use std::net::IpAddr;

/// What stands in the files that a `tls_config` names, as it is now: certificates are exchanged while we run.
#[derive(Clone, Default)]
pub(super) struct Pems {
    pub(super) authority: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl Pems {
    pub(super) fn read(tls: Option<&TlsConfig>) -> Result<Pems, String> {
        let Some(tls) = tls else {
            return Ok(Pems::default());
        };
        let text = |typed: Option<&str>, file: Option<&String>| match (typed, file) {
            (Some(pem), _) => Ok(Some(pem.to_owned())),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path).map_err(|e| format!("reading {path}: {e}"));
                read.map(Some)
            }
            (None, None) => Ok(None),
        };
        Ok(Pems {
            authority: text(tls.ca.as_deref(), tls.ca_file.as_ref())?,
            certificate: text(tls.cert.as_deref(), tls.cert_file.as_ref())?,
            key: text(
                tls.key.as_ref().map(crate::config::Secret::expose),
                tls.key_file.as_ref(),
            )?,
        })
    }

    /// Names this state of the files without holding it.
    pub(super) fn print(&self) -> u128 {
        let all = [&self.authority, &self.certificate, &self.key];
        let text = all.map(|pem| pem.as_deref().unwrap_or_default()).join("\n");
        xxhash_rust::xxh3::xxh3_128(text.as_bytes())
    }
}

pub(super) fn build(config: &HttpConfig, pems: &Pems) -> Result<reqwest::Client, String> {
    // Refused when the process has one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().user_agent(concat!("Lapwing/", env!("CARGO_PKG_VERSION")));
    if config.follow_redirects == Some(false) {
        builder = builder.redirect(reqwest::redirect::Policy::none());
    }
    if let Some(proxy) = config.proxy_url.as_ref().filter(|url| !url.is_empty()) {
        let all = reqwest::Proxy::all(proxy).map_err(|e| words(&e))?;
        let except = config.no_proxy.clone().filter(|text| !text.trim().is_empty());
        builder = builder.proxy(match except {
            None => all,
            Some(except) => {
                let proxy = proxy.clone();
                reqwest::Proxy::custom(move |url| (!goes_direct(&except, url)).then(|| proxy.clone()))
            }
        });
    } else if config.proxy_from_environment != Some(true) {
        builder = builder.no_proxy();
    }
    if let Some(tls) = &config.tls_config {
        builder = builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify);
        if tls.min_version.as_deref() == Some("TLS13") {
            builder = builder.tls_version_min(reqwest::tls::Version::TLS_1_3);
        }
    }
    if let Some(pem) = &pems.authority {
        let authorities = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| words(&e))?;
        builder = builder.tls_certs_merge(authorities);
    }
    if let (Some(certificate), Some(key)) = (&pems.certificate, &pems.key) {
        let both = format!("{certificate}\n{key}");
        let identity = reqwest::Identity::from_pem(both.as_bytes()).map_err(|e| words(&e))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|e| words(&e))
}

/// As Go reads a `no_proxy`: `*`, addresses, networks, hosts with those below them (`.host`: those below alone), each with or
/// without a port. Where one is given, this machine itself is always reached without the proxy.
fn goes_direct(no_proxy: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let port = url.port_or_known_default();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return true;
    }
    no_proxy.split(',').any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            return address.is_some_and(|a| is_within(a, network, bits));
        }
        let (name, wanted_port) = with_port(&entry);
        if name.is_empty() || wanted_port.is_some_and(|wanted| Some(wanted) != port) {
            return false;
        }
        if let Ok(wanted) = name.parse::<IpAddr>() {
            return address == Some(wanted);
        }
        let name = name
            .strip_prefix('*')
            .filter(|n| n.starts_with('.'))
            .unwrap_or(name);
        match name.strip_prefix('.') {
            Some(_) => host.ends_with(name),
            None => host == name || host.ends_with(&format!(".{name}")),
        }
    })
}

fn with_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[')
        && let Some((address, after)) = rest.split_once(']')
    {
        return (address, after.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match entry.split_once(':') {
        // An IPv6 address without brackets has more than one.
        Some((name, port)) if !port.contains(':') => (name, port.parse().ok()),
        _ => (entry, None),
    }
}

fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let differing = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => return false,
    };
    differing >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_reached_without_the_proxy() {
        let check = |no_proxy: &str, url: &str, direct: bool| {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(goes_direct(no_proxy, &parsed), direct, "{no_proxy} {url}");
        };
        check("x.example", "http://127.0.0.1:9/", true);
        check("x.example", "http://localhost/", true);
        check("x.example", "http://[::1]:9/", true);
        check("*", "https://hooks.example/", true);
        check("10.1.0.0/16", "http://10.1.2.3/", true);
        check("10.1.0.0/16", "http://10.2.2.3/", false);
        check("fd00::/8", "http://[fd00::1]/", true);
        check("10.1.2.3", "http://10.1.2.3:8080/", true);
        check("10.1.2.3:81", "http://10.1.2.3:8080/", false);
        check("hooks.example:443", "https://hooks.example/", true);
        check("hooks.example:80", "https://hooks.example/", false);
        check("a.example, EXAMPLE", "https://hooks.example/", true);
        check("example", "https://anexample/", false);
        check(".example", "https://example/", false);
        check("*.example", "https://hooks.example/", true);
        check("", "https://hooks.example/", false);
    }
}
