//! The demo tells its day, works beside another, and leaves neither process nor file behind, however it ends.

use anyhow::{Context as _, Result, ensure};
use e2e::expect::eventually;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A demo whose descendants can be known by their environment.
struct Demo {
    child: Child,
    folder: tempfile::TempDir,
}

const MARK: &str = "TMPDIR";

impl Demo {
    fn start(args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = std::fs::File::create(folder.path().join("account"))?;
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary)?;
        let child = Command::new(env!("CARGO_BIN_EXE_demo"))
            .args(args)
            .env(MARK, &temporary)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()?;
        Ok(Self { child, folder })
    }

    fn account(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("account")).unwrap_or_default()
    }

    async fn ended(&mut self) -> Result<std::process::ExitStatus> {
        let account = self.folder.path().join("account");
        eventually("the demo ends", Duration::from_secs(600), async || {
            Ok(self.child.try_wait()?)
        })
        .await
        .with_context(|| std::fs::read_to_string(account).unwrap_or_default())
    }

    async fn says(&mut self, part: &str) -> Result<()> {
        let what = format!("the demo says {part:?}");
        let said = eventually(&what, Duration::from_secs(600), async || {
            ensure!(self.child.try_wait()?.is_none(), "the demo has ended");
            Ok(self.account().contains(part).then_some(()))
        });
        said.await.with_context(|| self.account())
    }

    /// Holds that no process lives whose environment names our folder, and that nothing is left in it.
    async fn left_nothing(&self) -> Result<()> {
        let temporary = self.folder.path().join("tmp");
        let mark = format!("{MARK}={}", temporary.display());
        eventually("no process is left", Duration::from_secs(60), async || {
            let left = processes(&mark)?;
            ensure!(left.is_empty(), "still running: {left:?}");
            Ok(Some(()))
        })
        .await?;
        let left: Vec<_> = std::fs::read_dir(temporary)?.collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    }
}

/// The processes with this entry in their environment: id and program.
fn processes(entry: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")? {
        let path = process?.path();
        let has = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
        if has("environ").split(|b| *b == 0).any(|e| e == entry.as_bytes()) {
            let program = has("cmdline")
                .split(|b| *b == 0)
                .next()
                .map(|p| String::from_utf8_lossy(p).into_owned());
            found.push(format!(
                "{} {}",
                Path::new(&path).display(),
                program.unwrap_or_default()
            ));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn once_tells_the_day_and_leaves_nothing() -> Result<()> {
    let mut demo = Demo::start(&["--once"])?;
    let status = demo.ended().await?;
    let account = demo.account();
    ensure!(status.success(), "{account}");
    for part in [
        "1.1.0",
        "wordpress was not touched",
        "the edit is undone",
        "Slack has a message",
        "POST /own  error: Kustomization/flux-system/guestbook",
        "✗ kustomization/guestbook.flux-system",
        "from the webhook to the cluster",
        "✓ kustomization/guestbook.flux-system",
        "gone from the cluster",
        "wordpress runs again",
    ] {
        ensure!(account.contains(part), "{part:?} is not in\n{account}");
    }
    e2e::note!("{account}");
    demo.left_nothing().await
}

/// At the same time as the one above: ports and folders are each one's own.
#[tokio::test]
async fn it_stays_up_until_it_is_interrupted() -> Result<()> {
    let mut demo = Demo::start(&[])?;
    demo.says("Ctrl-C ends it").await?;
    let account = demo.account();
    let kubeconfig = account
        .split("KUBECONFIG=")
        .nth(1)
        .and_then(|t| t.lines().next())
        .context("no KUBECONFIG")?;
    ensure!(Path::new(kubeconfig).is_file(), "{kubeconfig} is there");
    signal(&demo.child, "INT")?;
    ensure!(demo.ended().await?.success(), "{}", demo.account());
    demo.left_nothing().await
}

#[tokio::test]
async fn a_killed_demo_takes_all_along() -> Result<()> {
    let mut demo = Demo::start(&[])?;
    demo.says(" 2. ").await?;
    signal(&demo.child, "KILL")?;
    demo.ended().await?;
    demo.left_nothing().await
}

fn signal(child: &Child, signal: &str) -> Result<()> {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(child.id().to_string())
        .status()?;
    ensure!(status.success(), "kill -{signal}");
    Ok(())
}
