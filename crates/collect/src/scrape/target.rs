//! Who is scraped: what discovery found, made into a URL and labels by the job's rules.
//!
//! Labels that begin with `__` steer the scrape and are gone afterwards; `__meta_` ones are only for the rules.

use super::error::TargetError;
use super::job::Job;
use crate::http::parse_duration_ms;
use crate::schedule::TargetId;
use lapwing_types::{Labels, LabelsBuilder, format_duration_ms};
use url::Url;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";

#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub id: TargetId,
    pub url: String,
    /// On every series of the target.
    pub labels: Labels,
    /// Before relabelling: what discovery and the job's defaults said.
    pub discovered: Labels,
    pub interval_ms: i64,
    pub timeout_ms: i64,
}

impl Target {
    /// `None`: the job's rules drop it.
    pub fn resolve(discovered: &Labels, job: &Job) -> Result<Option<Self>, TargetError> {
        let discovered = with_defaults(discovered, job);
        let mut builder = discovered.to_builder();
        if !job.relabel.apply(&mut builder) {
            return Ok(None);
        }
        let address = builder.get(ADDRESS).ok_or(TargetError::NoAddress)?.to_owned();
        let (interval_ms, timeout_ms) = times(&builder, job)?;
        let url = url(&builder, &address, job)?;
        if builder.get("instance").is_none() {
            builder.set("instance", address);
        }
        let all = builder.build();
        let labels = Labels::from_sorted(all.iter().filter(|(n, _)| !n.starts_with("__")));
        // The URL counts too: one address may be asked with several paths or parameters under the same labels.
        let mut identity = labels.to_builder();
        identity.set("__url__", url.as_str());
        Ok(Some(Target {
            id: TargetId(identity.build().stable_hash()),
            url,
            labels,
            discovered,
            interval_ms,
            timeout_ms,
        }))
    }
}

/// What discovery found, with the job's own settings where it said nothing.
pub(super) fn with_defaults(discovered: &Labels, job: &Job) -> Labels {
    let mut builder = discovered.to_builder();
    let mut default = |name: &str, value: String| {
        if builder.get(name).is_none() {
            builder.set(name, value);
        }
    };
    default("job", job.config.job_name.clone());
    default(INTERVAL, format_duration_ms(job.interval_ms));
    default(TIMEOUT, format_duration_ms(job.timeout_ms));
    default(METRICS_PATH, job.config.metrics_path.clone());
    default(SCHEME, job.config.scheme.clone());
    for (name, values) in &job.config.params {
        if let Some(first) = values.first() {
            default(&format!("{PARAM_PREFIX}{name}"), first.clone());
        }
    }
    builder.build()
}

fn times(labels: &LabelsBuilder, job: &Job) -> Result<(i64, i64), TargetError> {
    let read = |label: &'static str, default: i64| match labels.get(label) {
        None => Ok(default),
        Some(text) => parse_duration_ms(text).map_err(|reason| TargetError::Duration { label, reason }),
    };
    let interval_ms = read(INTERVAL, job.interval_ms)?.max(1);
    let timeout_ms = read(TIMEOUT, job.timeout_ms)?;
    if timeout_ms > interval_ms {
        return Err(TargetError::TimeoutTooLong {
            timeout_ms,
            interval_ms,
        });
    }
    Ok((interval_ms, timeout_ms))
}

fn url(labels: &LabelsBuilder, address: &str, job: &Job) -> Result<String, TargetError> {
    let scheme = labels.get(SCHEME).unwrap_or("http");
    if !matches!(scheme, "http" | "https") {
        let scheme = scheme.to_owned();
        return Err(TargetError::Scheme { scheme });
    }
    let path = labels.get(METRICS_PATH).unwrap_or("/metrics");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let text = format!("{scheme}://{address}{slash}{path}");
    // An address with a path or a user in it would reach another place than it shows.
    let valid = Url::parse(&text)
        .ok()
        .filter(|_| !address.contains(['/', '@', '?', '#']));
    let Some(mut url) = valid else {
        return Err(TargetError::Url { url: text });
    };
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (name, values) in &job.config.params {
        let label = format!("{PARAM_PREFIX}{name}");
        let first = labels.get(&label).or_else(|| values.first().map(String::as_str));
        pairs.extend(first.map(|v| (name.as_str(), v)));
        pairs.extend(values.iter().skip(1).map(|v| (name.as_str(), v.as_str())));
    }
    let mut added: Vec<(&str, &str)> = labels
        .iter()
        .filter_map(|(n, v)| Some((n.strip_prefix(PARAM_PREFIX)?, v)))
        .filter(|(n, v)| !v.is_empty() && !job.config.params.contains_key(*n))
        .collect();
    added.sort_unstable();
    pairs.extend(added);
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::super::config::{ScrapeConfig, ScrapeDefaults, ScrapeProtocol};
    use super::*;
    use crate::discovery::StaticConfig;
    use crate::http::Millis;
    use crate::relabel::{Action, RelabelConfig};

    fn job(change: impl FnOnce(&mut ScrapeConfig)) -> Job {
        let mut config = ScrapeConfig {
            job_name: "models".to_owned(),
            ..ScrapeConfig::default()
        };
        change(&mut config);
        Job::new(config, ScrapeDefaults::default()).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn defaults_make_a_target_of_an_address() {
        let target = Target::resolve(&labels(&[(ADDRESS, "10.0.0.5:8000")]), &job(|_| {}))
            .unwrap()
            .unwrap();
        assert_eq!(target.url, "http://10.0.0.5:8000/metrics");
        assert_eq!(
            target.labels.to_string(),
            r#"{instance="10.0.0.5:8000", job="models"}"#
        );
        assert_eq!((target.interval_ms, target.timeout_ms), (15_000, 10_000));
        let steering = [INTERVAL, TIMEOUT].map(|name| target.discovered.get(name).unwrap());
        assert_eq!(steering, ["15s", "10s"]);
    }

    #[test]
    fn rules_and_labels_steer_the_scrape() {
        let job = job(|c| {
            c.params = [("module".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
            let to = |source: &str, target: &str| RelabelConfig {
                source_labels: vec![source.to_owned()],
                target_label: target.to_owned(),
                ..RelabelConfig::default()
            };
            c.relabel_configs = vec![
                to(ADDRESS, "__param_target"),
                to("__meta_pod", "pod"),
                to("__meta_at", ADDRESS),
            ];
        });
        let found = labels(&[
            (ADDRESS, "x y"),
            ("__meta_at", "probe:9115"),
            ("__meta_pod", "p1"),
            (SCHEME, "https"),
            (METRICS_PATH, "probe"),
            (INTERVAL, "1m"),
            (TIMEOUT, "5s"),
            ("__param_module", "c"),
        ]);
        let target = Target::resolve(&found, &job).unwrap().unwrap();
        assert_eq!(
            target.url,
            "https://probe:9115/probe?module=c&module=b&target=x+y"
        );
        assert_eq!(
            target.labels.to_string(),
            r#"{instance="probe:9115", job="models", pod="p1"}"#
        );
        assert_eq!((target.interval_ms, target.timeout_ms), (60_000, 5000));
    }

    #[test]
    fn identity_is_stable_and_tells_urls_apart() {
        let at = |path: &str| {
            let found = labels(&[(ADDRESS, "a:1"), (METRICS_PATH, path), ("instance", "same")]);
            Target::resolve(&found, &job(|_| {})).unwrap().unwrap().id
        };
        assert_eq!(at("/a"), at("/a"));
        assert_ne!(at("/a"), at("/b"));
    }

    #[test]
    fn refusals_are_named() {
        let check = |pairs: &[(&str, &str)], expect: &str| {
            let error = Target::resolve(&labels(pairs), &job(|_| {})).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check(&[("a", "b")], "no __address__");
        check(
            &[(ADDRESS, "a"), (SCHEME, "ftp")],
            r#"__scheme__ is "ftp", but must be http or https"#,
        );
        check(&[(ADDRESS, "a/b")], r#"not a URL: "http://a/b/metrics""#);
        check(
            &[(ADDRESS, "a"), (TIMEOUT, "1m")],
            "timeout of 1m is longer than the interval of 15s",
        );
        let dropping = job(|c| {
            c.relabel_configs = vec![RelabelConfig {
                action: Action::Drop,
                ..RelabelConfig::default()
            }];
        });
        assert_eq!(Target::resolve(&labels(&[(ADDRESS, "a")]), &dropping), Ok(None));
    }

    fn url_as_target() -> StaticConfig {
        StaticConfig {
            targets: vec!["http://x/y".to_owned()],
            ..StaticConfig::default()
        }
    }

    #[test]
    fn a_url_may_be_a_target_where_rules_make_an_address_of_it() {
        let probing = job(|c| {
            c.discovery.static_configs = vec![url_as_target()];
            c.relabel_configs = vec![RelabelConfig {
                target_label: ADDRESS.to_owned(),
                replacement: "probe:9115".to_owned(),
                ..RelabelConfig::default()
            }];
        });
        let target = Target::resolve(&labels(&[(ADDRESS, "http://x/y")]), &probing);
        assert_eq!(target.unwrap().unwrap().url, "http://probe:9115/metrics");
    }

    #[test]
    fn jobs_are_checked() {
        let check = |change: fn(&mut ScrapeConfig), expect: &str| {
            let mut config = ScrapeConfig {
                job_name: "j".to_owned(),
                ..ScrapeConfig::default()
            };
            change(&mut config);
            let error = Job::new(config, ScrapeDefaults::default()).err().unwrap();
            assert_eq!(error.to_string(), expect);
        };
        check(|c| c.job_name.clear(), "job_name is empty");
        check(
            |c| c.scrape_interval = Some(Millis(0)),
            "scrape_interval must be above 0",
        );
        check(
            |c| c.scrape_timeout = Some(Millis(20_000)),
            "scrape_timeout (20000 ms) is longer than scrape_interval (15000 ms)",
        );
        check(
            |c| c.scrape_protocols = Some(Vec::new()),
            "scrape_protocols is empty; leave it out for the usual ones",
        );
        check(
            |c| c.scrape_protocols = Some(vec![ScrapeProtocol::OpenMetricsText1_0_0; 2]),
            "scrape_protocols names OpenMetricsText1.0.0 twice",
        );
        check(
            |c| c.discovery.static_configs = vec![url_as_target()],
            "\"http://x/y\" is not a valid hostname: write host:port; the scheme has a key of its own (scheme: https), \
             the path too (metrics_path)",
        );
        check(
            |c| c.scheme = "tcp".to_owned(),
            r#"scheme is "tcp", but must be http or https"#,
        );
    }
}
