//! Text of others on a terminal: labels and annotations come from whoever may push, and a terminal obeys what it is shown.

use std::fmt::Write;

/// Of one cell or one label; the whole is in `--json`.
const CHARS_MAX: usize = 200;

/// The text with everything spelled out that would not be seen, or that would move, colour or turn what stands beside it. Ends of
/// lines become spaces.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_unseen(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// The same, and no longer than a table can hold.
pub(crate) fn shown_short(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", shown(&text[..end])),
        None => shown(text),
    }
}

/// Marks of direction and of width: they turn or hide what follows.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_talk_to_the_terminal() {
        assert_eq!(
            shown("\u{1b}[2Ja\0\u{202e}b\nc\r"),
            "\\u{1b}[2Ja\\u{0}\\u{202e}b c\\u{d}"
        );
        assert_eq!(shown("Größe 模型 🚦"), "Größe 模型 🚦");
        let long = shown_short(&"x".repeat(3000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
    }
}
