//! PURE: tags as versions, of Git and of registries alike.

use versions::Version;

/// The version that a tag names; none if it is none, or has fewer than three numbers (Flux reads tags so).
pub fn version(tag: &str) -> Option<Version> {
    let whole = tag.matches('.').count() >= 2;
    Version::parse(tag).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_need_three_numbers() {
        for tag in ["1.2", "v1", "latest", "1.2.x", "2026"] {
            assert_eq!(version(tag), None, "{tag}");
        }
        assert_eq!(version("v1.02.3").unwrap().original, "v1.02.3");
    }
}
