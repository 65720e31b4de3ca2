//! I/O: how much memory this process may have.

use std::fs;

/// Where a container's limit is: of control groups version 2, and 1.
const FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// The container's limit in bytes, if it has one that can be read.
pub fn limit() -> Option<u64> {
    let text = FILES.iter().find_map(|file| fs::read_to_string(file).ok())?;
    parse(&text)
}

/// Version 2 says `max` where there is no limit, version 1 a number that is larger than any memory.
fn parse(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number() {
        for (text, expected) in [
            ("1073741824\n", Some(1 << 30)),
            ("max\n", None),
            ("9223372036854771712\n", Some(9_223_372_036_854_771_712)),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
