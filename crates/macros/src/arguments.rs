//! What stands in the parentheses: a name, a kind, labels.

use crate::Mistake;
use proc_macro::{Literal, Span, TokenStream, TokenTree};

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) name: Option<Literal>,
    pub(crate) kind: Option<Literal>,
    pub(crate) labels: Vec<(String, Literal)>,
}

impl Arguments {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self, Mistake> {
        let mut found = Arguments::default();
        let all: Vec<TokenTree> = tokens.into_iter().collect();
        for (i, part) in all.split(is_comma).enumerate() {
            match part {
                // A comma at the end.
                [] => {}
                [TokenTree::Literal(name)] if i == 0 => found.name = Some(text(name)?),
                [
                    TokenTree::Ident(key),
                    TokenTree::Punct(equals),
                    TokenTree::Literal(value),
                ] if equals.as_char() == '=' => {
                    let (key, value) = (key.to_string(), text(value)?);
                    match key.as_str() {
                        "name" => found.name = Some(value),
                        "kind" => found.kind = Some(value),
                        _ => found.labels.push((key, value)),
                    }
                }
                [first, ..] => {
                    return Err(Mistake::new(
                        first.span(),
                        "write a name and then key = \"value\", as in #[track(\"predict\", kind = \"inference\", model = \"a\")]",
                    ));
                }
            }
        }
        Ok(found)
    }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ',')
}

/// A string as it stands, other literals refused: a label's value is a text.
fn text(literal: &Literal) -> Result<Literal, Mistake> {
    let shown = literal.to_string();
    if shown.starts_with(['"', 'r']) {
        return Ok(literal.clone());
    }
    let at: Span = literal.span();
    Err(Mistake::new(
        at,
        format!("{shown} is not a text: write \"{shown}\""),
    ))
}
