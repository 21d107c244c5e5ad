//! Scenes, values and texts as one document: a title, what it is of, and pages of A4.
//!
//! Blocks stand below each other in their order, as wide as the page. A graph is never cut: what does not fit begins the next
//! page. Values and texts go on there, and say that they do. Every page names the document and its own number.
//!
//! Invariant: the pages of a document are bounded, whatever is put into it; what is left out is said.

use crate::frame::{PAD, legend_height};
use crate::paint::paint;
use crate::palette::Theme;
use crate::scene::{Scene, Tone};
use crate::shape::{Anchor, Shape, Sheet, fit, is_hostile, text_width};

/// A4 at 96 pixels to an inch.
const PAGE: (f64, f64) = (794.0, 1123.0);
const MARGIN: f64 = 48.0;
const WIDTH: f64 = PAGE.0 - 2.0 * MARGIN;
/// Where the blocks of a page end; below it stands its number.
const BOTTOM: f64 = PAGE.1 - MARGIN - 16.0;
const GAP: f64 = 14.0;
/// A graph lower than this shows nothing.
const HEIGHT_MIN: f64 = 80.0;
const TITLE_SIZE: f64 = 20.0;
const HEAD_SIZE: f64 = 15.0;
const TEXT_SIZE: f64 = 11.0;
const LINE: f64 = 18.0;
/// The share of a row that its name may fill.
const NAME_SHARE: f64 = 0.68;
/// More than this is no document that anybody reads; the last page says so.
const PAGES_MAX: usize = 100;
/// A text may be 256 kB; so many of its lines are shown.
const TEXT_LINES_MAX: usize = 400;

#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub title: String,
    /// A line each below the title: the range, what is chosen.
    pub notes: Vec<String>,
    pub theme: Theme,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// As tall as the scene says, and its legend below; in the width of the page and the theme of the document.
    Graph(Box<Scene>),
    Values {
        title: String,
        rows: Vec<Value>,
    },
    Text {
        title: String,
        text: String,
    },
}

/// A name and what it is at.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub name: String,
    pub text: String,
    pub tone: Option<Tone>,
}

impl Document {
    /// Four graphs of this height and a line of legend each fill a page.
    pub const GRAPH_HEIGHT_PX: u32 = 198;

    pub(crate) fn sheets(&self) -> Vec<Sheet> {
        let mut press = Press::new(self);
        press.heading();
        for (done, block) in self.blocks.iter().enumerate() {
            if press.is_full() {
                press.text("", &format!("and {} more", self.blocks.len() - done));
                break;
            }
            match block {
                Block::Graph(scene) => press.graph(scene),
                Block::Values { title, rows } => press.values(title, rows),
                Block::Text { title, text } => press.text(title, text),
            }
        }
        press.done()
    }
}

/// Puts one thing below the other.
struct Press<'a> {
    of: &'a Document,
    sheets: Vec<Sheet>,
    y: f64,
}

impl<'a> Press<'a> {
    fn new(of: &'a Document) -> Self {
        let mut press = Press {
            of,
            sheets: Vec::new(),
            y: 0.0,
        };
        press.turn();
        press
    }

    fn is_full(&self) -> bool {
        self.sheets.len() >= PAGES_MAX
    }

    /// A new page.
    fn turn(&mut self) {
        self.sheets.push(Sheet {
            width: PAGE.0,
            height: PAGE.1,
            background: self.of.theme.ink().background,
            placed: Vec::new(),
            shapes: Vec::new(),
        });
        self.y = MARGIN;
    }

    fn room(&self) -> f64 {
        BOTTOM - self.y
    }

    fn push(&mut self, shape: Shape) {
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.shapes.push(shape);
        }
    }

    /// A line of text and what it takes of the page.
    fn line(&mut self, text: &str, size: f64, color: &'static str) {
        self.push(Shape::Text {
            x: MARGIN,
            y: self.y + size,
            anchor: Anchor::Start,
            size,
            color,
            text: fit(text, size, WIDTH),
        });
        self.y += size + 7.0;
    }

    fn heading(&mut self) {
        let ink = self.of.theme.ink();
        self.line(&self.of.title, TITLE_SIZE, ink.text);
        for note in &self.of.notes {
            self.line(note, TEXT_SIZE, ink.muted);
        }
        self.y += GAP;
    }

    fn graph(&mut self, scene: &Scene) {
        let mut scene = scene.clone();
        scene.theme = self.of.theme;
        // Its title stands under those of the other blocks: the picture's own edge lies in the margin.
        scene.size.width = (WIDTH + 2.0 * PAD) as u32;
        let tall = f64::from(scene.size.height) + legend_height(&scene);
        let height = tall.clamp(HEIGHT_MIN, BOTTOM - MARGIN);
        scene.size.height = height as u32;
        if height > self.room() {
            self.turn();
        }
        let corner = (MARGIN - PAD, self.y);
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.placed.push((corner, paint(&scene)));
        }
        self.y += height + GAP;
    }

    fn head(&mut self, title: &str) {
        if self.room() < HEAD_SIZE + 3.0 * LINE {
            self.turn();
        }
        if !title.is_empty() {
            self.line(title, HEAD_SIZE, self.of.theme.ink().text);
        }
    }

    /// The next page, if this one has no room for another line.
    fn go_on(&mut self, title: &str) {
        if self.room() < LINE {
            self.turn();
            self.head(&format!("{title} (continued)"));
        }
    }

    fn values(&mut self, title: &str, rows: &[Value]) {
        let ink = self.of.theme.ink();
        self.head(title);
        if rows.is_empty() {
            self.line("no data", TEXT_SIZE, ink.muted);
        }
        for (done, row) in rows.iter().enumerate() {
            if self.is_full() && self.room() < 2.0 * LINE {
                self.line(&format!("and {} more", rows.len() - done), TEXT_SIZE, ink.muted);
                break;
            }
            self.go_on(title);
            self.row(row);
        }
        self.y += GAP;
    }

    fn row(&mut self, row: &Value) {
        let theme = self.of.theme;
        let ink = theme.ink();
        let base = self.y + TEXT_SIZE + 1.0;
        let text = |x, anchor, color, text| Shape::Text {
            x,
            y: base,
            anchor,
            size: TEXT_SIZE,
            color,
            text,
        };
        let name = fit(&row.name, TEXT_SIZE, WIDTH * NAME_SHARE);
        let value = fit(&row.text, TEXT_SIZE, WIDTH * (1.0 - NAME_SHARE) - 90.0);
        let word = match row.tone {
            Some(Tone::Bad) => "critical  ",
            Some(Tone::Warning) => "warning  ",
            _ => "",
        };
        let color = row.tone.map_or(ink.text, |tone| theme.tone(tone));
        self.push(text(MARGIN, Anchor::Start, ink.text, name));
        self.push(text(MARGIN + WIDTH, Anchor::End, color, format!("{word}{value}")));
        self.push(Shape::Rect {
            x: MARGIN,
            y: self.y + LINE - 1.0,
            width: WIDTH,
            height: 0.75,
            color: ink.grid,
            opacity: 1.0,
        });
        self.y += LINE;
    }

    fn text(&mut self, title: &str, text: &str) {
        let ink = self.of.theme.ink();
        self.head(title);
        let lines = wrapped(text);
        for (done, line) in lines.iter().enumerate() {
            if done >= TEXT_LINES_MAX || (self.is_full() && self.room() < 2.0 * LINE) {
                self.line(
                    &format!("and {} more lines", lines.len() - done),
                    TEXT_SIZE,
                    ink.muted,
                );
                break;
            }
            self.go_on(title);
            self.line(line, TEXT_SIZE, ink.text);
        }
        self.y += GAP;
    }

    /// Every page gets its foot when it is known how many there are.
    fn done(mut self) -> Vec<Sheet> {
        let ink = self.of.theme.ink();
        let count = self.sheets.len();
        let title = fit(&self.of.title, TEXT_SIZE, WIDTH * NAME_SHARE);
        for (at, sheet) in self.sheets.iter_mut().enumerate() {
            let foot = |x, anchor, text| Shape::Text {
                x,
                y: PAGE.1 - MARGIN + 8.0,
                anchor,
                size: TEXT_SIZE,
                color: ink.muted,
                text,
            };
            sheet.shapes.push(foot(MARGIN, Anchor::Start, title.clone()));
            let number = format!("{} of {count}", at + 1);
            sheet.shapes.push(foot(MARGIN + WIDTH, Anchor::End, number));
        }
        self.sheets
    }
}

/// Lines no wider than the page, broken between words; a word that is too long is broken where the page ends.
fn wrapped(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for paragraph in text.lines() {
        let clean: String = paragraph
            .chars()
            .filter(|c| *c == '\t' || !is_hostile(*c))
            .collect();
        let mut line = String::new();
        let mut used = 0.0;
        for word in clean.split_inclusive([' ', '\t']) {
            if used > 0.0 && used + text_width(word.trim_end(), TEXT_SIZE) > WIDTH {
                out.push(std::mem::take(&mut line));
                used = 0.0;
            }
            for c in word.chars() {
                let width = text_width(c.encode_utf8(&mut [0; 4]), TEXT_SIZE);
                if used + width > WIDTH {
                    out.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += width;
            }
        }
        out.push(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sheet: &Sheet) -> Vec<&str> {
        let shapes = sheet.shapes.iter();
        let texts = shapes.filter_map(|shape| match shape {
            Shape::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn document(blocks: Vec<Block>) -> Document {
        Document {
            title: "Serving".to_owned(),
            notes: vec!["last hour".to_owned()],
            theme: Theme::Light,
            blocks,
        }
    }

    #[test]
    fn a_graph_is_never_cut() {
        let graph = || {
            let mut scene = Scene::over_time("g", 0, 1000);
            scene.size.height = Document::GRAPH_HEIGHT_PX;
            Block::Graph(Box::new(scene))
        };
        let sheets = document((0..9).map(|_| graph()).collect()).sheets();
        assert_eq!(
            sheets.iter().map(|s| s.placed.len()).collect::<Vec<_>>(),
            [4, 4, 1]
        );
        for sheet in &sheets {
            for ((x, y), painting) in &sheet.placed {
                assert!(*x >= MARGIN - PAD && y + painting.height <= BOTTOM + 0.01, "{y}");
            }
        }
        assert_eq!(texts(&sheets[2]), ["Serving", "3 of 3"]);
    }

    #[test]
    fn values_go_on_over_the_page_and_say_so() {
        let row = |i: usize| Value {
            name: format!("host {i}"),
            text: "1".to_owned(),
            tone: None,
        };
        let values = Block::Values {
            title: "Disks".to_owned(),
            rows: (0..100).map(row).collect(),
        };
        let sheets = document(vec![values]).sheets();
        assert_eq!(sheets.len(), 2);
        assert_eq!(texts(&sheets[1])[0], "Disks (continued)");
        let named = sheets
            .iter()
            .flat_map(texts)
            .filter(|t| t.starts_with("host"))
            .count();
        assert_eq!(named, 100);
    }

    #[test]
    fn whatever_is_put_in_the_pages_are_bounded() {
        let text = Block::Text {
            title: "t".to_owned(),
            text: "x\n".repeat(100_000),
        };
        let sheets = document(vec![text; 200]).sheets();
        assert!(sheets.len() <= PAGES_MAX + 1, "{}", sheets.len());
        let last = sheets.last().map(texts).unwrap_or_default();
        assert!(last.iter().any(|t| t.starts_with("and ")), "{last:?}");
        let lines = wrapped(&"word ".repeat(1000));
        assert!(lines.iter().all(|l| text_width(l.trim_end(), TEXT_SIZE) <= WIDTH));
        assert!(wrapped(&"m".repeat(1000)).len() > 10);
    }
}
