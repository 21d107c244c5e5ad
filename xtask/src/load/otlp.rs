//! OTLP metrics: one request holds one point of every series of one host, each a gauge, as a collector would send them.
//!
//! The message is `ExportMetricsServiceRequest { resource_metrics = 1: ResourceMetrics { resource = 1: Resource { attributes = 1 },
//! scope_metrics = 2: ScopeMetrics { metrics = 2: Metric { name = 1, gauge = 5: Gauge { data_points = 1: NumberDataPoint {
//! time_unix_nano = 3 (fixed64), as_double = 4, attributes = 7 } } } } } }`. Attributes never change and are encoded once.

use anyhow::{Context, Result, bail};

use super::fleet::{Fleet, Labels};
use super::remote::{push_bytes, push_varint};

pub(crate) struct OtlpSender {
    agent: ureq::Agent,
    url: String,
    /// Per host, per series: the encoded name of the metric, and the encoded attributes of its point.
    heads: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl OtlpSender {
    pub(crate) fn new(url: String, fleet: &Fleet) -> OtlpSender {
        let heads = (0..fleet.hosts())
            .map(|h| fleet.labels(h).iter().map(encode_head).collect())
            .collect();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        OtlpSender { agent, url, heads }
    }

    /// Sends one host's values; a refusal is an error, for a bench that loses samples measures nothing.
    pub(crate) fn send(&self, host: usize, values: &[f64], time_ms: i64) -> Result<()> {
        let mut scope = Vec::new();
        for ((name, attributes), value) in self.heads[host].iter().zip(values) {
            push_bytes(&mut scope, 2, &metric(name, attributes, *value, time_ms));
        }
        let mut resource = Vec::new();
        push_bytes(&mut resource, 1, &pair("service.name", &format!("host-{host}")));
        let mut metrics = Vec::new();
        push_bytes(&mut metrics, 1, &resource);
        push_bytes(&mut metrics, 2, &scope);
        let mut message = Vec::new();
        push_bytes(&mut message, 1, &metrics);
        let request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/x-protobuf");
        let mut answer = request
            .send(&message[..])
            .with_context(|| format!("send to {}", self.url))?;
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        if !answer.status().is_success() {
            bail!("{} answered {}: {text}", self.url, answer.status());
        }
        Ok(())
    }
}

fn encode_head(labels: &Labels) -> (Vec<u8>, Vec<u8>) {
    let (mut name, mut attributes) = (Vec::new(), Vec::new());
    for (key, value) in labels {
        if key == "__name__" {
            push_bytes(&mut name, 1, value.as_bytes());
        } else {
            push_bytes(&mut attributes, 7, &pair(key, value));
        }
    }
    (name, attributes)
}

/// `KeyValue { key = 1, value = 2: AnyValue { string_value = 1 } }`.
fn pair(key: &str, value: &str) -> Vec<u8> {
    let mut any = Vec::new();
    push_bytes(&mut any, 1, value.as_bytes());
    let mut out = Vec::new();
    push_bytes(&mut out, 1, key.as_bytes());
    push_bytes(&mut out, 2, &any);
    out
}

fn metric(name: &[u8], attributes: &[u8], value: f64, time_ms: i64) -> Vec<u8> {
    let mut point = Vec::with_capacity(attributes.len() + 18);
    point.push(3 << 3 | 1);
    point.extend_from_slice(&(time_ms as u64 * 1_000_000).to_le_bytes());
    point.push(4 << 3 | 1);
    point.extend_from_slice(&value.to_bits().to_le_bytes());
    point.extend_from_slice(attributes);
    let mut gauge = Vec::with_capacity(point.len() + 4);
    push_bytes(&mut gauge, 1, &point);
    let mut out = Vec::with_capacity(name.len() + gauge.len() + 4);
    out.extend_from_slice(name);
    out.push(5 << 3 | 2);
    push_varint(&mut out, gauge.len() as u64);
    out.extend_from_slice(&gauge);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_is_these_bytes() {
        let (name, attributes) =
            encode_head(&vec![("__name__".into(), "m".into()), ("a".into(), "b".into())]);
        let expect = [
            &[0x0a, 1, b'm', 0x2a, 30, 0x0a, 28][..],
            &[0x19, 0x40, 0x42, 0x0f, 0, 0, 0, 0, 0],
            &[0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            &[0x3a, 8, 0x0a, 1, b'a', 0x12, 3, 0x0a, 1, b'b'],
        ];
        assert_eq!(metric(&name, &attributes, 1.0, 1), expect.concat());
    }
}
