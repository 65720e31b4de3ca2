//! yaml.
