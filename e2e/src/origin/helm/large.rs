//! An index of a public repository's size.

/// An index of so many bytes: a hundred charts, an entry of them about 500 bytes.
/// It is larger by an entry at most.
pub fn large(size: usize) -> Vec<u8> {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for chart in 0..100 {
        text += &format!("  chart-{chart}:\n");
        for number in 0.. {
            let version = format!("{}.{}.{}", number / 100, number / 10 % 10, number % 10);
            text += &format!(
                "  - apiVersion: v2\n    appVersion: \"{version}\"\n    created: \"2026-01-01T00:00:00Z\"\n    description: A chart that is described in some words, as charts are.\n    digest: {:064x}\n    home: https://example.com/charts\n    keywords: [database, sql]\n    maintainers:\n    - name: Somebody\n      url: https://example.com\n    name: chart-{chart}\n    urls:\n    - chart-{chart}-{version}.tgz\n    version: {version}\n",
                number
            );
            if text.len() >= size / 100 * (chart + 1) {
                break;
            }
        }
    }
    text.into_bytes()
}
