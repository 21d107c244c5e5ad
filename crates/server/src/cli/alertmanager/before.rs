//! What the Alertmanager that stood here before left behind, taken over once, before the first start; its files stay as they are.
//! A silence that is lost with the change of the binary is a page at night, and so is everything that fires told again.
//!
//! Both files are rows of protobuf messages, each after its length; times are seconds (1) and nanoseconds (2).
//! - `silences`: a `MeshSilence` with the silence (1), which has id (1), matchers (2: type 1, name 2, pattern 3), start (3), end
//!   (4), change (5), author (8) and comment (9). Ids stay.
//! - `nflog`: a `MeshEntry` with the entry (1), which has the group's key (1), the receiver (2: name 1, kind 2, place among the
//!   channels of its kind 3), the time (5) and hashes of the alerts that were told to be firing (6).

use lapwing::layout::STATE;
use lapwing_notify::dispatch::{Handover, Silence, SilenceMatcher};
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

/// A file longer than this is none of its files.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// How many silences, and how many groups that were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TakenOver {
    pub(super) silences: usize,
    pub(super) told: usize,
}

/// `None` where there is nothing to take over, or it was done before.
pub(super) fn take_over(data: &Path, now_ms: i64) -> Result<Option<TakenOver>, TakeOverError> {
    let kept = data.join(STATE);
    let files = [file(&data.join("silences"))?, file(&data.join("nflog"))?];
    if kept.exists() || files.iter().all(Option::is_none) {
        return Ok(None);
    }
    let [silences, told] = files.map(Option::unwrap_or_default);
    let mut silences = entries(&silences, silence)?;
    silences.retain(|s| s.ends_at_ms > now_ms && !s.matchers.is_empty());
    let told = entries(&told, told_of)?;
    let row = |kind, key: &str, json| StateChange {
        kind,
        key: key.to_owned(),
        json: Some(json),
    };
    let mut changes = Vec::with_capacity(silences.len() + told.len());
    for silence in &silences {
        changes.push(row(
            StateKind::Silence,
            &silence.id,
            serde_json::to_string(silence)?,
        ));
    }
    for (key, handover) in told.iter().filter(|(_, h)| !h.firing.is_empty()) {
        changes.push(row(StateKind::Handover, key, serde_json::to_string(handover)?));
    }
    let taken = TakenOver {
        silences: silences.len(),
        told: changes.len() - silences.len(),
    };
    let batch = StateBatch {
        changes,
        ..StateBatch::default()
    };
    SqliteState::open(&kept)?.commit(&batch)?;
    Ok(Some(taken))
}

fn file(path: &Path) -> Result<Option<Vec<u8>>, TakeOverError> {
    let is_there = std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= FILE_BYTES_MAX);
    is_there
        .then(|| std::fs::read(path))
        .transpose()
        .map_err(TakeOverError::Read)
}

fn entries<T>(
    bytes: &[u8],
    read: impl Fn(Reader<'_>) -> Result<T, ProtobufError>,
) -> Result<Vec<T>, ProtobufError> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while !reader.is_at_end() {
        let length = reader.varint()?;
        let mut mesh = Reader::new(reader.take(length)?);
        while let Some(field) = mesh.next_field()? {
            if field.number == 1 {
                all.push(read(field.message()?)?);
            }
        }
    }
    Ok(all)
}

/// What one channel had been told about one group, with the key of its row.
fn told_of(mut reader: Reader<'_>) -> Result<(String, Handover), ProtobufError> {
    let (mut receiver, mut kind, mut nth) = (String::new(), String::new(), 0);
    let mut group = String::new();
    let mut handover = Handover {
        told_at_ms: 0,
        firing: std::collections::BTreeSet::new(),
    };
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => group = String::from_utf8_lossy(field.bytes()?).into_owned(),
            2 => {
                let mut of = field.message()?;
                while let Some(field) = of.next_field()? {
                    match field.number {
                        1 => receiver = field.string()?.to_owned(),
                        2 => kind = field.string()?.to_owned(),
                        3 => nth = field.uint64()?,
                        _ => {}
                    }
                }
            }
            5 => handover.told_at_ms = time_ms(field.message()?)?,
            6 => field.varints(|hash| {
                handover.firing.insert(hash);
            })?,
            _ => {}
        }
    }
    let key = Handover::key(&receiver, (&kind, nth), labels_of(&group));
    Ok((key, handover))
}

/// Of `{}/{severity="page"}:{alertname="a"}` the labels of the group, after the way of the routes.
fn labels_of(group: &str) -> &str {
    let (mut is_quoted, mut is_escaped, mut at) = (false, false, group.len());
    for (i, c) in group.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            ':' if !is_quoted => at = i + 1,
            _ => {}
        }
    }
    &group[at..]
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
        let all = entries(FILE, silence).unwrap();
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

    /// Written by the same: a group of two alerts, and one of a route below, told by two webhooks.
    const TOLD: &[u8] = include_bytes!("../../../tests/data/alertmanager-0.25-nflog.bin");

    #[test]
    fn what_was_told_is_read() {
        let all = entries(TOLD, told_of).unwrap();
        let keys: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                r#"a/webhook/0:{alertname="X"}"#,
                r#"b/webhook/0:{alertname="Y\"}:{"}"#,
                r#"b/webhook/1:{alertname="Y\"}:{"}"#
            ]
        );
        let first = &all[0].1;
        assert!(first.firing.contains(&15_052_054_703_712_333_863));
        assert_eq!((first.firing.len(), first.told_at_ms), (2, 1_795_274_261_979));
        for length in 1..TOLD.len() {
            assert!(entries(&TOLD[..length], told_of).map_or(true, |some| some.len() < 3));
        }
    }

    #[test]
    fn what_holds_is_taken_over_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take_over(dir.path(), NOW_MS).unwrap(), None);
        std::fs::write(dir.path().join("silences"), FILE).unwrap();
        std::fs::write(dir.path().join("nflog"), TOLD).unwrap();
        let taken = TakenOver { silences: 1, told: 3 };
        assert_eq!(take_over(dir.path(), NOW_MS).unwrap(), Some(taken));
        let kept = SqliteState::open(&dir.path().join(STATE)).unwrap();
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
        assert!(!dir.path().join(STATE).exists());
    }
}
