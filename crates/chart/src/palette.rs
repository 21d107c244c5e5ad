//! Colours: eight for series that people with the common colour weaknesses can tell apart, and one for each tone.

use crate::scene::{Color, Tone};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Light,
    Dark,
}

const SERIES_LIGHT: [&str; 8] = [
    "#2563a8", "#c2570c", "#0f766e", "#9333a8", "#a16207", "#be3455", "#4d7c0f", "#52606d",
];
const SERIES_DARK: [&str; 8] = [
    "#6cb0f5", "#f2995c", "#4fd1c0", "#cf8df0", "#e3c04d", "#f58aa2", "#a3d65c", "#a3b1bf",
];

/// The colour of the series at this place; after the eighth they come again.
pub fn series_color(theme: Theme, place: usize) -> &'static str {
    match theme {
        Theme::Light => SERIES_LIGHT[place % SERIES_LIGHT.len()],
        Theme::Dark => SERIES_DARK[place % SERIES_DARK.len()],
    }
}

/// What is not data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    pub(crate) background: &'static str,
    pub(crate) text: &'static str,
    pub(crate) muted: &'static str,
    pub(crate) grid: &'static str,
    pub(crate) axis: &'static str,
    pub(crate) heat: &'static str,
}

impl Theme {
    pub(crate) fn ink(self) -> Ink {
        match self {
            Theme::Light => Ink {
                background: "#ffffff",
                text: "#1b2733",
                muted: "#5c6b7a",
                grid: "#e7ebef",
                axis: "#b8c2cc",
                heat: "#1d5fa3",
            },
            Theme::Dark => Ink {
                background: "#12181f",
                text: "#e4eaf0",
                muted: "#93a1af",
                grid: "#232d37",
                axis: "#455361",
                heat: "#7cc0ff",
            },
        }
    }

    pub(crate) fn color(self, color: Color) -> &'static str {
        match color {
            Color::Series(place) => series_color(self, place),
            Color::Tone(tone) => self.tone(tone),
        }
    }

    pub(crate) fn tone(self, tone: Tone) -> &'static str {
        match (self, tone) {
            (Theme::Light, Tone::Good) => "#2f8f4e",
            (Theme::Light, Tone::Warning) => "#b7791f",
            (Theme::Light, Tone::Bad) => "#c62f3b",
            (Theme::Light, Tone::Unknown) => "#8795a1",
            (Theme::Dark, Tone::Good) => "#5fc283",
            (Theme::Dark, Tone::Warning) => "#e8b04a",
            (Theme::Dark, Tone::Bad) => "#ff7b84",
            (Theme::Dark, Tone::Unknown) => "#7c8b99",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG defines it.
    fn luminance(hex: &str) -> f64 {
        let channel = |at: usize| {
            let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")) / 255.0;
            if v <= 0.03928 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn texts_and_lines_stand_out_from_the_background() {
        for theme in [Theme::Light, Theme::Dark] {
            let ink = theme.ink();
            assert!(contrast(ink.text, ink.background) >= 7.0);
            assert!(contrast(ink.muted, ink.background) >= 4.5);
            for place in 0..8 {
                let color = series_color(theme, place);
                assert!(contrast(color, ink.background) >= 3.0, "{color}");
            }
            for tone in [Tone::Good, Tone::Warning, Tone::Bad, Tone::Unknown] {
                assert!(contrast(theme.tone(tone), ink.background) >= 3.0, "{tone:?}");
            }
        }
    }
}
