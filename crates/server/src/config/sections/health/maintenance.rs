//! `maintenance:` planned work, once (`from`, `until`) or every week (`weekly: { days, at, duration, zone }`).

use super::names_of;
use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::Node;
use lapwing_judge::health::{MaintenanceWindow, Recurrence};

pub(super) fn read(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<MaintenanceWindow> {
    let mut map = MapReader::new(node, path, notes);
    let name = map
        .text("name", notes)
        .unwrap_or_else(|| "maintenance".to_owned());
    let of = map
        .node("of")
        .map(|n| names_of(n, path, notes))
        .unwrap_or_default();
    let (from, until) = (map.text("from", notes), map.text("until", notes));
    let weekly = map.node("weekly");
    map.finish(notes);
    let when = match (from, until, weekly) {
        (Some(from), Some(until), None) => Recurrence::once(&from, &until),
        (None, None, Some(weekly)) => {
            let mut map = MapReader::new(weekly, &format!("{path}.weekly"), notes);
            let days = map
                .node("days")
                .map(|n| names_of(n, path, notes))
                .unwrap_or_default();
            let at = map
                .node("at")
                .and_then(|n| text_of(n, path, notes))
                .unwrap_or_default();
            let duration_ms = map.duration_ms("duration", notes).unwrap_or(0);
            let zone = map.text("zone", notes).unwrap_or_else(|| "UTC".to_owned());
            map.finish(notes);
            Recurrence::weekly(&days, &at, duration_ms, &zone)
        }
        _ => {
            notes.error(
                node.at,
                path,
                "a window has either `from` and `until`, or `weekly`",
            );
            return None;
        }
    };
    match when {
        Ok(when) => Some(MaintenanceWindow { name, of, when }),
        Err(error) => {
            notes.error(node.at, path, error.to_string());
            None
        }
    }
}
