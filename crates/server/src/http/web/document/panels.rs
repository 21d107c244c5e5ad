//! One panel as a block of the document, by its kind.

use super::super::render::{draw, named};
use super::{Asked, heat, units};
use crate::dashboards::{Kind, Panel, Threshold, Tone as BoardTone};
use crate::http::AppState;
use crate::http::prometheus::{ApiError, run_range};
use lapwing::QueryRequest;
use lapwing_chart::{Block, Document, Mark, Scene, Span, Tone, Value, XAxis};
use lapwing_query::{QueryValue, SampleValue, Series};

/// More rows of states or values than these are counted, not shown.
const STATES_MAX: usize = 40;
const VALUES_MAX: usize = 200;
const STATE_ROW_PX: u32 = 24;
/// Title and axis of a graph of states.
const STATE_FRAME_PX: u32 = 70;
/// What `lapwing_health_state` counts.
const HEALTH: [(f64, Tone, &str); 5] = [
    (-1.0, Tone::Unknown, "unknown"),
    (0.0, Tone::Good, "healthy"),
    (1.0, Tone::Warning, "degraded"),
    (2.0, Tone::Bad, "unhealthy"),
    (3.0, Tone::Bad, "critical"),
];

/// What it shows, or why it does not.
pub(super) async fn block(state: &AppState, panel: &Panel, asked: &Asked) -> Block {
    let made = match panel.kind {
        Kind::Text => Ok(Block::Text {
            title: panel.title.clone(),
            text: panel.text.clone(),
        }),
        Kind::Graph => graph(state, panel, asked).await,
        Kind::States => states(state, panel, asked).await,
        Kind::Heatmap => heatmap(state, panel, asked).await,
        Kind::Stat | Kind::Gauge | Kind::Bar | Kind::Table => values(state, panel, asked).await,
    };
    made.unwrap_or_else(|error| Block::Text {
        title: panel.title.clone(),
        text: format!("This could not be asked: {}", error.message),
    })
}

fn request(expr: &str, asked: &Asked) -> QueryRequest {
    QueryRequest {
        expr: asked.choices.fill(expr, &asked.window),
        lookback_ms: None,
        timeout_ms: None,
        explain: false,
    }
}

fn scene(panel: &Panel, asked: &Asked) -> Scene {
    let title = units::titled(&panel.title, &panel.unit);
    let mut scene = Scene::over_time(title, asked.range.start_ms, asked.range.end_ms);
    scene.size.height = Document::GRAPH_HEIGHT_PX;
    scene.y.unit = units::axis(&panel.unit);
    if let XAxis::Time { offset_s, .. } = &mut scene.x {
        *offset_s = asked.offset_s;
    }
    scene
}

/// All series of the panel over the range, each with its name and the query that it answers.
async fn over_time(
    state: &AppState,
    panel: &Panel,
    asked: &Asked,
) -> Result<Vec<(String, Series, bool)>, ApiError> {
    let mut all = Vec::new();
    for query in &panel.queries {
        let answered = run_range(state, request(&query.expr, asked), asked.range).await?;
        let is_health = query.expr.contains("lapwing_health_state");
        let series = named(answered.result.value, &query.name);
        all.extend(series.into_iter().map(|(name, one)| (name, one, is_health)));
    }
    Ok(all)
}

async fn graph(state: &AppState, panel: &Panel, asked: &Asked) -> Result<Block, ApiError> {
    let series = over_time(state, panel, asked).await?;
    let mut scene = scene(panel, asked);
    let lines = series.into_iter().map(|(name, one, _)| (name, one)).collect();
    draw(&mut scene, lines, asked.range.step_ms);
    scene
        .marks
        .extend(panel.thresholds.iter().map(|limit| Mark::Threshold {
            value: limit.value,
            label: units::show(&panel.unit, limit.value),
            tone: tone(limit.tone),
        }));
    Ok(Block::Graph(Box::new(scene)))
}

async fn states(state: &AppState, panel: &Panel, asked: &Asked) -> Result<Block, ApiError> {
    let mut series = over_time(state, panel, asked).await?;
    let mut scene = scene(panel, asked);
    if series.len() > STATES_MAX {
        scene.note = format!("{STATES_MAX} of {} series are shown", series.len());
        series.truncate(STATES_MAX);
    }
    let rows = u32::try_from(series.len()).unwrap_or(1).max(1);
    scene.size.height = STATE_FRAME_PX + STATE_ROW_PX * rows;
    scene
        .marks
        .extend(series.into_iter().map(|(name, one, is_health)| Mark::StateBar {
            name,
            spans: spans(&one.floats, asked.range.step_ms, |value| {
                said(panel, is_health, value)
            }),
        }));
    Ok(Block::Graph(Box::new(scene)))
}

/// What a value of a panel of states means: health, by the thresholds, or up and down.
fn said(panel: &Panel, is_health: bool, value: f64) -> (Tone, String) {
    if is_health {
        let known = HEALTH.iter().find(|(of, ..)| *of == value);
        let (_, tone, word) = known.unwrap_or(&HEALTH[0]);
        return (*tone, (*word).to_owned());
    }
    if panel.thresholds.is_empty() {
        return if value >= 1.0 {
            (Tone::Good, "up".to_owned())
        } else {
            (Tone::Bad, "down".to_owned())
        };
    }
    let tone = tone_at(&panel.thresholds, value).unwrap_or(Tone::Good);
    (tone, units::show(&panel.unit, value))
}

/// Stretches of the same meaning; each sample holds until the next step, and where none is, nothing is drawn.
fn spans(points: &[(i64, f64)], step_ms: i64, say: impl Fn(f64) -> (Tone, String)) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for (at_ms, value) in points {
        let (tone, label) = say(*value);
        let (from, to) = (*at_ms as f64, (at_ms + step_ms) as f64);
        match out.last_mut() {
            Some(last) if last.to >= from && last.tone == tone && last.label == label => last.to = to,
            _ => out.push(Span {
                from,
                to,
                tone,
                label,
            }),
        }
    }
    out
}

async fn heatmap(state: &AppState, panel: &Panel, asked: &Asked) -> Result<Block, ApiError> {
    let mut scene = scene(panel, asked);
    let expr = panel.queries.first().map_or("", |query| query.expr.as_str());
    let Some(selector) = heat::bucket_selector(&asked.choices.fill(expr, &asked.window)) else {
        return Err(ApiError::bad_data("a heat map needs the buckets of a histogram"));
    };
    let counted = format!("sum by (le) (rate({selector}[{}]))", asked.window);
    let answered = run_range(state, request(&counted, asked), asked.range).await?;
    if let QueryValue::Matrix(series) = answered.result.value {
        let name = panel.title.clone();
        let unit = lapwing_chart::Unit::of_expr(&selector);
        let rows = heat::rows(&series, asked.range.step_ms, unit);
        scene.y.ticks = rows.ticks;
        (scene.y.low, scene.y.high) = (Some(0.0), Some(rows.count as f64));
        scene.marks.push(Mark::Heatmap {
            name,
            cells: rows.cells,
        });
    }
    Ok(Block::Graph(Box::new(scene)))
}

/// The values at the end of the range.
async fn values(state: &AppState, panel: &Panel, asked: &Asked) -> Result<Block, ApiError> {
    let mut rows = Vec::new();
    for query in &panel.queries {
        let answered = state
            .engine
            .queries()
            .instant(request(&query.expr, asked), asked.range.end_ms)
            .await;
        let answered = answered.map_err(|e| ApiError::bad_data(e.to_string()))?;
        for (name, series) in named(as_series(answered.result.value), &query.name) {
            let value = series.floats.last().map_or(f64::NAN, |(_, value)| *value);
            rows.push(Value {
                name,
                text: units::show(&panel.unit, value),
                tone: tone_at(&panel.thresholds, value),
            });
        }
    }
    let left_out = rows.len().saturating_sub(VALUES_MAX);
    rows.truncate(VALUES_MAX);
    if left_out > 0 {
        rows.push(Value {
            name: format!("and {left_out} more"),
            text: String::new(),
            tone: None,
        });
    }
    Ok(Block::Values {
        title: panel.title.clone(),
        rows,
    })
}

/// One moment as series of one sample each; a histogram counts as the number of what it holds.
fn as_series(value: QueryValue) -> QueryValue {
    let one = |labels, t_ms, value| Series {
        labels,
        floats: vec![(t_ms, value)],
        histograms: Vec::new(),
    };
    QueryValue::Matrix(match value {
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|s| match s.value {
                SampleValue::Float(value) => one(s.labels, s.t_ms, value),
                SampleValue::Histogram(h) => one(s.labels, s.t_ms, h.count),
            })
            .collect(),
        QueryValue::Scalar { t_ms, value } => vec![one(lapwing_types::Labels::empty(), t_ms, value)],
        QueryValue::Matrix(series) => series,
        QueryValue::Str { .. } => Vec::new(),
    })
}

fn tone(of: BoardTone) -> Tone {
    match of {
        BoardTone::Info => Tone::Unknown,
        BoardTone::Warn => Tone::Warning,
        BoardTone::Crit => Tone::Bad,
    }
}

/// The tone of the highest threshold that the value has reached.
fn tone_at(thresholds: &[Threshold], value: f64) -> Option<Tone> {
    let reached = thresholds.iter().filter(|t| value >= t.value);
    let highest = reached.max_by(|a, b| a.value.total_cmp(&b.value));
    highest.map(|t| tone(t.tone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_hold_until_the_next_sample_and_a_gap_is_a_gap() {
        let panel = Panel::default();
        let points = [(0, 1.0), (60, 1.0), (120, 0.0), (300, 0.0)];
        let found = spans(&points, 60, |value| said(&panel, false, value));
        let said: Vec<_> = found.iter().map(|s| (s.from, s.to, s.label.as_str())).collect();
        assert_eq!(
            said,
            [(0.0, 120.0, "up"), (120.0, 180.0, "down"), (300.0, 360.0, "down")]
        );
    }

    #[test]
    fn the_highest_threshold_that_is_reached_counts() {
        let limit = |value, tone| Threshold { value, tone };
        let limits = [limit(0.95, BoardTone::Crit), limit(0.8, BoardTone::Warn)];
        assert_eq!(tone_at(&limits, 0.5), None);
        assert_eq!(tone_at(&limits, 0.9), Some(Tone::Warning));
        assert_eq!(tone_at(&limits, 0.99), Some(Tone::Bad));
    }
}
