//! Text of a script to commands.

use super::series::{Sequence, has_name, number, parse_sequence, parse_starts, split_line};
use lapwing_query::promql::parse_duration;
use lapwing_types::Labels;

#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load {
        step_ms: i64,
        with_custom_buckets: bool,
        series: Vec<(Labels, Sequence)>,
        starts: Vec<(Labels, Vec<Option<i64>>)>,
    },
    Eval(Box<Eval>),
}

#[derive(Debug)]
pub(super) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fail,
    Warn,
    Info,
    NoWarn,
    NoInfo,
    Ordered,
}

#[derive(Debug)]
pub(super) enum Text {
    Any,
    Exactly(String),
    Regex(String),
}

#[derive(Debug)]
pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) when: When,
    pub(super) query: String,
    pub(super) expects: Vec<(Kind, Text)>,
    pub(super) string: Option<String>,
    pub(super) range_vector: Option<(i64, i64, i64)>,
    pub(super) scalar: Option<f64>,
    pub(super) series: Vec<(Labels, Sequence)>,
}

pub(super) fn time_ms(text: &str) -> Result<i64, String> {
    if let Some(rest) = text.strip_prefix('-') {
        return Ok(-time_ms(rest)?);
    }
    match number(text) {
        Ok(seconds) => Ok((seconds * 1000.0).round() as i64),
        Err(_) => parse_duration(text),
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Command>, String> {
    // A comment ends a block like an empty line.
    let lines: Vec<&str> = text
        .lines()
        .map(|line| if line.trim().starts_with('#') { "" } else { line })
        .collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        let number = at + 1;
        at += 1;
        if line.is_empty() {
            continue;
        }
        let block = at;
        while at < lines.len() && !lines[at].trim().is_empty() {
            at += 1;
        }
        let body = lines[block..at]
            .iter()
            .enumerate()
            .map(|(i, l)| (block + i + 1, l.trim()));
        let fault = |e: String| format!("line {number}: {e}");
        if line == "clear" {
            commands.push(Command::Clear);
            at = block;
        } else if line.starts_with("load") {
            commands.push(load(line, body).map_err(fault)?);
        } else if line.starts_with("eval") {
            commands.push(Command::Eval(Box::new(eval(line, number, body).map_err(fault)?)));
        } else {
            return Err(fault(format!("unknown command {line:?}")));
        }
    }
    Ok(commands)
}

fn load<'a>(line: &str, body: impl Iterator<Item = (usize, &'a str)>) -> Result<Command, String> {
    let (word, step) = line.split_once(char::is_whitespace).ok_or("load without step")?;
    let mut series = Vec::new();
    let mut starts = Vec::new();
    for (number, line) in body {
        let (labels, values) = split_line(line).map_err(|e| format!("line {number}: {e}"))?;
        if let Some(offsets) = values.strip_prefix("@st") {
            let offsets = parse_starts(offsets).map_err(|e| format!("line {number}: {e}"))?;
            starts.push((labels, offsets));
            continue;
        }
        if !has_name(&labels) && labels.is_empty() {
            return Err(format!("line {number}: a series without labels"));
        }
        let values = parse_sequence(values).map_err(|e| format!("line {number}: {e}"))?;
        series.push((labels, values));
    }
    Ok(Command::Load {
        step_ms: time_ms(step.trim())?,
        with_custom_buckets: word == "load_with_nhcb",
        series,
        starts,
    })
}

fn eval<'a>(line: &str, number: usize, body: impl Iterator<Item = (usize, &'a str)>) -> Result<Eval, String> {
    let (word, rest) = line.split_once(char::is_whitespace).ok_or("eval without query")?;
    let rest = rest.trim_start();
    let (when, query) = if let Some(rest) = rest.strip_prefix("instant at ") {
        let (at, query) = rest
            .trim_start()
            .split_once(char::is_whitespace)
            .ok_or("no query")?;
        (When::At(time_ms(at)?), query)
    } else {
        let rest = rest
            .strip_prefix("range from ")
            .ok_or("neither instant nor range")?;
        range_head(rest.trim_start())?
    };
    let mut eval = Eval {
        line: number,
        when,
        query: query.trim().to_owned(),
        expects: Vec::new(),
        string: None,
        range_vector: None,
        scalar: None,
        series: Vec::new(),
    };
    match word {
        "eval_fail" => eval.expects.push((Kind::Fail, Text::Any)),
        "eval_warn" => eval.expects.push((Kind::Warn, Text::Any)),
        "eval_info" => eval.expects.push((Kind::Info, Text::Any)),
        "eval_ordered" => eval.expects.push((Kind::Ordered, Text::Any)),
        _ => {}
    }
    for (number, line) in body {
        eval_line(line, &mut eval).map_err(|e| format!("line {number}: {e}"))?;
    }
    Ok(eval)
}

fn range_head(rest: &str) -> Result<(When, &str), String> {
    let mut words = rest.splitn(6, char::is_whitespace);
    let mut next = || words.next().ok_or("incomplete range".to_owned());
    let start = time_ms(next()?)?;
    next()?;
    let end = time_ms(next()?)?;
    next()?;
    let step = time_ms(next()?)?;
    let query = next()?;
    Ok((When::Range { start, end, step }, query))
}

fn eval_line(line: &str, eval: &mut Eval) -> Result<(), String> {
    if let Some(message) = line.strip_prefix("expected_fail_message ") {
        eval.expects
            .push((Kind::Fail, Text::Exactly(message.trim().to_owned())));
        return Ok(());
    }
    if let Some(pattern) = line.strip_prefix("expected_fail_regexp ") {
        eval.expects
            .push((Kind::Fail, Text::Regex(pattern.trim().to_owned())));
        return Ok(());
    }
    if let Some(expectation) = line.strip_prefix("expect ") {
        return expect(expectation.trim(), eval);
    }
    let is_number = |l: &str| !l.contains(char::is_whitespace) && !l.contains('{') && number(l).is_ok();
    if eval.series.is_empty() && is_number(line) {
        eval.scalar = Some(number(line)?);
        return Ok(());
    }
    let (labels, values) = split_line(line)?;
    eval.series.push((labels, parse_sequence(values)?));
    Ok(())
}

fn expect(text: &str, eval: &mut Eval) -> Result<(), String> {
    if let Some(string) = text.strip_prefix("string ") {
        let string = string.trim();
        let parsed = lapwing_query::promql::parse(string).map_err(|e| e.to_string())?;
        match parsed.kind {
            lapwing_query::promql::ExprKind::Str(value) => eval.string = Some(value),
            _ => return Err(format!("{string} is no string")),
        }
        return Ok(());
    }
    if let Some(range) = text.strip_prefix("range vector from ") {
        let words: Vec<&str> = range.split_whitespace().collect();
        let [start, _, end, _, step] = words[..] else {
            return Err(format!("bad range vector {range:?}"));
        };
        eval.range_vector = Some((time_ms(start)?, time_ms(end)?, time_ms(step)?));
        return Ok(());
    }
    let (word, rest) = match text.find([' ', ':']) {
        Some(at) => (&text[..at], text[at..].trim()),
        None => (text, ""),
    };
    let kind = match word {
        "fail" => Kind::Fail,
        "warn" => Kind::Warn,
        "info" => Kind::Info,
        "no_warn" => Kind::NoWarn,
        "no_info" => Kind::NoInfo,
        "ordered" => Kind::Ordered,
        other => return Err(format!("unknown expectation {other:?}")),
    };
    let matcher = if let Some(message) = rest.strip_prefix("msg:") {
        Text::Exactly(message.trim().to_owned())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        Text::Regex(pattern.trim().to_owned())
    } else {
        Text::Any
    };
    eval.expects.push((kind, matcher));
    Ok(())
}
