//! What the writers of pictures understand: a few shapes in pixels, y downwards.

/// Where a text hangs on its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Joined points; filled when `fill` has an opacity above zero.
    Path {
        points: Vec<(f64, f64)>,
        color: &'static str,
        stroke: f64,
        dashed: bool,
        fill: f64,
    },
    Rect {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        color: &'static str,
        opacity: f64,
    },
    Dot {
        x: f64,
        y: f64,
        radius: f64,
        color: &'static str,
    },
    Text {
        x: f64,
        y: f64,
        anchor: Anchor,
        size: f64,
        color: &'static str,
        text: String,
    },
}

/// A painted scene: `inside` is clipped to the plot.
#[derive(Debug, Default)]
pub(crate) struct Painting {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) background: &'static str,
    pub(crate) plot: Area,
    pub(crate) behind: Vec<Shape>,
    pub(crate) inside: Vec<Shape>,
    pub(crate) front: Vec<Shape>,
    /// For those who cannot see it.
    pub(crate) words: String,
}

/// A page: paintings, each with the place of its upper left corner, and what stands between them.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) background: &'static str,
    pub(crate) placed: Vec<((f64, f64), Painting)>,
    pub(crate) shapes: Vec<Shape>,
}

impl Sheet {
    /// A page in the size of the one picture on it.
    pub(crate) fn of(painting: Painting) -> Self {
        Sheet {
            width: painting.width,
            height: painting.height,
            background: painting.background,
            placed: vec![((0.0, 0.0), painting)],
            shapes: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// About how wide a text is drawn: close enough to leave room for it.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.3,
            'f' | 'r' | 't' | '(' | ')' | '-' | '"' | '[' | ']' | '{' | '}' => 0.39,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
            'A'..='Z' => 0.68,
            c if (c as u32) >= 0x2e80 => 1.0,
            _ => 0.61,
        })
        .sum();
    em * size
}

/// At most this many pixels of text, cut with an ellipsis.
pub(crate) fn fit(text: &str, size: f64, width: f64) -> String {
    // A label may be 10 kB; nobody draws that much, and measuring it would be the cost.
    let clean: String = text.chars().filter(|c| !is_hostile(*c)).take(400).collect();
    if text_width(&clean, size) <= width {
        return clean;
    }
    let mut out = String::new();
    let mut used = text_width("…", size);
    for c in clean.chars() {
        used += text_width(c.encode_utf8(&mut [0; 4]), size);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Control characters, and those that turn the direction of the text around them.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
