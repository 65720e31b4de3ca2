//! Set-up: builds the programs of the control plane and the oracles with `go build`, once, and says so.

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    dir: PathBuf,
}

/// A Go module under `tools/` and the programs it gives: (program, package).
struct Module {
    name: &'static str,
    programs: &'static [(&'static str, &'static str)],
    ldflags: &'static str,
}

const CONTROL_PLANE: &[Module] = &[
    Module {
        name: "etcd",
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
        ldflags: "-s -w",
    },
    Module {
        name: "kwok",
        programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
        ldflags: "-s -w",
    },
    Module {
        name: "kubernetes",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            (
                "kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ],
        // A binary built outside the release scripts calls itself v0.0.0-master, which it then refuses to emulate.
        ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
                  -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
    },
];

const ORACLES: &[Module] = &[
    Module {
        name: "helm",
        programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
        ldflags: "-s -w",
    },
    Module {
        name: "kustomize",
        programs: &[("kustomize", "sigs.k8s.io/kustomize/kustomize/v5")],
        ldflags: "-s -w",
    },
];

const REGISTRY: &[Module] = &[Module {
    name: "registry",
    programs: &[("registry", "github.com/distribution/distribution/v3/cmd/registry")],
    ldflags: "-s -w",
}];

const ORAS: &[Module] = &[Module {
    name: "oras",
    programs: &[("oras", "oras.land/oras/cmd/oras")],
    ldflags: "-s -w",
}];

const OBJECTS: &[Module] = &[
    Module {
        name: "s3",
        programs: &[("versitygw", "github.com/versity/versitygw/cmd/versitygw")],
        ldflags: "-s -w",
    },
    Module {
        name: "gcs",
        programs: &[("fake-gcs-server", "github.com/fsouza/fake-gcs-server")],
        ldflags: "-s -w",
    },
];

const SIGNERS: &[Module] = &[
    Module {
        name: "cosign",
        programs: &[("cosign", "github.com/sigstore/cosign/v3/cmd/cosign")],
        ldflags: "-s -w",
    },
    Module {
        name: "timestamp",
        programs: &[(
            "timestamp-server",
            "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server",
        )],
        ldflags: "-s -w",
    },
    Module {
        name: "notation",
        programs: &[("notation", "github.com/notaryproject/notation/cmd/notation")],
        ldflags: "-s -w",
    },
];

impl Tools {
    /// Everything the control plane needs, built if missing (about ten minutes on two cores, seconds when cached).
    ///
    /// # Errors
    /// When Go or git is missing (said in so many words), or a build fails (with the compiler's output).
    pub fn control_plane() -> Result<Self> {
        Self::ensure(CONTROL_PLANE)
    }

    /// The registry that OCI sources are tried against.
    ///
    /// # Errors
    /// As [`Tools::control_plane`].
    pub fn registry() -> Result<Self> {
        Self::ensure(REGISTRY)
    }

    /// The program that puts files of any kind into a registry.
    ///
    /// # Errors
    /// As [`Tools::control_plane`].
    pub fn oras() -> Result<PathBuf> {
        Ok(Self::ensure(ORAS)?.path("oras"))
    }

    /// The object stores that buckets are tried against.
    ///
    /// # Errors
    /// As [`Tools::control_plane`].
    pub fn objects() -> Result<Self> {
        Self::ensure(OBJECTS)
    }

    /// The folder of Azurite, which speaks as Azure Blob Storage: an npm package, installed if missing; it runs under Node.
    ///
    /// # Errors
    /// When npm is missing, or cannot install it (with what it says).
    pub fn azurite() -> Result<PathBuf> {
        let dir = tools_dir()?;
        std::fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join(".lock"))?;
        lock.lock().context("lock the tools folder")?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/azurite");
        let (target, mark) = (dir.join("azurite"), dir.join(".azurite.stamp"));
        let wanted = std::fs::read(source.join("package-lock.json"))?;
        let stamp = hex::encode(Sha256::digest(&wanted));
        if std::fs::read_to_string(&mark).is_ok_and(|found| found == stamp) {
            return Ok(target);
        }
        eprintln!("setting up: installing azurite with npm ci …");
        std::fs::create_dir_all(&target)?;
        std::fs::copy(source.join("package.json"), target.join("package.json"))?;
        std::fs::write(target.join("package-lock.json"), wanted)?;
        let args = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
        let output = Command::new("npm").args(args).current_dir(&target).output();
        let output = output.context(
            "`npm` is missing: install Node 20 or newer with npm, then run the same command again",
        )?;
        if !output.status.success() {
            bail!("npm ci failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        std::fs::write(&mark, stamp)?;
        Ok(target)
    }

    /// The tools whose signatures are checked.
    ///
    /// # Errors
    /// As [`Tools::control_plane`].
    pub fn signers() -> Result<Self> {
        Self::ensure(SIGNERS)
    }

    /// The path of a real tool that an engine is compared with: `kustomize` or `helm`.
    ///
    /// # Errors
    /// As [`Tools::control_plane`]; also for any other name.
    pub fn oracle(program: &str) -> Result<PathBuf> {
        let known = ORACLES.iter().find(|module| module.name == program);
        let names: Vec<_> = ORACLES.iter().map(|module| module.name).collect();
        let module = known.with_context(|| {
            format!(
                "'{program}' is no tool that an engine is compared with: say {}",
                names.join(" or ")
            )
        })?;
        Ok(Self::ensure(std::slice::from_ref(module))?.path(program))
    }

    /// The path of a built program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }

    fn ensure(modules: &[Module]) -> Result<Self> {
        prerequisites()?;
        let dir = tools_dir()?;
        std::fs::create_dir_all(&dir)?;
        // Two set-ups at once (a demo beside a test) build once: the second waits here.
        let lock = File::create(dir.join(".lock"))?;
        lock.lock().context("lock the tools folder")?;
        for module in modules {
            module.build(&dir)?;
        }
        Ok(Self { dir })
    }
}

impl Module {
    fn build(&self, dir: &Path) -> Result<()> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tools")
            .join(self.name);
        let stamp = self.stamp(&source)?;
        for (program, package) in self.programs {
            let target = dir.join(program);
            let mark = dir.join(format!(".{program}.stamp"));
            if target.exists() && std::fs::read_to_string(&mark).is_ok_and(|s| s == stamp) {
                continue;
            }
            eprintln!("setting up: building {program} with go build …");
            let begin = Instant::now();
            let built = target.with_extension("new");
            let output = Command::new("go")
                .current_dir(&source)
                .args([
                    "build",
                    "-trimpath",
                    "-buildvcs=false",
                    "-ldflags",
                    self.ldflags,
                    "-o",
                ])
                .arg(&built)
                .arg(package)
                .output()
                .with_context(|| format!("run go build for {program}"))?;
            if !output.status.success() {
                bail!(
                    "go build of {program} failed:\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            std::fs::rename(&built, &target)?;
            std::fs::write(&mark, &stamp)?;
            eprintln!(
                "setting up: {program} is ready after {:.0} s",
                begin.elapsed().as_secs_f64()
            );
        }
        Ok(())
    }

    /// What the programs were built from: another version or flag builds again.
    fn stamp(&self, source: &Path) -> Result<String> {
        let mut hash = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            hash.update(
                std::fs::read(source.join(file)).with_context(|| format!("read {file} of {}", self.name))?,
            );
        }
        hash.update(self.ldflags);
        Ok(hex::encode(hash.finalize()))
    }
}

/// `SLUICE_TOOLS`, or a folder in the user's cache: outside the clone, so that the next clone finds it.
fn tools_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("SLUICE_TOOLS") {
        return Ok(dir.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))
        .context("neither SLUICE_TOOLS, XDG_CACHE_HOME nor HOME is set: no place for the tools")?;
    Ok(cache.join("sluice").join("tools"))
}

fn prerequisites() -> Result<()> {
    for (program, arg, hint) in [
        ("go", "version", "Go 1.26 or newer, from https://go.dev/dl"),
        ("git", "--version", "git 2.30 or newer, from your distribution"),
        ("sh", "-c:", "a POSIX shell"),
    ] {
        let mut command = Command::new(program);
        match arg {
            "-c:" => command.args(["-c", ":"]),
            arg => command.arg(arg),
        };
        let found = command.output().is_ok_and(|o| o.status.success());
        if !found {
            bail!("`{program}` is missing: install {hint}, then run the same command again");
        }
    }
    Ok(())
}
