//! Alerts handed on to other Alertmanagers, as Prometheus hands them on: repeated while they fire, and for a while after.
//!
//! This is beside our own pages, not instead of them. Nothing is written down: an Alertmanager that hears nothing for a few
//! minutes takes the alert as ended, so what counts is to go on saying it. [`Forwarder`] is pure; the engine sends.

use crate::channels::http::{HttpConfig, TIMEOUT};
use crate::channels::{HttpRequest, Judge};
use lapwing_types::{Alert, Fingerprint, Labels};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// As Prometheus's `--rules.alert.resend-delay`.
const RESEND_MS: i64 = 60_000;
/// An alert that is not repeated for so long has ended, for whoever was told.
const VALID_MS: i64 = 4 * RESEND_MS;
/// For so long after its end an alert is still said to have ended.
const RESOLVED_MS: i64 = 15 * 60_000;
/// Alerts of one request.
const BATCH_MAX: usize = 256;
/// The longest pause between attempts at one Alertmanager that does not answer.
const BACKOFF_MS_MAX: i64 = 30_000;

/// One Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardTarget {
    /// `http://host:9093`, with a path prefix if it has one; `/api/v2/alerts` is added.
    pub url: String,
    pub http: HttpConfig,
    pub timeout: Duration,
    /// What the labels of alerts become for this one; as they are without it.
    pub rewrite: Option<Rewrite>,
}

type RewriteFn = dyn Fn(&Labels) -> Option<Labels> + Send + Sync;

/// Rules for labels, which are another room's: what they make of an alert's, and None where they drop it.
#[derive(Clone)]
pub struct Rewrite {
    /// The rules as they were typed: two of the same words do the same.
    words: String,
    apply: Arc<RewriteFn>,
}

impl Rewrite {
    pub fn new(
        words: impl Into<String>,
        apply: impl Fn(&Labels) -> Option<Labels> + Send + Sync + 'static,
    ) -> Self {
        Rewrite {
            words: words.into(),
            apply: Arc::new(apply),
        }
    }
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewrite({})", self.words)
    }
}

impl ForwardTarget {
    pub fn new(url: impl Into<String>) -> Self {
        ForwardTarget {
            url: url.into(),
            http: HttpConfig::default(),
            timeout: TIMEOUT,
            rewrite: None,
        }
    }

    /// The alert's labels as this one is told of them; None: it is not told of the alert.
    fn labels_of<'a>(&self, alert: &'a Alert) -> Option<Cow<'a, Labels>> {
        match &self.rewrite {
            None => Some(Cow::Borrowed(&alert.labels)),
            Some(rewrite) => (rewrite.apply)(&alert.labels)
                .filter(|labels| !labels.is_empty())
                .map(Cow::Owned),
        }
    }

    /// Where alerts are posted.
    pub fn endpoint(&self) -> String {
        format!("{}/api/v2/alerts", self.url.trim_end_matches('/'))
    }
}

struct Known {
    alert: Alert,
    ended_at_ms: Option<i64>,
    /// By target: when it was last told.
    told_ms: Vec<Option<i64>>,
}

/// How one Alertmanager fares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForwardStatus {
    pub url: String,
    pub sent: u64,
    pub failed: u64,
    pub last_error: Option<String>,
    failures_in_a_row: u32,
    not_before_ms: i64,
}

/// What one Alertmanager has to hear about one alert.
struct News<'a> {
    fingerprint: Fingerprint,
    known: &'a Known,
    labels: Cow<'a, Labels>,
}

/// What is to be told to whom, and what has been.
pub struct Forwarder {
    targets: Vec<ForwardTarget>,
    /// Added where an alert lacks them.
    external_labels: Labels,
    known: BTreeMap<Fingerprint, Known>,
    status: Vec<ForwardStatus>,
}

/// One request that is due.
pub struct Forward {
    pub request: HttpRequest,
    target: usize,
    alerts: Vec<Fingerprint>,
}

impl Forward {
    /// Alerts in the request.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

impl Forwarder {
    pub fn new(targets: Vec<ForwardTarget>, external_labels: Labels) -> Self {
        let status = targets
            .iter()
            .map(|t| ForwardStatus {
                url: t.endpoint(),
                ..ForwardStatus::default()
            })
            .collect();
        Forwarder {
            targets,
            external_labels,
            known: BTreeMap::new(),
            status,
        }
    }

    /// Other Alertmanagers, or the same ones reached in another way, from now on: those that are new are told what fires
    /// and what has ended lately, and with other labels all of them. Nothing happens when nothing is different.
    pub fn reload(&mut self, targets: Vec<ForwardTarget>, external_labels: Labels) {
        if targets == self.targets && external_labels == self.external_labels {
            return;
        }
        let mut known = std::mem::take(&mut self.known);
        let before = std::mem::replace(self, Forwarder::new(targets, external_labels));
        let stays = |target| before.targets.iter().position(|t| t == target);
        let places: Vec<Option<usize>> = self.targets.iter().map(stays).collect();
        for (status, place) in self.status.iter_mut().zip(&places) {
            if let Some(place) = *place {
                *status = before.status[place].clone();
            }
        }
        let same_labels = before.external_labels == self.external_labels;
        for one in known.values_mut() {
            let told = |place: &Option<usize>| place.filter(|_| same_labels).and_then(|at| one.told_ms[at]);
            one.told_ms = places.iter().map(told).collect();
        }
        self.known = known;
    }

    pub fn is_idle(&self) -> bool {
        self.targets.is_empty()
    }

    pub fn status(&self) -> &[ForwardStatus] {
        &self.status
    }

    /// Takes in what fires now; what fired before and is not among it has ended.
    pub fn observe(&mut self, firing: &[Alert], now_ms: i64) {
        let mut current = BTreeMap::new();
        for alert in firing {
            current.insert(alert.fingerprint(), alert);
        }
        for (fingerprint, known) in &mut self.known {
            if known.ended_at_ms.is_none() && !current.contains_key(fingerprint) {
                known.ended_at_ms = Some(now_ms);
                known.told_ms.iter_mut().for_each(|t| *t = None);
            }
        }
        for (fingerprint, alert) in current {
            let with_external = self.with_external_labels(alert);
            let known = self.known.entry(fingerprint).or_insert_with(|| Known {
                alert: with_external.clone(),
                ended_at_ms: None,
                told_ms: vec![None; self.targets.len()],
            });
            let is_news = known.ended_at_ms.take().is_some() || known.alert.annotations != alert.annotations;
            if is_news {
                known.told_ms.iter_mut().for_each(|t| *t = None);
            }
            known.alert = with_external;
        }
        self.known
            .retain(|_, k| k.ended_at_ms.is_none_or(|ended| now_ms - ended < RESOLVED_MS));
    }

    fn with_external_labels(&self, alert: &Alert) -> Alert {
        let mut alert = alert.clone();
        let missing: Vec<(&str, &str)> = self
            .external_labels
            .iter()
            .filter(|(name, _)| alert.labels.get(name).is_none())
            .collect();
        if !missing.is_empty() {
            let all = alert.labels.iter().chain(missing);
            // Names of both sets were valid, and no name is there twice.
            if let Ok(labels) = Labels::from_pairs(all) {
                alert.labels = labels;
            }
        }
        alert
    }

    /// What has to be said now: what is new at once, the rest again after a minute.
    pub fn due(&self, now_ms: i64) -> Vec<Forward> {
        let mut out = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            if now_ms < self.status[index].not_before_ms {
                continue;
            }
            let due: Vec<News<'_>> = self
                .known
                .iter()
                .filter(|(_, k)| k.told_ms[index].is_none_or(|told| now_ms - told >= RESEND_MS))
                .filter_map(|(fingerprint, known)| {
                    Some(News {
                        fingerprint: *fingerprint,
                        known,
                        labels: target.labels_of(&known.alert)?,
                    })
                })
                .collect();
            for batch in due.chunks(BATCH_MAX) {
                if let Some(request) = self.request(target, batch, now_ms) {
                    out.push(Forward {
                        request,
                        target: index,
                        alerts: batch.iter().map(|news| news.fingerprint).collect(),
                    });
                }
            }
        }
        out
    }

    fn request(&self, target: &ForwardTarget, batch: &[News<'_>], now_ms: i64) -> Option<HttpRequest> {
        let posted: Vec<Posted<'_>> = batch
            .iter()
            .map(|News { known, labels, .. }| Posted {
                labels,
                annotations: &known.alert.annotations,
                starts_at: rfc3339(known.alert.starts_at_ms),
                ends_at: rfc3339(known.ended_at_ms.unwrap_or(now_ms + VALID_MS)),
                generator_url: &known.alert.generator_url,
            })
            .collect();
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("reading {path}: {e}"));
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(target.http.headers_with(&read).ok()?);
        Some(HttpRequest {
            is_extra: false,
            method: "POST",
            url: target.endpoint(),
            headers,
            body: serde_json::to_vec(&posted).ok()?,
            config: target.http.clone(),
            at_ms: now_ms,
            timeout: target.timeout,
            judge: Judge::Status,
        })
    }

    /// What became of one request.
    pub fn done(&mut self, forward: &Forward, result: Result<(), String>, now_ms: i64) {
        // Gone, or in another place, with a reload while the request was under way.
        let is_same = |s: &ForwardStatus| s.url == forward.request.url;
        let here = Some(forward.target).filter(|at| self.status.get(*at).is_some_and(is_same));
        let Some(target) = here.or_else(|| self.status.iter().position(is_same)) else {
            return;
        };
        let status = &mut self.status[target];
        match result {
            Ok(()) => {
                status.sent += forward.alerts.len() as u64;
                status.last_error = None;
                status.failures_in_a_row = 0;
                status.not_before_ms = 0;
                for fingerprint in &forward.alerts {
                    if let Some(known) = self.known.get_mut(fingerprint) {
                        known.told_ms[target] = Some(now_ms);
                    }
                }
            }
            Err(reason) => {
                status.failed += forward.alerts.len() as u64;
                status.last_error = Some(reason);
                status.failures_in_a_row = status.failures_in_a_row.saturating_add(1);
                let pause = 1000i64 << status.failures_in_a_row.min(8);
                status.not_before_ms = now_ms + pause.min(BACKOFF_MS_MAX);
            }
        }
    }
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map(|t| t.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", name)]).unwrap(),
            starts_at_ms: 1_000,
            ..Alert::default()
        }
    }

    fn forwarder(targets: usize) -> Forwarder {
        let targets = (0..targets).map(|i| ForwardTarget::new(format!("http://am{i}/prefix/")));
        let external = Labels::from_pairs([("cluster", "eu")]).unwrap();
        Forwarder::new(targets.collect(), external)
    }

    fn bodies(due: &[Forward]) -> Vec<serde_json::Value> {
        due.iter()
            .map(|f| serde_json::from_slice(&f.request.body).unwrap())
            .collect()
    }

    fn tell_all(forwarder: &mut Forwarder, now_ms: i64) -> Vec<serde_json::Value> {
        let due = forwarder.due(now_ms);
        for one in &due {
            forwarder.done(one, Ok(()), now_ms);
        }
        bodies(&due)
    }

    #[test]
    fn an_alert_is_told_at_once_again_each_minute_and_when_it_ends() {
        let mut f = forwarder(1);
        f.observe(&[alert("a")], 10_000);
        let first = tell_all(&mut f, 10_000);
        assert_eq!(
            first[0][0]["labels"],
            serde_json::json!({"alertname": "a", "cluster": "eu"})
        );
        assert_eq!(first[0][0]["startsAt"], "1970-01-01T00:00:01Z");
        assert_eq!(first[0][0]["endsAt"], "1970-01-01T00:04:10Z");
        f.observe(&[alert("a")], 30_000);
        assert!(tell_all(&mut f, 30_000).is_empty());
        f.observe(&[alert("a")], 70_000);
        assert_eq!(tell_all(&mut f, 70_000).len(), 1);
        f.observe(&[], 80_000);
        let ended = tell_all(&mut f, 80_000);
        assert_eq!(ended[0][0]["endsAt"], "1970-01-01T00:01:20Z");
        // The end is repeated too, and forgotten after a quarter of an hour.
        f.observe(&[], 140_000);
        assert_eq!(tell_all(&mut f, 140_000)[0][0]["endsAt"], "1970-01-01T00:01:20Z");
        f.observe(&[], 80_000 + RESOLVED_MS);
        assert!(tell_all(&mut f, 80_000 + RESOLVED_MS).is_empty());
    }

    #[test]
    fn one_that_does_not_answer_holds_up_no_other_and_is_tried_again() {
        let mut f = forwarder(2);
        f.observe(&[alert("a")], 0);
        let due = f.due(0);
        assert_eq!(due[0].request.url, "http://am0/prefix/api/v2/alerts");
        f.done(&due[0], Err("refused".to_owned()), 0);
        f.done(&due[1], Ok(()), 0);
        assert_eq!(f.due(1_000).len(), 0, "a pause after a failure");
        let again = f.due(2_000);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].target, 0);
        assert_eq!(f.status()[0].last_error.as_deref(), Some("refused"));
        for round in 0..40 {
            let due = f.due(2_000 + round * BACKOFF_MS_MAX);
            due.iter()
                .filter(|d| d.target == 0)
                .for_each(|d| f.done(d, Err("refused".to_owned()), 2_000 + round * BACKOFF_MS_MAX));
        }
        assert_eq!(
            f.due(2_000 + 41 * BACKOFF_MS_MAX)
                .iter()
                .filter(|d| d.target == 0)
                .count(),
            1
        );
    }

    #[test]
    fn those_that_stay_are_told_nothing_twice() {
        let named = |name: &str| ForwardTarget::new(format!("http://{name}"));
        let mut f = Forwarder::new(vec![named("a"), named("b")], Labels::empty());
        f.observe(&[alert("x")], 0);
        tell_all(&mut f, 0);
        let urls = |due: &[Forward]| -> Vec<String> { due.iter().map(|d| d.request.url.clone()).collect() };
        f.reload(vec![named("c"), named("b")], Labels::empty());
        let due = f.due(1_000);
        assert_eq!(urls(&due), ["http://c/api/v2/alerts"]);
        assert_eq!((f.status()[0].sent, f.status()[1].sent), (0, 1));
        // Its answer comes after it has got another place.
        f.reload(vec![named("b"), named("c")], Labels::empty());
        f.done(&due[0], Ok(()), 1_000);
        assert_eq!((f.status()[0].sent, f.status()[1].sent), (1, 1));
        assert!(f.due(2_000).is_empty());
        let labels = Labels::from_pairs([("cluster", "us")]).unwrap();
        f.reload(vec![named("b"), named("c")], labels);
        assert_eq!(f.due(3_000).len(), 2, "all are told the other labels");
    }

    #[test]
    fn many_alerts_go_in_several_requests() {
        let mut f = forwarder(1);
        let all: Vec<Alert> = (0..600).map(|i| alert(&format!("a{i}"))).collect();
        f.observe(&all, 0);
        let sizes: Vec<usize> = f.due(0).iter().map(|d| d.alerts.len()).collect();
        assert_eq!(sizes, [256, 256, 88]);
    }

    #[test]
    fn an_alert_that_comes_back_is_news() {
        let mut f = forwarder(1);
        f.observe(&[alert("a")], 0);
        tell_all(&mut f, 0);
        f.observe(&[], 1_000);
        tell_all(&mut f, 1_000);
        f.observe(&[alert("a")], 2_000);
        let told = tell_all(&mut f, 2_000);
        assert_eq!(told[0][0]["endsAt"], "1970-01-01T00:04:02Z");
    }

    #[test]
    fn each_is_told_of_what_its_rules_leave_under_the_labels_that_they_leave() {
        let plain = ForwardTarget::new("http://plain");
        let without_cluster = Rewrite::new("drop b, no cluster", |labels| {
            if labels.get("alertname") == Some("b") {
                return None;
            }
            let mut builder = labels.to_builder();
            builder.remove("cluster");
            Some(builder.build())
        });
        let rewriting = ForwardTarget {
            rewrite: Some(without_cluster),
            ..ForwardTarget::new("http://rewriting")
        };
        let external = Labels::from_pairs([("cluster", "eu")]).unwrap();
        let mut f = Forwarder::new(vec![plain, rewriting], external);
        f.observe(&[alert("a"), alert("b")], 0);
        let told = tell_all(&mut f, 0);
        let labels = |body: &serde_json::Value| -> Vec<String> {
            let all = body.as_array().unwrap().iter();
            let mut shown: Vec<String> = all.map(|one| one["labels"].to_string()).collect();
            shown.sort();
            shown
        };
        let whole = [
            r#"{"alertname":"a","cluster":"eu"}"#,
            r#"{"alertname":"b","cluster":"eu"}"#,
        ];
        assert_eq!(labels(&told[0]), whole);
        assert_eq!(labels(&told[1]), [r#"{"alertname":"a"}"#]);
        f.observe(&[alert("b")], 70_000);
        let told = tell_all(&mut f, 70_000);
        assert_eq!(told.len(), 2);
        assert_eq!(
            labels(&told[1]),
            [r#"{"alertname":"a"}"#],
            "its end, and nothing of b"
        );
    }
}
