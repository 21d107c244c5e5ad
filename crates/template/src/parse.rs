//! From words to tree: recursive descent, one function per keyword.

use crate::ast::{Body, Command, Node, Operand, Pipe};
use crate::lex::{Piece, Placed, Token, split};
use crate::{ParseError, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks and parentheses may nest this deep: the parser recurses.
const DEPTH_MAX: usize = 100;

/// The main body and everything `define`d in one text.
pub(crate) struct Parsed {
    pub(crate) main: Body,
    pub(crate) defines: BTreeMap<String, Arc<Body>>,
}

pub(crate) fn parse(
    template: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        template,
        pieces: split(template, text)?.into_iter(),
        is_function,
        defines: BTreeMap::new(),
        variables: vec![String::new()],
        line: 1,
        depth: 0,
        in_range: 0,
    };
    let (main, end) = parser.body()?;
    if let Some(end) = end {
        return Err(parser.error(format!("unexpected {{{{{end}}}}}")));
    }
    Ok(Parsed {
        main,
        defines: parser.defines,
    })
}

struct Parser<'a> {
    template: &'a str,
    pieces: std::vec::IntoIter<Piece>,
    is_function: &'a dyn Fn(&str) -> bool,
    defines: BTreeMap<String, Arc<Body>>,
    /// Names in scope, so that a typo is found when the template is loaded.
    variables: Vec<String>,
    line: usize,
    depth: usize,
    in_range: usize,
}

/// The words of one action, and how far they were read.
struct Words {
    tokens: Vec<Placed>,
    at: usize,
}

impl Words {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|p| &p.token)
    }

    fn peek_attached(&self) -> Option<&Token> {
        self.tokens.get(self.at).filter(|p| !p.spaced).map(|p| &p.token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }
}

impl Parser<'_> {
    fn error(&self, reason: impl Into<String>) -> ParseError {
        ParseError {
            template: self.template.to_owned(),
            line: self.line,
            reason: reason.into(),
        }
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    /// Nodes up to `end`, `else` or the end of the text; the closing word is returned with what follows it.
    fn body(&mut self) -> Result<(Body, Option<String>), ParseError> {
        let (nodes, end) = self.body_until()?;
        Ok((nodes, end.map(|(word, _)| word)))
    }

    fn body_until(&mut self) -> Result<(Body, Option<(String, Words)>), ParseError> {
        self.deeper()?;
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, line) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, line) => (tokens, line),
            };
            self.line = line;
            let mut words = Words { tokens, at: 0 };
            let keyword = match words.peek() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            if keyword == "end" || keyword == "else" {
                words.at += 1;
                self.depth -= 1;
                return Ok((nodes, Some((keyword, words))));
            }
            if let Some(node) = self.action(&keyword, &mut words)? {
                nodes.push(node);
            }
        }
        self.depth -= 1;
        Ok((nodes, None))
    }

    fn action(&mut self, keyword: &str, words: &mut Words) -> Result<Option<Node>, ParseError> {
        let known = matches!(
            keyword,
            "if" | "with" | "range" | "template" | "block" | "define" | "break" | "continue"
        );
        if !known {
            let pipe = self.pipe(words)?;
            self.finished(words)?;
            return Ok(Some(Node::Action(pipe)));
        }
        words.at += 1;
        match keyword {
            "if" | "with" | "range" => self.control(keyword, words).map(Some),
            "define" => {
                let name = self.name(words)?;
                self.finished(words)?;
                self.define(name)?;
                Ok(None)
            }
            "block" => {
                let name = self.name(words)?;
                let data = Some(self.pipe(words)?);
                self.finished(words)?;
                let line = self.line;
                self.define(name.clone())?;
                Ok(Some(Node::Call { name, data, line }))
            }
            "template" => {
                let name = self.name(words)?;
                let data = match words.peek() {
                    Some(_) => Some(self.pipe(words)?),
                    None => None,
                };
                self.finished(words)?;
                Ok(Some(Node::Call {
                    name,
                    data,
                    line: self.line,
                }))
            }
            word => {
                self.finished(words)?;
                if self.in_range == 0 {
                    return Err(self.error(format!("{{{{{word}}}}} outside of a range")));
                }
                Ok(Some(if word == "break" {
                    Node::Break
                } else {
                    Node::Continue
                }))
            }
        }
    }

    fn define(&mut self, name: String) -> Result<(), ParseError> {
        let outer = std::mem::replace(&mut self.variables, vec![String::new()]);
        let in_range = std::mem::take(&mut self.in_range);
        let (body, end) = self.body()?;
        self.variables = outer;
        self.in_range = in_range;
        if end.as_deref() != Some("end") {
            return Err(self.error(format!("{{{{define {name:?}}}}} is not closed by {{{{end}}}}")));
        }
        self.defines.insert(name, Arc::new(body));
        Ok(())
    }

    fn control(&mut self, keyword: &str, words: &mut Words) -> Result<Node, ParseError> {
        self.deeper()?;
        let scope = self.variables.len();
        let test = self.pipe(words)?;
        self.finished(words)?;
        let is_range = usize::from(keyword == "range");
        self.in_range += is_range;
        let (then, end) = self.body_until()?;
        self.in_range -= is_range;
        let otherwise = match end {
            None => return Err(self.error(format!("{{{{{keyword}}}}} is not closed by {{{{end}}}}"))),
            Some((word, mut after)) if word == "else" => self.otherwise(keyword, &mut after)?,
            Some((_, after)) => {
                self.finished(&after)?;
                Vec::new()
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(match keyword {
            "if" => Node::If {
                test,
                then,
                otherwise,
            },
            "with" => Node::With {
                test,
                then,
                otherwise,
            },
            _ => Node::Range {
                over: test,
                body: then,
                otherwise,
            },
        })
    }

    /// After `else`: a body up to `end`, or another `if`/`with` that shares our `end`.
    fn otherwise(&mut self, keyword: &str, after: &mut Words) -> Result<Body, ParseError> {
        if let Some(Token::Word(word)) = after.peek().cloned()
            && matches!(word.as_str(), "if" | "with")
        {
            after.at += 1;
            return Ok(vec![self.control(&word, after)?]);
        }
        self.finished(after)?;
        match self.body()? {
            (body, Some(end)) if end == "end" => Ok(body),
            _ => Err(self.error(format!("{{{{{keyword}}}}} is not closed by {{{{end}}}}"))),
        }
    }

    fn name(&self, words: &mut Words) -> Result<String, ParseError> {
        match words.next() {
            Some(Token::Text(name)) => Ok(name),
            _ => Err(self.error("expected the name of a template in quotes")),
        }
    }

    fn finished(&self, words: &Words) -> Result<(), ParseError> {
        match words.peek() {
            None => Ok(()),
            Some(token) => Err(self.error(format!("unexpected {token:?}"))),
        }
    }

    fn pipe(&mut self, words: &mut Words) -> Result<Pipe, ParseError> {
        self.deeper()?;
        if let Some(placed) = words.tokens.get(words.at) {
            self.line = placed.line;
        }
        let mut pipe = Pipe {
            line: self.line,
            ..Pipe::default()
        };
        self.declaration(words, &mut pipe)?;
        loop {
            pipe.commands.push(self.command(words)?);
            match words.peek() {
                Some(Token::Bar) => words.at += 1,
                _ => break,
            }
        }
        if pipe.declares {
            self.variables.extend(pipe.variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(pipe)
    }

    /// `$x :=`, `$x =`, `$i, $x :=`; anything else is left unread.
    fn declaration(&mut self, words: &mut Words, pipe: &mut Pipe) -> Result<(), ParseError> {
        let start = words.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = words.peek() {
            names.push(name.clone());
            words.at += 1;
            match words.peek() {
                Some(Token::Comma) if names.len() < 2 => words.at += 1,
                Some(token @ (Token::Declare | Token::Assign)) => {
                    pipe.declares = *token == Token::Declare;
                    words.at += 1;
                    if !pipe.declares && names.iter().any(|n| !self.variables.contains(n)) {
                        return Err(self.error(format!("undefined variable ${}", names.join(", $"))));
                    }
                    pipe.variables = names;
                    return Ok(());
                }
                _ => break,
            }
        }
        words.at = start;
        Ok(())
    }

    fn command(&mut self, words: &mut Words) -> Result<Command, ParseError> {
        let mut args = Vec::new();
        loop {
            match words.peek() {
                None | Some(Token::Bar | Token::Close) => break,
                _ => args.push(self.operand(words)?),
            }
        }
        if args.is_empty() {
            return Err(self.error("missing value for command"));
        }
        let callable = matches!(
            args[0],
            Operand::Field(_) | Operand::Variable(..) | Operand::Function(_) | Operand::Chain(..)
        );
        if args.len() > 1 && !callable {
            return Err(self.error("only a function or a method takes arguments"));
        }
        Ok(Command { args })
    }

    fn operand(&mut self, words: &mut Words) -> Result<Operand, ParseError> {
        let Some(token) = words.next() else {
            return Err(self.error("missing operand"));
        };
        let base = match token {
            Token::Dot => Operand::Dot,
            Token::Field(name) => {
                let mut path = vec![name];
                path.extend(Self::fields(words));
                return Ok(Operand::Field(path));
            }
            Token::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(self.error(format!("undefined variable ${name}")));
                }
                return Ok(Operand::Variable(name, Self::fields(words)));
            }
            Token::Word(word) => match word.as_str() {
                "true" | "false" => Operand::Literal(Value::Bool(word == "true")),
                "nil" => Operand::Literal(Value::Nil),
                name if (self.is_function)(name) || crate::builtin::is_builtin(name) => {
                    Operand::Function(word)
                }
                name => return Err(self.error(format!("function {name:?} not defined"))),
            },
            Token::Number(text) => {
                Operand::Literal(number(&text).ok_or_else(|| self.error(format!("bad number {text:?}")))?)
            }
            Token::Text(text) => Operand::Literal(Value::from(text)),
            Token::Open => {
                let pipe = self.pipe(words)?;
                if words.next() != Some(Token::Close) {
                    return Err(self.error("unclosed left parenthesis"));
                }
                Operand::Pipe(Box::new(pipe))
            }
            other => return Err(self.error(format!("unexpected {other:?}"))),
        };
        let fields = Self::fields(words);
        Ok(if fields.is_empty() {
            base
        } else {
            Operand::Chain(Box::new(base), fields)
        })
    }

    fn fields(words: &mut Words) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token::Field(name)) = words.peek_attached() {
            fields.push(name.clone());
            words.at += 1;
        }
        fields
    }
}

fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(|n| Value::Int(sign * n));
    }
    if let Ok(n) = plain.parse::<i64>() {
        return Some(Value::Int(n));
    }
    plain.parse::<f64>().ok().map(Value::Float)
}
