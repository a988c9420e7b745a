//! What a reload does to each plant. Pure: the plants as they are and as they are to be in, what to do out.

use std::collections::BTreeMap;

/// What a reload has done, by plants' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Were not there before, and are started.
    pub added: Vec<String>,
    /// Are not in the file any more, and were closed. What is in the store of them stays.
    pub removed: Vec<String>,
    /// Have other settings, and were started anew.
    pub changed: Vec<String>,
    /// Go on as they were.
    pub kept: Vec<String>,
}

/// Only what changed is touched.
pub(super) fn decide<T: PartialEq>(is: &BTreeMap<String, T>, wanted: &BTreeMap<String, T>) -> Reloaded {
    let mut reloaded = Reloaded::default();
    for (name, settings) in wanted {
        let place = match is.get(name) {
            None => &mut reloaded.added,
            Some(now) if now == settings => &mut reloaded.kept,
            Some(_) => &mut reloaded.changed,
        };
        place.push(name.clone());
    }
    reloaded.removed = is.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
    reloaded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_touches_what_changed_and_nothing_else() {
        // Each plant is a name and a letter that stands for its settings.
        for (is, wanted, added, removed, changed, kept) in [
            ("", "", "", "", "", ""),
            ("", "a1 b1", "a b", "", "", ""),
            ("a1 b1", "", "", "a b", "", ""),
            ("a1 b1", "a1 b1", "", "", "", "a b"),
            ("a1 b1", "a2 b1", "", "", "a", "b"),
            ("a1 b1 c1", "b2 c1 d1", "d", "a", "b", "c"),
        ] {
            let plants = |text: &str| -> BTreeMap<String, char> {
                let pair = |word: &str| (word[..1].to_owned(), word.chars().last().unwrap());
                text.split_whitespace().map(pair).collect()
            };
            let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let expected = Reloaded {
                added: names(added),
                removed: names(removed),
                changed: names(changed),
                kept: names(kept),
            };
            assert_eq!(decide(&plants(is), &plants(wanted)), expected, "{is} to {wanted}");
        }
    }
}
