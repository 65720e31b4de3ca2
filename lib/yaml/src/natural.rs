//! The order of keys in go-yaml's output: letters after the rest, runs of digits by value.

use std::cmp::Ordering;

/// Sorts pairs by key. A merge sort of our own, because [`compare`] is no total order (runs of digits overflow) and
/// the standard sorts may panic on such.
pub fn sort<T>(pairs: Vec<(&str, T)>) -> Vec<(&str, T)> {
    if pairs.len() < 2 {
        return pairs;
    }
    let mut left = pairs;
    let right = left.split_off(left.len() / 2);
    let mut sorted = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (
        sort(left).into_iter().peekable(),
        sort(right).into_iter().peekable(),
    );
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        let from = if compare(a, b) == Ordering::Greater {
            &mut right
        } else {
            &mut left
        };
        sorted.extend(from.next());
    }
    sorted.extend(left.chain(right));
    sorted
}

/// Compares two keys as go-yaml v2 sorts them.
fn compare(a: &str, b: &str) -> Ordering {
    let same = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    if same == a.len() || same == b.len() {
        return a.len().cmp(&b.len());
    }
    let same = floor_char(a, same);
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let (Some(x), Some(y)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return a.len().cmp(&b.len());
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero inside a number that has begun is a digit like any other, not a leading zero.
    let digits_before = a[..same].bytes().rev().take_while(u8::is_ascii_digit);
    let inside = (x == '0' || y == '0') && digits_before.into_iter().any(|b| b != b'0');
    let start = i64::from(inside);
    let ((number_a, len_a), (number_b, len_b)) = (run(rest_a, start), run(rest_b, start));
    number_a.cmp(&number_b).then(len_a.cmp(&len_b)).then(x.cmp(&y))
}

fn run(text: &str, start: i64) -> (i64, usize) {
    text.bytes()
        .take_while(u8::is_ascii_digit)
        .fold((start, 0), |(value, len), digit| {
            (
                value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')),
                len + 1,
            )
        })
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn keys_sort_as_go_yaml_sorts_them() {
        let sorted = [
            "", "_x", "1", "1x", "01", "B", "a", "a1", "a2", "a10", "a100", "a101", "aa", "b", "é",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }
}
