//! What an answer must be: text, JSON, a schema, a number, a vector. Each failed condition has its own reason.

use super::json::{at_path, matches_schema};
use super::look::{Fault, Found, too_slow};
use super::settings::check_schema;
use crate::http::Millis;
use lapwing_types::{ProbeReason, go_regex};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// All conditions must hold; those that are absent say nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// `200`, `2xx`, or a list of them; for HTTP, any 2xx without it.
    #[serde(deserialize_with = "one_or_many")]
    pub status: Vec<String>,
    /// A regular expression per header.
    pub headers: BTreeMap<String, String>,
    /// The same, but such a header must not come.
    pub not_headers: BTreeMap<String, String>,
    /// Without the white space around it.
    #[serde(alias = "exact")]
    pub equals: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub contains: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub not_contains: Vec<String>,
    /// Regular expressions.
    #[serde(deserialize_with = "one_or_many")]
    pub matches: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub not_matches: Vec<String>,
    /// By path, such as `data[0].status`: a value, or text such as `> 0.5`, `!= x`, `=~ ^ok`.
    pub json: BTreeMap<String, Value>,
    /// The part of JSON Schema that tests need: type, properties, required, items, enum, bounds.
    pub schema: Option<Value>,
    pub number: Option<NumberExpect>,
    pub embedding: Option<EmbeddingExpect>,
    /// Fails when it takes longer.
    pub latency: Option<Millis>,
    /// Degraded when it takes longer: of a step, that step; elsewhere the whole look, as the check's own `degraded_above` has it.
    pub degraded_above: Option<Millis>,
    /// Degraded when the first token takes longer.
    pub first_token: Option<Millis>,
}

/// The first number in the text, or the number that the answer is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberExpect {
    pub value: f64,
    #[serde(default)]
    pub tolerance: f64,
}

/// Cosine distance (1 - similarity) of the answer's vector from a known one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingExpect {
    pub vector: Vec<f64>,
    pub distance_max: f64,
}

impl Expect {
    /// Whatever is wrong with the conditions themselves, found when the configuration is read.
    pub fn check(&self) -> Result<(), String> {
        let patterns = self.matches.iter().chain(&self.not_matches);
        let of_headers = self.headers.values().chain(self.not_headers.values());
        for pattern in patterns.chain(of_headers) {
            go_regex(pattern).map_err(|e| format!("{pattern:?} is not a regular expression: {e}"))?;
        }
        for status in &self.status {
            let is_class = matches!(status.as_str(), "1xx" | "2xx" | "3xx" | "4xx" | "5xx");
            let is_status = status.parse::<u16>().is_ok_and(|s| (100..1000).contains(&s));
            if !is_class && !is_status {
                return Err(format!("{status:?} is neither a status nor a class such as 2xx"));
            }
        }
        for (path, wanted) in &self.json {
            check_condition(wanted).map_err(|why| format!("json {path:?}: {why}"))?;
        }
        self.schema.as_ref().map_or(Ok(()), check_schema)
    }

    /// Whether anything is asked of what an answer says.
    pub(super) fn judges_answers(&self) -> bool {
        let of_text = [
            &self.contains,
            &self.not_contains,
            &self.matches,
            &self.not_matches,
        ];
        of_text.iter().any(|list| !list.is_empty())
            || !self.json.is_empty()
            || self.equals.is_some()
            || self.schema.is_some()
            || self.number.is_some()
            || self.embedding.is_some()
    }

    pub(super) fn allows_status(&self, code: u16) -> bool {
        let text = code.to_string();
        let is_meant = |s: &String| match s.strip_suffix("xx") {
            Some(class) => text.starts_with(class),
            None => *s == text,
        };
        if self.status.is_empty() {
            (200..300).contains(&code)
        } else {
            self.status.iter().any(is_meant)
        }
    }

    /// The conditions on the text of a body or of a model's answer.
    pub(super) fn judge_text(&self, text: &str, reason: ProbeReason) -> Found {
        let wrong = |what: String| {
            Err(Fault::new(
                reason,
                format!("{what}; it says {:?}", beginning(text)),
            ))
        };
        if let Some(exact) = self.equals.as_ref().filter(|e| e.trim() != text.trim()) {
            return wrong(format!("the answer is not {:?}", beginning(exact)));
        }
        if let Some(missing) = self.contains.iter().find(|c| !text.contains(c.as_str())) {
            return wrong(format!("the answer does not contain {missing:?}"));
        }
        if let Some(found) = self.not_contains.iter().find(|c| text.contains(c.as_str())) {
            return wrong(format!("the answer contains {found:?}"));
        }
        for pattern in &self.matches {
            let regex = go_regex(pattern).map_err(|e| Fault::config(e.to_string()))?;
            if !regex.is_match(text) {
                return wrong(format!("the answer does not match {pattern:?}"));
            }
        }
        for pattern in &self.not_matches {
            let regex = go_regex(pattern).map_err(|e| Fault::config(e.to_string()))?;
            if regex.is_match(text) {
                return wrong(format!("the answer matches {pattern:?}"));
            }
        }
        if let Some(number) = &self.number {
            judge_number(first_number(text), number)?;
        }
        if self.json.is_empty() && self.schema.is_none() {
            return Ok(());
        }
        let value = serde_json::from_str(text).map_err(|_| {
            Fault::new(
                ProbeReason::JsonPath,
                format!("the answer is not JSON: {:?}", beginning(text)),
            )
        })?;
        self.judge_json(&value)
    }

    pub(super) fn judge_json(&self, value: &Value) -> Found {
        for (path, wanted) in &self.json {
            let found = at_path(value, path);
            if !found.is_some_and(|f| holds(f, wanted)) {
                let shown = found.map_or_else(|| "nothing".to_owned(), |f| beginning(&f.to_string()));
                let detail = format!("{path} is {shown}, not {wanted}");
                return Err(Fault::new(ProbeReason::JsonPath, detail));
            }
        }
        match &self.schema {
            Some(schema) => matches_schema(value, schema).map_err(|why| {
                Fault::new(
                    ProbeReason::Answer,
                    format!("the answer does not fit its schema: {why}"),
                )
            }),
            None => Ok(()),
        }
    }

    pub(super) fn judge_vector(&self, vector: &[f64]) -> Found {
        let Some(expect) = &self.embedding else {
            return Ok(());
        };
        let distance = cosine_distance(&expect.vector, vector).ok_or_else(|| {
            let detail = format!(
                "the vector has {} dimensions, {} were expected",
                vector.len(),
                expect.vector.len()
            );
            Fault::new(ProbeReason::Answer, detail)
        })?;
        if distance > expect.distance_max {
            let detail = format!(
                "the vector is {distance:.4} away, {} is allowed",
                expect.distance_max
            );
            return Err(Fault::new(ProbeReason::Answer, detail));
        }
        Ok(())
    }

    pub(super) fn judge_latency(&self, seconds: f64) -> Found {
        match self.latency.and_then(|limit| too_slow("it", seconds, limit.0)) {
            Some(said) => Err(Fault::new(ProbeReason::Latency, said)),
            None => Ok(()),
        }
    }
}

pub(super) fn judge_number(found: Option<f64>, expect: &NumberExpect) -> Found {
    match found {
        Some(n) if (n - expect.value).abs() <= expect.tolerance => Ok(()),
        Some(n) => {
            let detail = format!("the answer is {n}, not {} ± {}", expect.value, expect.tolerance);
            Err(Fault::new(ProbeReason::Answer, detail))
        }
        None => Err(Fault::new(
            ProbeReason::Answer,
            "there is no number in the answer",
        )),
    }
}

/// A literal is compared; text that begins with an operator is a condition.
fn holds(found: &Value, wanted: &Value) -> bool {
    let Value::String(text) = wanted else {
        return same(found, wanted);
    };
    let Some((operator, operand)) = condition(text) else {
        return plain(found) == *text;
    };
    let numbers = plain(found).parse::<f64>().ok().zip(operand.parse::<f64>().ok());
    match operator {
        "=~" => go_regex(operand).is_ok_and(|r| r.is_match(&plain(found))),
        "==" => numbers.map_or_else(|| plain(found) == operand, |(a, b)| a == b),
        "!=" => numbers.map_or_else(|| plain(found) != operand, |(a, b)| a != b),
        ">=" => numbers.is_some_and(|(a, b)| a >= b),
        "<=" => numbers.is_some_and(|(a, b)| a <= b),
        ">" => numbers.is_some_and(|(a, b)| a > b),
        _ => numbers.is_some_and(|(a, b)| a < b),
    }
}

/// The operator and what stands behind it; the operators of two characters come first.
fn condition(text: &str) -> Option<(&'static str, &str)> {
    const OPERATORS: [&str; 7] = [">=", "<=", "!=", "==", "=~", ">", "<"];
    let operator = OPERATORS.iter().find(|o| text.starts_with(**o))?;
    Some((operator, text[operator.len()..].trim()))
}

/// A condition that no value can meet.
fn check_condition(wanted: &Value) -> Result<(), String> {
    let Some((operator, operand)) = wanted.as_str().and_then(condition) else {
        return Ok(());
    };
    match operator {
        "=~" => go_regex(operand)
            .map(drop)
            .map_err(|e| format!("{operand:?} is not a regular expression: {e}")),
        "==" | "!=" => Ok(()),
        _ if operand.parse::<f64>().is_ok() => Ok(()),
        _ => Err(format!(
            "{operand:?} is not a number, and {operator} compares numbers"
        )),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn first_number(text: &str) -> Option<f64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let is_negative = text[..start].ends_with('-');
    let end = text[start..]
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map_or(text.len(), |e| start + e);
    let number: f64 = text[start..end].trim_end_matches('.').parse().ok()?;
    Some(if is_negative { -number } else { number })
}

fn cosine_distance(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    (norms > 0.0).then(|| 1.0 - dot(a, b) / norms)
}

pub(super) fn beginning(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let is_whole = text.chars().nth(CHARS_MAX).is_none();
    let kept = text.chars().take(CHARS_MAX);
    let short: String = kept.map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !is_whole { format!("{short}…") } else { short }
}

/// `x` for `[x]`; numbers for text.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Value),
        Many(Vec<Value>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(Value::Array(many)) | OneOrMany::Many(many) => many.iter().map(plain).collect(),
        OneOrMany::One(Value::Null) => Vec::new(),
        OneOrMany::One(one) => vec![plain(&one)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(expect: Value, text: &str, reason: Option<ProbeReason>) {
        let expect: Expect = serde_json::from_value(expect).unwrap();
        expect.check().unwrap();
        let found = expect.judge_text(text, ProbeReason::Answer);
        assert_eq!(found.err().map(|f| f.reason), reason, "{expect:?} of {text:?}");
    }

    #[test]
    fn conditions_on_text() {
        check(json!({"equals": "4"}), " 4\n", None);
        check(json!({"equals": "4"}), "5", Some(ProbeReason::Answer));
        check(json!({"contains": "4"}), "it is 4.", None);
        check(json!({"contains": ["a", "b"]}), "a", Some(ProbeReason::Answer));
        check(
            json!({"not_contains": "error"}),
            "an error",
            Some(ProbeReason::Answer),
        );
        check(json!({"matches": "^o[k]$"}), "ok", None);
        check(json!({"not_matches": "^o[k]$"}), "ok", Some(ProbeReason::Answer));
        check(
            json!({"number": {"value": 4.0, "tolerance": 0.1}}),
            "about 4.05",
            None,
        );
        check(json!({"number": {"value": -4.0}}), "-4.", None);
        check(
            json!({"number": {"value": 4.0}}),
            "none",
            Some(ProbeReason::Answer),
        );
    }

    #[test]
    fn conditions_on_json() {
        let text = r#"{"data": [{"id": "chat", "ready": true, "load": 0.5}]}"#;
        check(
            json!({"json": {"data[0].id": "chat", "data[0].ready": true}}),
            text,
            None,
        );
        check(json!({"json": {"$.data[0].load": "< 0.6"}}), text, None);
        check(
            json!({"json": {"data[0].load": ">= 0.6"}}),
            text,
            Some(ProbeReason::JsonPath),
        );
        check(
            json!({"json": {"data[1].id": "x"}}),
            text,
            Some(ProbeReason::JsonPath),
        );
        check(json!({"json": {"a": 1}}), "not json", Some(ProbeReason::JsonPath));
        let schema = json!({"schema": {"type": "object", "required": ["data"]}});
        check(schema.clone(), text, None);
        check(schema, "[]", Some(ProbeReason::Answer));
    }

    #[test]
    fn statuses_and_vectors() {
        let expect: Expect = serde_json::from_value(json!({"status": ["2xx", 404]})).unwrap();
        assert!(expect.allows_status(204) && expect.allows_status(404) && !expect.allows_status(500));
        let expect: Expect = serde_json::from_value(json!({"status": 503})).unwrap();
        assert!(expect.allows_status(503) && !expect.allows_status(200));
        let expect: Expect =
            serde_json::from_value(json!({"embedding": {"vector": [1.0, 0.0], "distance_max": 0.1}}))
                .unwrap();
        assert!(expect.judge_vector(&[2.0, 0.1]).is_ok());
        assert!(expect.judge_vector(&[0.0, 1.0]).is_err());
        assert!(expect.judge_vector(&[1.0]).is_err());
        let bad: Expect = serde_json::from_value(json!({"matches": "("})).unwrap();
        assert!(bad.check().is_err());
    }
}
