//! Cookies within one look: a login that sets one and sends the reader on would else send him in circles.
//!
//! They live for one look, go back to the host that set them (or to hosts of the domain that it names) and below its path.

use url::Url;

/// More are not kept, and longer ones neither.
const COOKIES_MAX: usize = 50;
const COOKIE_BYTES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    /// Of a host, or with `is_domain` of all below it.
    host: String,
    is_domain: bool,
    path: String,
    is_secure: bool,
}

impl Cookies {
    /// One `Set-Cookie` of an answer from this URL.
    pub(super) fn take(&mut self, url: &Url, text: &str) {
        let Some(host) = url.host_str().filter(|_| text.len() <= COOKIE_BYTES_MAX) else {
            return;
        };
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            host: host.to_owned(),
            is_domain: false,
            path: default_path(url.path()),
            is_secure: false,
        };
        let mut is_over = false;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    let is_ours = domain.contains('.') && is_below(host, &domain);
                    if !is_ours && domain != host && !domain.is_empty() {
                        return;
                    }
                    if is_ours {
                        (cookie.host, cookie.is_domain) = (domain, true);
                    }
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.is_secure = true,
                "max-age" => is_over |= value.parse::<i64>().is_ok_and(|s| s <= 0),
                _ => {}
            }
        }
        let is_same = |c: &Cookie| c.name == cookie.name && c.host == cookie.host && c.path == cookie.path;
        self.0.retain(|c| !is_same(c));
        if !is_over && !cookie.name.is_empty() && self.0.len() < COOKIES_MAX {
            self.0.push(cookie);
        }
    }

    /// What is said of them to this URL.
    pub(super) fn of(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let is_meant = |c: &&Cookie| {
            let is_there = c.host == host || (c.is_domain && is_below(host, &c.host));
            is_there && is_below_path(url.path(), &c.path) && (!c.is_secure || url.scheme() == "https")
        };
        let said: Vec<String> = self
            .0
            .iter()
            .filter(is_meant)
            .map(|c| format!("{}={}", c.name, c.value))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|front| front.ends_with('.'))
}

fn is_below_path(path: &str, of_cookie: &str) -> bool {
    let rest = path.strip_prefix(of_cookie);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of_cookie.ends_with('/'))
}

/// RFC 6265: the folder of the page that set it.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set_at: &str, texts: &[&str], asked: &str, expect: Option<&str>) {
        let mut cookies = Cookies::default();
        for text in texts {
            cookies.take(&Url::parse(set_at).unwrap(), text);
        }
        let said = cookies.of(&Url::parse(asked).unwrap());
        assert_eq!(said.as_deref(), expect, "{texts:?} at {set_at}, asked {asked}");
    }

    #[test]
    fn cookies_go_back_to_whom_they_belong() {
        let at = "http://a.example/in/login";
        check(
            at,
            &["s=1", "t = 2 ; HttpOnly"],
            "http://a.example/in",
            Some("s=1; t=2"),
        );
        check(at, &["s=1", "s=2"], "http://a.example:81/in/x", Some("s=2"));
        check(at, &["s=1"], "http://a.example/inner", None);
        check(at, &["s=1; Path=/"], "http://a.example/", Some("s=1"));
        check(at, &["s=1; Path=/"], "http://b.example/", None);
        check(
            at,
            &["s=1; Path=/; Domain=.a.example"],
            "http://b.a.example/",
            Some("s=1"),
        );
        check(at, &["s=1; Path=/; Domain=b.example"], "http://b.example/", None);
        check(at, &["s=1; Path=/; Domain=example"], "http://b.example/", None);
        check(at, &["s=1; Path=/; Secure"], "http://a.example/", None);
        check(at, &["s=1; Path=/; Secure"], "https://a.example/", Some("s=1"));
        check(
            at,
            &["s=1; Path=/", "s=; Path=/; Max-Age=0"],
            "http://a.example/",
            None,
        );
        check(at, &["", "=", "=x", ";;", "s"], "http://a.example/in", None);
    }
}
