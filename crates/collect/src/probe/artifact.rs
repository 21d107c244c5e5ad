//! A model's artifact: is the file (or the object behind a URL) there, whole, as large and as new as it must be?
//!
//! A checksum reads the whole file in bounded pieces, on a blocking thread. An object in S3 or on a hub is asked for by its
//! HTTPS address (a presigned one, or a hub's `resolve` URL), by HEAD, and is never downloaded.

use super::dial::TlsOptions;
use super::exchange::{Ask, ask};
use super::look::{Fault, Found, Look};
use crate::http::{Bytes, Millis, Secret};
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
    /// Hexadecimal; for files only.
    pub sha256: Option<String>,
    /// Degraded when it is older.
    pub age_max: Option<Millis>,
    pub tls: TlsOptions,
}

/// What was found of it.
struct Facts {
    size_bytes: Option<u64>,
    modified_ms: Option<i64>,
}

impl ArtifactProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.file.is_some() == self.url.is_some() {
            return Err("an artifact is either a file or a url".to_owned());
        }
        match &self.sha256 {
            Some(_) if self.file.is_none() => Err("sha256 is for files only".to_owned()),
            Some(hex) if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Err(format!("{hex:?} is not a SHA-256 in hexadecimal"))
            }
            _ => Ok(()),
        }
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

    async fn look_at_url(&self, look: &Look, url: &str) -> Result<Facts, Fault> {
        let mut url = Url::parse(url).map_err(|e| Fault::config(format!("{url:?}: {e}")))?;
        let token = Secret::either(None, self.bearer_token_file.as_ref()).map(|s| s.reveal());
        let token = token
            .transpose()
            .map_err(|e| Fault::config(format!("cannot read the token: {e}")))?;
        let mut headers: Vec<_> = token
            .map(|t| ("authorization".to_owned(), format!("Bearer {t}")))
            .into_iter()
            .collect();
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
            if let (300..400, Some(to)) = (answer.status, answer.header("location")) {
                let to = url.join(to).map_err(|e| Fault::protocol(e.to_string()))?;
                if to.host_str() != url.host_str() {
                    headers.clear();
                }
                url = to;
                continue;
            }
            if !(200..300).contains(&answer.status) {
                let detail = format!("the server answered {}", answer.status);
                return Err(Fault::new(ProbeReason::NotFound, detail));
            }
            return Ok(Facts {
                size_bytes: answer.header("content-length").and_then(|l| l.parse().ok()),
                modified_ms: answer.header("last-modified").and_then(http_date_ms),
            });
        }
        Err(Fault::new(
            ProbeReason::Redirects,
            format!("more than {REDIRECTS_MAX} redirects"),
        ))
    }
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
    })
}
