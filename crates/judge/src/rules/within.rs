//! A place within a text of a YAML file: where the third word of an expression stands on the screen.

/// Line and column, from 1, of byte `offset` of a scalar whose `value` was read at `begin` of `source`. Quotes, indentation and block
/// scalars are seen through by looking for the value's own line; `None` where the file spells it in another way (escapes, folded
/// lines, a variable).
pub fn place_within(source: &str, begin: (u64, u64), value: &str, offset: usize) -> Option<(u64, u64)> {
    let before = value.get(..offset)?;
    let line_number = before.matches('\n').count();
    let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
    // The end of a text that ends with a line break is the end of its last line.
    let (line_number, line_begin, offset) = match offset == value.len() && offset == line_begin && offset > 0
    {
        true => {
            let text = value.trim_end();
            let line_begin = text.rfind('\n').map_or(0, |at| at + 1);
            (text.matches('\n').count(), line_begin, text.len())
        }
        false => (line_number, line_begin, offset),
    };
    let wanted = value[line_begin..].lines().next().unwrap_or_default();
    // A block scalar begins on the line after its `|`, and some readers give that line, others its first one.
    (0..=1).find_map(|shift| {
        let line = begin.0 as usize + line_number + shift;
        let text = source.lines().nth(line.checked_sub(1)?)?;
        let from = match line_number + shift {
            0 => byte_of_column(text, begin.1 as usize),
            _ => 0,
        };
        let found = from + text.get(from..)?.find(wanted)?;
        let column = text[..found].chars().count() + value[line_begin..offset].chars().count() + 1;
        (!wanted.trim().is_empty()).then_some((line as u64, column as u64))
    })
}

fn byte_of_column(text: &str, column: usize) -> usize {
    text.char_indices()
        .nth(column.saturating_sub(1))
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, begin: (u64, u64), (value, part): (&str, &str), expect: Option<(u64, u64)>) {
        let offset = value.find(part).unwrap();
        assert_eq!(place_within(source, begin, value, offset), expect);
    }

    #[test]
    fn plain_quoted_and_block_scalars() {
        check(
            "a: x\nexpr: foo + bar\n",
            (2, 7),
            ("foo + bar", "bar"),
            Some((2, 13)),
        );
        check(
            "expr: \"foo + bar\"\n",
            (1, 7),
            ("foo + bar", "bar"),
            Some((1, 14)),
        );
        check(
            "expr: |\n  foo\n    + bar\n",
            (2, 3),
            ("foo\n  + bar\n", "bar"),
            Some((3, 7)),
        );
        check(
            "expr: |\n  foo\n    + bar\n",
            (1, 7),
            ("foo\n  + bar\n", "bar"),
            Some((3, 7)),
        );
        check(
            "expr: größe + bar\n",
            (1, 7),
            ("größe + bar", "bar"),
            Some((1, 15)),
        );
    }

    #[test]
    fn the_end_is_behind_the_last_word() {
        assert_eq!(place_within("e: 1 +\n", (1, 4), "1 +", 3), Some((1, 7)));
        assert_eq!(place_within("e: |\n  1 +\n", (2, 3), "1 +\n", 4), Some((2, 6)));
    }

    #[test]
    fn what_is_spelled_in_another_way_has_no_place() {
        check("expr: \"a\\tb + c\"\n", (1, 7), ("a\tb + c", "c"), None);
        check("expr: a\n  + b\n", (1, 7), ("a + b", "b"), None);
        assert_eq!(place_within("", (7, 7), "a", 0), None);
    }
}
