//! Who may depend on whom: the tables of ARCHITECTURE.md against what `cargo metadata` says the manifests ask for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Findings;

/// The headings of the two tables; their wording is part of the page.
const CRATES: &str = "| crate | may use | its tests may also use |";
const LIBRARIES: &str = "| library | only in |";

/// What the page allows.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By crate: internal crates that its code, and that its tests, may use.
    rows: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    /// By library: the crates whose code may use it.
    libraries: BTreeMap<String, BTreeSet<String>>,
}

/// A crate of the workspace, as its manifest has it.
#[derive(Debug, Default)]
pub(super) struct Crate {
    name: String,
    /// Everything it names: whether only its tests may use it, and whether it is a crate of the workspace.
    uses: Vec<Use>,
}

#[derive(Debug)]
struct Use {
    name: String,
    only_tests: bool,
    internal: bool,
}

impl Table {
    pub(super) fn read(page: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for row in rows(page, CRATES)? {
            let [name, uses, tests] = row.as_slice() else {
                return Err(format!("ARCHITECTURE.md: this row of the crates needs three cells: {row:?}"));
            };
            let name = names(name).into_iter().next().ok_or("ARCHITECTURE.md: a row of the crates names no crate")?;
            if table.rows.insert(name.clone(), (names(uses), names(tests))).is_some() {
                return Err(format!("ARCHITECTURE.md: {name} has two rows"));
            }
        }
        for row in rows(page, LIBRARIES)? {
            let [libraries, crates] = row.as_slice() else {
                return Err(format!("ARCHITECTURE.md: this row of the libraries needs two cells: {row:?}"));
            };
            table.libraries.extend(names(libraries).into_iter().map(|library| (library, names(crates))));
        }
        Ok(table)
    }
}

/// The cells of the table under this heading.
fn rows(page: &str, heading: &str) -> Result<Vec<Vec<String>>, String> {
    let mut lines = page.lines().skip_while(|line| line.trim() != heading);
    lines.next().ok_or_else(|| format!("ARCHITECTURE.md has no table with the heading {heading}"))?;
    let cells = |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    Ok(lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect())
}

/// The words in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(|name| short(name).to_owned()).collect()
}

/// A crate's name without the house's prefix.
fn short(name: &str) -> &str {
    name.strip_prefix("tollgate-").unwrap_or(name)
}

/// The crates of the workspace, from `cargo metadata --no-deps`. Anything that cargo says besides comes on lines of its own.
pub(super) fn crates(said: &str) -> Result<Vec<Crate>, String> {
    let line = said.lines().find(|line| line.starts_with('{'));
    let metadata: Value = line
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| format!("cargo metadata gave no answer: {said}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let one = |dependency: &Value| Use {
            name: short(&text(&dependency["name"])).to_owned(),
            only_tests: dependency["kind"] == "dev",
            internal: dependency["path"].is_string(),
        };
        dependencies.iter().map(one).collect()
    };
    let one = |package: &Value| Crate { name: short(&text(&package["name"])).to_owned(), uses: uses(package) };
    Ok(packages.iter().map(one).collect())
}

/// Complains about every crate without a row, row without a crate, and use that no row allows.
pub(super) fn check(table: &Table, crates: &[Crate], findings: &mut Findings) {
    let known: BTreeSet<_> = crates.iter().map(|one| &one.name).collect();
    for name in table.rows.keys().filter(|name| !known.contains(name)) {
        findings.complain(format!("ARCHITECTURE.md has a row for {name}, which is no crate of the workspace"));
    }
    for one in crates {
        let Some((code, tests)) = table.rows.get(&one.name) else {
            findings.complain(format!("{} has no row in ARCHITECTURE.md's table of crates", one.name));
            continue;
        };
        for used in &one.uses {
            let (name, used_name) = (&one.name, &used.name);
            if used.internal {
                let allowed = code.contains(used_name) || (used.only_tests && tests.contains(used_name));
                if !allowed {
                    let who = if used.only_tests { "the tests of " } else { "" };
                    findings.complain(format!(
                        "{who}{name} may not depend on {used_name}: ARCHITECTURE.md's table of crates does not allow it"
                    ));
                }
            } else if let Some(homes) = table.libraries.get(used_name)
                && !used.only_tests
                && !homes.contains(name)
            {
                findings.complain(format!(
                    "{name} may not use {used_name}: ARCHITECTURE.md's table of libraries keeps it out of this crate"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAGE: &str = "\
# A page

| crate | may use | its tests may also use |
|---|---|---|
| `core` | – | – |
| `node` | `core` | `testkit` |
| `testkit` | – | – |

| library | only in |
|---|---|
| `rusqlite`, `hyper` | `testkit` |
";

    /// Metadata with `(crate, dependency, kind, internal)`.
    fn metadata(uses: &[(&str, &str, Option<&str>, bool)]) -> String {
        let package = |name: &str| {
            let dependency = |(_, used, kind, internal): &(&str, &str, Option<&str>, bool)| serde_json::json!({"name": used, "kind": kind, "path": internal.then_some("/somewhere")});
            let dependencies: Vec<_> = uses.iter().filter(|one| one.0 == name).map(dependency).collect();
            serde_json::json!({"name": format!("tollgate-{name}"), "dependencies": dependencies})
        };
        let packages: Vec<_> = ["core", "node", "testkit"].map(package).to_vec();
        format!("   Updating something\n{}\n", serde_json::json!({"packages": packages}))
    }

    fn complaints(page: &str, uses: &[(&str, &str, Option<&str>, bool)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Table::read(page).unwrap(), &crates(&metadata(uses)).unwrap(), &mut findings);
        findings.complaints
    }

    #[test]
    fn what_the_table_allows_passes() {
        let uses = [
            ("node", "tollgate-core", None, true),
            ("node", "tollgate-testkit", Some("dev"), true),
            ("node", "tollgate-core", Some("dev"), true),
            ("node", "rusqlite", Some("dev"), false),
            ("node", "bytes", None, false),
            ("testkit", "hyper", None, false),
        ];
        assert_eq!(complaints(PAGE, &uses), Vec::<String>::new());
    }

    #[test]
    fn a_planted_violation_is_found() {
        let planted = [
            (("core", "tollgate-node", None, true), "core may not depend on node"),
            (("core", "tollgate-node", Some("dev"), true), "the tests of core may not depend on node"),
            (("core", "tollgate-node", Some("build"), true), "core may not depend on node"),
            (("node", "tollgate-testkit", None, true), "node may not depend on testkit"),
            (("node", "rusqlite", None, false), "node may not use rusqlite"),
            (("core", "hyper", Some("build"), false), "core may not use hyper"),
        ];
        for (one, expected) in planted {
            let found = complaints(PAGE, &[one]);
            assert!(matches!(&found[..], [only] if only.starts_with(expected)), "{one:?}: {found:?}");
        }
    }

    #[test]
    fn table_and_workspace_name_the_same_crates() {
        let without = PAGE.replace("| `core` | – | – |\n", "");
        assert_eq!(complaints(&without, &[]), ["core has no row in ARCHITECTURE.md's table of crates"]);
        let stale = PAGE.replace("| `core` | – | – |\n", "| `core` | – | – |\n| `gone` | – | – |\n");
        assert_eq!(complaints(&stale, &[]), ["ARCHITECTURE.md has a row for gone, which is no crate of the workspace"]);
    }

    #[test]
    fn a_page_without_the_tables_is_an_error() {
        assert!(Table::read("# Nothing").unwrap_err().contains(CRATES));
        assert!(crates("error: no manifest").unwrap_err().contains("no manifest"));
    }
}
