//! What can be wrong with a template: when it is read, and when it is rendered.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template {template:?}, line {line}: {reason}")]
pub struct ParseError {
    pub template: String,
    pub line: usize,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("template {template:?}, line {line}: {reason}")]
    Failed {
        template: String,
        line: usize,
        reason: String,
    },
    #[error("template {name:?} is not defined")]
    Undefined { name: String },
    #[error("template grew beyond {what} ({max})")]
    Limit { what: &'static str, max: usize },
    #[error(transparent)]
    Parse(#[from] ParseError),
}
