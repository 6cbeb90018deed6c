//! Tells the programs how they were built, for their reports.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    println!("cargo::rustc-env=BENCHES_PROFILE={}, opt-level {}", of("PROFILE"), of("OPT_LEVEL"));
    println!("cargo::rustc-env=BENCHES_TARGET={}", of("TARGET"));
    // Cargo parts them by 0x1F; they may come from the environment or from a configuration file.
    println!("cargo::rustc-env=BENCHES_RUSTFLAGS={}", of("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " "));
    let version = std::process::Command::new(of("RUSTC")).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=BENCHES_RUSTC={}", version.unwrap_or_default());
}
