//! The `tillrace` binary from outside: a folder to work in, runs with what they printed, signals, memory.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The binary under test.
pub(crate) const TILLRACE: &str = env!("CARGO_BIN_EXE_tillrace");

/// After this long a process hangs. No test needs a tenth of it on any machine.
pub(crate) const HANG: Duration = Duration::from_mins(1);

/// A folder that is the working directory of every run in it, and goes away with this.
pub(crate) struct Workplace(TempDir);

/// How a process ended and what it printed.
#[derive(Debug)]
pub(crate) struct Done {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The most memory it was seen to use, in KiB; 0 where the system does not say.
    pub(crate) peak_kib: u64,
}

/// A process under way, ended with this at the latest.
pub(crate) struct Running {
    child: Guard,
    stdin: Option<ChildStdin>,
    out: Drain,
    err: Drain,
    peak_kib: u64,
}

/// Kills its process when a test fails before the end.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Workplace {
    pub(crate) fn new() -> Workplace {
        Workplace(tempfile::tempdir().unwrap())
    }

    /// In memory where the system offers that, for runs that write thousands of files: to sync them is not the test.
    pub(crate) fn in_memory() -> Workplace {
        tempfile::tempdir_in("/dev/shm").map_or_else(|_| Workplace::new(), Workplace)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The default lake.
    pub(crate) fn lake(&self) -> PathBuf {
        self.path().join("lake")
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes a file of these lines.
    pub(crate) fn write_lines<L: AsRef<str>>(&self, name: &str, lines: &[L]) {
        self.write(name, text(lines));
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `tillrace ARGS`, in this folder, with nothing on stdin.
    pub(crate) fn tillrace(&self, args: &[&str]) -> Done {
        self.start(args).close_stdin().wait()
    }

    /// `tillrace run ARGS` with a JSON summary; asserts that it is done.
    pub(crate) fn run(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = ["run", "--summary", "json"].iter().chain(args).copied().collect();
        self.tillrace(&args).assert_code(0).json()
    }

    /// `tillrace ARGS` with stdin left open.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(TILLRACE);
        command.args(args);
        self.start_command(command)
    }

    pub(crate) fn start_command(&self, mut command: Command) -> Running {
        command.current_dir(self.path()).env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (Drain::of(child.stdout.take().unwrap()), Drain::of(child.stderr.take().unwrap()));
        Running { stdin: child.stdin.take(), child: Guard(child), out, err, peak_kib: 0 }
    }
}

/// Lines with their ends.
pub(crate) fn text<L: AsRef<str>>(lines: &[L]) -> String {
    lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect()
}

/// Reads all there is, while it comes.
struct Drain {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Drain {
    fn of(mut from: impl Read + Send + 'static) -> Drain {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let drained = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            loop {
                match from.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => drained.lock().unwrap().extend_from_slice(&buffer[..count]),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        Drain { bytes, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn join(self) -> Vec<u8> {
        self.thread.join().unwrap();
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// Where it does not within [`HANG`].
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < HANG, "still waiting: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    /// Writes to its stdin and sends it on its way.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush()).unwrap();
        self.look_at_memory();
    }

    pub(crate) fn close_stdin(mut self) -> Running {
        self.stdin = None;
        self
    }

    /// What it has written to stderr so far.
    pub(crate) fn said(&self) -> String {
        self.err.so_far()
    }

    /// Where its dashboard listens, once it does.
    pub(crate) fn dashboard(&self) -> SocketAddr {
        let mut found = None;
        eventually("the dashboard says where it is", || {
            let said = self.said();
            let url = said.lines().find_map(|line| line.strip_prefix("dashboard: http://")?.strip_suffix('/'));
            found = url.map(|address| address.parse().unwrap());
            found.is_some()
        });
        found.unwrap()
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; kills it and panics where that does not come. Leaves stdin as it is.
    pub(crate) fn wait(mut self) -> Done {
        let started = Instant::now();
        let status = loop {
            self.look_at_memory();
            if let Some(status) = self.child.0.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > HANG {
                self.child.0.kill().unwrap();
                self.child.0.wait().unwrap();
                let err = self.err.join();
                panic!("tillrace hangs; stderr: {}", String::from_utf8_lossy(&err));
            }
            thread::sleep(Duration::from_millis(1));
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(self.out.join()), text(self.err.join()));
        assert!(!err.contains("panicked"), "{err}");
        Done { code: status.code(), out, err, peak_kib: self.peak_kib }
    }

    /// The peak only rises, so looking often misses little.
    fn look_at_memory(&mut self) {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.child.0.id())) else { return };
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        if let Some(peak) = peak {
            self.peak_kib = self.peak_kib.max(peak.parse().unwrap());
        }
    }
}

impl Done {
    /// Panics with all it has printed where it has ended otherwise.
    #[track_caller]
    pub(crate) fn assert_code(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Asserts that each of these stands in stderr.
    #[track_caller]
    pub(crate) fn assert_says(self, parts: &[&str]) -> Done {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in stderr: {}", self.err);
        }
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A count in a JSON summary.
#[track_caller]
pub(crate) fn count(summary: &serde_json::Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("no count {name} in {summary}"))
}
