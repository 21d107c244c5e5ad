//! The tree of a template.

use crate::Value;

pub(crate) type Body = Vec<Node>;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If {
        test: Pipe,
        then: Body,
        otherwise: Body,
    },
    With {
        test: Pipe,
        then: Body,
        otherwise: Body,
    },
    Range {
        over: Pipe,
        body: Body,
        otherwise: Body,
    },
    Call {
        name: String,
        data: Option<Pipe>,
        line: usize,
    },
    Break,
    Continue,
}

/// `$a, $b := command | command`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) line: usize,
    pub(crate) variables: Vec<String>,
    pub(crate) declares: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) args: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Dot,
    Literal(Value),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`; `$` is the empty name.
    Variable(String, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
    /// `(pipe).a.b`
    Chain(Box<Operand>, Vec<String>),
}
