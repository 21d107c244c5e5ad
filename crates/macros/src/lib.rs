//! ATTRIBUTE: `#[lapwing::track]` over a function, so that every call of it is counted and timed.
//!
//! Useful for: functions, coroutines and methods of a program that is watched. Not for: anything else; it has no parser of Rust, only
//! an eye for where a signature ends, so that nobody who builds Lapwing builds a parser for it.

mod arguments;
mod signature;

use proc_macro::TokenStream;

/// `#[lapwing::track]`, `#[lapwing::track("name")]`, `#[lapwing::track("name", kind = "inference", model = "a")]`.
///
/// Counts calls and failures and times them, as `lapwing::track` does. The name is the function's own where none is given; `kind` is a
/// kind of operation; every further key is a label. A function that returns `Result` fails with `Err`, every function with a panic, and a
/// coroutine that is dropped before its end counts as abandoned. A function that returns `&mut` is timed, but only a panic is its failure.
#[proc_macro_attribute]
pub fn track(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let written = arguments::Arguments::parse(arguments)
        .and_then(|arguments| signature::Function::parse(item.clone())?.tracked(&arguments));
    match written {
        Ok(tokens) => tokens,
        Err(mistake) => {
            // The function stays, so that the one mistake is not told again at each of its callers.
            let mut all = mistake.tokens();
            all.extend(item);
            all
        }
    }
}

/// What is wrong, and where.
struct Mistake {
    at: proc_macro::Span,
    what: String,
}

impl Mistake {
    fn new(at: proc_macro::Span, what: impl Into<String>) -> Self {
        Mistake {
            at,
            what: what.into(),
        }
    }

    fn tokens(&self) -> TokenStream {
        let text = format!("::core::compile_error!({:?});", self.what);
        let tokens: TokenStream = text.parse().unwrap_or_default();
        tokens
            .into_iter()
            .map(|mut token| {
                token.set_span(self.at);
                token
            })
            .collect()
    }
}
