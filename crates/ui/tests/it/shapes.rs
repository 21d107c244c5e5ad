//! TypeScript of Rust's types, as serde writes them: read from the sources, so that nothing has to be derived or compiled.
//!
//! Knows what the API uses: structs with names, enums of words, enums with a tag inside or outside; `rename`, `rename_all`,
//! `skip`, `flatten`, `tag`, `into`, `skip_serializing_if`. What it does not know is an error that says where.

use std::collections::BTreeMap;
use std::fmt::Write;
use syn::{Attribute, Fields, GenericArgument, Item, ItemEnum, ItemStruct, Macro, PathArguments, Type};

/// What an item is called in TypeScript, by its name in Rust.
pub(crate) type Names<'a> = BTreeMap<&'a str, &'a str>;

/// The declaration of one item of this source.
pub(crate) fn declare(source: &str, item: &str, names: &Names<'_>) -> Result<String, String> {
    let file = syn::parse_file(source).map_err(|e| e.to_string())?;
    let called = names.get(item).copied().unwrap_or(item);
    for found in &file.items {
        let body = match found {
            Item::Struct(s) if s.ident == item => of_struct(s, names)?,
            Item::Enum(e) if e.ident == item => of_enum(e, names)?,
            Item::Macro(m) => match words_of(&m.mac, item) {
                Some(words) => words,
                None => continue,
            },
            _ => continue,
        };
        return Ok(format!("export type {called} = {body}\n"));
    }
    Err("it is not there".to_owned())
}

#[derive(Default)]
struct Serde {
    words: Vec<(String, Option<String>)>,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Result<Self, String> {
        let mut serde = Serde::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
            let read = attribute.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let value = match meta.value() {
                    Ok(value) => Some(value.parse::<syn::LitStr>()?.value()),
                    Err(_) => None,
                };
                serde.words.push((name, value));
                Ok(())
            });
            read.map_err(|e| format!("serde attribute: {e}"))?;
        }
        Ok(serde)
    }

    fn has(&self, name: &str) -> bool {
        self.words.iter().any(|(n, _)| n == name)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, v)| v.as_deref())
    }
}

fn of_struct(item: &ItemStruct, names: &Names<'_>) -> Result<String, String> {
    let serde = Serde::of(&item.attrs)?;
    if let Some(into) = serde.get("into") {
        let kind: Type = syn::parse_str(into).map_err(|e| e.to_string())?;
        return of_type(&kind, names);
    }
    match &item.fields {
        Fields::Named(_) => of_fields(&item.fields, serde.get("rename_all"), names),
        Fields::Unnamed(one) if one.unnamed.len() == 1 => of_type(&one.unnamed[0].ty, names),
        _ => Err("only structs with named fields or with one are known".to_owned()),
    }
}

fn of_fields(fields: &Fields, rename_all: Option<&str>, names: &Names<'_>) -> Result<String, String> {
    let (mut lines, mut flat) = (String::new(), String::new());
    for field in fields {
        let serde = Serde::of(&field.attrs)?;
        if serde.has("skip") || serde.has("skip_serializing") {
            continue;
        }
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let kind = of_type(&field.ty, names).map_err(|e| format!("{name}: {e}"))?;
        if serde.has("flatten") {
            let _ = write!(flat, "{kind} & ");
            continue;
        }
        let name = serde
            .get("rename")
            .map_or_else(|| cased(name.trim_start_matches("r#"), rename_all), str::to_owned);
        let may_lack = serde.has("skip_serializing_if");
        // Left out where it is nothing, so it is never null.
        let kind = if may_lack {
            kind.trim_end_matches(" | null")
        } else {
            kind.as_str()
        };
        let mark = if may_lack { "?" } else { "" };
        let _ = writeln!(lines, "  {name}{mark}: {kind}");
    }
    Ok(format!("{flat}{{\n{lines}}}"))
}

fn of_enum(item: &ItemEnum, names: &Names<'_>) -> Result<String, String> {
    let serde = Serde::of(&item.attrs)?;
    if let Some(into) = serde.get("into") {
        let kind: Type = syn::parse_str(into).map_err(|e| e.to_string())?;
        return of_type(&kind, names);
    }
    let mut parts = Vec::new();
    for variant in &item.variants {
        let own = Serde::of(&variant.attrs)?;
        let word = own.get("rename").map_or_else(
            || cased_variant(&variant.ident.to_string(), serde.get("rename_all")),
            str::to_owned,
        );
        let part = match (&variant.fields, serde.get("tag")) {
            (Fields::Unit, None) => format!("'{word}'"),
            (Fields::Unit, Some(tag)) => format!("{{ {tag}: '{word}' }}"),
            (Fields::Named(_), tag) => {
                let inner = of_fields(&variant.fields, None, names)?;
                let inner = on_one_line(&inner);
                match tag {
                    Some(tag) => format!("({{ {tag}: '{word}' }} & {inner})"),
                    None => format!("{{ {word}: {inner} }}"),
                }
            }
            (Fields::Unnamed(one), None) if one.unnamed.len() == 1 => {
                format!("{{ {word}: {} }}", of_type(&one.unnamed[0].ty, names)?)
            }
            _ => return Err(format!("the variant {word} is of a shape that is not known")),
        };
        parts.push(part);
    }
    Ok(parts.join(" | "))
}

/// `{ a: number; b: string }` out of a declaration with one field on each line.
fn on_one_line(fields: &str) -> String {
    let lines: Vec<&str> = fields
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .lines()
        .collect();
    let fields: Vec<&str> = lines.iter().map(|l| l.trim()).filter(|l| !l.is_empty()).collect();
    format!("{{ {} }}", fields.join("; "))
}

/// `words! { Name { Variant = "word", … } }`.
fn words_of(mac: &Macro, item: &str) -> Option<String> {
    let tokens: Vec<proc_macro2::TokenTree> = mac.tokens.clone().into_iter().collect();
    let at = tokens
        .iter()
        .position(|t| matches!(t, proc_macro2::TokenTree::Ident(i) if i == item))?;
    let proc_macro2::TokenTree::Group(group) = tokens.get(at + 1)? else {
        return None;
    };
    let words = group.stream().into_iter().filter_map(|t| match t {
        proc_macro2::TokenTree::Literal(word) => Some(word.to_string().replace('"', "'")),
        _ => None,
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join(" | "))
}

fn of_type(kind: &Type, names: &Names<'_>) -> Result<String, String> {
    match kind {
        Type::Reference(inner) => of_type(&inner.elem, names),
        Type::Tuple(tuple) => {
            let parts: Result<Vec<_>, _> = tuple.elems.iter().map(|t| of_type(t, names)).collect();
            Ok(format!("[{}]", parts?.join(", ")))
        }
        Type::Path(path) => {
            let last = path.path.segments.last().ok_or("a type without a name")?;
            let inner: Vec<&Type> = match &last.arguments {
                PathArguments::AngleBracketed(of) => of
                    .args
                    .iter()
                    .filter_map(|a| match a {
                        GenericArgument::Type(t) => Some(t),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            };
            of_path(&last.ident.to_string(), &inner, names)
        }
        _ => Err("a type of a shape that is not known".to_owned()),
    }
}

fn of_path(name: &str, inner: &[&Type], names: &Names<'_>) -> Result<String, String> {
    let at = |i: usize| inner.get(i).ok_or_else(|| format!("{name} without its argument"));
    Ok(match name {
        "String" | "str" | "Fingerprint" | "PathBuf" => "string".to_owned(),
        "bool" => "boolean".to_owned(),
        "f64" | "f32" | "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "number".to_owned(),
        "Labels" => "Record<string, string>".to_owned(),
        "Value" => "unknown".to_owned(),
        "Option" => format!("{} | null", of_type(at(0)?, names)?),
        "Box" | "Arc" => of_type(at(0)?, names)?,
        "Vec" | "VecDeque" | "BTreeSet" => {
            let one = of_type(at(0)?, names)?;
            if one.contains(['|', '&']) {
                format!("({one})[]")
            } else {
                format!("{one}[]")
            }
        }
        // An enum as a key does not stand for all of its words.
        "BTreeMap" | "HashMap" => format!("Record<string, {}>", of_type(at(1)?, names)?),
        other => match names.get(other) {
            Some(called) => (*called).to_owned(),
            None => return Err(format!("{other} is not among the types that are declared")),
        },
    })
}

fn cased(name: &str, rule: Option<&str>) -> String {
    match rule {
        Some("camelCase") => {
            let mut words = name.split('_');
            let first = words.next().unwrap_or_default().to_owned();
            words.fold(first, |out, word| out + &capital(word))
        }
        _ => name.to_owned(),
    }
}

fn cased_variant(name: &str, rule: Option<&str>) -> String {
    match rule {
        Some("snake_case") => {
            let mut out = String::new();
            for (i, c) in name.chars().enumerate() {
                if c.is_uppercase() && i > 0 {
                    out.push('_');
                }
                out.extend(c.to_lowercase());
            }
            out
        }
        Some("lowercase") => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_uppercase().collect::<String>() + chars.as_str()
    })
}

#[test]
fn shapes_are_those_that_serde_writes() {
    let source = r#"
        #[serde(rename_all = "camelCase")]
        struct One { a_b: Option<f64>, #[serde(skip_serializing_if = "Option::is_none")] c: Option<String>,
            #[serde(skip)] d: u8, #[serde(rename = "E")] e: Vec<Two>, #[serde(flatten)] f: Two, g: BTreeMap<Phase, (i64, f64)> }
        #[serde(rename_all = "snake_case", tag = "phase")]
        enum Two { Idle, RunsNow { since_ms: i64 } }
        #[serde(rename_all = "snake_case")]
        enum Three { PlainWord, With(Two) }
        words! { /// doc
            Four { A = "a", BC = "b_c" } }
    "#;
    let names: Names<'_> = [("Two", "Deux")].into();
    let check = |item: &str, expect: &str| {
        let found = declare(source, item, &names).map(|d| d.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), Ok(expect));
    };
    check(
        "One",
        "export type One = Deux & { aB: number | null c?: string E: Deux[] g: Record<string, [number, number]> }",
    );
    check(
        "Two",
        "export type Deux = { phase: 'idle' } | ({ phase: 'runs_now' } & { since_ms: number })",
    );
    check("Three", "export type Three = 'plain_word' | { with: Deux }");
    check("Four", "export type Four = 'a' | 'b_c'");
    assert!(declare("struct A { b: Unheard }", "A", &names).is_err_and(|e| e.contains("Unheard")));
    assert!(declare(source, "Five", &names).is_err());
}
