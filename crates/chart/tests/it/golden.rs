//! Each scene of the gallery as SVG and as text must stay what it was; `UPDATE_GOLDEN=1` writes them anew (then look at
//! them). `CHART_PNG_DIR=somewhere` also leaves each as PNG there.

use crate::gallery::gallery;
use lapwing_chart::{TerminalSize, summary, to_png, to_svg, to_terminal};
use std::path::{Path, PathBuf};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file)
}

fn check(file: &str, now: &str) {
    let path = golden(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, now).expect("golden files can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "{file} is drawn differently now; UPDATE_GOLDEN=1 keeps the new drawing:\n{now}"
    );
}

#[test]
fn every_mark_is_drawn_as_before() {
    for (name, scene) in gallery() {
        check(&format!("{name}.svg"), &to_svg(&scene));
        let size = TerminalSize {
            columns: 60,
            rows: 12,
        };
        let text = format!("{}\n{}", summary(&scene), to_terminal(&scene, size));
        check(&format!("{name}.txt"), &text);
    }
}

/// Width and height stand at fixed places of a PNG.
fn png_size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    (number(16), number(20))
}

#[test]
fn every_mark_becomes_pixels() {
    let folder = std::env::var_os("CHART_PNG_DIR").map(PathBuf::from);
    for (name, scene) in gallery() {
        let png = to_png(&scene, 2.0).expect("it can be drawn");
        assert_eq!(
            png_size(&png),
            (scene.size.width * 2, scene.size.height * 2),
            "{name}"
        );
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.png")), &png).expect("the folder is there");
        }
    }
}

#[test]
fn texts_are_in_the_picture_not_only_in_the_drawing() {
    let (_, mut scene) = gallery().remove(0);
    let with = to_png(&scene, 1.0).expect("it can be drawn");
    scene.title = "another title".to_owned();
    let other = to_png(&scene, 1.0).expect("it can be drawn");
    assert!(with != other, "the title leaves no trace: is the font found?");
}
