//! The tree between text and value: what a scalar was, not only what it means.

/// A composed document: aliases expanded, merge keys applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A leaf with its text.
    Scalar(Scalar),
    /// Pairs in the order written, duplicates included.
    Map(Map),
    /// A list.
    Seq(Vec<Node>),
}

/// A leaf: the text as written and what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, quotes and escapes removed.
    pub text: String,
    /// What the text means.
    pub tag: Tag,
    /// How it was written.
    pub style: Style,
}

/// What a scalar means (YAML's core tags).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `!!str`, and unknown tags, which go-yaml reads as text.
    Str,
    /// `!!int`.
    Int,
    /// `!!float`.
    Float,
    /// `!!bool`.
    Bool,
    /// `!!null`.
    Null,
    /// `!!timestamp`.
    Timestamp,
    /// `!!binary`: base64 text.
    Binary,
    /// `<<`.
    Merge,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Bare.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
    /// Nothing at all, in a map or list written in brackets.
    EmptyInFlow,
}

/// Pairs of a map, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// Key and value; keys may repeat, go-yaml only minds when it decodes.
    pub pairs: Vec<(Scalar, Node)>,
}

impl Scalar {
    /// A string, quoted if it must be.
    pub fn string(text: impl Into<String>) -> Scalar {
        Scalar {
            text: text.into(),
            tag: Tag::Str,
            style: Style::Plain,
        }
    }
}

impl Map {
    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pairs.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// The first value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.pairs.iter_mut().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// Sets `key`, in place if it is there, else at the end.
    pub fn set(&mut self, key: &str, value: Node) {
        match self.get_mut(key) {
            Some(old) => *old = value,
            None => self.pairs.push((Scalar::string(key), value)),
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.pairs.iter().position(|(k, _)| k.text == key)?;
        Some(self.pairs.remove(at).1)
    }

    /// True if there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl Node {
    /// A string scalar.
    pub fn string(text: impl Into<String>) -> Node {
        Node::Scalar(Scalar::string(text))
    }

    /// `null`.
    pub fn null() -> Node {
        Node::Scalar(Scalar {
            text: "null".into(),
            tag: Tag::Null,
            style: Style::Plain,
        })
    }

    /// `{}`.
    pub fn map() -> Node {
        Node::Map(Map::default())
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Node::Map(map) => Some(map),
            Node::Scalar(_) | Node::Seq(_) => None,
        }
    }

    /// The map, if it is one, to be changed.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Node::Map(map) => Some(map),
            Node::Scalar(_) | Node::Seq(_) => None,
        }
    }

    /// The list, if it is one.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match self {
            Node::Seq(items) => Some(items),
            Node::Scalar(_) | Node::Map(_) => None,
        }
    }

    /// The leaf, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Node::Scalar(scalar) => Some(scalar),
            Node::Map(_) | Node::Seq(_) => None,
        }
    }

    /// The text of a leaf that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar()
            .filter(|s| s.tag != Tag::Null)
            .map(|s| s.text.as_str())
    }

    /// True for a null leaf.
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Scalar(s) if s.tag == Tag::Null)
    }

    /// The value under `key` of a map; none of anything else.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The value under `key` of a map, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// Follows map keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// How many nodes the tree has, keys included.
    pub(crate) fn count(&self) -> usize {
        match self {
            Node::Scalar(_) => 1,
            Node::Seq(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Node::Map(map) => 1 + map.pairs.iter().map(|(_, v)| 1 + v.count()).sum::<usize>(),
        }
    }
}
