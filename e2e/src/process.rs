//! Child processes that never outlive us: started, watched and ended by their own id.

use anyhow::{Context as _, Result, bail};
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

/// A running program under a small shell that ends it when we are gone.
///
/// The shell holds the read end of a pipe whose write end is ours: however we end, also by `kill -9`, the pipe closes
/// and the shell terminates the program. The program's output goes to a log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    shell: Child,
    lifeline: Option<ChildStdin>,
}

/// Starts `$2…` with its output in `$1`, prints its pid, and ends it when standard input closes: politely, and after
/// five seconds by force.
const SHELL: &str = r#"log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & c=$!; echo $c; exec >/dev/null
read -r _; kill -TERM $c; n=0; while kill -0 $c && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done; kill -KILL $c; wait $c"#;

impl Process {
    /// Starts `program` with `args` and extra environment `env`; output is appended to `log`.
    pub fn start<S: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = S>,
        env: &[(&str, String)],
        log: &Path,
    ) -> Result<Self> {
        let mut shell = Command::new("sh")
            .arg("-c")
            .arg(SHELL)
            .arg("sh")
            .arg(log)
            .arg(program)
            .args(args)
            .envs(env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What waits for our output to end need not wait for the shell.
            .stderr(Stdio::null())
            // Ctrl-C is for us: we end our children in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let lifeline = shell.stdin.take();
        let stdout = shell.stdout.take().context("shell without stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let pid = line
            .trim()
            .parse()
            .with_context(|| format!("start {name}: no pid from the shell"))?;
        Ok(Self {
            name: name.into(),
            pid,
            log: log.into(),
            shell,
            lifeline,
        })
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether the program is still running (a zombie is not).
    pub fn alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // The state follows the name, which stands in parentheses and may hold anything.
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    }

    /// Peak resident memory in bytes (`VmHWM` of proc(5)), while it runs.
    pub fn peak_memory(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// Resident memory in bytes (`VmRSS` of proc(5)), while it runs.
    pub fn resident_memory(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find(|l| l.starts_with(field))?;
        let kib = line.split_whitespace().nth(1)?.parse::<u64>().ok();
        kib.map(|kib| kib * 1024)
    }

    /// Processor time used so far, user and system (fields 14 and 15 of proc(5) `stat`, at 100 ticks a second).
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    /// Sends a signal by name (`TERM`, `KILL`, `STOP`, `CONT`) to the program alone.
    pub fn signal(&self, signal: &str) {
        let _ = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.pid.to_string())
            .stderr(Stdio::null())
            .status();
    }

    /// Ends the program: politely, then after `grace` by force. Returns when it is gone.
    pub fn stop(&mut self, grace: Duration) {
        self.signal("TERM");
        let deadline = Instant::now() + grace;
        while self.alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// Ends the program at once, as `kill -9` does. Returns when it is gone.
    pub fn kill(&mut self) {
        self.signal("KILL");
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }

    /// Waits until `ready` holds, and fails early with the log's tail when the program ends or `limit` passes.
    pub fn wait_until(&self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !ready() {
            if !self.alive() {
                bail!("{} ended early:\n{}", self.name, tail(&self.log));
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after {limit:?}:\n{}", self.name, tail(&self.log));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.lifeline.is_some() {
            self.stop(Duration::from_secs(5));
        }
    }
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// Removes a folder when we are gone, however that happens; it does nothing when it is dropped in order.
#[derive(Debug)]
pub struct Janitor {
    shell: Child,
    lifeline: Option<ChildStdin>,
}

/// Waits for a word; without one (standard input closed: we were killed, or ended without dropping) removes `$1`, again
/// and again for the programs that still write there while they end.
const SWEEP: &str =
    r#"read -r _ && exit; n=0; while [ $n -lt 6 ]; do rm -rf "$1" 2>/dev/null; sleep 1; n=$((n+1)); done"#;

impl Janitor {
    /// Watches over a folder.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut shell = Command::new("sh")
            .arg("-c")
            .arg(SWEEP)
            .arg("sh")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the janitor")?;
        let lifeline = shell.stdin.take();
        Ok(Self { shell, lifeline })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            let _ = lifeline.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

/// A loopback port that is free now, and that nobody is given by chance: it lies below the range from which the kernel
/// takes ports for outgoing connections (32768 on Linux), and no two calls of a process get the same.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> Result<u16> {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    const RANGE: std::ops::Range<u16> = 10_000..32_000;
    let next = NEXT.get_or_init(|| AtomicU16::new(rand::random_range(RANGE)));
    for _ in RANGE {
        let step = |port: u16| {
            Some(if port + 1 < RANGE.end {
                port + 1
            } else {
                RANGE.start
            })
        };
        let port = next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .unwrap_or(RANGE.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free from {} to {}", RANGE.start, RANGE.end)
}
