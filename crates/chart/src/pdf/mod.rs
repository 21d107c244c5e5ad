//! Sheets as PDF 1.7: pages of vectors with their texts as texts. A scene is one page in its own size, a document several of A4.
//!
//! 1. `content` writes the shapes of each page as a content stream, in pixels with y downwards as they were painted; a matrix turns them
//!    into points (a pixel is 1/96 inch).
//! 2. `type_face` collects the glyphs that the texts need and embeds those of the one font, with what each means, so that a
//!    text can be selected, searched and read aloud. What the font cannot draw is a box that still copies as what it says.
//! 3. Here the objects are numbered: a fixed few, then one per opacity, then two per page. No date and no random identifier: the same scene is
//!    the same bytes.
//!
//! Never: scripts, links, forms or files inside; anything that a viewer would have to fetch.

mod content;
mod type_face;

use crate::document::Document;
use crate::paint::paint;
use crate::scene::Scene;
use crate::shape::{Sheet, fit};
use content::Opacities;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, TextStr};
use std::io::Write;
use type_face::TypeFace;

/// Points for a pixel: 72 to an inch against 96.
const POINTS_PER_PIXEL: f32 = 0.75;
/// A title is shown in the bar of a window.
const TITLE_PIXELS: f64 = 600.0;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const INFO: Ref = Ref::new(3);
const FACE: Ref = Ref::new(4);
const FACE_CIDS: Ref = Ref::new(5);
const FACE_ABOUT: Ref = Ref::new(6);
const FACE_FILE: Ref = Ref::new(7);
const FACE_MEANING: Ref = Ref::new(8);
const OPACITY_FIRST: i32 = 9;

#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("the embedded font could not be read")]
    Font,
    #[error("the glyphs of the texts could not be embedded")]
    Subset(#[source] subsetter::Error),
    #[error("a part of the document could not be compressed")]
    Compress(#[source] std::io::Error),
}

/// The scene as a PDF of one page.
pub fn to_pdf(scene: &Scene) -> Result<Vec<u8>, PdfError> {
    let painting = paint(scene);
    let words = painting.words.clone();
    write(&[Sheet::of(painting)], &scene.title, &words)
}

/// The document as pages of A4.
pub fn document_to_pdf(document: &Document) -> Result<Vec<u8>, PdfError> {
    write(&document.sheets(), &document.title, &document.notes.join(", "))
}

fn write(sheets: &[Sheet], title: &str, subject: &str) -> Result<Vec<u8>, PdfError> {
    let mut face = TypeFace::embedded()?;
    let mut opacities = Opacities::default();
    let contents: Vec<Vec<u8>> = sheets
        .iter()
        .map(|sheet| content::write(sheet, &mut face, &mut opacities))
        .collect();
    let pages: Vec<(Ref, Ref)> = (0..sheets.len()).map(|at| page_refs(at, &opacities)).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG)
        .pages(PAGES)
        .viewer_preferences()
        .display_doc_title(true);
    pdf.pages(PAGES)
        .kids(pages.iter().map(|(page, _)| *page))
        .count(i32::try_from(pages.len()).unwrap_or(i32::MAX));
    for ((sheet, content), refs) in sheets.iter().zip(&contents).zip(&pages) {
        page(&mut pdf, *refs, sheet, (&face, &opacities));
        let content = deflated(content)?;
        pdf.stream(refs.1, &content).filter(Filter::FlateDecode);
    }
    pdf.document_info(INFO)
        .title(TextStr(&fit(title, 1.0, TITLE_PIXELS)))
        .subject(TextStr(subject))
        .producer(TextStr("Lapwing"));
    if !face.is_unused() {
        face.embed(&mut pdf)?;
    }
    for (i, opacity) in opacities.iter().enumerate() {
        let mut state = pdf.ext_graphics(opacity_ref(i));
        state.non_stroking_alpha(opacity);
    }
    Ok(pdf.finish())
}

/// A page and its content, behind the opacities.
fn page_refs(at: usize, opacities: &Opacities) -> (Ref, Ref) {
    let first = opacity_ref(opacities.iter().count()).get();
    let page = first + 2 * i32::try_from(at).unwrap_or(0);
    (Ref::new(page), Ref::new(page + 1))
}

fn page(pdf: &mut Pdf, refs: (Ref, Ref), sheet: &Sheet, (face, opacities): (&TypeFace, &Opacities)) {
    let (width, height) = (sheet.width as f32, sheet.height as f32);
    let mut page = pdf.page(refs.0);
    page.parent(PAGES)
        .media_box(Rect::new(
            0.0,
            0.0,
            width * POINTS_PER_PIXEL,
            height * POINTS_PER_PIXEL,
        ))
        .contents(refs.1);
    // What lies over each other is mixed as on a screen.
    page.group().transparency().color_space().device_rgb();
    let mut resources = page.resources();
    if !face.is_unused() {
        resources.fonts().pair(content::FACE_NAME, FACE);
    }
    let mut states = resources.ext_g_states();
    for (i, _) in opacities.iter().enumerate() {
        states.pair(Name(Opacities::name(i).as_bytes()), opacity_ref(i));
    }
    states.finish();
}

fn opacity_ref(place: usize) -> Ref {
    // As many as a painting has different opacities: a heat map has the most, one for each per mille.
    Ref::new(OPACITY_FIRST + i32::try_from(place).unwrap_or(0))
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>, PdfError> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    encoder.write_all(bytes).map_err(PdfError::Compress)?;
    encoder.finish().map_err(PdfError::Compress)
}
