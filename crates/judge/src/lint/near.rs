//! The name that was probably meant.

/// A name of the source that differs in a few letters, or has the same words in another order.
pub(crate) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (word.chars().count() / 4).max(2);
    let words = sorted_words(word);
    known
        .filter(|c| c.len().abs_diff(word.len()) <= slips_max || sorted_words(c) == words)
        .map(|c| {
            let distance = if sorted_words(c) == words {
                1
            } else {
                distance(word, c)
            };
            (distance, c)
        })
        .filter(|(d, _)| *d <= slips_max)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

fn sorted_words(name: &str) -> Vec<&str> {
    let mut words: Vec<&str> = name.split(['_', ':']).collect();
    words.sort_unstable();
    words
}

/// Levenshtein, in one row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
