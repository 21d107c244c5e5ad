//! Every receiver: what a page to it would need is built, secrets included, and the host it goes to is connected to. Nothing
//! is sent.

use super::Finding;
use crate::config::Config;
use lapwing_notify::channels::{HttpRequest, Outgoing};
use lapwing_notify::message::{Context, Notification};
use lapwing_types::Labels;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};

const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where a page would go.
enum Destination {
    Host(String, u16),
    /// Through a proxy: what it reaches is for it to say.
    Proxied,
    Program(String),
    Here,
}

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let notify = &config.alerting.paging.notify;
    let mut findings = Vec::new();
    for (name, receiver) in &notify.receivers {
        for (nth, channel) in receiver.slots() {
            let who = format!("{name}, {} {}", channel.kind(), nth + 1);
            let notification = Notification {
                id: "doctor".to_owned(),
                attempt: 1,
                receiver: name.clone(),
                channel: Arc::clone(channel),
                group_key: String::new(),
                group_labels: Labels::empty(),
                alerts: Vec::new(),
                reason: "firing".to_owned(),
                now_ms: lapwing::Clock::system().now_ms(),
                external_url: notify.external_url.clone(),
                picture: None,
                continues: None,
            };
            let read =
                |path: &str| std::fs::read_to_string(path).map_err(|e| format!("cannot read {path}: {e}"));
            let context = Context::new(&notification, &notify.templates, &read);
            findings.push(match channel.build(&context) {
                Err(error) => Finding::error(
                    "receivers",
                    format!("{who}: {error}"),
                    "a page to it could not even be built: put its settings and files right",
                ),
                Ok(outgoing) => reach(&who, destination(&outgoing)).await,
            });
        }
    }
    if findings.is_empty() {
        findings.push(Finding::warning(
            "receivers",
            "nobody is told of any alert",
            "write a receiver under notify: in the configuration",
        ));
    }
    findings
}

fn destination(outgoing: &Outgoing) -> Destination {
    match outgoing {
        Outgoing::Mail(mail) => Destination::Host(mail.host.clone(), mail.port),
        Outgoing::Command(call) => Destination::Program(call.program.clone()),
        Outgoing::Line(..) => Destination::Here,
        Outgoing::Slack(talk) => of_request(&talk.post),
        Outgoing::Http(requests) => requests.first().map_or(Destination::Here, of_request),
    }
}

fn of_request(first: &HttpRequest) -> Destination {
    let url = url::Url::parse(&first.url).ok();
    let host = url
        .as_ref()
        .and_then(|u| Some((u.host_str()?.to_owned(), u.port_or_known_default()?)));
    match host {
        _ if first.config.proxy_url.is_some() => Destination::Proxied,
        Some((host, port)) => Destination::Host(host, port),
        None => Destination::Host(String::new(), 0),
    }
}

async fn reach(who: &str, destination: Destination) -> Finding {
    let check = "receivers";
    let (host, port) = match destination {
        Destination::Here => return Finding::fine(check, format!("{who}: stays on this machine")),
        Destination::Proxied => {
            return Finding::fine(check, format!("{who}: goes through a proxy, which was not asked"));
        }
        Destination::Program(program) => {
            let is_there = std::path::Path::new(&program).exists() || is_in_path(&program);
            return if is_there {
                Finding::fine(check, format!("{who}: {program} is there"))
            } else {
                Finding::error(
                    check,
                    format!("{who}: there is no program {program}"),
                    "install it, or write its whole path",
                )
            };
        }
        Destination::Host(host, port) => (host, port),
    };
    let address = match lookup_host((host.trim_matches(['[', ']']), port)).await {
        Ok(mut found) => found.next(),
        Err(error) => {
            return Finding::error(
                check,
                format!("{who}: the name {host} is not known: {error}"),
                "look at /etc/resolv.conf, and at the spelling",
            );
        }
    };
    let Some(address) = address else {
        return Finding::error(
            check,
            format!("{who}: {host} has no address"),
            "look at the spelling",
        );
    };
    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Finding::fine(check, format!("{who}: {host} port {port} can be reached")),
        Ok(Err(error)) => Finding::error(
            check,
            format!("{who}: {host} port {port}: {error}"),
            "see whether a firewall or a proxy stands in between (proxy_url)",
        ),
        Err(_) => Finding::error(
            check,
            format!(
                "{who}: {host} port {port} does not answer within {} s",
                CONNECT_MAX.as_secs()
            ),
            "see whether a firewall or a proxy stands in between (proxy_url)",
        ),
    }
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
