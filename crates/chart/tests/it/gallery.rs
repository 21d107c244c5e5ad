//! One scene per mark, each as a page or a report would show it.

use lapwing_chart::{
    AlertGraph, Bin, Cell, Color, Mark, Point, Scene, Size, Span, Theme, Tone, Unit, alert_graph, sparkline,
};

const START_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Smooth, repeatable and never random.
fn wave(seed: f64, count: i64, step_ms: i64) -> Vec<Point> {
    (0..count)
        .map(|i| {
            let t = i as f64;
            let v = 1.2 + seed * 0.3 + (t / (9.0 + seed)).sin() * 0.5 + (t / 3.1 + seed).sin() * 0.12;
            ((START_MS + i * step_ms) as f64, v)
        })
        .collect()
}

fn line(name: &str, place: usize, points: Vec<Point>) -> Mark {
    Mark::Line {
        name: name.to_owned(),
        color: Color::Series(place),
        points,
        gap: Some(2.0 * MINUTE_MS as f64),
    }
}

fn hour(title: &str) -> Scene {
    Scene::over_time(title, START_MS, START_MS + HOUR_MS)
}

fn lines() -> Scene {
    let mut scene = hour("p95 latency by model");
    scene.note = "last hour, one point a minute".to_owned();
    scene.y.unit = Unit::Seconds;
    let mut with_gap = wave(2.0, 60, MINUTE_MS);
    with_gap.drain(20..28);
    for (i, (name, points)) in [
        ("chat", wave(0.0, 60, MINUTE_MS)),
        ("embed", wave(1.0, 60, MINUTE_MS)),
        ("rerank", with_gap),
    ]
    .into_iter()
    .enumerate()
    {
        scene.marks.push(line(name, i, points));
    }
    scene
}

fn area_and_band() -> Scene {
    let mut scene = hour("memory, with what is usual");
    scene.y.unit = Unit::Bytes;
    let points: Vec<Point> = wave(0.0, 60, MINUTE_MS)
        .into_iter()
        .map(|(t, v)| (t, v * 3e9))
        .collect();
    let usual = points.iter().map(|(t, _)| (*t, 2.2e9, 5.4e9)).collect();
    scene.marks.push(Mark::Band {
        name: "usual".to_owned(),
        color: Color::Series(2),
        points: usual,
    });
    scene.marks.push(Mark::Area {
        name: "resident".to_owned(),
        color: Color::Series(0),
        points,
        gap: None,
    });
    scene
}

fn bars() -> Scene {
    let names = ["chat", "embed", "rerank", "whisper"].map(str::to_owned).to_vec();
    let mut scene = Scene::over_names("cost per day", names);
    let points = [(0.5, 412.0), (1.5, 97.0), (2.5, 33.0), (3.5, 180.0)].to_vec();
    scene.marks.push(Mark::Bars {
        name: "USD".to_owned(),
        color: Color::Series(4),
        points,
        width: 0.7,
    });
    scene
}

fn histogram() -> Scene {
    let mut scene = Scene::over_numbers("request duration", (0.0, 4.0), Unit::Seconds);
    let bins = (0..40).map(|i| {
        let x = f64::from(i) / 10.0;
        let count = 900.0 * (-(x - 0.9).powi(2) * 2.0).exp() + 120.0 * (-(x - 2.9).powi(2) * 8.0).exp();
        Bin {
            low: x,
            high: x + 0.1,
            count: count.round(),
        }
    });
    scene.marks.push(Mark::Histogram {
        name: "requests".to_owned(),
        color: Color::Series(0),
        bins: bins.collect(),
    });
    scene
}

fn heatmap() -> Scene {
    let mut scene = hour("request duration over time");
    scene.y.unit = Unit::Seconds;
    let mut cells = Vec::new();
    for i in 0..60_i32 {
        let middle = 3.0 + if (25..40).contains(&i) { 4.0 } else { 0.0 };
        for bucket in 0..10 {
            let weight = (100.0 * (-(f64::from(bucket) - middle).powi(2) / 3.0).exp()).round();
            let t = START_MS + i64::from(i) * MINUTE_MS;
            cells.push(Cell {
                x: (t as f64, (t + MINUTE_MS) as f64),
                y: (f64::from(bucket) * 0.25, f64::from(bucket + 1) * 0.25),
                weight,
            });
        }
    }
    scene.marks.push(Mark::Heatmap {
        name: "requests".to_owned(),
        cells,
    });
    scene
}

fn scatter() -> Scene {
    let mut scene = Scene::over_numbers("tokens against seconds", (0.0, 4000.0), Unit::None);
    scene.y.unit = Unit::Seconds;
    let points = (0..120).map(|i| {
        let x = f64::from(i * 33 % 4000);
        (x, 0.2 + x / 900.0 + f64::from(i * 7919 % 100) / 60.0)
    });
    scene.marks.push(Mark::Scatter {
        name: "chat".to_owned(),
        color: Color::Series(3),
        points: points.collect(),
    });
    scene
}

fn states() -> Scene {
    let mut scene = hour("health of the last hour");
    let minute = |m: i64| (START_MS + m * MINUTE_MS) as f64;
    let span = |from, to, tone, label: &str| Span {
        from: minute(from),
        to: minute(to),
        tone,
        label: label.to_owned(),
    };
    for (name, spans) in [
        (
            "chat",
            vec![
                span(0, 22, Tone::Good, "healthy"),
                span(22, 31, Tone::Warning, "degraded"),
                span(31, 44, Tone::Bad, "unhealthy"),
                span(44, 60, Tone::Good, "healthy"),
            ],
        ),
        ("embed", vec![span(0, 60, Tone::Good, "healthy")]),
        (
            "rerank",
            vec![
                span(0, 9, Tone::Unknown, "unknown"),
                span(9, 60, Tone::Good, "healthy"),
            ],
        ),
    ] {
        scene.marks.push(Mark::StateBar {
            name: name.to_owned(),
            spans,
        });
    }
    scene.size.height = 160;
    scene
}

fn alert() -> Scene {
    let points = (0..60).map(|i| {
        let t = START_MS + i * MINUTE_MS;
        let v = if (25..48).contains(&i) { 2.6 } else { 0.8 } + (i as f64 / 4.0).sin() * 0.2;
        (t, v)
    });
    let at = |m: i64| START_MS + m * MINUTE_MS;
    alert_graph(&AlertGraph {
        title: "slow_answers: chat".to_owned(),
        expr: "p95_latency{model=\"chat\"} > 2".to_owned(),
        unit: Unit::Seconds,
        start_ms: START_MS,
        end_ms: at(60),
        step_ms: MINUTE_MS,
        threshold: Some(2.0),
        pending: vec![(at(25), at(30))],
        firing: vec![(at(30), at(48))],
        series: vec![("chat".to_owned(), points.collect())],
    })
}

/// Name and scene of each; the name is the golden file's.
pub(crate) fn gallery() -> Vec<(&'static str, Scene)> {
    let mut dark = lines();
    dark.theme = Theme::Dark;
    let small = Size {
        width: 120,
        height: 24,
    };
    vec![
        ("lines", lines()),
        ("lines-dark", dark),
        ("area-and-band", area_and_band()),
        ("bars", bars()),
        ("histogram", histogram()),
        ("heatmap", heatmap()),
        ("scatter", scatter()),
        ("states", states()),
        ("alert", alert()),
        ("empty", hour("nothing was measured")),
        ("sparkline", sparkline(wave(0.0, 40, MINUTE_MS), small)),
    ]
}
