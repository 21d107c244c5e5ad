//! The silences of the Alertmanager that stood here before: a silence that is lost with the change of the binary is a page at
//! night.
//!
//! Its file `silences` is a row of protobuf messages, each after its length: a `MeshSilence` with the silence (1), which has id
//! (1), matchers (2: type 1, name 2, pattern 3), start (3), end (4), change (5), author (8) and comment (9); times are seconds
//! (1) and nanoseconds (2). They are taken over once, before the first start, with their ids; the file stays as it is.

use lapwing_notify::dispatch::{Silence, SilenceMatcher};
use lapwing_store::state::{SqliteState, StateError, StateStore};
use lapwing_types::{StateBatch, StateChange, StateKind};
use lapwing_wire::protobuf::{ProtobufError, Reader};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub(super) enum TakeOverError {
    #[error("cannot read them")]
    Read(#[source] std::io::Error),
    #[error("they are not written as Alertmanager writes them")]
    Decode(#[from] ProtobufError),
    #[error("cannot write them down")]
    Keep(#[from] StateError),
    #[error("cannot encode one")]
    Encode(#[from] serde_json::Error),
}

/// A file longer than this is no file of silences.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// How many there were; `None` where there is nothing to take over, or it was done before.
pub(super) fn take_over(data: &Path, now_ms: i64) -> Result<Option<usize>, TakeOverError> {
    let (file, kept) = (data.join("silences"), data.join("state.db"));
    let is_there = std::fs::metadata(&file).is_ok_and(|m| m.is_file() && m.len() <= FILE_BYTES_MAX);
    if kept.exists() || !is_there {
        return Ok(None);
    }
    let bytes = std::fs::read(&file).map_err(TakeOverError::Read)?;
    let mut silences = decode(&bytes)?;
    silences.retain(|s| s.ends_at_ms > now_ms && !s.matchers.is_empty());
    let change = |s: &Silence| -> Result<StateChange, serde_json::Error> {
        Ok(StateChange {
            kind: StateKind::Silence,
            key: s.id.clone(),
            json: Some(serde_json::to_string(s)?),
        })
    };
    let batch = StateBatch {
        changes: silences.iter().map(change).collect::<Result<_, _>>()?,
        ..StateBatch::default()
    };
    SqliteState::open(&kept)?.commit(&batch)?;
    Ok(Some(silences.len()))
}

fn decode(bytes: &[u8]) -> Result<Vec<Silence>, ProtobufError> {
    let mut reader = Reader::new(bytes);
    let mut silences = Vec::new();
    while !reader.is_at_end() {
        let length = reader.varint()?;
        let mut mesh = Reader::new(reader.take(length)?);
        while let Some(field) = mesh.next_field()? {
            if field.number == 1 {
                silences.push(silence(field.message()?)?);
            }
        }
    }
    Ok(silences)
}

fn silence(mut reader: Reader<'_>) -> Result<Silence, ProtobufError> {
    let mut silence = Silence {
        id: String::new(),
        matchers: Vec::new(),
        starts_at_ms: 0,
        ends_at_ms: 0,
        updated_at_ms: 0,
        created_by: String::new(),
        comment: String::new(),
        annotations: std::collections::BTreeMap::new(),
        until_resolved: false,
    };
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => silence.id = field.string()?.to_owned(),
            2 => silence.matchers.push(matcher(field.message()?)?),
            3 => silence.starts_at_ms = time_ms(field.message()?)?,
            4 => silence.ends_at_ms = time_ms(field.message()?)?,
            5 => silence.updated_at_ms = time_ms(field.message()?)?,
            8 => silence.created_by = field.string()?.to_owned(),
            9 => silence.comment = field.string()?.to_owned(),
            _ => {}
        }
    }
    Ok(silence)
}

fn matcher(mut reader: Reader<'_>) -> Result<SilenceMatcher, ProtobufError> {
    let mut matcher = SilenceMatcher {
        name: String::new(),
        value: String::new(),
        is_regex: false,
        is_equal: true,
    };
    while let Some(field) = reader.next_field()? {
        match field.number {
            // 0 is equal, 1 a regular expression, 2 not equal, 3 not the regular expression.
            1 => {
                let kind = field.uint64()?;
                (matcher.is_regex, matcher.is_equal) = (kind % 2 == 1, kind < 2);
            }
            2 => matcher.name = field.string()?.to_owned(),
            3 => matcher.value = field.string()?.to_owned(),
            _ => {}
        }
    }
    Ok(matcher)
}

fn time_ms(mut reader: Reader<'_>) -> Result<i64, ProtobufError> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => seconds = field.int64()?,
            2 => nanos = field.int64()?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Alertmanager 0.25: one that holds, one that was ended by hand.
    const FILE: &[u8] = include_bytes!("../../../tests/data/alertmanager-0.25-silences.bin");
    /// Between the two ends.
    const NOW_MS: i64 = 1_795_300_000_000;

    #[test]
    fn the_file_of_an_alertmanager_is_read() {
        let all = decode(FILE).unwrap();
        let matchers = |s: &Silence| -> Vec<String> {
            s.matchers
                .iter()
                .map(|m| m.compile().unwrap().to_string())
                .collect()
        };
        assert_eq!(
            matchers(&all[0]),
            [
                r#"alertname="HighLoss""#,
                r#"model=~"chat|embed""#,
                r#"zone!="x""#
            ]
        );
        assert_eq!(matchers(&all[1]), [r#"a!~"b""#, r#"c="d""#]);
        assert_eq!((&*all[0].created_by, &*all[0].comment), ("ann", "new weights"));
        assert_eq!(
            all[0].ends_at_ms - all[0].starts_at_ms,
            1_000 * 24 * 3_600_000 - 14
        );
    }

    #[test]
    fn what_holds_is_taken_over_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take_over(dir.path(), NOW_MS).unwrap(), None);
        std::fs::write(dir.path().join("silences"), FILE).unwrap();
        assert_eq!(take_over(dir.path(), NOW_MS).unwrap(), Some(1));
        let kept = SqliteState::open(&dir.path().join("state.db")).unwrap();
        let rows = kept.load(StateKind::Silence).unwrap();
        assert_eq!(
            (rows.len(), &*rows[0].0),
            (1, "73bcb7c2-fd01-4e1d-8bc5-3348a15ec7cf")
        );
        assert_eq!(take_over(dir.path(), NOW_MS).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_said_to_be_one() {
        let dir = tempfile::tempdir().unwrap();
        for length in [1, 5, 60, FILE.len() - 1] {
            std::fs::write(dir.path().join("silences"), &FILE[..length]).unwrap();
            assert!(
                matches!(take_over(dir.path(), 0), Err(TakeOverError::Decode(_))),
                "{length}"
            );
        }
        assert!(!dir.path().join("state.db").exists());
    }
}
