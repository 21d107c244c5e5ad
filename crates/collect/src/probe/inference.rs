//! Other model servers: KServe v2 and Triton, TorchServe, and a golden input to any HTTP endpoint.
//!
//! Ready is asked first (is the server up, is this model loaded?), then, where an input is given, the model itself, whose
//! answer must be as expected.

use super::dial::TlsOptions;
use super::exchange::{Ask, ask};
use super::expect::{Expect, beginning, plain};
use super::http::join;
use super::json::at_path;
use super::look::{Fault, Found, Look};
use crate::http::Secret;
use lapwing_types::ProbeReason;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use url::Url;

const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// `kserve_v2`, `triton`, `torchserve` and `golden` share it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceProbe {
    pub url: Option<String>,
    pub model: Option<String>,
    pub version: Option<String>,
    /// Below the endpoint; for `golden`, where the input goes.
    pub path: Option<String>,
    /// The request's body, as JSON: `{ inputs: […] }` in KServe v2.
    pub input: Option<Value>,
    /// Where in the answer stands what is judged; the whole answer without it.
    pub output: Option<String>,
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<PathBuf>,
    pub headers: BTreeMap<String, String>,
    pub tls: TlsOptions,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    KserveV2,
    Torchserve,
    Golden,
}

impl InferenceProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        self.expect.check()
    }

    pub(super) async fn look(&self, look: &Look, server: Server) -> Found {
        let started = look.nanos();
        let model = self.model.as_deref().map(encoded);
        for path in self.ready_paths(server, model.as_deref()) {
            self.exchange(look, ("GET", &path), None).await?;
        }
        let path = match (server, &model) {
            (Server::Golden, _) => self.path.clone().unwrap_or_default(),
            (Server::Torchserve, Some(model)) => format!("/predictions/{model}{}", self.version_part("/")),
            (Server::KserveV2, Some(model)) => {
                format!("/v2/models/{model}{}/infer", self.version_part("/versions/"))
            }
            _ => return self.expect.judge_latency(look.seconds_since(started)),
        };
        if server == Server::KserveV2 {
            self.note_version(look, model.as_deref().unwrap_or("")).await?;
        }
        let Some(input) = &self.input else {
            return self.expect.judge_latency(look.seconds_since(started));
        };
        let body = self.exchange(look, ("POST", &path), Some(input)).await?;
        self.judge(look, &body)?;
        self.expect.judge_latency(look.seconds_since(started))
    }

    fn ready_paths(&self, server: Server, model: Option<&str>) -> Vec<String> {
        match (server, model) {
            (Server::Golden, _) => Vec::new(),
            (Server::Torchserve, _) => vec!["/ping".to_owned()],
            (Server::KserveV2, None) => vec!["/v2/health/ready".to_owned()],
            (Server::KserveV2, Some(model)) => vec![
                "/v2/health/ready".to_owned(),
                format!("/v2/models/{model}{}/ready", self.version_part("/versions/")),
            ],
        }
    }

    fn version_part(&self, before: &str) -> String {
        self.version
            .as_deref()
            .map_or_else(String::new, |v| format!("{before}{}", encoded(v)))
    }

    /// The versions that the server has of this model; the newest is what it serves.
    async fn note_version(&self, look: &Look, model: &str) -> Found {
        let body = self
            .exchange(look, ("GET", &format!("/v2/models/{model}")), None)
            .await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let versions = value["versions"].as_array().cloned().unwrap_or_default();
        if let Some(last) = versions.last() {
            look.serves_version(plain(last));
        }
        Ok(())
    }

    fn judge(&self, look: &Look, body: &[u8]) -> Found {
        let text = String::from_utf8_lossy(body);
        let value: Option<Value> = serde_json::from_slice(body).ok();
        let judged = match (&self.output, &value) {
            (None, _) => value.clone(),
            (Some(path), Some(value)) => Some(at_path(value, path).cloned().ok_or_else(|| {
                Fault::new(
                    ProbeReason::JsonPath,
                    format!("there is nothing at {path} in the answer"),
                )
            })?),
            (Some(_), None) => {
                return Err(Fault::protocol(format!(
                    "the answer is not JSON: {:?}",
                    beginning(&text)
                )));
            }
        };
        let said = judged.as_ref().map_or_else(|| text.into_owned(), plain);
        look.note("answer", beginning(&said));
        if said.trim().is_empty() || matches!(said.as_str(), "null" | "[]" | "{}") {
            return Err(Fault::new(ProbeReason::Empty, "the model answered with nothing"));
        }
        if let Some(items) = judged.as_ref().and_then(Value::as_array) {
            let vector: Vec<f64> = items.iter().filter_map(Value::as_f64).collect();
            self.expect.judge_vector(&vector)?;
        } else if self.expect.embedding.is_some() {
            return Err(Fault::new(ProbeReason::Answer, "the answer is not a vector"));
        }
        self.expect.judge_text(&said, ProbeReason::Answer)
    }

    async fn exchange(
        &self,
        look: &Look,
        (method, path): (&str, &str),
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Fault> {
        let base = self.url.as_deref().or(look.base.as_deref());
        let base = base.ok_or_else(|| Fault::config("neither a url nor an endpoint"))?;
        let url = join(base, Some(path), &BTreeMap::new());
        let mut headers: Vec<_> = self.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if let Some(token) = Secret::either(self.bearer_token.as_ref(), self.bearer_token_file.as_ref()) {
            let token = token
                .reveal()
                .map_err(|e| Fault::config(format!("cannot read the token: {e}")))?;
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let request = Ask {
            method: method.to_owned(),
            url: Url::parse(&url).map_err(|e| Fault::config(format!("{url:?}: {e}")))?,
            headers,
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
            tls: self.tls.clone(),
            offer_h2: true,
        };
        let mut answer = ask(look, &request).await?;
        look.measure("probe_http_status_code", f64::from(answer.status));
        let body = answer.body(look, ANSWER_BYTES_MAX).await?;
        if self.expect.allows_status(answer.status) {
            return Ok(body);
        }
        let reason = match answer.status {
            401 | 403 => ProbeReason::Auth,
            400 | 404 => ProbeReason::NotFound,
            _ => ProbeReason::Status,
        };
        let said = beginning(&String::from_utf8_lossy(&body));
        Err(Fault::new(
            reason,
            format!("{path} answered {}: {said}", answer.status),
        ))
    }
}

fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
