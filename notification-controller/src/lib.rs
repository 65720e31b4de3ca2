//! notification-controller.
