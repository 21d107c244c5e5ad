//! Names, sizes and values that nobody should send, and somebody will.

use lapwing_chart::{
    Bin, Cell, Color, Frame, Mark, Scene, Size, Span, TerminalSize, Tone, Unit, summary, to_pdf, to_png,
    to_svg, to_terminal,
};
use proptest::prelude::*;

fn named(name: &str) -> Scene {
    let mut scene = Scene::over_time(name, 0, 3_600_000);
    scene.marks.push(Mark::Line {
        name: name.to_owned(),
        color: Color::Series(0),
        points: vec![(0.0, 1.0), (1e6, 2.0)],
        gap: None,
    });
    scene.marks.push(Mark::Threshold {
        value: 1.5,
        label: name.to_owned(),
        tone: Tone::Bad,
    });
    scene
}

#[test]
fn markup_stays_text() {
    let svg = to_svg(&named("<script>alert(1)</script>\"'&\u{202e}\u{0}]]>"));
    assert!(!svg.contains("<script"), "{svg}");
    assert!(svg.contains("&lt;script&gt;alert(1)"), "{svg}");
    assert!(!svg.contains('\u{202e}') && !svg.contains('\0'));
    assert!(to_png(&named("<svg onload=x>&amp;\u{1}\u{fffe}"), 1.0).is_ok());
}

#[test]
fn ten_kilobytes_of_name_are_cut() {
    let scene = named(&"名前x".repeat(3_500));
    let svg = to_svg(&scene);
    assert!(svg.len() < 20_000, "{} bytes", svg.len());
    assert!(summary(&scene).len() < 2_000);
    assert!(to_terminal(&scene, TerminalSize::default()).len() < 20_000);
}

#[test]
fn a_picture_has_a_largest_size() {
    let mut scene = named("x");
    scene.size = Size {
        width: u32::MAX,
        height: u32::MAX,
    };
    assert!(to_svg(&scene).starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4000\""));
    assert!(to_png(&scene, 3.0).is_err());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -10.0..10.0f64,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(0.0),
    ]
}

fn any_mark() -> impl Strategy<Value = Mark> {
    let points = || prop::collection::vec((any_value(), any_value()), 0..12);
    let color = Color::Series(1);
    let span = (any_value(), any_value()).prop_map(|(from, to)| Span {
        from,
        to,
        tone: Tone::Warning,
        label: "x".to_owned(),
    });
    let cell = (points(), any_value()).prop_map(|(p, weight)| Cell {
        x: p.first().copied().unwrap_or((0.0, 1.0)),
        y: p.last().copied().unwrap_or((0.0, 1.0)),
        weight,
    });
    prop_oneof![
        (points(), prop::option::of(any_value())).prop_map(move |(points, gap)| Mark::Line {
            name: "line".to_owned(),
            color,
            points,
            gap
        }),
        points().prop_map(move |points| Mark::Area {
            name: String::new(),
            color,
            points,
            gap: None
        }),
        (points(), any_value()).prop_map(move |(points, width)| Mark::Bars {
            name: "bars".to_owned(),
            color,
            points,
            width
        }),
        points().prop_map(move |p| Mark::Histogram {
            name: "histogram".to_owned(),
            color,
            bins: p
                .into_iter()
                .map(|(low, count)| Bin {
                    low,
                    high: low + 1.0,
                    count
                })
                .collect()
        }),
        prop::collection::vec(cell, 0..4).prop_map(|cells| Mark::Heatmap {
            name: "heat".to_owned(),
            cells
        }),
        prop::collection::vec(span, 0..4).prop_map(|spans| Mark::StateBar {
            name: "states".to_owned(),
            spans
        }),
        (any_value(), any_value()).prop_map(|(from, to)| Mark::Window {
            from,
            to,
            label: "window".to_owned(),
            tone: Tone::Bad
        }),
        any_value().prop_map(|value| Mark::Threshold {
            value,
            label: "threshold".to_owned(),
            tone: Tone::Bad
        }),
        points().prop_map(move |p| Mark::Band {
            name: "band".to_owned(),
            color,
            points: p.into_iter().map(|(x, y)| (x, y, y + 1.0)).collect()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_scene_is_drawn_without_a_nan(
        marks in prop::collection::vec(any_mark(), 0..5),
        bounds in (any_value(), any_value()),
        limits in (prop::option::of(any_value()), prop::option::of(any_value())),
        bare in any::<bool>(),
        size in (0u32..900, 0u32..600),
    ) {
        let mut scene = Scene::over_numbers("any", bounds, Unit::Bytes);
        (scene.y.low, scene.y.high) = limits;
        scene.marks = marks;
        scene.size = Size { width: size.0, height: size.1 };
        if bare {
            scene.frame = Frame::Bare;
        }
        let svg = to_svg(&scene);
        let drawn = svg.split_once("</title>").map_or("", |(_, drawn)| drawn);
        prop_assert!(!drawn.contains("NaN\"") && !drawn.contains("inf\"") && !drawn.contains("NaN "), "{svg}");
        to_terminal(&scene, TerminalSize { columns: 20, rows: 4 });
        summary(&scene);
        prop_assert!(to_pdf(&scene).is_ok());
    }
}
