//! The language: text to tree and back.
//!
//! Reading order: [`token`] and [`lexer`] cut the text, [`literal`] reads numbers, durations and strings, [`ast`] is the tree,
//! [`functions`] the table of what can be called, [`parser`] builds the tree, [`check`] types it; [`print`], [`pretty`] and
//! [`json`] write it down again. Nothing in here knows of data.

mod ast;
mod check;
mod functions;
mod json;
mod lexer;
mod literal;
mod parser;
mod pretty;
mod print;
mod selectors;
mod token;

pub use ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, DurationExpr, DurationKind, Expr,
    ExprKind, Matching, MatrixSelector, Offset, Span, Subquery, UnaryOp, ValueType, VectorSelector,
};
pub use functions::{Function, Signature, function, functions};
pub use literal::{format_duration, parse_duration};
pub(crate) use literal::{is_label_name, shown};
pub(crate) use parser::line_and_column;
pub use parser::{ParseError, ParseOptions, parse, parse_metric_selector, parse_with};
pub(crate) use print::plain_number;
pub(crate) use print::{label_name, quote};
pub use selectors::Reading;
