//! A model's artifact: is the file (or the object behind a URL) there, whole, as large and as new as it must be?
//!
//! A checksum reads the whole file in bounded pieces, on a blocking thread. An object is asked for by HEAD and never downloaded:
//! by `s3://BUCKET/KEY`, or by an HTTPS address (a presigned one, or a hub's `resolve` URL). Its checksum is what its server says:
//! S3 in `x-amz-checksum-sha256`, a hub in `x-linked-etag`, others in `repr-digest` or an ETag that is one.

use super::dial::TlsOptions;
use super::exchange::{Answer, Ask, ask};
use super::look::{Fault, Found, Look};
use super::s3::S3Options;
use crate::http::{Bytes, Millis, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lapwing_types::ProbeReason;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use url::Url;

const PIECE_BYTES: usize = 1 << 20;
const REDIRECTS_MAX: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactProbe {
    pub file: Option<PathBuf>,
    pub url: Option<String>,
    pub bearer_token_file: Option<PathBuf>,
    pub size_min: Option<Bytes>,
    pub size_max: Option<Bytes>,
    /// Hexadecimal.
    pub sha256: Option<String>,
    /// For `url: s3://BUCKET/KEY`.
    pub s3: Option<S3Options>,
    /// Degraded when it is older.
    pub age_max: Option<Millis>,
    pub tls: TlsOptions,
}

/// What was found of it.
struct Facts {
    size_bytes: Option<u64>,
    modified_ms: Option<i64>,
    /// In hexadecimal; of a file it is compared where it is computed.
    sha256: Option<String>,
}

impl ArtifactProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.file.is_some() == self.url.is_some() {
            return Err("an artifact is either a file or a url".to_owned());
        }
        if self.s3.is_some() && !self.is_in_s3() {
            return Err("s3 is for a url that begins with s3://".to_owned());
        }
        if let Some(url) = self.url.as_deref().filter(|_| self.is_in_s3()) {
            let s3 = self.s3.clone().unwrap_or_default();
            s3.check()?;
            s3.address(url)?;
        }
        match &self.sha256 {
            Some(hex) if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Err(format!("{hex:?} is not a SHA-256 in hexadecimal"))
            }
            _ => Ok(()),
        }
    }

    fn is_in_s3(&self) -> bool {
        self.url.as_deref().is_some_and(|u| u.starts_with("s3://"))
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let facts = match (&self.file, &self.url) {
            (Some(file), _) => self.look_at_file(file).await?,
            (None, Some(url)) => self.look_at_url(look, url).await?,
            (None, None) => return Err(Fault::config("neither a file nor a url")),
        };
        let wrong = |detail: String| Err(Fault::new(ProbeReason::Artifact, detail));
        if let Some(size) = facts.size_bytes {
            look.measure("probe_artifact_size_bytes", size as f64);
            if self.size_min.is_some_and(|min| size < min.0) || self.size_max.is_some_and(|max| size > max.0)
            {
                return wrong(format!("it has {size} bytes"));
            }
        } else if self.size_min.is_some() || self.size_max.is_some() {
            return wrong("the server does not say how large it is".to_owned());
        }
        if let Some(wanted) = self.sha256.as_ref().filter(|_| self.url.is_some()) {
            match facts.sha256 {
                Some(found) if found.eq_ignore_ascii_case(wanted) => {}
                Some(found) => return wrong(format!("it has SHA-256 {found}, not {wanted}")),
                None => return wrong("the server does not say its SHA-256".to_owned()),
            }
        }
        if let Some(modified_ms) = facts.modified_ms {
            let age_ms = look.now_ms - modified_ms;
            look.measure("probe_artifact_age_seconds", age_ms as f64 / 1000.0);
            if let Some(max) = self.age_max.filter(|max| age_ms > max.0) {
                let detail = format!("it is {} s old, {} s are allowed", age_ms / 1000, max.0 / 1000);
                return Err(Fault::degraded(ProbeReason::Artifact, detail));
            }
        }
        Ok(())
    }

    async fn look_at_file(&self, file: &Path) -> Result<Facts, Fault> {
        let (path, wanted) = (file.to_owned(), self.sha256.clone());
        let reading = tokio::task::spawn_blocking(move || read_file(&path, wanted.as_deref()));
        let read = reading.await;
        read.map_err(|e| Fault::unjudged(ProbeReason::Internal, e.to_string()))?
    }

    /// Where it is first asked for, and what is said beside.
    fn first_request(&self, look: &Look, url: &str) -> Result<(Url, Vec<(String, String)>), Fault> {
        if self.is_in_s3() {
            let s3 = self.s3.clone().unwrap_or_default();
            let at = s3.address(url).map_err(Fault::config)?;
            let headers = s3.headers("HEAD", &at, look.now_ms).map_err(Fault::config)?;
            return Ok((at, headers));
        }
        let at = Url::parse(url).map_err(|e| Fault::config(format!("{url:?}: {e}")))?;
        let token = Secret::either(None, self.bearer_token_file.as_ref()).map(|s| s.reveal());
        let token = token
            .transpose()
            .map_err(|e| Fault::config(format!("cannot read the token: {e}")))?;
        let headers = token.map(|t| ("authorization".to_owned(), format!("Bearer {t}")));
        Ok((at, headers.into_iter().collect()))
    }

    async fn look_at_url(&self, look: &Look, url: &str) -> Result<Facts, Fault> {
        let (mut url, mut headers) = self.first_request(look, url)?;
        // A hub says them of a large file before it sends us on to where that lies.
        let (mut size_bytes, mut sha256) = (None, None);
        for _ in 0..=REDIRECTS_MAX {
            let request = Ask {
                method: "HEAD".to_owned(),
                url: url.clone(),
                headers: headers.clone(),
                body: Vec::new(),
                tls: self.tls.clone(),
                offer_h2: true,
            };
            let answer = ask(look, &request).await?;
            let number = |name: &str| answer.header(name).and_then(|l| l.parse().ok());
            size_bytes = size_bytes.or(number("x-linked-size"));
            sha256 = sha256.or(sha256_of(&answer));
            if let (300..400, Some(to)) = (answer.status, answer.header("location")) {
                let to = url.join(to).map_err(|e| Fault::protocol(e.to_string()))?;
                if to.host_str() != url.host_str() {
                    headers.clear();
                }
                url = to;
                continue;
            }
            return match answer.status {
                200..300 => Ok(Facts {
                    size_bytes: size_bytes.or(number("content-length")),
                    modified_ms: answer.header("last-modified").and_then(http_date_ms),
                    sha256,
                }),
                401 | 403 => {
                    let detail = format!(
                        "the server answered {}: these keys may not read it",
                        answer.status
                    );
                    Err(Fault::new(ProbeReason::Auth, detail))
                }
                status => {
                    let detail = format!("the server answered {status}");
                    Err(Fault::new(ProbeReason::NotFound, detail))
                }
            };
        }
        Err(Fault::new(
            ProbeReason::Redirects,
            format!("more than {REDIRECTS_MAX} redirects"),
        ))
    }
}

/// What the server says of the object's bytes, in hexadecimal.
fn sha256_of(answer: &Answer) -> Option<String> {
    let encoded = |name: &str| answer.header(name).map(str::to_owned);
    let digest = encoded("repr-digest").and_then(|d| {
        let rest = d.split("sha-256=:").nth(1)?;
        Some(rest.split(':').next()?.to_owned())
    });
    let packed = encoded("x-amz-checksum-sha256").or(digest);
    if let Some(bytes) = packed
        .and_then(|p| BASE64.decode(p).ok())
        .filter(|b| b.len() == 32)
    {
        return Some(bytes.iter().map(|b| format!("{b:02x}")).collect());
    }
    let tag = encoded("x-linked-etag").or_else(|| encoded("etag"))?;
    let tag = tag.trim_start_matches("W/").trim_matches('"');
    let is_one = tag.len() == 64 && tag.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| tag.to_owned())
}

fn http_date_ms(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(zoned.as_millisecond())
}

fn read_file(path: &Path, wanted: Option<&str>) -> Result<Facts, Fault> {
    let shown = path.display();
    let missing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Fault::unjudged(ProbeReason::NotPermitted, format!("{shown}: {e}"))
        }
        _ => Fault::new(ProbeReason::NotFound, format!("{shown}: {e}")),
    };
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if let Some(wanted) = wanted {
        let mut file = std::fs::File::open(path).map_err(missing)?;
        let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
        loop {
            let count = file.read(&mut piece).map_err(missing)?;
            if count == 0 {
                break;
            }
            sum.update(&piece[..count]);
        }
        let found: String = sum.finalize().iter().map(|b| format!("{b:02x}")).collect();
        if !found.eq_ignore_ascii_case(wanted) {
            let detail = format!("{shown} has SHA-256 {found}, not {wanted}");
            return Err(Fault::new(ProbeReason::Artifact, detail));
        }
    }
    let modified = metadata.modified().ok();
    let since = modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(Facts {
        size_bytes: Some(metadata.len()),
        modified_ms: since.map(|d| d.as_millis() as i64),
        sha256: None,
    })
}
