//! PURE: which paths a sparse checkout means (Flux field `spec.sparseCheckout`): those that begin with one of its entries.

/// How the paths begin that are meant. None of them begins with another: a path is compared with one of them, however many there are.
#[derive(Debug)]
pub(super) struct Starts<'a>(Vec<&'a [u8]>);

impl<'a> Starts<'a> {
    /// Those that the spec names.
    pub(super) fn of(entries: &'a [String]) -> Self {
        let mut starts: Vec<&[u8]> = entries
            .iter()
            .map(|entry| entry.strip_prefix("./").unwrap_or(entry).as_bytes())
            .collect();
        starts.sort_unstable();
        // Behind one come all that begin with it.
        starts.dedup_by(|next, start| next.starts_with(start));
        Self(starts)
    }

    /// Whether a path begins with one of them.
    pub(super) fn any_of(&self, path: &[u8]) -> bool {
        // What stands between a path and its own beginning begins with that too, and is not there.
        let behind = self.0.partition_point(|start| *start <= path);
        let last = behind.checked_sub(1).map(|at| self.0[at]);
        last.is_some_and(|start| path.starts_with(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_an_entry_or_with_none() {
        // All texts of up to four of three letters, against entries of up to three of them.
        let texts = |most: usize| {
            let mut all = vec![String::new()];
            for at in 0.. {
                let Some(text) = all.get(at).cloned().filter(|text| text.len() < most) else {
                    break;
                };
                all.extend(["a", "/", "b"].map(|letter| text.clone() + letter));
            }
            all
        };
        let paths = texts(4);
        let entries: Vec<String> = texts(3).into_iter().filter(|text| !text.is_empty()).collect();
        for (n, first) in entries.iter().enumerate() {
            for second in &entries[n..] {
                let named = [second.clone(), format!("./{first}"), "zz".into()];
                let starts = Starts::of(&named);
                for path in &paths {
                    let is_meant = [first, second]
                        .iter()
                        .any(|start| path.starts_with(start.as_str()));
                    assert_eq!(starts.any_of(path.as_bytes()), is_meant, "{path} of {named:?}");
                }
            }
        }
        assert!(
            Starts::of(&[String::new()]).any_of(b"a"),
            "an empty one means all"
        );
        assert!(!Starts::of(&[]).any_of(b"a"));
    }

    #[test]
    fn many_entries_and_many_paths_are_compared_one_to_one() {
        let entries: Vec<String> = (0..100_000).map(|n| format!("{n:07}")).collect();
        let starts = Starts::of(&entries);
        // One by one it would be ten thousand million comparisons.
        let meant = (0..100_000).filter(|n| starts.any_of(format!("{:07}/x", n * 2).as_bytes()));
        assert_eq!(meant.count(), 50_000);
    }
}
