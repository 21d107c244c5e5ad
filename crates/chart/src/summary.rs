//! A scene in a sentence: for screen readers, for `alt`, for chats that show no pictures.

use crate::scene::{Mark, Point, Scene};
use crate::shape::is_hostile;
use std::fmt::Write;

/// More series than this are counted instead of told.
const TOLD_MAX: usize = 5;
/// A name longer than this says nothing when read aloud.
const NAME_CHARS_MAX: usize = 120;

/// "p95 latency: chat lowest 1.2 s, highest 4 s (at 13:05:00), last 2 s. Threshold 3 s."
pub fn summary(scene: &Scene) -> String {
    let mut out = String::new();
    if !scene.title.is_empty() {
        let _ = write!(out, "{}: ", short(&scene.title));
    }
    let mut told = 0;
    let mut left_out = 0;
    let mut sentences: Vec<String> = Vec::new();
    for mark in &scene.marks {
        let sentence = match mark {
            Mark::Line { name, points, .. }
            | Mark::Area { name, points, .. }
            | Mark::Scatter { name, points, .. }
            | Mark::Bars { name, points, .. } => tell_points(scene, name, points),
            Mark::Threshold { label, .. } => Some(format!("threshold {}", short(label))),
            Mark::Window { from, to, label, .. } => Some(format!(
                "{} from {} to {}",
                short(label),
                scene.x.say(*from),
                scene.x.say(*to)
            )),
            Mark::Histogram { name, bins, .. } => Some(format!(
                "{} {} values in {} bins",
                short(name),
                scene.y.unit.show(bins.iter().map(|b| b.count).sum()),
                bins.len()
            )),
            Mark::Heatmap { name, cells } => Some(format!("{} {} cells", short(name), cells.len())),
            Mark::StateBar { name, spans } => Some(format!(
                "{} now {}",
                short(name),
                spans.last().map_or("unknown".to_owned(), |s| short(&s.label))
            )),
            Mark::Band { .. } => None,
        };
        match sentence {
            Some(_) if told >= TOLD_MAX => left_out += 1,
            Some(sentence) => {
                told += 1;
                sentences.push(sentence.trim().to_owned());
            }
            None => {}
        }
    }
    if sentences.is_empty() {
        sentences.push("no data".to_owned());
    }
    if left_out > 0 {
        sentences.push(format!("and {left_out} more"));
    }
    out.push_str(&sentences.join("; "));
    out.push('.');
    out
}

fn tell_points(scene: &Scene, name: &str, points: &[Point]) -> Option<String> {
    let finite = || points.iter().filter(|p| p.1.is_finite());
    let low = finite().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let high = finite().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let last = finite().next_back()?;
    let unit = scene.y.unit;
    if low.1 == high.1 {
        return Some(format!("{} steady at {}", short(name), unit.show(last.1)));
    }
    Some(format!(
        "{} lowest {}, highest {} (at {}), last {}",
        short(name),
        unit.show(low.1),
        unit.show(high.1),
        scene.x.say(high.0),
        unit.show(last.1)
    ))
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !is_hostile(*c))
        .take(NAME_CHARS_MAX)
        .collect()
}
