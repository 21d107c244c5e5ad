//! `discover:` what Lapwing looks for without being told.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::{Node, Value};

/// Each is asked every half minute; a host with more servers than this names them in `scrape_configs`.
const PORTS_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiscoverConfig {
    /// Model servers and exporters on this host, by their well-known ports.
    pub(crate) local: bool,
    /// Looked at beside those.
    pub(crate) ports: Vec<u16>,
}

impl Default for DiscoverConfig {
    fn default() -> Self {
        DiscoverConfig {
            local: true,
            ports: Vec::new(),
        }
    }
}

impl DiscoverConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = DiscoverConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "discover", notes);
        let config = DiscoverConfig {
            local: map.bool("local", notes).unwrap_or(default.local),
            ports: ports(&mut map, notes),
        };
        map.finish(notes);
        config
    }
}

fn ports(map: &mut MapReader<'_>, notes: &mut Diagnostics) -> Vec<u16> {
    let path = map.path_of("ports");
    let Some(node) = map.node("ports") else {
        return Vec::new();
    };
    let Value::List(items) = &node.value else {
        let said = format!("expected a list of ports, found {}", node.value.kind());
        notes.error(node.at, &path, said);
        return Vec::new();
    };
    if let Some(over) = items.get(PORTS_MAX) {
        let said = format!("more than {PORTS_MAX} ports: name these servers in scrape_configs");
        notes.error(over.at, &path, said);
        return Vec::new();
    }
    let mut ports = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let port = match item.value {
            Value::Int(port) => u16::try_from(port).ok().filter(|p| *p > 0),
            _ => None,
        };
        if port.is_none() {
            let said = "expected a port, a number from 1 to 65535".to_owned();
            notes.error(item.at, &format!("{path}[{i}]"), said);
        }
        ports.extend(port);
    }
    ports
}

#[cfg(test)]
mod tests {
    fn check(ports: &str, complaint: &str) {
        let loaded = crate::config::load_text("f", &format!("discover: {{ ports: {ports} }}"), &|_| None);
        let said: Vec<&str> = loaded.diagnostics.iter().map(|d| d.message.as_str()).collect();
        match complaint {
            "" => assert!(said.is_empty(), "{ports}: {said:?}"),
            part => assert!(said.iter().any(|s| s.contains(part)), "{ports}: {said:?}"),
        }
    }

    #[test]
    fn ports_are_numbers_of_ports() {
        check("[8123, 8124]", "");
        check("[]", "");
        for bad in ["[0]", "[65536]", "[-1]", "[http]", "[80.5]"] {
            check(bad, "a number from 1 to 65535");
        }
        check("8123", "expected a list of ports");
        let many: Vec<String> = (1..=65).map(|p| p.to_string()).collect();
        check(&format!("[{}]", many.join(", ")), "more than 64 ports");
    }
}
