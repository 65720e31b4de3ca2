//! The functions and macros that an expression may use.

use cel::{Context, Env, extensions};
use std::sync::{Arc, LazyLock};

/// The same for all expressions, and never changed.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Flux lets the last of them win.
    env.set_error_on_duplicate_map_keys(false);
    env.add_extension(extensions::strings)
        .expect("its names are free in the standard library");
    env.add_extension(extensions::encoders)
        .expect("its names are free in the standard library");
    Arc::new(env)
});

pub(crate) fn environment() -> &'static Env {
    &ENVIRONMENT
}

/// An empty context, which variables can be put into.
pub(crate) fn context<'v>() -> Context<'static, 'v> {
    Context::with_env(Arc::clone(&ENVIRONMENT))
}
