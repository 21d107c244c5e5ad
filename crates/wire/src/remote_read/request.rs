//! `prometheus.ReadRequest`: several selections, and the forms of answer that the client takes.

use super::RemoteReadError;
use crate::protobuf::{Reader, Writer};
use lapwing_types::{MatchOp, Matcher};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    Samples,
    StreamedXorChunks,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub start_ms: i64,
    pub end_ms: i64,
    pub matchers: Vec<Matcher>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadRequest {
    pub queries: Vec<Query>,
    /// In order of preference; empty means plain samples. Types that are not known are left out.
    pub accepted: Vec<ResponseType>,
    unknown_types: usize,
}

impl ReadRequest {
    pub fn new(queries: Vec<Query>, accepted: Vec<ResponseType>) -> Self {
        ReadRequest {
            queries,
            accepted,
            unknown_types: 0,
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, RemoteReadError> {
        let mut request = ReadRequest::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => request.queries.push(decode_query(field.message()?)?),
                2 => field.varints(|code| match code {
                    0 => request.accepted.push(ResponseType::Samples),
                    1 => request.accepted.push(ResponseType::StreamedXorChunks),
                    _ => request.unknown_types += 1,
                })?,
                _ => {}
            }
        }
        Ok(request)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        for query in &self.queries {
            w.message(1, |w| encode_query(w, query));
        }
        let codes = self.accepted.iter().map(|accepted| match accepted {
            ResponseType::Samples => 0,
            ResponseType::StreamedXorChunks => 1,
        });
        w.packed_varints(2, codes);
        w.into_bytes()
    }

    /// The form that the answer has to take.
    pub fn response_type(&self) -> Result<ResponseType, RemoteReadError> {
        match self.accepted.first() {
            Some(first) => Ok(*first),
            None if self.unknown_types > 0 => Err(RemoteReadError::NoKnownResponseType),
            None => Ok(ResponseType::Samples),
        }
    }
}

fn decode_query(mut reader: Reader<'_>) -> Result<Query, RemoteReadError> {
    let mut query = Query {
        start_ms: 0,
        end_ms: 0,
        matchers: Vec::new(),
    };
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => query.start_ms = field.int64()?,
            2 => query.end_ms = field.int64()?,
            3 => query.matchers.push(decode_matcher(field.message()?)?),
            _ => {}
        }
    }
    Ok(query)
}

fn decode_matcher(mut reader: Reader<'_>) -> Result<Matcher, RemoteReadError> {
    let (mut code, mut name, mut value) = (0, "", "");
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => code = field.int32()?,
            2 => name = field.string()?,
            3 => value = field.string()?,
            _ => {}
        }
    }
    let op = match code {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        code => return Err(RemoteReadError::UnknownMatcher { code }),
    };
    Matcher::new(op, name, value).map_err(|source| RemoteReadError::Matcher { source })
}

fn encode_query(w: &mut Writer, query: &Query) {
    w.int64(1, query.start_ms);
    w.int64(2, query.end_ms);
    for matcher in &query.matchers {
        w.message(3, |w| {
            w.uint64(
                1,
                match matcher.op {
                    MatchOp::Equal => 0,
                    MatchOp::NotEqual => 1,
                    MatchOp::Regex => 2,
                    MatchOp::NotRegex => 3,
                },
            );
            w.string(2, &matcher.name);
            w.string(3, &matcher.value);
        });
    }
}
