//! helm-controller: artifacts in, Helm releases out. Its place in the workspace; it has no behaviour yet, and no binary
//! that would pretend to (SHORTCOMINGS.md).
