//! The two builds that all suites share: every test program in the dev profile, and the product with its bench in release.
//!
//! Always with the same set of packages, because another set unites features differently and compiles everything again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::run::{Call, Ended};

/// One compiled test program.
#[derive(Debug, Clone)]
pub(crate) struct TestProgram {
    /// The crate, without the house's prefix.
    pub(crate) of: String,
    /// The test target's name.
    pub(crate) name: String,
    path: PathBuf,
    /// The crate's folder, where its tests run.
    folder: PathBuf,
}

impl TestProgram {
    /// The call that runs it as `cargo test` does.
    pub(crate) fn call(&self) -> Call {
        Call::new(&self.path, &[], &self.folder)
            .with("CARGO_MANIFEST_DIR", &self.folder)
            .with("CARGO_PKG_NAME", format!("tollgate-{}", self.of))
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Compiles all tests (and examples) of the workspace.
pub(crate) fn tests(root: &Path, limit: Duration) -> Result<Vec<TestProgram>, Ended> {
    let arguments = ["test", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"];
    let ended = Call::cargo(&arguments, root).hiding("{\"").run(limit);
    if !ended.is_good() {
        return Err(ended);
    }
    let messages = ended.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs: Vec<_> = messages.filter_map(|message| program(&message)).collect();
    programs.sort_by(|one, other| (&one.of, &one.name).cmp(&(&other.of, &other.name)));
    Ok(programs)
}

fn program(message: &Value) -> Option<TestProgram> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_path_buf();
    Some(TestProgram {
        of: folder.file_name()?.to_string_lossy().into_owned(),
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        folder,
    })
}

/// Builds what users run, and the bench.
pub(crate) fn release(root: &Path, limit: Duration) -> Ended {
    let arguments = ["build", "--release", "--package", "tollgate-server", "--package", "tollgate-bench", "--bins"];
    Call::cargo(&arguments, root).run(limit)
}

/// The product, as [`release`] builds it.
pub(crate) fn tollgate(root: &Path) -> PathBuf {
    target(root).join("release/tollgate")
}

/// The bench, as [`release`] builds it.
pub(crate) fn bench(root: &Path) -> PathBuf {
    target(root).join("release/tollgate-bench")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_test_programs_are_taken_from_cargos_messages() {
        let message = |test: bool, executable: Option<&str>| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": "/x/crates/core/Cargo.toml",
                "target": {"name": "tollgate_core"}, "profile": {"test": test}, "executable": executable,
            })
        };
        let found = program(&message(true, Some("/x/target/debug/deps/core-1"))).unwrap();
        assert_eq!((found.of.as_str(), found.name.as_str()), ("core", "tollgate_core"));
        assert!(program(&message(false, Some("/x/target/debug/examples/echo"))).is_none());
        assert!(program(&message(true, None)).is_none());
        assert!(program(&serde_json::json!({"reason": "build-finished"})).is_none());
    }
}
