//! The page of results, docs/benchmarks.md: what stands between two marks there is written by the kit, with its pictures and raw data in a
//! folder beside it; the words around it are people's.
use crate::failure::{Doing, Outcome, cannot};
use crate::plots::{self, Plot};
use serde_json::Value;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- results: what follows is written by `tollgate-bench run --write` -->";
const END: &str = "<!-- results end -->";
/// Beside the page.
const FOLDER: &str = "benchmarks";

/// Puts the results of a run into the page, and its pictures and document beside it.
///
/// # Errors
/// A page without the two marks is left alone.
pub(crate) fn write(page: &Path, table: &str, document: &Value) -> Outcome<()> {
    let text = fs::read_to_string(page).doing("read the page to write into")?;
    let folder = page.with_file_name(FOLDER);
    let plots = plots::draw(document);
    let Some(text) = with_results(&text, &results(table, document, &plots)) else {
        return cannot(format!("{} has no place for results: it needs the lines\n{BEGIN}\n{END}", page.display()));
    };
    fs::create_dir_all(&folder).doing("make the folder of pictures")?;
    for plot in &plots {
        fs::write(folder.join(plot.file), &plot.svg).doing("write a picture")?;
    }
    fs::write(folder.join("results.json"), format!("{document:#}\n")).doing("write the raw data")?;
    fs::write(page, text).doing("write the page")
}

/// The page with these results in the place of the earlier ones.
fn with_results(page: &str, results: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{results}\n{END}{after}"))
}

fn results(table: &str, document: &Value, plots: &[Plot]) -> String {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let mut page = format!(
        "`{}`\n\nVersion {}, {}. Raw data: [results.json]({FOLDER}/results.json).\n\n",
        text("command"),
        text("version"),
        text("date")
    );
    page += table;
    page += "\n";
    let missed: Vec<String> = document["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| row["reached"] == false)
        .map(|row| {
            let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            format!(
                "- **{}**, {}: {} {}, where {} was to be reached.",
                word("id"),
                word("workload"),
                word("server"),
                word("result"),
                word("target")
            )
        })
        .collect();
    if missed.is_empty() {
        page += "Every target was reached.\n";
    } else {
        page += "Missed:\n\n";
        page += &missed.join("\n");
        page += "\n";
    }
    for plot in plots {
        page += &format!("\n![{}]({FOLDER}/{})\n", plot.title, plot.file);
    }
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn results_replace_earlier_ones_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        fs::write(&page, format!("# Before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        let document = json!({"version": "1.2.3", "date": "today", "command": "run", "rows": [
            {"id": "F1", "workload": "w", "server": "3", "result": "r", "target": "4", "reached": false, "measured": [{"deliveries_per_core_second": 5e3}]},
            {"id": "F3", "workload": "other", "reached": true, "measured": []},
        ]});
        for _ in 0..2 {
            write(&page, "| a table |\n", &document).unwrap();
        }
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("# Before\n<!--") && text.ends_with("\nafter\n"), "{text}");
        for words in ["Version 1.2.3", "| a table |", "**F1**, w: 3 r, where 4 was", "(benchmarks/f1.svg)"] {
            assert_eq!(text.matches(words).count(), 1, "{words}: {text}");
        }
        assert!(!text.contains("old") && !text.contains("other"), "{text}");
        let kept = fs::read_to_string(folder.path().join("benchmarks/results.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), document);
        fs::write(&page, "no place").unwrap();
        assert!(write(&page, "", &document).unwrap_err().to_string().contains("no place for results"));
        assert_eq!(fs::read_to_string(&page).unwrap(), "no place");
    }
}
