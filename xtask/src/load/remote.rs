//! Remote write 1.0: one request holds one sample of every series of one host, as a scrape would.
//!
//! The message is `WriteRequest { timeseries = 1: TimeSeries { labels = 1: Label { name = 1, value = 2 }, samples = 2: Sample {
//! value = 1 (double), timestamp = 2 (varint) } } }`, compressed as one snappy block. The bytes of the labels never change, so
//! they are encoded once; the generator must cost far less than the server that it measures.

use anyhow::{Context, Result, bail};

use super::fleet::{Fleet, Labels};

pub(crate) struct Sender {
    agent: ureq::Agent,
    url: String,
    /// Per host, per series: the encoded labels.
    heads: Vec<Vec<Vec<u8>>>,
    snappy: snap::raw::Encoder,
    message: Vec<u8>,
}

impl Sender {
    pub(crate) fn new(url: String, fleet: &Fleet) -> Sender {
        let heads = (0..fleet.hosts())
            .map(|h| fleet.labels(h).iter().map(encode_labels).collect())
            .collect();
        // A refusal is read for its reason, so it must not be an error of the client.
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        Sender {
            agent,
            url,
            heads,
            snappy: snap::raw::Encoder::new(),
            message: Vec::new(),
        }
    }

    /// Sends one host's values; a refusal is an error, for a bench that loses samples measures nothing.
    pub(crate) fn send(&mut self, host: usize, values: &[f64], time_ms: i64) -> Result<()> {
        self.message.clear();
        for (head, value) in self.heads[host].iter().zip(values) {
            push_series(&mut self.message, head, *value, time_ms);
        }
        let body = self
            .snappy
            .compress_vec(&self.message)
            .context("compress a request")?;
        let request = self.agent.post(&self.url).header("Content-Encoding", "snappy");
        let request = request.header("Content-Type", "application/x-protobuf");
        let request = request.header("X-Prometheus-Remote-Write-Version", "0.1.0");
        let mut answer = request
            .send(&body[..])
            .with_context(|| format!("write to {}", self.url))?;
        // The connection is used again only once the answer has been read.
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        if !answer.status().is_success() {
            bail!("{} answered {}: {text}", self.url, answer.status());
        }
        Ok(())
    }
}

fn encode_labels(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        push_bytes(&mut label, 1, name.as_bytes());
        push_bytes(&mut label, 2, value.as_bytes());
        push_bytes(&mut out, 1, &label);
    }
    out
}

fn push_series(out: &mut Vec<u8>, head: &[u8], value: f64, time_ms: i64) {
    let mut sample = [0_u8; 20];
    sample[0] = 1 << 3 | 1;
    sample[1..9].copy_from_slice(&value.to_bits().to_le_bytes());
    sample[9] = 2 << 3;
    let len = 10 + put_varint(&mut sample[10..], time_ms as u64);
    out.push(1 << 3 | 2);
    push_varint(out, (head.len() + 2 + len) as u64);
    out.extend_from_slice(head);
    out.extend_from_slice(&[2 << 3 | 2, len as u8]);
    out.extend_from_slice(&sample[..len]);
}

pub(super) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn push_varint(out: &mut Vec<u8>, value: u64) {
    let mut buffer = [0_u8; 10];
    let len = put_varint(&mut buffer, value);
    out.extend_from_slice(&buffer[..len]);
}

fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        out[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    out[len] = value as u8;
    len + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_series_is_these_bytes() {
        let mut out = Vec::new();
        push_series(
            &mut out,
            &encode_labels(&vec![("a".into(), "b".into())]),
            1.0,
            300,
        );
        let expect = [
            &[0x0a, 22][..],
            &[0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'],
            &[0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02],
        ];
        assert_eq!(out, expect.concat());
    }
}
