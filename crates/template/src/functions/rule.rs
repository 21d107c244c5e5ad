//! What rule files may call: Prometheus's functions. A query goes through a closure to whoever evaluates PromQL.

use super::{humanize, text};
use crate::builtin::escape_query;
use crate::{Functions, Value};

/// Label pairs and value of each series.
pub type QueryResult = Vec<(Vec<(String, String)>, f64)>;

pub struct RuleFunctions<'a> {
    pub query: &'a dyn Fn(&str) -> Result<QueryResult, String>,
    pub external_url: &'a str,
}

const NAMES: [&str; 20] = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "sortByLabel",
    "tableLink",
    "graphLink",
    "externalURL",
    "pathPrefix",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "parseDuration",
    "toTime",
];

impl Functions for RuleFunctions<'_> {
    fn has(&self, name: &str) -> bool {
        NAMES.contains(&name) || text::NAMES.contains(&name) || matches!(name, "toDuration" | "now")
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if let Some(result) = humanize::call(name, args).or_else(|| text::call(name, args)) {
            return result;
        }
        let words = |at: usize| -> Result<&str, String> {
            args.get(at)
                .and_then(Value::as_text)
                .ok_or_else(|| format!("argument {} is not a string", at + 1))
        };
        match name {
            "query" => (self.query)(words(0)?).map(samples),
            "first" => args
                .first()
                .and_then(Value::elements)
                .and_then(<[Value]>::first)
                .cloned()
                .ok_or_else(|| "first() called on vector with no elements".to_owned()),
            "label" => match args {
                [name, sample] => sample
                    .member("Labels", &[])?
                    .member(name.as_text().unwrap_or_default(), &[]),
                _ => Err("wants a label name and a sample".to_owned()),
            },
            "value" => one(args)?.member("Value", &[]),
            "strvalue" => one(args)?.member("Labels", &[])?.member("__value__", &[]),
            "args" => Ok(Value::Map(std::sync::Arc::new(
                args.iter()
                    .enumerate()
                    .map(|(i, v)| (format!("arg{i}"), v.clone()))
                    .collect(),
            ))),
            "sortByLabel" => sort_by_label(args),
            "tableLink" => Ok(graph_link(words(0)?, 1).into()),
            "graphLink" => Ok(graph_link(words(0)?, 0).into()),
            "externalURL" => Ok(self.external_url.into()),
            "pathPrefix" => Ok(path_of(self.external_url).into()),
            "stripPort" => Ok(strip_port(words(0)?).into()),
            "stripDomain" => Ok(strip_domain(words(0)?).into()),
            other => Err(format!("function {other:?} is not available here")),
        }
    }
}

fn one(args: &[Value]) -> Result<&Value, String> {
    match args {
        [value] => Ok(value),
        _ => Err("wants 1 argument".to_owned()),
    }
}

fn samples(result: QueryResult) -> Value {
    Value::list(
        result
            .into_iter()
            .map(|(labels, value)| {
                Value::record(vec![
                    ("Labels", Value::labels(labels)),
                    ("Value", Value::Float(value)),
                ])
            })
            .collect(),
    )
}

fn sort_by_label(args: &[Value]) -> Result<Value, String> {
    let [name, list] = args else {
        return Err("wants a label name and a list".to_owned());
    };
    let name = name.as_text().unwrap_or_default();
    let mut keyed = Vec::new();
    for element in list.elements().unwrap_or_default() {
        let key = element.member("Labels", &[])?.member(name, &[])?.to_string();
        keyed.push((key, element.clone()));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Value::list(keyed.into_iter().map(|(_, v)| v).collect()))
}

fn graph_link(expr: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", escape_query(expr))
}

fn path_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    after_scheme.find('/').map_or("", |at| &after_scheme[at..])
}

fn strip_port(host_port: &str) -> &str {
    if let Some(inner) = host_port.strip_prefix('[') {
        return inner.split_once(']').map_or(host_port, |(host, _)| host);
    }
    match host_port.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => host_port,
    }
}

fn strip_domain(host_port: &str) -> String {
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (host_port, None),
    };
    let is_ip = host.parse::<std::net::IpAddr>().is_ok();
    let short = if is_ip {
        host
    } else {
        host.split('.').next().unwrap_or(host)
    };
    match port {
        Some(port) => format!("{short}:{port}"),
        None => short.to_owned(),
    }
}
