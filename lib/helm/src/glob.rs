//! Name patterns: gobwas' globs for `.Files.Glob`, and Go's `filepath.Match` for `.helmignore`.

/// A compiled pattern of gobwas/glob with `/` as separator.
pub(crate) struct Glob {
    parts: Vec<Part>,
}

enum Part {
    /// A character as it is.
    Char(char),
    /// `?`: one character but `/`.
    One,
    /// `*`: any characters but `/`.
    Many,
    /// `**`: any characters.
    All,
    /// `[abc]` or `[a-c]`, inverted by `!`.
    Class { not: bool, set: Vec<(char, char)> },
    /// `{a,b}`.
    Either(Vec<Glob>),
}

/// Deepest nesting of braces, and the most attempts that a match may take.
const MAX_DEPTH: usize = 50;
const MAX_ATTEMPTS: u32 = 1_000_000;

impl Glob {
    /// Compiles a pattern; none if it is malformed.
    pub fn parse(pattern: &str) -> Option<Glob> {
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let glob = parse(&chars, &mut at, 0)?;
        (at == chars.len()).then_some(glob)
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let chars: Vec<char> = name.chars().collect();
        let mut attempts = 0;
        run(&[&self.parts], &chars, &mut attempts)
    }
}

fn parse(chars: &[char], at: &mut usize, depth: usize) -> Option<Glob> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut parts = Vec::new();
    while let Some(&c) = chars.get(*at) {
        match c {
            ',' | '}' if depth > 0 => break,
            '\\' => {
                *at += 1;
                parts.push(Part::Char(*chars.get(*at)?));
            }
            '?' => parts.push(Part::One),
            '*' if chars.get(*at + 1) == Some(&'*') => {
                *at += 1;
                parts.push(Part::All);
            }
            '*' => parts.push(Part::Many),
            '[' => parts.push(class(chars, at)?),
            '{' => {
                let mut options = Vec::new();
                loop {
                    *at += 1;
                    options.push(parse(chars, at, depth + 1)?);
                    match chars.get(*at)? {
                        ',' => {}
                        _ => break,
                    }
                }
                parts.push(Part::Either(options));
            }
            c => parts.push(Part::Char(c)),
        }
        *at += 1;
    }
    Some(Glob { parts })
}

/// From `[` to the place of `]`.
fn class(chars: &[char], at: &mut usize) -> Option<Part> {
    *at += 1;
    let not = chars.get(*at) == Some(&'!');
    if not {
        *at += 1;
    }
    let end = *at + chars[*at..].iter().position(|&c| c == ']')?;
    let inner = &chars[*at..end];
    *at = end;
    let set = match inner {
        [] => return None,
        [low, '-', high] => {
            if low > high {
                return None;
            }
            vec![(*low, *high)]
        }
        list => list.iter().filter(|&&c| c != '\\').map(|&c| (c, c)).collect(),
    };
    Some(Part::Class { not, set })
}

/// Matches the stack of part lists, the innermost last.
fn run(stack: &[&[Part]], name: &[char], attempts: &mut u32) -> bool {
    *attempts += 1;
    if *attempts > MAX_ATTEMPTS {
        return false;
    }
    let Some((parts, outer)) = stack.split_last() else {
        return name.is_empty();
    };
    let Some((part, rest)) = parts.split_first() else {
        return run(outer, name, attempts);
    };
    let mut next = outer.to_vec();
    next.push(rest);
    match part {
        Part::Char(c) => name.first() == Some(c) && run(&next, &name[1..], attempts),
        Part::One => name.first().is_some_and(|&c| c != '/') && run(&next, &name[1..], attempts),
        Part::Class { not, set } => name.first().is_some_and(|c| {
            set.iter().any(|(low, high)| low <= c && c <= high) != *not && run(&next, &name[1..], attempts)
        }),
        Part::Many => {
            let most = name.iter().position(|&c| c == '/').unwrap_or(name.len());
            (0..=most).any(|size| run(&next, &name[size..], attempts))
        }
        Part::All => (0..=name.len()).any(|size| run(&next, &name[size..], attempts)),
        Part::Either(options) => options.iter().any(|option| {
            let mut inner = next.clone();
            inner.push(&option.parts);
            run(&inner, name, attempts)
        }),
    }
}

/// Go's `filepath.Match`; none if the pattern is malformed.
pub(crate) fn path_match(pattern: &str, name: &str) -> Option<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let mut attempts = 0;
    path_run(&pattern, &name, &mut attempts)
}

fn path_run(pattern: &[char], name: &[char], attempts: &mut u32) -> Option<bool> {
    *attempts += 1;
    if *attempts > MAX_ATTEMPTS {
        return Some(false);
    }
    let Some((&first, rest)) = pattern.split_first() else {
        return Some(name.is_empty());
    };
    match first {
        '*' => {
            let most = name.iter().position(|&c| c == '/').unwrap_or(name.len());
            for size in 0..=most {
                if path_run(rest, &name[size..], attempts)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        '?' => match name.split_first() {
            Some((&c, name)) if c != '/' => path_run(rest, name, attempts),
            _ => path_run(rest, &[], attempts).map(|_| false),
        },
        '[' => {
            let mut at = 0;
            let not = rest.first() == Some(&'^');
            if not {
                at += 1;
            }
            let c = name.first().copied();
            let mut found = false;
            let mut count = 0;
            loop {
                if rest.get(at) == Some(&']') && count > 0 {
                    at += 1;
                    break;
                }
                let low = class_char(rest, &mut at)?;
                let mut high = low;
                if rest.get(at) == Some(&'-') {
                    at += 1;
                    high = class_char(rest, &mut at)?;
                }
                found |= c.is_some_and(|c| low <= c && c <= high);
                count += 1;
            }
            match c {
                Some(c) if c != '/' && found != not => path_run(&rest[at..], &name[1..], attempts),
                _ => Some(false),
            }
        }
        '\\' => {
            let (&c, rest) = rest.split_first()?;
            match name.split_first() {
                Some((&n, name)) if n == c => path_run(rest, name, attempts),
                _ => Some(false),
            }
        }
        c => match name.split_first() {
            Some((&n, name)) if n == c => path_run(rest, name, attempts),
            _ => Some(false),
        },
    }
}

fn class_char(pattern: &[char], at: &mut usize) -> Option<char> {
    let mut c = *pattern.get(*at)?;
    if c == '-' || c == ']' {
        return None;
    }
    if c == '\\' {
        *at += 1;
        c = *pattern.get(*at)?;
    }
    *at += 1;
    // A class that is not closed is malformed.
    pattern.get(*at)?;
    Some(c)
}
