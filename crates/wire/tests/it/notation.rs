//! Protobuf messages as text, so that cases can stand in files: `NUMBER: VALUE`, where a value is
//!
//! - `"text"` or `x0aff` (bytes in hexadecimal),
//! - `7` (varint; a negative one as int64 has it), `z-1` (zigzag), `d1.5` or `dNaN` (double), `f7` (fixed64),
//! - `[1 2 3]` (packed varints), `z[1 -1]` (packed zigzag), `d[0.5]` (packed doubles),
//! - `{ … }` (a message).
//!
//! `!0aff` alone stands for bytes as they are, for what no writer would write.

use lapwing_wire::protobuf::{Writer, push_varint, zigzag};

/// Panics on a mistake in the notation: the file is part of the test.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut words = words(text).into_iter();
    let mut out = Vec::new();
    message(&mut words, &mut out);
    assert_eq!(words.next(), None, "a brace closes that was not opened");
    out
}

/// Cuts at blanks, but not inside quotes or brackets.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut word, mut quoted, mut listed) = (String::new(), false, false);
    for c in text.chars() {
        quoted ^= c == '"';
        listed = (listed || c == '[') && c != ']';
        if c.is_whitespace() && !quoted && !listed {
            all.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        } else {
            word.push(c);
        }
    }
    all.extend((!word.is_empty()).then_some(word));
    all
}

fn message(words: &mut std::vec::IntoIter<String>, out: &mut Vec<u8>) {
    while let Some(word) = words.next() {
        if word == "}" {
            return;
        }
        if let Some(bytes) = word.strip_prefix('!') {
            out.extend(hex(bytes));
            continue;
        }
        let number: u32 = word
            .strip_suffix(':')
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{word:?} is not `NUMBER:`"));
        let value = words.next().expect("a value");
        let mut writer = Writer::new();
        if value == "{" {
            let mut inner = Vec::new();
            message(words, &mut inner);
            writer.bytes(number, &inner);
        } else {
            field(&mut writer, number, &value);
        }
        out.extend(writer.into_bytes());
    }
}

fn field(writer: &mut Writer, number: u32, value: &str) {
    let list = |start: &str| {
        let inner = value.strip_prefix(start)?.strip_suffix(']')?;
        Some(inner.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    if let Some(text) = value.strip_prefix('"') {
        writer.bytes(
            number,
            text.strip_suffix('"').expect("a closing quote").as_bytes(),
        );
    } else if let Some(list) = list("[") {
        packed(writer, number, list.iter().map(|v| varint(v)));
    } else if let Some(list) = list("z[") {
        packed(writer, number, list.iter().map(|v| zigzag(v.parse().unwrap())));
    } else if let Some(list) = list("d[") {
        let values: Vec<f64> = list.iter().map(|v| v.parse().unwrap()).collect();
        writer.packed_doubles(number, &values);
    } else if let Some(bytes) = value.strip_prefix('x') {
        writer.bytes(number, &hex(bytes));
    } else if let Some(value) = value.strip_prefix('z') {
        writer.present_uint64(number, zigzag(value.parse().unwrap()));
    } else if let Some(value) = value.strip_prefix('d') {
        writer.present_double(number, value.parse().unwrap());
    } else if let Some(value) = value.strip_prefix('f') {
        writer.fixed64(number, value.parse().unwrap());
    } else {
        writer.present_uint64(number, varint(value));
    }
}

fn packed(writer: &mut Writer, number: u32, values: impl Iterator<Item = u64>) {
    let mut bytes = Vec::new();
    values.for_each(|v| push_varint(&mut bytes, v));
    writer.bytes(number, &bytes);
}

fn varint(text: &str) -> u64 {
    let number: i128 = text.parse().unwrap_or_else(|_| panic!("{text:?} is not a value"));
    number as u64
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).expect("a digit") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
