//! How the day is told: numbered steps, what happened, and how long it took.

use anyhow::Result;
use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use crate::world::World;

/// Writes to standard output, a line as soon as it is known.
#[derive(Debug, Default)]
pub struct Account {
    step: usize,
}

/// The column of the milliseconds.
const WIDTH: usize = 96;

impl Account {
    /// The head of all.
    pub fn title(&self, text: &str) -> Result<()> {
        line(&format!("\n{}", strong(text)))
    }

    /// A new step: what a person does.
    pub fn step(&mut self, text: &str) -> Result<()> {
        self.step += 1;
        line(&format!(
            "\n{} {}",
            strong(&format!("{:>2}.", self.step)),
            strong(text)
        ))
    }

    /// Something that is so.
    pub fn note(&self, text: &str) -> Result<()> {
        line(&format!("    {text}"))
    }

    /// Something that has come about, so long after `begin`.
    pub fn done(&self, text: &str, begin: Instant) -> Result<()> {
        self.took(text, begin.elapsed())
    }

    /// Something that has come about, and how long it took.
    pub fn took(&self, text: &str, took: Duration) -> Result<()> {
        let gap = " ".repeat(WIDTH.saturating_sub(text.chars().count()).max(1));
        line(&format!("  ✓ {text}{gap}{:>6} ms", took.as_millis()))
    }

    /// How to go on by oneself.
    pub fn hints(&self, world: &World) -> Result<()> {
        let kubeconfig = world.plane.admin_kubeconfig();
        let url = world.git.url("demo");
        let logs = world.dir();
        self.title("It stays up. Try it yourself, from another terminal:")?;
        for text in [
            format!("export KUBECONFIG={}", kubeconfig.display()),
            "kubectl get kustomizations -A -w".to_owned(),
            "kubectl delete namespace guestbook      # and watch it come back".to_owned(),
            format!("git clone {url} && cd demo      # edit, commit, git push: it is applied within 5 s"),
            format!("tail -f {}/kustomize-controller.log", logs.display()),
        ] {
            self.note(&text)?;
        }
        line("\nCtrl-C ends it and removes everything.")
    }
}

fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn strong(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
