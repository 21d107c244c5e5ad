//! An object in S3 (or what speaks like it): where it is asked for, and the signature that proves who asks.
//!
//! Signature version 4, of requests without a body. Signed are the host, the time, and every header that is given:
//!
//! 1. canonical request: method, path, query, headers by name, their names, the body's hash;
//! 2. text to sign: the algorithm, the time, the scope (day, region, service), the hash of 1;
//! 3. key: the secret, then day, region, service and a fixed word, each by HMAC under the one before.

use crate::http::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::PathBuf;
use url::Url;

const SERVICE: &str = "s3";
/// The hash of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Without keys the object is asked for as anybody may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Options {
    /// us-east-1 without it.
    pub region: Option<String>,
    /// Of another than Amazon's, such as `https://minio.internal:9000`; buckets are the first part of its paths.
    pub endpoint: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub secret_access_key_file: Option<PathBuf>,
    pub session_token_file: Option<PathBuf>,
}

/// Who asks.
struct Keys {
    id: String,
    secret: String,
    session: Option<String>,
}

impl S3Options {
    fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// `s3://BUCKET/KEY` as an address of HTTP.
    pub(super) fn address(&self, object: &str) -> Result<Url, String> {
        let shape = || format!("{object:?} is not s3://BUCKET/KEY");
        let rest = object.strip_prefix("s3://").ok_or_else(shape)?;
        let (bucket, key) = rest.split_once('/').ok_or_else(shape)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(shape());
        }
        let text = match &self.endpoint {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{}.amazonaws.com", self.region()),
        };
        let path = encoded(key, true);
        Url::parse(&format!("{text}/{path}")).map_err(|e| format!("{text}: {e}"))
    }

    /// The headers that go with the request; none where no key is given.
    pub(super) fn headers(
        &self,
        method: &str,
        url: &Url,
        now_ms: i64,
    ) -> Result<Vec<(String, String)>, String> {
        let mut headers = vec![("x-amz-checksum-mode".to_owned(), "ENABLED".to_owned())];
        let Some(keys) = self.keys()? else {
            return Ok(headers);
        };
        headers.push(("x-amz-content-sha256".to_owned(), EMPTY.to_owned()));
        headers.push(("x-amz-date".to_owned(), stamp(now_ms)?));
        if let Some(session) = &keys.session {
            headers.push(("x-amz-security-token".to_owned(), session.clone()));
        }
        let proof = signed(&keys, self.region(), (method, url), &headers);
        headers.push(("authorization".to_owned(), proof));
        Ok(headers)
    }

    fn keys(&self) -> Result<Option<Keys>, String> {
        let secret = Secret::either(
            self.secret_access_key.as_ref(),
            self.secret_access_key_file.as_ref(),
        );
        let (Some(id), Some(secret)) = (&self.access_key_id, secret) else {
            return Ok(None);
        };
        let session = self.session_token_file.clone().map(|f| Secret::File(f).reveal());
        Ok(Some(Keys {
            id: id.clone(),
            secret: secret
                .reveal()
                .map_err(|e| format!("cannot read the secret access key: {e}"))?,
            session: session
                .transpose()
                .map_err(|e| format!("cannot read the session token: {e}"))?,
        }))
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let has_secret = self.secret_access_key.is_some() || self.secret_access_key_file.is_some();
        match self.access_key_id.is_some() == has_secret {
            true => Ok(()),
            false => Err("access_key_id and secret_access_key (or its file) belong together".to_owned()),
        }
    }
}

/// `20130524T000000Z`.
fn stamp(now_ms: i64) -> Result<String, String> {
    let at = jiff::Timestamp::from_millisecond(now_ms).map_err(|e| e.to_string())?;
    Ok(at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

fn signed(keys: &Keys, region: &str, (method, url): (&str, &Url), headers: &[(String, String)]) -> String {
    let host = match (url.host_str().unwrap_or(""), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let mut all: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    all.push(("host", &host));
    all.sort_unstable();
    let names: Vec<&str> = all.iter().map(|(n, _)| *n).collect();
    let names = names.join(";");
    let mut request = format!("{method}\n{}\n{}\n", url.path(), url.query().unwrap_or(""));
    for (name, value) in &all {
        let _ = writeln!(request, "{name}:{}", value.trim());
    }
    let _ = write!(request, "\n{names}\n{EMPTY}");
    let at = headers.iter().find(|(n, _)| n == "x-amz-date");
    let at = at.map_or("", |(_, v)| v.as_str());
    let day = at.get(..8).unwrap_or("");
    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{at}\n{scope}\n{}",
        hex(&Sha256::digest(request.as_bytes()))
    );
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day, region, SERVICE, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, text.as_bytes()));
    let id = &keys.id;
    format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Everything but letters, digits and `-._~` in percents, as the signature wants it.
fn encoded(text: &str, keeps_slash: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let is_plain =
            byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keeps_slash && byte == b'/');
        if is_plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Authenticating Requests: Using the Authorization Header" in Amazon's documentation.
    #[test]
    fn the_example_of_the_documentation() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session: None,
        };
        let url = S3Options::default()
            .address("s3://examplebucket/test.txt")
            .unwrap();
        assert_eq!(
            url.as_str(),
            "https://examplebucket.s3.us-east-1.amazonaws.com/test.txt"
        );
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [
            header("range", "bytes=0-9"),
            header("x-amz-content-sha256", EMPTY),
            header("x-amz-date", "20130524T000000Z"),
        ];
        assert_eq!(
            signed(&keys, "us-east-1", ("GET", &url), &headers),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn addresses_of_objects() {
        let own = S3Options {
            endpoint: Some("http://127.0.0.1:9000/".to_owned()),
            ..S3Options::default()
        };
        assert_eq!(
            own.address("s3://models/chat v2/a+b.bin").unwrap().as_str(),
            "http://127.0.0.1:9000/models/chat%20v2/a%2Bb.bin"
        );
        for bad in ["s3://bucket", "s3:///key", "s3://bucket/", "https://a/b"] {
            assert!(own.address(bad).is_err(), "{bad}");
        }
        assert_eq!(stamp(1_369_353_600_000).unwrap(), "20130524T000000Z");
        let half = S3Options {
            access_key_id: Some("a".to_owned()),
            ..S3Options::default()
        };
        assert!(half.check().is_err());
    }
}
