//! Peers on the internet as all sources and identities speak to them: whom to trust, through which proxy, and what must not be
//! told of it.

pub mod http;
pub mod pem;
pub mod secret;
