//! Templates that know each other: files of `define`s, and texts rendered with them.

use crate::ast::Body;
use crate::exec::Machine;
use crate::parse::parse;
use crate::{Escape, Functions, Limits, ParseError, RenderError, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A text to render: its name stands in errors.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub escape: Escape,
}

/// Cheap to clone: bodies are shared.
#[derive(Clone, Debug, Default)]
pub struct TemplateSet {
    defines: BTreeMap<String, Arc<Body>>,
    pub limits: Limits,
}

impl TemplateSet {
    pub fn new() -> Self {
        TemplateSet::default()
    }

    /// Adds a file: its `define`s, and its own text under its name. Later ones win, as in Go.
    pub fn add(&mut self, name: &str, text: &str, functions: &dyn Functions) -> Result<(), ParseError> {
        let parsed = parse(name, text, &|f| functions.has(f))?;
        self.defines.extend(parsed.defines);
        self.defines.insert(name.to_owned(), Arc::new(parsed.main));
        Ok(())
    }

    /// Reads a text without keeping it: what a config check wants. Also names every `{{template}}` that nobody defines.
    pub fn check(&self, name: &str, text: &str, functions: &dyn Functions) -> Result<(), RenderError> {
        let parsed = parse(name, text, &|f| functions.has(f))?;
        let mut called = Vec::new();
        calls(&parsed.main, &mut called);
        for body in parsed.defines.values() {
            calls(body, &mut called);
        }
        match called
            .iter()
            .find(|c| !parsed.defines.contains_key(**c) && !self.defines.contains_key(**c))
        {
            Some(missing) => Err(RenderError::Undefined {
                name: (*missing).to_owned(),
            }),
            None => Ok(()),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.defines.contains_key(name)
    }

    /// Renders a text that may use the templates of this set.
    pub fn render(
        &self,
        source: Source<'_>,
        data: &Value,
        functions: &dyn Functions,
    ) -> Result<String, RenderError> {
        let Source { name, text, escape } = source;
        // Most labels and annotations hold no action at all.
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let parsed = parse(name, text, &|f| functions.has(f))?;
        let merged;
        let defines = if parsed.defines.is_empty() {
            &self.defines
        } else {
            let mut all = self.defines.clone();
            all.extend(parsed.defines);
            merged = all;
            &merged
        };
        let mut machine = Machine {
            defines,
            functions,
            escape,
            limits: self.limits,
            out: String::new(),
            steps: 0,
            depth: 0,
            template: name.to_owned(),
            line: 1,
        };
        machine.run(&parsed.main, data)?;
        Ok(machine.out)
    }
}

fn calls<'a>(body: &'a Body, out: &mut Vec<&'a str>) {
    use crate::ast::Node;
    for node in body {
        match node {
            Node::Call { name, .. } => out.push(name),
            Node::If { then, otherwise, .. } | Node::With { then, otherwise, .. } => {
                calls(then, out);
                calls(otherwise, out);
            }
            Node::Range { body, otherwise, .. } => {
                calls(body, out);
                calls(otherwise, out);
            }
            _ => {}
        }
    }
}
