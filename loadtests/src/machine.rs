//! The machine, as far as it bears on the figures. What the system does not tell is left out.

use std::fs;
use std::process::Command;

/// What a figure has to be read with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The CPU by name.
    pub cpu: Option<String>,
    /// Its family and model, by which instruction tables go.
    pub cpu_family_model: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Transparent huge pages: always, madvise or never.
    pub huge_pages: Option<String>,
    /// `RUSTFLAGS` at the build, where set in the environment.
    pub rust_flags: Option<String>,
    /// The widest vector instructions the compiler was allowed to use everywhere.
    pub compiled_for: &'static str,
    /// Whether the build was optimised as for release.
    pub is_optimised: bool,
    /// The commit of the checkout that the program was built from, at the time of the run.
    pub commit: Option<String>,
}

impl Machine {
    /// Asks the system.
    #[must_use]
    pub fn read() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = |name| value_of(&cpuinfo, name);
        let family_model = match (cpu("cpu family"), cpu("model")) {
            (Some(family), Some(model)) => Some(format!("{family}/{model}")),
            _ => None,
        };
        let huge_pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
        Machine {
            cpu: cpu("model name"),
            cpu_family_model: family_model,
            cores: core_affinity::get_core_ids().map_or(1, |cores| cores.len()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
            huge_pages: huge_pages.as_deref().and_then(chosen),
            rust_flags: option_env!("RUSTFLAGS").map(str::to_owned),
            compiled_for: compiled_for(),
            is_optimised: !cfg!(debug_assertions),
            commit: commit(),
        }
    }
}

/// The value of the first `name : value` line.
fn value_of(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// The bracketed one of `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

fn compiled_for() -> &'static str {
    if cfg!(target_feature = "avx512f") {
        "AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "AVX2"
    } else {
        "the target's baseline"
    }
}

fn commit() -> Option<String> {
    let arguments = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"];
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

/// Time that the hypervisor gave to others while this machine wanted it, since boot, in ticks of 10 ms over all cores.
#[must_use]
pub fn steal_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    // "cpu" user nice system idle iowait irq softirq steal
    stat.lines().next()?.split_whitespace().nth(8)?.parse().ok()
}

/// Bytes of memory that this process has resident.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes())
}

/// The page size, from the kernel's own account of the first mapping; 4 KiB where it gives none.
fn page_bytes() -> u64 {
    const DEFAULT: u64 = 4_096;
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let kibibytes = value_of(&smaps, "KernelPageSize").and_then(|text| text.trim_end_matches(" kB").parse().ok());
    kibibytes.map_or(DEFAULT, |kibibytes: u64| kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_files_are_understood() {
        let cpuinfo = "processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nmodel\t: 3\n";
        assert_eq!(value_of(cpuinfo, "model").as_deref(), Some("2"));
        assert_eq!(value_of(cpuinfo, "model name").as_deref(), Some("AMD EPYC"));
        assert_eq!(value_of(cpuinfo, "stepping"), None);
        assert_eq!(chosen("always [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(chosen("nothing"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_resident() {
        let bytes = resident_bytes().expect("Linux has statm");
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}
