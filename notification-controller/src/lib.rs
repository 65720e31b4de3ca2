//! notification-controller: status in, messages out; web hooks in, reconcile requests out. Its place in the workspace; it
//! has no behaviour yet, and no binary that would pretend to (SHORTCOMINGS.md).
