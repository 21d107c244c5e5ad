//! Through what proxy a request goes. None is used that the configuration does not ask for: what the environment of the process
//! says counts only with `proxy_from_environment`.

use super::error::{FetchError, HttpConfigError};
use super::secret::Secret;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The keys of a configuration that say so; an empty text says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Proxying<'a> {
    pub url: Option<&'a str>,
    pub no_proxy: Option<&'a str>,
    pub from_environment: bool,
    pub connect_header: &'a BTreeMap<String, Vec<Secret>>,
}

impl Proxying<'_> {
    /// Keys of which one makes the other void.
    pub fn check(&self) -> Result<(), HttpConfigError> {
        let is_given = |text: Option<&str>| text.is_some_and(|t| !t.trim().is_empty());
        let (url, except) = (is_given(self.url), is_given(self.no_proxy));
        let both = |one: &'static str| HttpConfigError::Both {
            one,
            other: "proxy_from_environment",
        };
        match self.from_environment {
            true if url => Err(both("proxy_url")),
            true if except => Err(both("no_proxy")),
            _ if except && !url => Err(HttpConfigError::NoProxyUrl { key: "no_proxy" }),
            false if !self.connect_header.is_empty() && !url => Err(HttpConfigError::NoProxyUrl {
                key: "proxy_connect_header",
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn apply(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, HttpConfigError> {
        let is_given = |text: &&str| !text.trim().is_empty();
        let Some(url) = self.url.filter(is_given) else {
            return Ok(if self.from_environment {
                builder
            } else {
                builder.no_proxy()
            });
        };
        let invalid = |e: reqwest::Error| HttpConfigError::Invalid {
            what: "proxy_url",
            source: Box::new(e),
        };
        let all = reqwest::Proxy::all(url).map_err(invalid)?;
        let proxy = match self.no_proxy.filter(is_given) {
            None => all,
            Some(except) => {
                let (except, url) = (except.to_owned(), url.to_owned());
                reqwest::Proxy::custom(move |target| (!goes_direct(&except, target)).then(|| url.clone()))
            }
        };
        Ok(builder.proxy(proxy.headers(self.headers()?)))
    }

    /// What the proxy is told on its own.
    fn headers(&self) -> Result<HeaderMap, HttpConfigError> {
        let invalid = |e: Box<dyn std::error::Error + Send + Sync>| HttpConfigError::Invalid {
            what: "proxy_connect_header",
            source: e,
        };
        let mut headers = HeaderMap::new();
        for (name, values) in self.connect_header {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| invalid(e.into()))?;
            for value in values {
                let text = value.reveal().map_err(|e| invalid(e.into()))?;
                headers.append(name.clone(), sensitive(&text).map_err(|e| invalid(e.into()))?);
            }
        }
        Ok(headers)
    }
}

/// A header that no log shows.
pub(super) fn sensitive(value: &str) -> Result<HeaderValue, FetchError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| FetchError::Credentials {
        detail: "they contain characters that no header may hold".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
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
