//! The embedded font inside of a document: glyphs by their numbers, their widths, and what each of them means.
//!
//! A document holds the glyphs that its texts use and no others, numbered anew in the order in which they came; that number
//! is what a text is written in (two bytes each), what widths are listed by, and what the map to Unicode begins from.

use super::{FACE, FACE_ABOUT, FACE_CIDS, FACE_FILE, FACE_MEANING, PdfError, deflated};
use crate::font::FONT;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Str};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::{GlyphMetrics, Metrics};
use skrifa::{FontRef, GlyphId, MetadataProvider, Tag};
use std::collections::BTreeMap;
use subsetter::GlyphRemapper;

/// Six letters mark a font that holds some of its glyphs only.
const NAME: Name<'static> = Name(b"LAPWNG+Inter-Regular");
const SYSTEM: SystemInfo<'static> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};
/// How wide the box is that stands for a character without a glyph; the font itself leaves a hole there.
const BOX_PER_MILLE: f32 = 700.0;
/// How thick upright strokes are; viewers use it where they must do without the font.
const STEM: f32 = 80.0;

pub(super) struct TypeFace {
    charmap: Charmap<'static>,
    widths: GlyphMetrics<'static>,
    metrics: Metrics,
    numbers: GlyphRemapper,
    /// By their new numbers: the first character that each was used for.
    used: BTreeMap<u16, (char, f32)>,
}

/// A text in glyphs.
pub(super) struct Line {
    pub(super) glyphs: Vec<u8>,
    pub(super) width_em: f64,
    /// A glyph of it means another character or is missing, so the text must be told beside it.
    pub(super) says_less: bool,
    /// Where a box stands for what the font lacks, from the beginning of the line.
    pub(super) boxes_em: Vec<f64>,
}

impl TypeFace {
    pub(super) fn embedded() -> Result<TypeFace, PdfError> {
        let font = FontRef::new(FONT).map_err(|_| PdfError::Font)?;
        Ok(TypeFace {
            charmap: font.charmap(),
            // Without a size they are in units of the font.
            widths: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            metrics: font.metrics(Size::unscaled(), LocationRef::default()),
            numbers: GlyphRemapper::new(),
            used: BTreeMap::new(),
        })
    }

    pub(super) fn is_unused(&self) -> bool {
        self.used.is_empty()
    }

    /// In thousandths of an em, as the format counts.
    fn per_mille(&self, units: f32) -> f32 {
        (units * 1000.0 / f32::from(self.metrics.units_per_em.max(1))).round()
    }

    pub(super) fn set(&mut self, text: &str) -> Line {
        let mut line = Line {
            glyphs: Vec::with_capacity(text.len() * 2),
            width_em: 0.0,
            says_less: false,
            boxes_em: Vec::new(),
        };
        for c in text.chars() {
            let glyph = self.charmap.map(c).unwrap_or(GlyphId::NOTDEF);
            let width = if glyph == GlyphId::NOTDEF {
                line.boxes_em.push(line.width_em);
                BOX_PER_MILLE
            } else {
                self.per_mille(self.widths.advance_width(glyph).unwrap_or(0.0))
            };
            let number = self.numbers.remap(u16::try_from(glyph.to_u32()).unwrap_or(0));
            let (meant, _) = *self.used.entry(number).or_insert((c, width));
            line.says_less |= number == 0 || meant != c;
            line.glyphs.extend(number.to_be_bytes());
            line.width_em += f64::from(width) / 1000.0;
        }
        line
    }

    pub(super) fn embed(&self, pdf: &mut Pdf) -> Result<(), PdfError> {
        let subset = subsetter::subset(FONT, 0, &self.numbers).map_err(PdfError::Subset)?;
        // Of the file around them only the outlines are needed.
        let file = FontRef::new(&subset).map_err(|_| PdfError::Font)?;
        let outlines = file.table_data(Tag::new(b"CFF ")).ok_or(PdfError::Font)?;
        let file = deflated(outlines.as_bytes())?;
        let mut stream = pdf.stream(FACE_FILE, &file);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
        stream.finish();
        pdf.type0_font(FACE)
            .base_font(NAME)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(FACE_CIDS)
            .to_unicode(FACE_MEANING);
        let mut cids = pdf.cid_font(FACE_CIDS);
        cids.subtype(CidFontType::Type0)
            .base_font(NAME)
            .system_info(SYSTEM)
            .font_descriptor(FACE_ABOUT)
            .default_width(0.0);
        let mut widths = cids.widths();
        for (number, (_, width)) in &self.used {
            widths.consecutive(*number, [*width]);
        }
        widths.finish();
        cids.finish();
        self.about(pdf);
        let mut meaning = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
        for (number, (c, _)) in self.used.iter().filter(|(number, _)| **number != 0) {
            meaning.pair(*number, *c);
        }
        let meaning = deflated(&meaning.finish())?;
        pdf.cmap(FACE_MEANING, &meaning).filter(Filter::FlateDecode);
        Ok(())
    }

    fn about(&self, pdf: &mut Pdf) {
        let bounds = self.metrics.bounds.unwrap_or_default();
        let [left, low, right, high] =
            [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(|units| self.per_mille(units));
        pdf.font_descriptor(FACE_ABOUT)
            .name(NAME)
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(left, low, right, high))
            .italic_angle(0.0)
            .ascent(self.per_mille(self.metrics.ascent))
            .descent(self.per_mille(self.metrics.descent))
            .cap_height(self.per_mille(self.metrics.cap_height.unwrap_or(self.metrics.ascent)))
            .stem_v(STEM)
            .font_file3(FACE_FILE);
    }
}
