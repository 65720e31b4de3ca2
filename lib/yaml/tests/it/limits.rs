//! No text exhausts memory or the stack.

use std::fmt::Write as _;

fn check(text: &str, error: &str) {
    assert_eq!(
        yaml::parse(text.as_bytes()).map_err(|e| e.to_string()),
        Err(error.to_string())
    );
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_string();
    for i in 1..12 {
        let items = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "a{i}: &a{i} [{items}]").unwrap();
    }
    check(&text, "yaml: document contains excessive aliasing");
}

#[test]
fn nests_of_anchors_do_not_copy_without_bound() {
    let mut text = String::new();
    for i in 0..200 {
        writeln!(text, "{}&b{i} k{i}: &a{i}", "  ".repeat(i)).unwrap();
    }
    let _ = yaml::parse(text.as_bytes());
}

#[test]
fn depth_is_bounded() {
    check(&"[".repeat(100_000), "yaml: exceeded max depth of 250");
    check(&"- ".repeat(1_000), "yaml: exceeded max depth of 250");
}

#[test]
fn an_anchor_cannot_contain_itself() {
    check("a: &x [*x]", "yaml: anchor 'x' value contains itself");
    check("a: *x", "yaml: unknown anchor 'x' referenced");
}
