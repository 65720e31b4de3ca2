//! A ServiceAccount for objects that name none locks tenants out of the controller's own identity. Where the feature is off that
//! does this, a controller does not start as if it were on.

use anyhow::{Context as _, Result, ensure};
use e2e::{space::LIMIT, suite::binaries};
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What a controller says at its end, when it is started with these flags and without a cluster.
async fn ends(controller: &str, flags: &[&str]) -> Result<String> {
    let folder = tokio::task::spawn_blocking(binaries).await??;
    let mut process = Started(
        Command::new(folder.join(controller))
            // What cannot be reached ends the start as well, in other words.
            .env("KUBECONFIG", "/nowhere")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .args(["--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let what = format!("{controller} {flags:?} ends");
    let mut status = None;
    for _ in 0..LIMIT.as_millis() / 50 {
        status = process.0.try_wait()?;
        if status.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = status.with_context(|| what.clone())?;
    ensure!(!status.success(), "{what} as if all were well");
    let said = process.0.stderr.take().context("it has an error output")?;
    Ok(std::io::read_to_string(said)?)
}

/// A process that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn accounts_that_would_be_passed_over_stop_the_start() -> Result<()> {
    const GATE: &str = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    let default = "--default-service-account";
    let cluster = "--default-kubeconfig-service-account";
    for (controller, flag, is_gated) in [
        ("source-controller", default, true),
        ("notification-controller", default, true),
        ("kustomize-controller", cluster, true),
        (
            "kustomize-controller",
            "--default-decryption-service-account",
            true,
        ),
        ("helm-controller", cluster, true),
        // Here it is whom objects are applied as.
        ("kustomize-controller", default, false),
        ("helm-controller", default, false),
    ] {
        let flag_set = format!("{flag}=tenant");
        let complaint = format!("{flag} needs {GATE}");
        let said = ends(controller, &[&flag_set]).await?;
        ensure!(
            said.contains(&complaint) == is_gated,
            "{controller} {flag_set}: {said}"
        );
        for flags in [vec![flag_set.as_str(), GATE], vec![GATE]] {
            let said = ends(controller, &flags).await?;
            ensure!(
                !said.contains("needs --feature-gates") && said.contains("cannot reach the cluster"),
                "{controller} {flags:?}: {said}"
            );
        }
    }
    Ok(())
}
