//! `models:`, `checks:` and `maintenance:`: what is watched, and how.

mod check;
mod maintenance;
mod model;
mod recovery;

use crate::config::diagnostic::{Diagnostics, Level};
use crate::config::reader::MapReader;
use crate::config::yaml::{Node, Value, parse};
use lapwing::HealthOptions;
use lapwing::health::{CheckSpec, ModelSpec};
use lapwing_judge::health::MaintenanceWindow;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn read(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> HealthOptions {
    let models = map.list("models", notes);
    let checks = map.list("checks", notes);
    let windows = map.list("maintenance", notes);
    let mut options = HealthOptions {
        windows: windows
            .iter()
            .filter_map(|(n, p)| maintenance::read(n, p, notes))
            .collect(),
        status_title: read_status(map.node("status"), notes),
        read_model: Some(read_model),
        ..HealthOptions::default()
    };
    for (node, path) in &models {
        let (model, checks) = model::read(node, path, notes);
        if options.models.iter().any(|m| m.name == model.name) {
            notes.error(
                node.at,
                path,
                format!("a second model is called {:?}", model.name),
            );
        }
        options.models.push(model);
        options.checks.extend(checks);
    }
    let mut names = BTreeSet::new();
    for (node, path) in &checks {
        if let Some(name) = name_of(node).filter(|name| !names.insert(name.clone())) {
            notes.error(node.at, path, format!("a second check is called {name:?}"));
        }
        options.checks.extend(check::read_alone(node, path, notes));
    }
    tell_apart(&mut options.checks);
    check_dependencies(&options, (&models, &checks), notes);
    check_circles((&models, &checks), notes);
    check_windows(&options, &windows, notes);
    options
}

/// Two probes of one kind at one endpoint are two checks.
fn tell_apart(checks: &mut [CheckSpec]) {
    let mut names = BTreeSet::new();
    for check in checks {
        let (mut name, mut n) = (check.name.clone(), 1);
        while !names.insert(name.clone()) {
            n += 1;
            name = format!("{}-{n}", check.name);
        }
        check.name = name;
    }
}

/// `status: { title: … }` of the public page.
fn read_status(node: Option<&Node>, notes: &mut Diagnostics) -> Option<String> {
    let mut map = MapReader::new(node?, "status", notes);
    let title = map.text("title", notes);
    map.finish(notes);
    title
}

/// One model as `models:` would have it, in JSON; an error names every mistake.
fn read_model(document: &serde_json::Value) -> Result<(ModelSpec, Vec<CheckSpec>), String> {
    let node = parse(&document.to_string()).map_err(|e| e.message)?;
    let mut notes = Diagnostics::new("model");
    let mut read = model::read(&node, "model", &mut notes);
    tell_apart(&mut read.1);
    let said: Vec<String> = notes
        .found
        .iter()
        .filter(|d| d.level == Level::Error)
        .map(|d| {
            let hint = d.hint.as_deref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{}: {}{hint}", d.path, d.message)
        })
        .collect();
    if said.is_empty() {
        Ok(read)
    } else {
        Err(said.join("; "))
    }
}

/// Items of a list with their paths.
type Items<'a> = &'a [(&'a Node, String)];

/// A dependency on nothing would silently explain nothing.
fn check_dependencies(
    options: &HealthOptions,
    (models, checks): (Items<'_>, Items<'_>),
    notes: &mut Diagnostics,
) {
    let mut known: Vec<&str> = options.models.iter().map(|m| m.name.as_str()).collect();
    known.extend(options.checks.iter().map(|c| c.name.as_str()));
    for (node, path) in models.iter().chain(checks) {
        let Value::Map(pairs) = &node.value else { continue };
        let Some((_, list)) = pairs.iter().find(|(k, _)| k.text == "depends_on") else {
            continue;
        };
        for name in names_of(list, &format!("{path}.depends_on"), notes) {
            if !known.contains(&name.as_str()) {
                let message = format!("no model and no check is called {name:?}");
                notes.error(list.at, &format!("{path}.depends_on"), message);
            }
        }
    }
}

/// What waits for itself explains nothing.
fn check_circles((models, checks): (Items<'_>, Items<'_>), notes: &mut Diagnostics) {
    let mut said = Diagnostics::new(&notes.file);
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut places = Vec::new();
    for (node, path) in models.iter().chain(checks) {
        let Value::Map(pairs) = &node.value else { continue };
        let list = pairs.iter().find(|(k, _)| k.text == "depends_on");
        if let (Some(name), Some((_, list))) = (name_of(node), list) {
            needs.insert(name.clone(), names_of(list, path, &mut said));
            places.push((name, list.at, format!("{path}.depends_on")));
        }
    }
    for (name, at, path) in places {
        let mut way = vec![name.clone()];
        if leads_to(&name, &name, &needs, &mut way) {
            notes.error(at, &path, format!("a circle: {}", way.join(" → ")));
            // Its other members need not say it again.
            needs.remove(&name);
        }
    }
}

/// Whether `from` needs `to`, over whatever stands between; `way` is how.
fn leads_to(from: &str, to: &str, needs: &BTreeMap<String, Vec<String>>, way: &mut Vec<String>) -> bool {
    for next in needs.get(from).into_iter().flatten() {
        if next != to && way.contains(next) {
            continue;
        }
        way.push(next.clone());
        if next == to || leads_to(next, to, needs, way) {
            return true;
        }
        way.pop();
    }
    false
}

fn name_of(node: &Node) -> Option<String> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    let (_, name) = pairs.iter().find(|(k, _)| k.text == "name")?;
    name.spelling()
}

/// A slip of the pen here pages somebody in the midst of planned work. No error: a model may be made over the API later.
fn check_windows(options: &HealthOptions, windows: Items<'_>, notes: &mut Diagnostics) {
    let models = options.models.iter().map(|m| m.name.as_str());
    let known: Vec<&str> = models
        .chain(options.checks.iter().map(|c| c.name.as_str()))
        .collect();
    for (node, path) in windows {
        let Value::Map(pairs) = &node.value else { continue };
        let Some((_, list)) = pairs.iter().find(|(k, _)| k.text == "of") else {
            continue;
        };
        // Mistakes in the list itself were said when it was read.
        let mut said = Diagnostics::new(&notes.file);
        let path = format!("{path}.of");
        for word in names_of(list, &path, &mut said) {
            if !known.iter().any(|name| MaintenanceWindow::is_meant(&word, name)) {
                let message = format!("no model and no check of this file is called {word:?}");
                notes.warning(list.at, &path, message);
            }
        }
    }
}

/// `x` or `[x, y]`.
fn names_of(node: &Node, path: &str, notes: &mut Diagnostics) -> Vec<String> {
    match &node.value {
        Value::List(items) => items
            .iter()
            .filter_map(|n| crate::config::reader::text_of(n, path, notes))
            .collect(),
        _ => crate::config::reader::text_of(node, path, notes)
            .into_iter()
            .collect(),
    }
}

/// `99.5%` or `0.995`.
fn ratio(map: &mut MapReader<'_>, key: &'static str, notes: &mut Diagnostics) -> Option<f64> {
    let path = map.path_of(key);
    let node = map.node(key)?;
    let parsed = match &node.value {
        Value::Float(v) => Some(*v),
        Value::Int(v) => Some(*v as f64),
        Value::Text(text) => match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok().map(|v| v / 100.0),
            None => text.trim().parse().ok(),
        },
        _ => None,
    };
    let parsed = parsed.filter(|v| (0.0..=1.0).contains(v));
    if parsed.is_none() {
        notes.error_with_hint(node.at, &path, "not a share", "write 99.5% or 0.995");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use lapwing::health::{Action, CheckKind, Role};
    use lapwing_types::HealthState;

    fn complaints(text: &str) -> Vec<String> {
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        loaded
            .diagnostics
            .iter()
            .map(|d| {
                let hint = d.hint.as_deref().map(|h| format!(" [{h}]")).unwrap_or_default();
                format!("{}:{} {} {}{hint}", d.line, d.column, d.path, d.message)
            })
            .collect()
    }

    const TASTE: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/config/taste.yml"
    ));

    #[test]
    fn the_taste_of_the_file_is_read() {
        assert_eq!(complaints(TASTE), Vec::<String>::new());
        let loaded = crate::config::load_text("lapwing.yml", TASTE, &|_| None);
        let health = loaded.config.unwrap().health;
        let names: Vec<&str> = health.checks.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "chat/10.0.0.5:8000/http",
                "chat/10.0.0.5:8000/openai_chat",
                "chat/10.0.0.6:8000/http",
                "chat/10.0.0.6:8000/openai_chat",
                "nightly",
                "https://example.org/",
            ]
        );
        let fallback = &health.checks[2];
        assert_eq!(fallback.model.as_ref().unwrap().role, Role::Fallback);
        assert_eq!((fallback.interval_ms, fallback.timeout_ms), (10_000, 2_000));
        assert!(matches!(
            health.checks[4].what,
            CheckKind::CheckIn {
                deadline_ms: 93_600_000
            }
        ));
        let repair = &health.models[0].recovery[0];
        assert_eq!(
            repair.action,
            Action::SystemdRestart {
                unit: "vllm".to_owned()
            }
        );
        assert!(repair.policy.is_dry_run && repair.policy.on == HealthState::Unhealthy);
        assert_eq!(health.models[0].objectives.availability, Some(0.995));
        assert_eq!(health.windows.len(), 1);
    }

    #[test]
    fn planned_work_of_nobody_is_doubted() {
        let window = |of: &str| {
            format!(
                "checks: [{{ name: db-1, tcp: {{ address: 'a:1' }} }}]\n\
                 maintenance: [{{ of: [{of}], weekly: {{ days: [Tue], at: '02:00', duration: 2h }} }}]\n"
            )
        };
        assert_eq!(complaints(&window("'db-*', db-1")), Vec::<String>::new());
        let said = complaints(&window("db-2"));
        assert!(
            said.len() == 1 && said[0].contains("maintenance[0].of no model"),
            "{said:#?}"
        );
    }

    /// Every example of the page, together and by itself.
    #[test]
    fn what_the_page_about_health_shows_is_true() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/health.md"));
        let blocks = page
            .split("```yaml\n")
            .skip(1)
            .map(|b| b.split("```").next().unwrap());
        let (mut whole, mut alone) = (String::new(), 0);
        for block in blocks {
            let indented = |by: &str| block.lines().map(|l| format!("{by}{l}\n")).collect::<String>();
            if block.starts_with("- ") {
                let model = format!(
                    "models:\n  - name: m\n    endpoints: ['http://a']\n    health:\n      probes:\n{}",
                    indented("        ")
                );
                assert_eq!(complaints(&model), Vec::<String>::new());
                alone += 1;
            } else if block.starts_with("recovery:") {
                let model = format!(
                    "models:\n  - name: m\n    endpoints: ['http://a']\n{}",
                    indented("    ")
                );
                assert_eq!(complaints(&model), Vec::<String>::new());
                alone += 1;
            } else {
                // The first one ends with a list of checks, which this one continues.
                whole.push_str(block.strip_prefix("checks:\n").unwrap_or(block));
            }
        }
        assert_eq!(complaints(&whole), Vec::<String>::new());
        assert!(
            alone == 2
                && ["models:", "checks:", "maintenance:"]
                    .iter()
                    .all(|s| whole.contains(s))
        );
    }

    #[test]
    fn a_timeout_that_is_said_may_be_longer_than_the_interval() {
        let model = "models:\n  - name: m\n    endpoints: ['http://a']\n    health: { interval: 1s, timeout: 90s, probes: [{ http: {} }] }\n";
        let checks = "checks:\n  - { name: quick, interval: 1s, tcp: { address: 'a:1' } }\n";
        let loaded = crate::config::load_text("lapwing.yml", &format!("{model}{checks}"), &|_| None);
        let health = loaded.config.expect("no mistake").health;
        let [slow, quick] = &health.checks[..] else {
            panic!("{:?}", health.checks)
        };
        assert_eq!((slow.interval_ms, slow.timeout_ms), (1000, 90_000));
        assert_eq!(
            slow.policy.stale_after_ms, 181_000,
            "two looks that hang are not silence"
        );
        assert_eq!((quick.timeout_ms, quick.policy.stale_after_ms), (1000, 60_000));
    }

    #[test]
    fn a_look_that_is_too_slow_is_said_in_one_place() {
        let check = |more: &str| complaints(&format!("checks:\n  - {{ name: a, {more} }}\n"));
        let wrong = |more: &str, place: &str, why: &str| {
            let said = check(more);
            assert!(
                said.len() == 1 && said[0].contains(place) && said[0].contains(why),
                "{more}: {said:#?}"
            );
        };
        let at = "checks[0].degraded_above";
        let redis = "redis: { address: 'a:1' }";
        assert_eq!(
            check(&format!("{redis}, degraded_above: 200ms")),
            Vec::<String>::new()
        );
        wrong(&format!("{redis}, degraded_above: 200"), at, "not a duration");
        wrong(&format!("{redis}, degraded_above: 0s"), at, "longer than no time");
        wrong(&format!("{redis}, degraded_above: 5s"), at, "its timeout is 5s");
        wrong(
            &format!("{redis}, degraded_above: 2s, interval: 1s"),
            at,
            "its timeout is 1s",
        );
        wrong("check_in: 1d, degraded_above: 1s", at, "a moment");
        let own = "http: { url: 'http://a', expect: { degraded_above: 1s } }";
        assert_eq!(check(own), Vec::<String>::new());
        wrong(&format!("{own}, degraded_above: 2s"), at, "write one of them");
        wrong(
            &format!("{own}, timeout: 1s"),
            "checks[0].http",
            "its timeout is 1s",
        );

        // A model's is every probe's that says nothing else, and what is wrong with it is said once.
        let model = |health: &str| {
            format!(
                "models:\n  - name: m\n    endpoints: ['http://a', 'http://b']\n    health:\n      timeout: 2s\n      {health}\n"
            )
        };
        let text =
            model("degraded_above: 1s\n      probes: [{ http: {} }, { tcp: {}, degraded_above: 1500ms }]");
        let loaded = crate::config::load_text("lapwing.yml", &text, &|_| None);
        let checks = loaded.config.expect("no mistake").health.checks.clone();
        let allowed: Vec<Option<i64>> = checks.iter().map(|c| c.degraded_above_ms).collect();
        assert_eq!(allowed, [Some(1000), Some(1500), Some(1000), Some(1500)]);
        for health in [
            "degraded_above: 3s\n      probes: [{ http: {} }]",
            "degraded_above: 1s\n      probes: [{ http: {}, timeout: 500ms }]",
        ] {
            let said = complaints(&model(health));
            assert!(said.len() == 1 && said[0].contains("its timeout is"), "{said:#?}");
        }
    }

    #[test]
    fn a_check_that_could_never_judge_is_a_mistake() {
        let wrong = |check: &str, place: &str, why: &str| {
            let said = complaints(&format!("checks:\n  - {{ name: a, {check} }}\n"));
            assert!(
                said.len() == 1 && said[0].contains(place) && said[0].contains(why),
                "{check}: {said:#?}"
            );
        };
        let right = |check: &str| {
            assert_eq!(
                complaints(&format!("checks:\n  - {{ name: a, {check} }}\n")),
                Vec::<String>::new()
            );
        };
        wrong("http: {}", "checks[0].http", "neither a url nor an endpoint [");
        right("http: { path: /x }, endpoint: 'http://a'");
        wrong("http: { url: nope }", "checks[0].http", "nope");
        wrong("tcp: { address: 'a:99999' }", "checks[0].tcp", "a:99999");
        wrong("dns: { name: a }", "checks[0].dns", "neither an address");
        wrong("golden: {}", "checks[0].golden", "neither a url");
        wrong(
            "tcp: { address: 'a:1', tls: { ca_file: /no/such/file } }",
            "checks[0].tcp",
            "/no/such/file",
        );
        let tcp = "tcp: { address: 'a:1' }";
        wrong(
            &format!("{tcp}, failures: 0"),
            "checks[0].failures",
            "one look at least",
        );
        wrong(&format!("{tcp}, timeout: 0s"), "checks[0].timeout", "in no time");
        wrong("check_in: 0s", "checks[0].check_in", "all the time");
        wrong(
            &format!("{tcp}, labels: {{ __name__: c }}"),
            "checks[0].labels",
            "no label for a check",
        );
        wrong(
            &format!("{tcp}, recovery: [{{ action: {{ command: [] }} }}]"),
            "recovery[0].action.command",
            "a command of nothing",
        );
        wrong(
            &format!("{tcp}, recovery: [{{ action: {{ command: [x] }}, limit: 0 per hour }}]"),
            "recovery[0].limit",
            "never tried",
        );
        wrong(&format!("{tcp}, depends_on: a"), "checks[0].depends_on", "a → a");
        let two = |more: &str, other: &str| {
            complaints(&format!(
                "checks:\n  - {{ name: a, {tcp}{more} }}\n  - {{ name: {other}, {tcp}, depends_on: a }}\n"
            ))
        };
        assert_eq!(two("", "b"), Vec::<String>::new());
        let said = two(", depends_on: b", "b");
        assert!(
            said.len() == 1 && said[0].contains("a circle: a → b → a"),
            "{said:#?}"
        );
        let said = two("", "a");
        assert!(
            said.iter()
                .any(|s| s.contains("checks[1] a second check is called \"a\"")),
            "{said:#?}"
        );
    }

    #[test]
    fn mistakes_of_a_model_that_watch_nothing() {
        let model = |more: &str| complaints(&format!("models:\n  - name: m\n{more}"));
        let said = model("    health: { probes: [{ tcp: {} }] }\n");
        assert!(said.len() == 1 && said[0].contains("no endpoints"), "{said:#?}");
        let traffic = |shares: &str| {
            model(&format!(
                "    endpoints: ['http://a']\n    traffic: {{ requests: a, failed: b, {shares} }}\n"
            ))
        };
        assert_eq!(traffic("unhealthy: 1%"), Vec::<String>::new());
        let said = traffic("degraded: 60%, unhealthy: 50%");
        assert!(
            said.len() == 1 && said[0].contains("traffic.degraded"),
            "{said:#?}"
        );
    }

    #[test]
    fn mistakes_have_places() {
        let text = "models:\n  - name: m\n    endpoints: [{ url: http://a }]\n    health:\n      probes:\n        \
                    - htp: { path: / }\n        - http: { pth: / }\nchecks:\n  - tcp: { address: a:1 }\n    \
                    depends_on: nobody\n    timeout: 2h\n    interval: 1m\n";
        let found = complaints(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found[0].contains("no kind of probe") || found[0].contains("unknown key \"htp\""),
            "{found:#?}"
        );
        assert!(
            found.iter().any(|c| c.contains("unknown key \"pth\"")),
            "{found:#?}"
        );
        assert!(found.iter().any(|c| c.contains("nobody")), "{found:#?}");
        assert!(found.iter().any(|c| c.contains("an hour at most")), "{found:#?}");
    }
}
