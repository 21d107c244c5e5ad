//! Needs: pdftotext, pdftoppm
//!
//! PDFs as another program reads them: the same picture as the PNG, and texts that can be selected. `CHART_PDF_DIR=somewhere`
//! leaves them there to be looked at.

use crate::gallery::gallery;
use lapwing_chart::{
    Block, Color, Document, Frame, Mark, Scene, Size, Theme, Tone, Value, document_to_pdf, to_pdf, to_png,
};
use resvg::tiny_skia::Pixmap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a program of poppler makes of the document; `None` where the program is not installed.
fn poppler(program: &str, args: &[&str], pdf: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("SKIPPED a check of a PDF: {program} is not installed");
        return None;
    };
    let mut input = child.stdin.take().expect("a pipe");
    let bytes = pdf.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let done = child.wait_with_output().expect("it ends");
    writer.join().expect("it wrote").expect("it is read to its end");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{program}: {said}");
    Some(done.stdout)
}

fn texts(pdf: &[u8]) -> Option<String> {
    let out = poppler("pdftotext", &["-layout", "-", "-"], pdf)?;
    Some(String::from_utf8(out).expect("UTF-8"))
}

/// The page in pixels: width, height, three bytes for each.
fn pixels(pdf: &[u8]) -> Option<(usize, usize, Vec<u8>)> {
    let ppm = poppler("pdftoppm", &["-r", "96", "-"], pdf)?;
    let mut head = ppm.splitn(4, |b| *b == b'\n');
    assert_eq!(head.next(), Some(b"P6".as_slice()));
    let size = String::from_utf8(head.next()?.to_vec()).expect("a size");
    let (width, height) = size.split_once(' ').expect("two numbers");
    head.next();
    Some((
        width.parse().expect("a number"),
        height.parse().expect("a number"),
        head.next()?.to_vec(),
    ))
}

/// All that the document says to a viewer, inflated.
fn streams(pdf: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = pdf;
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|w| w == what);
    while let Some(at) = find(rest, b"\nstream\n") {
        rest = &rest[at + 8..];
        let end = find(rest, b"\nendstream").expect("a stream ends");
        let mut inflated = Vec::new();
        flate2::read::ZlibDecoder::new(&rest[..end])
            .read_to_end(&mut inflated)
            .expect("it inflates");
        out.push_str(&String::from_utf8_lossy(&inflated));
        rest = &rest[end..];
    }
    out
}

/// Leaves a document where somebody wants to look at it.
fn keep(name: &str, pdf: &[u8]) {
    if let Some(folder) = std::env::var_os("CHART_PDF_DIR").map(PathBuf::from) {
        std::fs::write(folder.join(format!("{name}.pdf")), pdf).expect("the folder is there");
    }
}

#[test]
fn every_mark_looks_as_in_the_picture() {
    for (name, scene) in gallery() {
        let pdf = to_pdf(&scene).expect("it can be drawn");
        assert!(pdf.starts_with(b"%PDF-1.7") && pdf.ends_with(b"%%EOF"), "{name}");
        assert_eq!(pdf, to_pdf(&scene).expect("again"), "{name}: the same bytes");
        assert!(pdf.len() < 60_000, "{name}: {} bytes", pdf.len());
        keep(name, &pdf);
        let png = Pixmap::decode_png(&to_png(&scene, 1.0).expect("a picture")).expect("a PNG");
        let Some((width, height, drawn)) = pixels(&pdf) else {
            return;
        };
        assert_eq!(
            (width as u32, height as u32),
            (png.width(), png.height()),
            "{name}"
        );
        // Edges are smoothed differently; what is drawn elsewhere or in another colour differs by more, and in many places.
        let far = png
            .pixels()
            .iter()
            .zip(drawn.chunks_exact(3))
            .filter(|(a, b)| {
                let of = [a.red(), a.green(), a.blue()];
                of.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 96)
            })
            .count();
        let share = far as f64 / (width * height) as f64;
        assert!(share < 0.02, "{name}: {:.1} % of the page differ", share * 100.0);
    }
}

#[test]
fn texts_can_be_selected() {
    let (_, scene) = gallery()
        .into_iter()
        .find(|(name, _)| *name == "lines")
        .expect("a scene of lines");
    let Some(said) = texts(&to_pdf(&scene).expect("it can be drawn")) else {
        return;
    };
    for part in [
        "p95 latency by model",
        "last hour, one point a minute",
        "chat",
        "embed",
        "rerank",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn what_the_font_lacks_is_told_all_the_same() {
    let mut scene = Scene::over_time("модель αβγ ñø – 模型の名前 نموذج", 0, 3_600_000);
    scene.marks.push(Mark::Threshold {
        value: 1.0,
        label: "граница A".to_owned(),
        tone: Tone::Bad,
    });
    let pdf = to_pdf(&scene).expect("it can be drawn");
    keep("scripts", &pdf);
    // Five characters and five more have no glyph; each is a box, so that nobody takes the name for a shorter one.
    let boxes = streams(&pdf).matches(" re\nS").count();
    assert_eq!(boxes, 10);
    let Some(said) = texts(&pdf) else { return };
    for part in ["модель αβγ ñø", "模型の名前", "граница A"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_page_holds_nothing_that_acts() {
    let name = "\u{202e}(Tj) ET /JS (app.alert) <</S/URI>> \\) \0 ".repeat(300);
    let mut scene = Scene::over_time(&name, 0, 1000);
    scene.marks.push(Mark::Line {
        name,
        color: Color::Series(0),
        points: vec![(0.0, f64::NAN), (10.0, 1.0), (500.0, f64::INFINITY)],
        gap: None,
    });
    let pdf = to_pdf(&scene).expect("it can be drawn");
    assert!(pdf.len() < 40_000, "{} bytes", pdf.len());
    let raw = String::from_utf8_lossy(&pdf);
    for key in ["/Names", "/OpenAction", "/AA", "/Annots", "/EmbeddedFile"] {
        assert!(!raw.contains(key), "{key}");
    }
    let content = streams(&pdf);
    assert!(!content.contains("NaN") && !content.contains("inf "));
    texts(&pdf);
}

#[test]
fn without_texts_there_is_no_font() {
    let mut scene = Scene::over_time("", 0, 1000);
    scene.frame = Frame::Bare;
    scene.size = Size { width: 1, height: 1 };
    let pdf = to_pdf(&scene).expect("it can be drawn");
    assert!(!String::from_utf8_lossy(&pdf).contains("/Type0"), "{pdf:?}");
    assert!(pdf.len() < 2_000, "{} bytes", pdf.len());
    assert!(pixels(&pdf).is_none_or(|(width, height, _)| width > 0 && height > 0));
    scene.frame = Frame::Full;
    scene.size = Size {
        width: u32::MAX,
        height: u32::MAX,
    };
    let largest = String::from_utf8_lossy(&to_pdf(&scene).expect("it can be drawn")).into_owned();
    assert!(
        largest.contains("/MediaBox [0 0 3000 3000]"),
        "4000 pixels a side"
    );
}

#[test]
fn a_document_has_its_title_its_pages_and_all_that_is_in_it() {
    let graphs = gallery().into_iter().map(|(_, mut scene)| {
        scene.size.height = Document::GRAPH_HEIGHT_PX;
        Block::Graph(Box::new(scene))
    });
    let value = |name: &str, text: &str, tone| Value {
        name: name.to_owned(),
        text: text.to_owned(),
        tone,
    };
    let mut blocks: Vec<Block> = graphs.collect();
    blocks.push(Block::Values {
        title: "KV cache".to_owned(),
        rows: vec![
            value("chat", "96 %", Some(Tone::Bad)),
            value("模型", "12 %", None),
        ],
    });
    blocks.push(Block::Text {
        title: "Whom to ask".to_owned(),
        text: "the platform team\nby day".to_owned(),
    });
    let document = Document {
        title: "Serving, as it was".to_owned(),
        notes: vec![
            "2026-11-21 02:00 – 03:00 UTC".to_owned(),
            "model: chat".to_owned(),
        ],
        theme: Theme::Light,
        blocks,
    };
    let pdf = document_to_pdf(&document).expect("it can be drawn");
    assert_eq!(pdf, document_to_pdf(&document).expect("again"), "the same bytes");
    keep("document", &pdf);
    let Some(said) = texts(&pdf) else { return };
    for part in [
        "Serving, as it was",
        "02:00 – 03:00 UTC",
        "p95 latency by model",
        "critical",
        "96 %",
        "模型",
        "the platform team",
        "1 of 3",
        "3 of 3",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    // A page ends with a form feed.
    assert_eq!(said.matches('\u{c}').count(), 3);
}
