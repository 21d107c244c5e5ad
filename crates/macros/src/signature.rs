//! A function as it was written, and as it is once its calls are watched.
//!
//! Only its outline is looked at: `async` or not, the name, the type that it returns, the body. The body becomes a closure (or an async
//! block) of the same type, so that `return` and `?` in it end the measured part and not the measuring.

use crate::Mistake;
use crate::arguments::Arguments;
use proc_macro::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};

pub(crate) struct Function {
    /// Everything before the body.
    head: Vec<TokenTree>,
    body: Group,
    name: Ident,
    is_async: bool,
    returns: Vec<TokenTree>,
}

impl Function {
    pub(crate) fn parse(item: TokenStream) -> Result<Self, Mistake> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let not_a_function =
            || Mistake::new(Span::call_site(), "#[track] goes over a function that has a body");
        let body = match head.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
            _ => return Err(not_a_function()),
        };
        let at = head
            .iter()
            .position(|t| is_word(t, "fn"))
            .ok_or_else(not_a_function)?;
        let Some(TokenTree::Ident(name)) = head.get(at + 1) else {
            return Err(not_a_function());
        };
        if let Some(word) = head[..at].iter().find(|t| is_word(t, "const")) {
            let what = "a const fn cannot be tracked: it may run while the program is built";
            return Err(Mistake::new(word.span(), what));
        }
        Ok(Function {
            is_async: head[..at].iter().any(|t| is_word(t, "async")),
            name: name.clone(),
            returns: returned(&head[at + 2..]),
            head,
            body,
        })
    }

    pub(crate) fn tracked(self, arguments: &Arguments) -> Result<TokenStream, Mistake> {
        let name = arguments
            .name
            .clone()
            .unwrap_or_else(|| Literal::string(self.name.to_string().trim_start_matches("r#")));
        let kind = arguments
            .kind
            .clone()
            .unwrap_or_else(|| Literal::string("custom"));
        let labels: String = arguments
            .labels
            .iter()
            .map(|(key, value)| format!("({key:?}, {value}),"))
            .collect();
        let (unnamed, borrowed) = (self.returns.is_empty() || self.has("impl"), self.gives_out_mut());
        let measured = match (self.is_async, unnamed) {
            _ if borrowed => "let _lapwing_timing = lapwing_timing.until_dropped(); BODY",
            (false, true) => "let lapwing_result = (move || BODY)();",
            (false, false) => "let lapwing_result = (move || -> RETURNS BODY)();",
            (true, true) => "let lapwing_result = async move BODY.await;",
            // What never runs tells the compiler the type of the block, which `?` in it needs to know.
            (true, false) => {
                "let lapwing_result = async move {
                    if false { let never: RETURNS = loop {}; return never; }
                    BODY
                }.await;"
            }
        };
        let end = if borrowed {
            ""
        } else {
            "lapwing_timing.finish((&::lapwing::sdk::Judged(&lapwing_result)).is_success()); lapwing_result"
        };
        let written = format!(
            "{{
                #[allow(unused_imports)]
                use ::lapwing::sdk::{{JudgedAny as _, JudgedResult as _}};
                static LAPWING_SITE: ::lapwing::sdk::Site = ::lapwing::sdk::Site::new({name}, {kind}, &[{labels}]);
                let lapwing_timing = LAPWING_SITE.begin();
                #[allow(unreachable_code, clippy::redundant_closure_call, clippy::let_unit_value, clippy::diverging_sub_expression)]
                {measured}
                {end}
            }}"
        );
        let template: TokenStream = written
            .parse()
            .map_err(|_| Mistake::new(self.name.span(), "this function cannot be tracked"))?;
        let mut whole = self.head.clone();
        whole.extend(self.filled(template));
        Ok(whole.into_iter().collect())
    }

    /// The template with the function's own body and type in their places.
    fn filled(&self, template: TokenStream) -> TokenStream {
        let put = |token: TokenTree| -> Vec<TokenTree> {
            match token {
                TokenTree::Ident(word) if word.to_string() == "BODY" => {
                    vec![TokenTree::Group(self.body.clone())]
                }
                TokenTree::Ident(word) if word.to_string() == "RETURNS" => self.returns.clone(),
                TokenTree::Group(group) => {
                    vec![TokenTree::Group(Group::new(
                        group.delimiter(),
                        self.filled(group.stream()),
                    ))]
                }
                // The function's body neither sees these names nor clashes with them.
                TokenTree::Ident(word) if word.to_string().starts_with("lapwing_") => {
                    vec![TokenTree::Ident(Ident::new(
                        &word.to_string(),
                        Span::mixed_site(),
                    ))]
                }
                token => vec![token],
            }
        };
        template.into_iter().flat_map(put).collect()
    }

    fn has(&self, word: &str) -> bool {
        self.returns.iter().any(|t| is_word(t, word))
    }

    /// `&mut` may not leave a closure that borrows it, so the body stays where it is.
    fn gives_out_mut(&self) -> bool {
        self.has("mut") && !self.is_async
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == mark)
}

/// The type after `->`, without a `where`; nothing where none is written. `after` begins behind the function's name, so that bounds
/// such as `<F: Fn(u8) -> u8>` have to be passed over first.
fn returned(after: &[TokenTree]) -> Vec<TokenTree> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(token) = after.get(at) {
        let arrow = is_mark(Some(token), '-') && is_mark(after.get(at + 1), '>');
        if arrow && depth > 0 {
            at += 1;
        } else if is_mark(Some(token), '<') {
            depth += 1;
        } else if is_mark(Some(token), '>') {
            depth = depth.saturating_sub(1);
        } else if arrow {
            let rest = &after[at + 2..];
            let end = rest.iter().position(|t| is_word(t, "where"));
            return rest[..end.unwrap_or(rest.len())].to_vec();
        } else if is_word(token, "where") {
            break;
        }
        at += 1;
    }
    Vec::new()
}
