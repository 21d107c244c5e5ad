//! How large may be what a program says about itself. A prompt that ends up as a label, or a data frame among the notes of an operation, must
//! not fill the memory of the program, nor a page that a server then refuses as a whole.
//!
//! What is too long is cut at a character and says so; nothing is an error.

use lapwing_judge::performance::Operation;
use serde_json::Value;
use std::borrow::Cow;

/// The value of a label.
pub(super) const LABEL_BYTES_MAX: usize = 1_024;
/// A text among the notes of an operation, or its error.
const TEXT_BYTES_MAX: usize = 4_096;
/// All notes of one operation.
const NOTES_BYTES_MAX: usize = 16_384;
/// What a number, a name or a bracket counts for at least.
const LEAF_BYTES: usize = 8;
const MARK: char = '…';

/// The text, or its beginning and a mark.
pub(super) fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes_max - MARK.len_utf8());
    Cow::Owned(format!("{}{MARK}", &text[..end]))
}

fn cut_own(text: &mut String, bytes_max: usize) {
    if let Cow::Owned(shorter) = cut(text, bytes_max) {
        *text = shorter;
    }
}

/// Makes an operation as small as one may be.
pub(super) fn bound(operation: &mut Operation) {
    cut_own(&mut operation.name, LABEL_BYTES_MAX);
    if let Some(error) = &mut operation.error {
        cut_own(error, TEXT_BYTES_MAX);
    }
    let mut left = NOTES_BYTES_MAX;
    operation.metadata.retain(|name, value| {
        if let Value::String(text) = value {
            cut_own(text, TEXT_BYTES_MAX);
        }
        if size(value, left) > left {
            *value = Value::String(format!("{MARK} (too large)"));
        }
        let own = name.len() + size(value, left);
        let is_kept = own <= left;
        left = left.saturating_sub(own);
        is_kept
    });
}

/// About how many bytes; what is beyond `enough` is not looked at.
fn size(value: &Value, enough: usize) -> usize {
    let mut sum = LEAF_BYTES;
    let mut add = |more: usize| {
        sum += more;
        sum <= enough
    };
    match value {
        Value::String(text) => {
            add(text.len());
        }
        Value::Array(items) => {
            let _ = items.iter().all(|v| add(size(v, enough)));
        }
        Value::Object(fields) => {
            let _ = fields.iter().all(|(name, v)| add(name.len() + size(v, enough)));
        }
        _ => {}
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_judge::performance::OperationKind;
    use serde_json::json;

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        // Two bytes each: the cut would fall into one of them.
        assert_eq!(cut("ääää", 6), "ä…");
    }

    #[test]
    fn notes_are_bounded_as_a_whole_and_one_by_one() {
        let big = json!(vec![1; 10_000]);
        let mut metadata: std::collections::BTreeMap<String, Value> =
            (0..1_000).map(|i| (format!("n{i}"), json!(i))).collect();
        metadata.insert("a_list".to_owned(), big);
        metadata.insert("a_text".to_owned(), json!("x".repeat(1 << 20)));
        let mut operation = Operation {
            id: "1".to_owned(),
            kind: OperationKind::Request,
            name: "n".repeat(5_000),
            parent: None,
            started_ms: 0,
            duration_s: 0.0,
            success: false,
            error: Some("e".repeat(1 << 20)),
            metadata,
            resources: None,
        };
        bound(&mut operation);
        assert_eq!(operation.metadata["a_list"], json!("… (too large)"));
        assert_eq!(
            operation.metadata["a_text"].as_str().map(str::len),
            Some(TEXT_BYTES_MAX)
        );
        assert_eq!(operation.metadata["n0"], json!(0));
        let text = serde_json::to_string(&operation).unwrap();
        assert!(text.len() < NOTES_BYTES_MAX * 2, "{}", text.len());
    }
}
