//! The same picture as pixels, drawn by resvg with the one font that is embedded: the same bytes on every machine.

use crate::font::{FAMILY, FONT};
use crate::scene::Scene;
use crate::svg::to_svg;
use resvg::{tiny_skia, usvg};
use skrifa::{FontRef, GlyphId, MetadataProvider};
use std::sync::{Arc, OnceLock};

/// Sharper than screens of today need, and small enough for a chat.
const SCALE_MAX: f32 = 3.0;
/// Stands for a character that the font lacks: a name with holes would read as another name.
const LACKING: char = '■';
/// More pixels than this are refused: 64 MB in memory.
const PIXELS_MAX: f64 = 16e6;

#[derive(Debug, thiserror::Error)]
pub enum PngError {
    #[error("the drawing could not be read back")]
    Drawing(#[source] usvg::Error),
    #[error("a picture of {width} × {height} pixels is too large")]
    TooLarge { width: u32, height: u32 },
    #[error("the picture could not be encoded: {reason}")]
    Encode { reason: String },
}

/// The scene as PNG; `scale` 2 makes twice the pixels of its size.
pub fn to_png(scene: &Scene, scale: f32) -> Result<Vec<u8>, PngError> {
    svg_to_png(to_svg(scene), scale)
}

/// A drawing that is an SVG already, as PNG.
pub fn svg_to_png(svg: String, scale: f32) -> Result<Vec<u8>, PngError> {
    let options = usvg::Options {
        fontdb: fonts(),
        font_family: FAMILY.to_owned(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(&drawable(svg), &options).map_err(PngError::Drawing)?;
    let scale = if scale.is_finite() {
        scale.clamp(0.25, SCALE_MAX)
    } else {
        1.0
    };
    let (width, height) = (
        (tree.size().width() * scale).ceil() as u32,
        (tree.size().height() * scale).ceil() as u32,
    );
    let too_large = PngError::TooLarge { width, height };
    if f64::from(width) * f64::from(height) > PIXELS_MAX {
        return Err(too_large);
    }
    let Some(mut pixels) = tiny_skia::Pixmap::new(width, height) else {
        return Err(too_large);
    };
    resvg::render(
        &tree,
        tiny_skia::Transform::from_scale(scale, scale),
        &mut pixels.as_mut(),
    );
    pixels.encode_png().map_err(|e| PngError::Encode {
        reason: e.to_string(),
    })
}

/// Everything of the drawing but its texts is ASCII, so only texts change.
fn drawable(svg: String) -> String {
    if svg.is_ascii() {
        return svg;
    }
    let Ok(font) = FontRef::new(FONT) else {
        return svg;
    };
    let glyphs = font.charmap();
    let has = |c: char| c.is_ascii() || glyphs.map(c).is_some_and(|glyph| glyph != GlyphId::NOTDEF);
    svg.chars().map(|c| if has(c) { c } else { LACKING }).collect()
}

fn fonts() -> Arc<usvg::fontdb::Database> {
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    FONTS
        .get_or_init(|| {
            let mut fonts = usvg::fontdb::Database::new();
            fonts.load_font_data(FONT.to_vec());
            fonts.set_sans_serif_family(FAMILY);
            Arc::new(fonts)
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_font_lacks_is_a_box_and_no_hole() {
        let check = |text: &str, expect: &str| assert_eq!(drawable(text.to_owned()), expect);
        check("<text>chat</text>", "<text>chat</text>");
        check("модель αβγ ñø – 12 µs", "модель αβγ ñø – 12 µs");
        check("模型 a نم", "■■ a ■■");
    }
}
