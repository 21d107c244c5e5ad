//! `/api/v1/render`: range queries as a picture, for chats, documents, `/plain`, notebooks and the panels of the web UI.

use super::picture::{Kind, answer};
use crate::http::prometheus::{ApiError, ErrorClass, Params, range_of, request_of, run_range};
use crate::http::{AppState, with_causes};
use axum::extract::State;
use axum::response::Response;
use lapwing::{QueryRequest, StepRange};
use lapwing_chart::{Color, Mark, Scene, Size, Theme, Tone, Unit, XAxis, to_pdf, to_png, to_svg};
use lapwing_query::{QueryValue, Series};
use lapwing_types::{Labels, METRIC_NAME};

/// More lines than this are counted, not drawn.
const SERIES_MAX: usize = 40;
/// As many questions as a panel asks, and some more.
const QUERIES_MAX: usize = 20;
/// No place on earth is further from UTC.
const OFFSET_MAX_S: i32 = 18 * 3600;
const HOUR_MS: i64 = 3_600_000;
/// About one point for three pixels of a picture of usual width.
const POINTS: i64 = 240;

/// `query`, `start`, `end`, `step` as in `query_range` (all but the first may be left out: the last hour), `format`
/// svg, png or pdf, `width`, `height`, `theme` light or dark, `title`, `unit`, `threshold`, `offset_s` (how far the reader's
/// clock is ahead of UTC). `query` may stand several times, and `name` beside each: what the legend calls its series.
pub(super) async fn render(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let word = params.get("format").unwrap_or("svg");
    let kind = Kind::of(word).ok_or_else(|| bad("format", &format!("{word:?} is none of svg, png, pdf")))?;
    let range = asked_range(&params, state.engine.now_ms())?;
    let expr = params.require("query")?.to_owned();
    let mut scene = Scene::over_time(params.get("title").unwrap_or(&expr), range.start_ms, range.end_ms);
    style(&mut scene, &params, &expr)?;
    let mut series = Vec::new();
    for (expr, name) in asked(&params)? {
        let request = QueryRequest {
            expr,
            ..request_of(&params)?
        };
        let answered = run_range(&state, request, range).await?;
        series.extend(named(answered.result.value, &name));
    }
    draw(&mut scene, series, range.step_ms);
    if let Some(text) = params.get("threshold") {
        let value = text
            .parse()
            .map_err(|_| bad("threshold", &format!("{text:?} is not a number")))?;
        scene.marks.push(Mark::Threshold {
            value,
            label: scene.y.unit.show(value),
            tone: Tone::Bad,
        });
    }
    let title = scene.title.clone();
    let drawn = state.engine.compute_queries(move || drawn(kind, &scene)).await;
    let bytes = drawn.map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(answer(kind, &title, bytes))
}

fn drawn(kind: Kind, scene: &Scene) -> Result<Vec<u8>, ApiError> {
    match kind {
        Kind::Svg => Ok(to_svg(scene).into_bytes()),
        // More pixels than there can be were asked for.
        Kind::Png => to_png(scene, 2.0).map_err(|e| ApiError::new(ErrorClass::BadData, with_causes(&e))),
        Kind::Pdf => to_pdf(scene).map_err(|e| ApiError::internal(with_causes(&e))),
    }
}

/// `start`, `end` and `step`, or `since`; the last hour where nothing is said.
pub(super) fn asked_range(params: &Params, now_ms: i64) -> Result<StepRange, ApiError> {
    match params.get("start") {
        Some(_) => with_step(params),
        None => last_hour(params, now_ms),
    }
}

/// The queries and how each is called in the legend; a name that is absent or empty leaves it to the labels.
fn asked(params: &Params) -> Result<Vec<(String, String)>, ApiError> {
    params.require("query")?;
    let names = params.all("name").chain(std::iter::repeat(""));
    let all: Vec<_> = params
        .all("query")
        .zip(names)
        .map(|(expr, name)| (expr.to_owned(), name.to_owned()))
        .collect();
    if all.len() > QUERIES_MAX {
        let why = format!("a picture takes {QUERIES_MAX} queries, not {}", all.len());
        return Err(bad("query", &why));
    }
    Ok(all)
}

pub(super) fn bad(name: &str, why: &str) -> ApiError {
    ApiError::bad_data(format!("invalid parameter {name:?}: {why}"))
}

fn with_step(params: &Params) -> Result<StepRange, ApiError> {
    if params.get("step").is_some() {
        return range_of(params);
    }
    let start_ms = params.time_ms("start")?.unwrap_or(0);
    let end_ms = params.time_ms("end")?.unwrap_or(start_ms + HOUR_MS);
    Ok(spread(start_ms, end_ms))
}

fn last_hour(params: &Params, now_ms: i64) -> Result<StepRange, ApiError> {
    let since_ms = params.duration_ms("since")?.unwrap_or(HOUR_MS);
    let end_ms = params.time_ms("end")?.unwrap_or(now_ms);
    Ok(spread(
        end_ms - since_ms.clamp(1000, i64::from(u32::MAX) * 1000),
        end_ms,
    ))
}

/// As many steps as a picture shows, on whole seconds.
pub(super) fn spread(start_ms: i64, end_ms: i64) -> StepRange {
    let step_ms = ((end_ms - start_ms) / POINTS / 1000 * 1000).max(1000);
    StepRange {
        start_ms: start_ms.div_euclid(step_ms) * step_ms,
        end_ms: end_ms.max(start_ms),
        step_ms,
    }
}

fn style(scene: &mut Scene, params: &Params, expr: &str) -> Result<(), ApiError> {
    let side = |name: &str, default: u32| match params.get(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<u32>()
            .map_err(|_| bad(name, &format!("{text:?} is not a number of pixels"))),
    };
    let usual = Size::default();
    scene.size = Size {
        width: side("width", usual.width)?,
        height: side("height", usual.height)?,
    };
    scene.theme = theme(params)?;
    scene.y.unit = match params.get("unit") {
        None => unit_of(expr),
        Some("none" | "short") => Unit::None,
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        Some("ratio") => Unit::Ratio,
        Some("percent") => Unit::Percent,
        Some(other) => {
            return Err(bad(
                "unit",
                &format!("{other:?} is none of none, seconds, bytes, ratio, percent"),
            ));
        }
    };
    if let XAxis::Time { offset_s: of, .. } = &mut scene.x {
        *of = offset_s(params)?;
    }
    // Several queries are what the title says; one is worth reading.
    if params.get("title").is_some() && params.all("query").count() == 1 {
        scene.note = expr.to_owned();
    }
    Ok(())
}

pub(super) fn theme(params: &Params) -> Result<Theme, ApiError> {
    match params.get("theme") {
        None | Some("light") => Ok(Theme::Light),
        Some("dark") => Ok(Theme::Dark),
        Some(other) => Err(bad("theme", &format!("{other:?} is neither light nor dark"))),
    }
}

/// How far the reader's clock is ahead of UTC.
pub(super) fn offset_s(params: &Params) -> Result<i32, ApiError> {
    let Some(text) = params.get("offset_s") else {
        return Ok(0);
    };
    let seconds = text.parse::<i32>().ok().filter(|s| s.abs() <= OFFSET_MAX_S);
    seconds.ok_or_else(|| bad("offset_s", &format!("{text:?} is no offset from UTC in seconds")))
}

pub(crate) fn unit_of(expr: &str) -> Unit {
    Unit::of_expr(expr)
}

/// The series of one answer, each with what the legend calls it.
pub(super) fn named(value: QueryValue, name: &str) -> Vec<(String, Series)> {
    let QueryValue::Matrix(series) = value else {
        return Vec::new();
    };
    let own = names_of(&series);
    let many = series.len() > 1;
    let called = own.into_iter().map(|own| match (name.is_empty(), many) {
        (true, _) => own,
        (false, true) => format!("{name} {own}"),
        (false, false) => name.to_owned(),
    });
    called.zip(series).collect()
}

pub(super) fn draw(scene: &mut Scene, series: Vec<(String, Series)>, step_ms: i64) {
    if series.len() > SERIES_MAX {
        scene.note = format!("{} of {} series are drawn", SERIES_MAX, series.len());
    }
    scene.marks.extend(lines(series, step_ms));
}

fn lines(series: Vec<(String, Series)>, step_ms: i64) -> impl Iterator<Item = Mark> {
    let shown = series.into_iter().take(SERIES_MAX).enumerate();
    shown.map(move |(i, (name, one))| Mark::Line {
        name,
        color: Color::Series(i),
        points: one.floats.iter().map(|(t, v)| (*t as f64, *v)).collect(),
        gap: Some(step_ms as f64 * 1.5),
    })
}

/// Labels that all series share say nothing in a legend.
fn names_of(series: &[Series]) -> Vec<String> {
    let Some(first) = series.first() else {
        return Vec::new();
    };
    let shared: Vec<&str> = first
        .labels
        .iter()
        .filter(|(name, value)| series.len() > 1 && series.iter().all(|s| s.labels.get(name) == Some(value)))
        .map(|(name, _)| name)
        .collect();
    series.iter().map(|s| name_of(&s.labels, &shared)).collect()
}

fn name_of(labels: &Labels, shared: &[&str]) -> String {
    let rest: Vec<(&str, &str)> = labels.iter().filter(|(n, _)| !shared.contains(n)).collect();
    match rest.as_slice() {
        [] => labels.metric_name().unwrap_or("value").to_owned(),
        [(_, value)] => (*value).to_owned(),
        many => {
            let pairs = many.iter().filter(|(n, _)| *n != METRIC_NAME);
            pairs
                .map(|(n, v)| format!("{n}={v}"))
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_says_only_what_differs() {
        let series = |pairs: &[(&str, &str)]| Series {
            labels: Labels::from_pairs(pairs.iter().copied()).unwrap(),
            floats: Vec::new(),
            histograms: Vec::new(),
        };
        let two = [
            series(&[("__name__", "up"), ("job", "a"), ("instance", "x")]),
            series(&[("__name__", "up"), ("job", "b"), ("instance", "x")]),
        ];
        assert_eq!(names_of(&two), ["a", "b"]);
        assert_eq!(names_of(&two[..1]), ["instance=x, job=a"]);
        assert_eq!(names_of(&[series(&[])]), ["value"]);
    }

    #[test]
    fn the_step_fits_the_picture() {
        let range = spread(1_700_000_000_123, 1_700_086_400_123);
        assert_eq!(range.step_ms, 360_000);
        assert_eq!(range.start_ms % range.step_ms, 0);
        assert_eq!(spread(0, 10).step_ms, 1000);
    }

    #[test]
    fn the_unit_comes_from_the_metric() {
        assert_eq!(
            unit_of("histogram_quantile(0.9, rate(x_seconds_bucket[5m]))"),
            Unit::Seconds
        );
        assert_eq!(unit_of("a_bytes / b_bytes"), Unit::None);
    }
}
