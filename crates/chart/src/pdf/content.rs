//! Shapes as operators of a content stream.

use super::POINTS_PER_PIXEL;
use super::type_face::TypeFace;
use crate::shape::{Anchor, Painting, Shape, Sheet, is_hostile};
use pdf_writer::types::LineJoinStyle;
use pdf_writer::{Content, Name, Str, TextStr};

pub(super) const FACE_NAME: Name<'static> = Name(b"F");
/// How far the handles of a quarter of a circle stand from its ends, for a radius of one.
const QUARTER: f32 = 0.552_285;
/// The box for a character without a glyph, in parts of the size: space before it, width, height.
const BOX: (f64, f64, f64) = (0.07, 0.56, 0.72);
const DASH: [f32; 2] = [5.0, 4.0];

/// Opacities below one, in per mille and in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Opacities(Vec<u16>);

impl Opacities {
    pub(super) fn iter(&self) -> impl Iterator<Item = f32> {
        self.0.iter().map(|per_mille| f32::from(*per_mille) / 1000.0)
    }

    pub(super) fn name(place: usize) -> String {
        format!("O{place}")
    }

    /// The name of the state that sets it; none for what is opaque.
    fn of(&mut self, opacity: f64) -> Option<String> {
        let per_mille = (opacity.clamp(0.0, 1.0) * 1000.0).round() as u16;
        if per_mille >= 1000 {
            return None;
        }
        let found = self.0.iter().position(|known| *known == per_mille);
        Some(Self::name(found.unwrap_or_else(|| {
            self.0.push(per_mille);
            self.0.len() - 1
        })))
    }
}

/// The stream of one page. The texts leave their glyphs with the face, and what is not opaque its opacity with the others.
pub(super) fn write(sheet: &Sheet, face: &mut TypeFace, opacities: &mut Opacities) -> Vec<u8> {
    let mut pen = Pen {
        out: Content::new(),
        opacities,
        face,
    };
    pen.out.save_state();
    pen.out.transform([
        POINTS_PER_PIXEL,
        0.0,
        0.0,
        -POINTS_PER_PIXEL,
        0.0,
        px(sheet.height) * POINTS_PER_PIXEL,
    ]);
    pen.out.set_line_join(LineJoinStyle::RoundJoin);
    pen.rect((0.0, 0.0, sheet.width, sheet.height), sheet.background, 1.0);
    for (corner, painting) in &sheet.placed {
        pen.painting(*corner, painting);
    }
    sheet.shapes.iter().for_each(|shape| pen.shape(shape));
    pen.out.restore_state();
    pen.out.finish().into_vec()
}

/// Pixels with at most two decimals, as in the other writers.
fn px(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}

/// `#rrggbb` of the palette; black for what is none.
fn rgb(color: &str) -> [f32; 3] {
    let part = |at: usize| {
        let digits = color.get(at..at + 2).unwrap_or("00");
        let value = f32::from(u8::from_str_radix(digits, 16).unwrap_or(0)) / 255.0;
        (value * 1000.0).round() / 1000.0
    };
    [part(1), part(3), part(5)]
}

struct Pen<'a> {
    out: Content,
    opacities: &'a mut Opacities,
    face: &'a mut TypeFace,
}

impl Pen<'_> {
    fn painting(&mut self, (x, y): (f64, f64), painting: &Painting) {
        self.out.save_state();
        self.out.transform([1.0, 0.0, 0.0, 1.0, px(x), px(y)]);
        painting.behind.iter().for_each(|shape| self.shape(shape));
        let plot = painting.plot;
        self.out.save_state();
        self.out
            .rect(px(plot.x), px(plot.y), px(plot.width), px(plot.height))
            .clip_nonzero()
            .end_path();
        painting.inside.iter().for_each(|shape| self.shape(shape));
        self.out.restore_state();
        painting.front.iter().for_each(|shape| self.shape(shape));
        self.out.restore_state();
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Path {
                points,
                color,
                stroke,
                dashed,
                fill,
            } => {
                if *fill > 0.0 {
                    self.filled(points, color, *fill);
                } else {
                    self.stroked(points, color, (*stroke, *dashed));
                }
            }
            Shape::Rect {
                x,
                y,
                width,
                height,
                color,
                opacity,
            } => self.rect((*x, *y, *width, *height), color, *opacity),
            Shape::Dot { x, y, radius, color } => self.dot((*x, *y), *radius, color),
            Shape::Text {
                x,
                y,
                anchor,
                size,
                color,
                text,
            } => self.text((*x, *y, *anchor), (*size, color), text),
        }
    }

    /// Runs `draw` between a state with this colour and opacity and the one before.
    fn painted(&mut self, color: &str, opacity: f64, draw: impl FnOnce(&mut Content)) {
        let [r, g, b] = rgb(color);
        let state = self.opacities.of(opacity);
        if let Some(name) = &state {
            self.out.save_state().set_parameters(Name(name.as_bytes()));
        }
        self.out.set_fill_rgb(r, g, b);
        draw(&mut self.out);
        if state.is_some() {
            self.out.restore_state();
        }
    }

    fn rect(&mut self, (x, y, width, height): (f64, f64, f64, f64), color: &str, opacity: f64) {
        self.painted(color, opacity, |out| {
            out.rect(px(x), px(y), px(width), px(height)).fill_nonzero();
        });
    }

    fn filled(&mut self, points: &[(f64, f64)], color: &str, opacity: f64) {
        self.painted(color, opacity, |out| {
            trace(out, points);
            out.close_path().fill_nonzero();
        });
    }

    fn stroked(&mut self, points: &[(f64, f64)], color: &str, (width, dashed): (f64, bool)) {
        let [r, g, b] = rgb(color);
        self.out.set_stroke_rgb(r, g, b).set_line_width(px(width));
        if dashed {
            self.out.set_dash_pattern(DASH, 0.0);
        }
        trace(&mut self.out, points);
        self.out.stroke();
        if dashed {
            self.out.set_dash_pattern([], 0.0);
        }
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, color: &str) {
        let (x, y, r) = (px(x), px(y), px(radius));
        let k = r * QUARTER;
        self.painted(color, 1.0, |out| {
            out.move_to(x + r, y)
                .cubic_to(x + r, y + k, x + k, y + r, x, y + r)
                .cubic_to(x - k, y + r, x - r, y + k, x - r, y)
                .cubic_to(x - r, y - k, x - k, y - r, x, y - r)
                .cubic_to(x + k, y - r, x + r, y - k, x + r, y)
                .fill_nonzero();
        });
    }

    fn text(&mut self, (x, y, anchor): (f64, f64, Anchor), (size, color): (f64, &str), text: &str) {
        let clean: String = text.chars().filter(|c| !is_hostile(*c)).collect();
        let line = self.face.set(&clean);
        let width = line.width_em * size;
        let x = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        let out = &mut self.out;
        let [r, g, b] = rgb(color);
        if line.says_less {
            let mut marked = out.begin_marked_content_with_properties(Name(b"Span"));
            marked.properties().actual_text(TextStr(&clean));
        }
        out.set_fill_rgb(r, g, b)
            .begin_text()
            .set_font(FACE_NAME, px(size))
            // The page is upside down; letters are not.
            .set_text_matrix([1.0, 0.0, 0.0, -1.0, px(x), px(y)])
            .show(Str(&line.glyphs))
            .end_text();
        if line.says_less {
            out.end_marked_content();
        }
        if !line.boxes_em.is_empty() {
            out.set_stroke_rgb(r, g, b).set_line_width(px(size * 0.06));
        }
        for at in &line.boxes_em {
            let left = x + (at + BOX.0) * size;
            out.rect(px(left), px(y - BOX.2 * size), px(BOX.1 * size), px(BOX.2 * size))
                .stroke();
        }
    }
}

fn trace(out: &mut Content, points: &[(f64, f64)]) {
    for (i, (x, y)) in points.iter().enumerate() {
        if i == 0 {
            out.move_to(px(*x), px(*y));
        } else {
            out.line_to(px(*x), px(*y));
        }
    }
}
