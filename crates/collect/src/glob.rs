//! Files named by a pattern, as Go's `filepath.Glob` reads it: `*` any run of characters, `?` any one, `[a-c]` and `[^a-c]`
//! one of a class, `\` before a character that stands for itself. No wildcard stands for a `/`.

use std::path::{Component, Path, PathBuf};

/// Whether anything in the path is more than itself.
pub fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '\\'])
}

/// The files that fit and are there, ascending; for a path without wildcards itself, if it is there.
pub fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) if is_pattern(Path::new(name)) => {
                let name = name.to_string_lossy();
                found = found.iter().flat_map(|folder| within(folder, &name)).collect();
            }
            literal => found.iter_mut().for_each(|path| path.push(literal)),
        }
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

fn within(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(entries) = std::fs::read_dir(here) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    names
        .filter(|name| name.to_str().is_some_and(|name| matches(pattern, name)))
        .map(|name| folder.join(name))
        .collect()
}

/// Whether a name fits; a pattern that is not whole (`[a`) fits none.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut left) = (pattern, name);
    // What follows the last star, and from where it has not been tried yet.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(after) = wanted.strip_prefix('*') {
            retry = Some((after, left));
            wanted = after;
        } else if wanted.is_empty() && left.is_empty() {
            return true;
        } else if let Some(after) = one(wanted, left) {
            (wanted, left) = after;
        } else {
            let Some((after, from)) = retry else {
                return false;
            };
            let mut rest = from.chars();
            if rest.next().is_none() {
                return false;
            }
            retry = Some((after, rest.as_str()));
            (wanted, left) = (after, rest.as_str());
        }
    }
}

/// What is left of both after one character that fits.
fn one<'a>(pattern: &'a str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut wanted, mut left) = (pattern.chars(), name.chars());
    let c = left.next()?;
    let after = match wanted.next()? {
        '?' => wanted.as_str(),
        '[' => class(wanted.as_str(), c)?,
        '\\' => wanted.as_str().strip_prefix(c)?,
        literal => (literal == c).then_some(wanted.as_str())?,
    };
    Some((after, left.as_str()))
}

/// What follows the class when the character is in it.
fn class(pattern: &str, c: char) -> Option<&str> {
    let (negated, mut rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']').filter(|_| !is_first) {
            return (is_in != negated).then_some(after);
        }
        is_first = false;
        let (low, after) = bound(rest)?;
        let (high, after) = match after.strip_prefix('-') {
            Some(after) => bound(after)?,
            None => (low, after),
        };
        is_in |= (low..=high).contains(&c);
        rest = after;
    }
}

fn bound(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let c = match chars.next()? {
        '\\' => chars.next()?,
        '-' | ']' => return None,
        c => c,
    };
    Some((c, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, name, expect) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("rules-*.y*ml", "rules-1.yaml", true),
            ("m*x*.yml", "m1x2.yml", true),
            ("m*x*.yml", "m1.yml", false),
            ("*a*ab", "aaaab", true),
            ("a*b", "a", false),
            ("a", "a", true),
            ("n[12].yml", "n2.yml", true),
            ("n[12].yml", "n3.yml", false),
            ("n[^12].yml", "n3.yml", true),
            ("n[a-c]", "nb", true),
            ("n[a-c]", "nd", false),
            ("n[\\]]", "n]", true),
            ("n?", "né", true),
            ("n?", "n", false),
            ("n\\*", "n*", true),
            ("n\\*", "nx", false),
            ("n[12", "n1", false),
            ("n[]]", "n]", false),
        ] {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_may_be_patterns_too() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b1/x.yml", "b2/x.yml", "b3/y.yml"] {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let paths = expand(&dir.path().join(pattern)).into_iter();
            paths
                .map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(found("b[12]/x.yml"), ["b1/x.yml", "b2/x.yml"]);
        assert_eq!(found("b*/?.yml"), ["b1/x.yml", "b2/x.yml", "b3/y.yml"]);
        assert_eq!(found("b1/x.yml"), ["b1/x.yml"]);
        assert_eq!(found("b1/z.yml"), [""; 0]);
        assert_eq!(expand(Path::new("./Cargo.tom?")), [Path::new("Cargo.toml")]);
    }
}
