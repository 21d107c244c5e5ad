//! A painting as SVG 1.1: no script, no link, no outer file, so that it may be shown anywhere.

use crate::paint::paint;
use crate::scene::Scene;
use crate::shape::{Anchor, Painting, Shape, is_hostile};
use std::fmt::Write;

/// The scene as a standing-alone SVG document; its summary is its title.
pub fn to_svg(scene: &Scene) -> String {
    write(&paint(scene))
}

fn write(painting: &Painting) -> String {
    let (w, h) = (painting.width, painting.height);
    let mut out = String::with_capacity(16 * 1024);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"Inter, system-ui, sans-serif\" role=\"img\">\n<title>{}</title>\n",
        escape(&painting.words)
    );
    let _ = writeln!(
        out,
        "<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>",
        painting.background
    );
    let plot = painting.plot;
    let _ = writeln!(
        out,
        "<clipPath id=\"plot\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>",
        Px(plot.x),
        Px(plot.y),
        Px(plot.width),
        Px(plot.height)
    );
    painting.behind.iter().for_each(|s| push(&mut out, s));
    out.push_str("<g clip-path=\"url(#plot)\">\n");
    painting.inside.iter().for_each(|s| push(&mut out, s));
    out.push_str("</g>\n");
    painting.front.iter().for_each(|s| push(&mut out, s));
    out.push_str("</svg>\n");
    out
}

/// Pixels with at most two decimals.
struct Px(f64);

impl std::fmt::Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = (self.0 * 100.0).round() / 100.0;
        write!(f, "{}", if rounded == 0.0 { 0.0 } else { rounded })
    }
}

fn push(out: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Path {
            points,
            color,
            stroke,
            dashed,
            fill,
        } => push_path(out, points, (color, *stroke, *dashed, *fill)),
        Shape::Rect {
            x,
            y,
            width,
            height,
            color,
            opacity,
        } => writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{color}\" fill-opacity=\"{}\"/>",
            Px(*x),
            Px(*y),
            Px(*width),
            Px(*height),
            Px(*opacity)
        ),
        Shape::Dot { x, y, radius, color } => writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\" fill=\"{color}\"/>",
            Px(*x),
            Px(*y)
        ),
        Shape::Text {
            x,
            y,
            anchor,
            size,
            color,
            text,
        } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{size}\" fill=\"{color}\" text-anchor=\"{anchor}\">{}</text>",
                Px(*x),
                Px(*y),
                escape(text)
            )
        }
    };
}

fn push_path(
    out: &mut String,
    points: &[(f64, f64)],
    (color, stroke, dashed, fill): (&str, f64, bool, f64),
) -> std::fmt::Result {
    out.push_str("<path d=\"");
    for (i, (x, y)) in points.iter().enumerate() {
        write!(out, "{}{} {}", if i == 0 { 'M' } else { 'L' }, Px(*x), Px(*y))?;
    }
    if fill > 0.0 {
        writeln!(out, "Z\" fill=\"{color}\" fill-opacity=\"{fill}\"/>")
    } else {
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        writeln!(
            out,
            "\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{stroke}\" stroke-linejoin=\"round\"{dash}/>"
        )
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_hostile(*c)) {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
