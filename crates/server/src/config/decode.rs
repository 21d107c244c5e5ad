//! Sections whose shape another room declares with serde: the tree becomes that type, and what serde says is wrong is
//! said with its place in the file.
//!
//! Unknown keys are found by comparing with the keys that the type's default serialises to, because serde itself
//! cannot tell them once a struct is flattened into another.

use super::diagnostic::{Diagnostics, did_you_mean};
use super::yaml::{Key, Node, Position, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// What to do where Prometheus would ask a cloud.
pub(crate) const OTHER_DISCOVERY: &str = "targets are found by dns_sd_configs, docker_sd_configs, file_sd_configs, http_sd_configs and \
     kubernetes_sd_configs; whatever else knows them can write a file or answer over HTTP";

/// One of Prometheus's many kinds of discovery that are not here, and no slip of the pen.
pub(crate) fn is_unknown_discovery(key: &str) -> bool {
    const OTHERS: [&str; 26] = [
        "aws",
        "azure",
        "consul",
        "digitalocean",
        "dockerswarm",
        "ec2",
        "eureka",
        "gce",
        "hetzner",
        "ionos",
        "kuma",
        "lightsail",
        "linode",
        "marathon",
        "nerve",
        "nomad",
        "openstack",
        "ovhcloud",
        "puppetdb",
        "scaleway",
        "serverset",
        "stackit",
        "triton",
        "uyuni",
        "vultr",
        "xds",
    ];
    key.strip_suffix("_sd_configs")
        .is_some_and(|kind| OTHERS.contains(&kind))
}

/// None when it was wrong; the complaints are in `notes`.
pub(crate) fn decode<T>(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<T>
where
    T: DeserializeOwned + Serialize + Default,
{
    let known = keys_of(&T::default());
    if let Value::Map(pairs) = &node.value {
        for (key, _) in pairs {
            if known.is_empty() || known.contains(&key.text) {
                continue;
            }
            let message = format!("unknown key {:?}", key.text);
            if is_unknown_discovery(&key.text) {
                notes.error_with_hint(key.at, path, message, OTHER_DISCOVERY);
                continue;
            }
            match did_you_mean(&key.text, known.iter().map(String::as_str)) {
                Some(near) => {
                    notes.error_with_hint(key.at, path, message, format!("did you mean {near:?}?"));
                }
                None => notes.error(key.at, path, message),
            }
        }
    }
    decode_any(node, path, notes)
}

/// The same for types that refuse unknown keys themselves. An unknown key is taken out, or taken for the one that was probably
/// meant, so that it hides no other mistake; a value that cannot be read leaves nothing.
pub(crate) fn decode_any<T: DeserializeOwned>(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<T> {
    let (mut json, mut tree) = (to_json(node), node.clone());
    let mended: Mended<T> = decode_mended(&mut json, (&mut tree, path), notes)?;
    mended.taken_out.is_empty().then_some(mended.value)
}

/// What could be read of a section.
pub(crate) struct Mended<T> {
    pub(crate) value: T,
    /// The paths of what could not be read: whoever needs it finds it missing, too.
    pub(crate) taken_out: Vec<String>,
}

/// So many mistakes of one section are said.
const MISTAKES_MAX: usize = 100;

/// Reads `json`, which was made of the tree, and says every mistake: each is mended or taken out, in both, and the rest is read
/// again. None when nothing is left to read.
pub(crate) fn decode_mended<T: DeserializeOwned>(
    json: &mut serde_json::Value,
    (tree, path): (&mut Node, &str),
    notes: &mut Diagnostics,
) -> Option<Mended<T>> {
    let mut taken_out: Vec<String> = Vec::new();
    for _ in 0..MISTAKES_MAX {
        let error = match serde_path_to_error::deserialize(&*json) {
            Ok(value) => return Some(Mended { value, taken_out }),
            Err(error) => error,
        };
        let mut segments: Vec<Segment> = error.path().iter().cloned().collect();
        let message = error.inner().to_string();
        if let Some((wrong, known)) = unknown_field(&message) {
            if matches!(segments.last(), Some(Segment::Map { key }) if *key == wrong) {
                segments.pop();
            }
            if mend_key(json, (tree, path), (&segments, &wrong, &known), notes).is_none() {
                // Inside of something that serde read in another shape.
                complain(
                    place_of(tree, &segments),
                    &joined(path, &segments),
                    message,
                    notes,
                );
                return None;
            }
            continue;
        }
        // A key with nothing behind it says nothing, as to every program of the peers.
        if let Some((last @ Segment::Map { .. }, above)) = segments.split_last()
            && inside(json, &segments).is_some_and(|value| value.is_null())
        {
            take_out(inside(json, above)?, last)?;
            continue;
        }
        // What is missing now because it was taken out was said already.
        let (at, whole) = (place_of(tree, &segments), joined(path, &segments));
        let is_said = taken_out
            .last()
            .is_some_and(|p| p.len() > whole.len() && p.starts_with(&whole));
        if !is_said {
            complain(at, &whole, message, notes);
        }
        let (last, above) = segments.split_last()?;
        take_out(inside(json, above)?, last)?;
        if let (Segment::Seq { index }, Some(Value::List(items))) =
            (last, node_at(tree, above).map(|n| &mut n.value))
        {
            items.remove(*index);
        }
        taken_out.push(whole);
    }
    None
}

/// Says that a key is not known, and takes it for the nearest one where that is not there, or else out.
fn mend_key(
    json: &mut serde_json::Value,
    (tree, path): (&mut Node, &str),
    (segments, wrong, known): (&[Segment], &str, &[String]),
    notes: &mut Diagnostics,
) -> Option<()> {
    let map = inside(json, segments)?.as_object_mut()?;
    let value = map.remove(wrong)?;
    let above = place_of(tree, segments);
    let mut key = node_at(tree, segments).and_then(|n| key_of(n, wrong));
    let at = key.as_ref().map_or(above, |k| k.at);
    // A short form is spoken of as it was typed.
    let is_short = key.as_ref().is_some_and(|k| k.text != wrong);
    let shown = |word: &str| match word.strip_suffix(LONG_ENDING) {
        Some(short) if is_short => short.to_owned(),
        _ => word.to_owned(),
    };
    let words: Vec<String> = known.iter().map(|k| shown(k)).collect();
    let message = format!("unknown key {:?}", shown(wrong));
    let near = did_you_mean(&shown(wrong), words.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known here: {}", words.join(", ")),
    };
    // As the type has it.
    let near = near.and_then(|near| known.iter().zip(&words).find(|(_, w)| *w == near));
    notes.error_with_hint(at, &joined(path, segments), message, hint);
    if let Some((meant, word)) = near.filter(|(meant, _)| !map.contains_key(*meant)) {
        map.insert(meant.clone(), value);
        if let Some(key) = &mut key {
            word.clone_into(&mut key.text);
        }
    }
    Some(())
}

fn complain(at: Position, path: &str, message: String, notes: &mut Diagnostics) {
    match meant(&message) {
        Some(near) => notes.error_with_hint(at, path, message, format!("did you mean {near:?}?")),
        None => notes.error(at, path, message),
    }
}

/// The nearest of the words that serde names: "unknown variant `https`, expected one of `http`, `tcp`".
fn meant(message: &str) -> Option<String> {
    let (wrong, known) = message.strip_prefix("unknown ")?.split_once(", expected ")?;
    let (wrong, known) = (quoted(wrong), quoted(known));
    did_you_mean(wrong.first()?, known.iter().map(String::as_str)).map(str::to_owned)
}

/// The key that is not known, and those that are.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let (wrong, known) = message
        .strip_prefix("unknown field ")?
        .split_once(", expected ")?;
    Some((quoted(wrong).first()?.clone(), quoted(known)))
}

fn joined(path: &str, segments: &[Segment]) -> String {
    let mut out = path.to_owned();
    for segment in segments {
        match segment {
            Segment::Seq { index } => out.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    out
}

fn inside<'a>(json: &'a mut serde_json::Value, path: &[Segment]) -> Option<&'a mut serde_json::Value> {
    path.iter().try_fold(json, |here, segment| match segment {
        Segment::Map { key } | Segment::Enum { variant: key } => here.get_mut(key),
        Segment::Seq { index } => here.get_mut(index),
        Segment::Unknown => None,
    })
}

fn take_out(from: &mut serde_json::Value, what: &Segment) -> Option<()> {
    match (from, what) {
        (serde_json::Value::Object(map), Segment::Map { key } | Segment::Enum { variant: key }) => {
            map.remove(key).map(drop)
        }
        (serde_json::Value::Array(items), Segment::Seq { index }) if *index < items.len() => {
            items.remove(*index);
            Some(())
        }
        _ => None,
    }
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// No type takes a key of this name, so its refusal names those that it takes.
pub(crate) const STRANGE_KEY: &str = "?";

/// The keys that a refusal of [`STRANGE_KEY`] names; nothing when it was refused for something else.
pub(crate) fn keys_named(refusal: &str) -> Vec<String> {
    match refusal.split_once("unknown field `?`, expected ") {
        Some((_, known)) if known.contains('`') => quoted(known),
        // The YAML reader says the same without backticks.
        Some((_, known)) => known
            .trim_start_matches("one of ")
            .split(", ")
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    }
}

/// The keys that a type takes which refuses unknown ones itself.
pub(crate) fn keys_taken<T: DeserializeOwned>() -> Vec<String> {
    let strange = serde_json::json!({ STRANGE_KEY: 0 });
    serde_json::from_value::<T>(strange).map_or_else(|e| keys_named(&e.to_string()), |_| Vec::new())
}

fn keys_of(value: &impl Serialize) -> Vec<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(map)) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// How the long form of a kind of receiver ends; the short form leaves it out.
const LONG_ENDING: &str = "_configs";

fn is_meant(key: &str, wanted: &str) -> bool {
    key == wanted || Some(key) == wanted.strip_suffix(LONG_ENDING)
}

fn key_of<'a>(node: &'a mut Node, wanted: &str) -> Option<&'a mut Key> {
    let Value::Map(pairs) = &mut node.value else {
        return None;
    };
    pairs
        .iter_mut()
        .map(|(k, _)| k)
        .find(|k| is_meant(&k.text, wanted))
}

fn node_at<'a>(node: &'a mut Node, path: &[Segment]) -> Option<&'a mut Node> {
    path.iter()
        .try_fold(node, |here, segment| match (segment, &mut here.value) {
            (Segment::Map { key } | Segment::Enum { variant: key }, Value::Map(pairs)) => {
                let found = pairs.iter_mut().find(|(k, _)| is_meant(&k.text, key));
                found.map(|(_, n)| n)
            }
            (Segment::Seq { index }, Value::List(items)) => items.get_mut(*index),
            _ => None,
        })
}

/// The place of the deepest part of the path that stands in the file.
fn place_of(node: &Node, path: &[Segment]) -> Position {
    let mut here = node;
    for segment in path {
        let next = match (segment, &here.value) {
            (Segment::Map { key } | Segment::Enum { variant: key }, Value::Map(pairs)) => {
                pairs.iter().find(|(k, _)| is_meant(&k.text, key)).map(|(_, n)| n)
            }
            (Segment::Seq { index }, Value::List(items)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.at
}

pub(crate) fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::Float(v) => (*v).into(),
        Value::Text(v) => v.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(pairs) => {
            serde_json::Value::Object(pairs.iter().map(|(k, n)| (k.text.clone(), to_json(n))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        name: String,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        count: u32,
    }

    fn check(text: &str, expect: &[&str]) {
        let node = super::super::yaml::parse(text).unwrap();
        let mut notes = Diagnostics::new("f");
        decode::<Outer>(&node, "outer", &mut notes);
        let got: Vec<String> = notes
            .found
            .iter()
            .map(|d| format!("{}:{} {} {}", d.line, d.column, d.path, d.message))
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn serde_mistakes_have_places() {
        check("name: x\ninner: [{count: 1}]\n", &[]);
        check(
            "name: x\ninner:\n  - count: 1\n  - count: many\n",
            &["4:12 outer.inner[1].count invalid type: string \"many\", expected u32"],
        );
        check("nam: x\n", &["1:1 outer unknown key \"nam\""]);
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Strict {
        name: String,
        inner: Vec<StrictInner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct StrictInner {
        id: u32,
        #[serde(default)]
        count: u32,
    }

    fn check_mended(text: &str, expect: &[&str], is_whole: bool) {
        let node = super::super::yaml::parse(text).unwrap();
        let mut notes = Diagnostics::new("f");
        let decoded = decode_any::<Strict>(&node, "s", &mut notes);
        notes.found.sort_by_key(|d| (d.line, d.column));
        let got: Vec<String> = notes
            .found
            .iter()
            .map(|d| {
                format!(
                    "{}:{} {} {} [{}]",
                    d.line,
                    d.column,
                    d.path,
                    d.message,
                    d.hint.as_deref().unwrap_or("")
                )
            })
            .collect();
        assert_eq!(got, expect);
        assert_eq!(decoded.is_some(), is_whole, "{text}");
    }

    #[test]
    fn one_mistake_does_not_hide_the_next() {
        check_mended(
            "nmae: x\ninner:\n  - { id: 1, cuont: 2 }\n  - { id: a }\n  - { count: 3 }\n  - { id: 4, zzz: 1, count: many }\n",
            &[
                "1:1 s unknown key \"nmae\" [did you mean \"name\"?]",
                "3:14 s.inner[0] unknown key \"cuont\" [did you mean \"count\"?]",
                "4:11 s.inner[1].id invalid type: string \"a\", expected u32 []",
                "5:5 s.inner[1] missing field `id` []",
                "6:14 s.inner[1] unknown key \"zzz\" [known here: id, count]",
                "6:29 s.inner[1].count invalid type: string \"many\", expected u32 []",
            ],
            false,
        );
        check_mended(
            "name: x\ncolour: red\ninner: [{ id: 7 }]\n",
            &["2:1 s unknown key \"colour\" [known here: name, inner]"],
            true,
        );
        // Both spellings are there: the strange one is taken out.
        check_mended(
            "name: x\nnmae: y\n",
            &["2:1 s unknown key \"nmae\" [did you mean \"name\"?]"],
            true,
        );
        // Nothing behind a key is no key; what has to be there is missing then.
        check_mended("name:\ninner: [{ id: 1, count: }]\n", &[], true);
        check_mended(
            "inner: [{ id: , zzz: }]\n",
            &[
                "1:9 s.inner[0] missing field `id` []",
                "1:17 s.inner[0] unknown key \"zzz\" [known here: id, count]",
            ],
            false,
        );
        check_mended(
            "[1]\n",
            &["1:2 s[0] invalid type: integer `1`, expected a string []"],
            false,
        );
    }
}
