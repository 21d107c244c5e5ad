//! OpenAI-compatible servers (vLLM, SGLang, TGI, Ollama, llama.cpp, gateways): does the model answer, rightly and soon?
//!
//! The answer is asked for as a stream, so that the time to the first token is the user's. A server that answers without
//! streaming is read as well. Bounds: bytes of the whole answer, bytes of one event.

use super::dial::TlsOptions;
use super::exchange::{Answer, Ask, ask};
use super::expect::{Expect, beginning};
use super::http::join;
use super::json::at_path;
use super::look::{Fault, Found, Look, too_slow};
use crate::http::Secret;
use lapwing_types::ProbeReason;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use url::Url;

const ANSWER_BYTES_MAX: usize = 1 << 20;
const TOKENS_MAX: u32 = 16;

/// `openai_chat`, `openai_completion` and `openai_embedding` share it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiProbe {
    /// The API's root, with `/v1` or without; the endpoint's without it.
    pub url: Option<String>,
    pub model: String,
    pub prompt: Option<String>,
    pub system: Option<String>,
    /// Enough for the expected answer; 16 without it.
    pub max_tokens: Option<u32>,
    pub no_stream: bool,
    pub api_key: Option<Secret>,
    pub api_key_file: Option<PathBuf>,
    pub headers: BTreeMap<String, String>,
    pub tls: TlsOptions,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    Chat,
    Completion,
    Embedding,
}

/// What came of the model.
#[derive(Default)]
struct Said {
    text: String,
    model: Option<String>,
    first_token_s: Option<f64>,
    tokens: u64,
}

impl OpenAiProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        self.expect.check()
    }

    pub(super) async fn look(&self, look: &Look, flavour: Flavour) -> Found {
        let started = look.nanos();
        let mut answer = ask(look, &self.ask(look, flavour)?).await?;
        look.measure("probe_http_status_code", f64::from(answer.status));
        if !self.expect.allows_status(answer.status) {
            let body = answer
                .body(look, ANSWER_BYTES_MAX as u64)
                .await
                .unwrap_or_default();
            look.note("body", beginning(&String::from_utf8_lossy(&body)));
            let reason = match answer.status {
                401 | 403 => ProbeReason::Auth,
                404 => ProbeReason::NotFound,
                _ => ProbeReason::Status,
            };
            let said = beginning(&String::from_utf8_lossy(&body));
            return Err(Fault::new(
                reason,
                format!("the model server answered with status {}: {said}", answer.status),
            ));
        }
        let is_stream = answer
            .header("content-type")
            .is_some_and(|t| t.starts_with("text/event-stream"));
        if flavour == Flavour::Embedding {
            return self.judge_embedding(look, &mut answer, started).await;
        }
        let said = if is_stream {
            read_stream(look, &mut answer, started).await?
        } else {
            read_whole(look, &mut answer).await?
        };
        self.judge(look, &said, started)
    }

    fn judge(&self, look: &Look, said: &Said, started: u64) -> Found {
        let total_s = look.seconds_since(started);
        look.note("answer", beginning(&said.text));
        if let Some(model) = &said.model {
            look.note("model", model.clone());
        }
        if let Some(first_s) = said.first_token_s {
            look.measure("probe_model_time_to_first_token_seconds", first_s);
            let rest_s = total_s - first_s;
            if said.tokens > 1 && rest_s > 0.0 {
                look.measure("probe_model_tokens_per_second", (said.tokens - 1) as f64 / rest_s);
            }
        }
        if said.text.trim().is_empty() {
            return Err(Fault::new(ProbeReason::Empty, "the model answered with nothing"));
        }
        self.expect.judge_text(&said.text, ProbeReason::Answer)?;
        if let (Some(limit), Some(first_s)) = (self.expect.first_token, said.first_token_s)
            && let Some(took) = too_slow("the first token", first_s, limit.0)
        {
            look.degrade(ProbeReason::Latency, took);
        }
        self.expect.judge_latency(total_s)
    }

    async fn judge_embedding(&self, look: &Look, answer: &mut Answer, started: u64) -> Found {
        let body = answer.body(look, ANSWER_BYTES_MAX as u64).await?;
        let value: Value = serde_json::from_slice(&body).map_err(|_| not_json(&body))?;
        let vector: Vec<f64> = at_path(&value, "data[0].embedding")
            .and_then(Value::as_array)
            .map(|items| items.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default();
        if vector.is_empty() {
            return Err(Fault::new(
                ProbeReason::Empty,
                "there is no embedding in the answer",
            ));
        }
        look.measure("probe_model_embedding_dimensions", vector.len() as f64);
        self.expect.judge_vector(&vector)?;
        self.expect.judge_json(&value)?;
        self.expect.judge_latency(look.seconds_since(started))
    }

    fn ask(&self, look: &Look, flavour: Flavour) -> Result<Ask, Fault> {
        let base = self
            .url
            .as_deref()
            .or(look.base.as_deref())
            .ok_or_else(|| Fault::config("neither a url nor an endpoint"))?;
        let base = base.trim_end_matches('/').trim_end_matches("/v1");
        let prompt = self.prompt.as_deref().unwrap_or("Say OK.");
        let path = match flavour {
            Flavour::Chat => "/v1/chat/completions",
            Flavour::Completion => "/v1/completions",
            Flavour::Embedding => "/v1/embeddings",
        };
        let mut body = json!({ "model": self.model });
        match flavour {
            Flavour::Embedding => body["input"] = json!(prompt),
            Flavour::Completion => body["prompt"] = json!(prompt),
            Flavour::Chat => {
                let system = self
                    .system
                    .iter()
                    .map(|s| json!({ "role": "system", "content": s }));
                let user = json!({ "role": "user", "content": prompt });
                body["messages"] = system.chain([user]).collect();
            }
        }
        if flavour != Flavour::Embedding {
            body["max_tokens"] = json!(self.max_tokens.unwrap_or(TOKENS_MAX));
            body["temperature"] = json!(0);
            body["stream"] = json!(!self.no_stream);
        }
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.headers.iter().map(|(n, v)| (n.clone(), v.clone())));
        if let Some(key) = Secret::either(self.api_key.as_ref(), self.api_key_file.as_ref()) {
            let key = key
                .reveal()
                .map_err(|e| Fault::config(format!("cannot read the API key: {e}")))?;
            headers.push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        let url = join(base, Some(path), &BTreeMap::new());
        Ok(Ask {
            method: "POST".to_owned(),
            url: Url::parse(&url).map_err(|e| Fault::config(format!("{url:?}: {e}")))?,
            headers,
            body: body.to_string().into_bytes(),
            tls: self.tls.clone(),
            offer_h2: true,
        })
    }
}

fn not_json(body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(body);
    Fault::protocol(format!("the answer is not JSON: {:?}", beginning(&text)))
}

async fn read_whole(look: &Look, answer: &mut Answer) -> Result<Said, Fault> {
    let body = answer.body(look, ANSWER_BYTES_MAX as u64).await?;
    let value: Value = serde_json::from_slice(&body).map_err(|_| not_json(&body))?;
    Ok(Said {
        text: text_of(&value).to_owned(),
        model: value["model"].as_str().map(str::to_owned),
        tokens: value["usage"]["completion_tokens"].as_u64().unwrap_or(0),
        first_token_s: None,
    })
}

async fn read_stream(look: &Look, answer: &mut Answer, started: u64) -> Result<Said, Fault> {
    let (mut said, mut pending, mut total) = (Said::default(), Vec::new(), 0);
    while let Some(chunk) = answer.chunk().await? {
        total += chunk.len();
        if total > ANSWER_BYTES_MAX {
            let detail = format!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(Fault::new(ProbeReason::TooLarge, detail));
        }
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.strip_prefix("data:").map(str::trim) else {
                continue;
            };
            if data == "[DONE]" {
                look.leave();
                return Ok(said);
            }
            let event: Value = serde_json::from_str(data).map_err(|_| not_json(data.as_bytes()))?;
            if let Some(error) = event.get("error") {
                return Err(Fault::new(
                    ProbeReason::Answer,
                    format!("the model failed: {error}"),
                ));
            }
            let piece = text_of(&event);
            if !piece.is_empty() {
                said.tokens += 1;
                said.first_token_s
                    .get_or_insert_with(|| look.seconds_since(started));
                said.text.push_str(piece);
            }
            if said.model.is_none() {
                said.model = event["model"].as_str().map(str::to_owned);
            }
        }
    }
    look.leave();
    Ok(said)
}

/// Of a chat's answer or its piece, of a completion's, and of a thinking model that has only thought so far.
fn text_of(value: &Value) -> &str {
    let choice = &value["choices"][0];
    [
        &choice["message"]["content"],
        &choice["delta"]["content"],
        &choice["text"],
        &choice["delta"]["reasoning_content"],
    ]
    .into_iter()
    .find_map(|v| v.as_str().filter(|t| !t.is_empty()))
    .unwrap_or("")
}
