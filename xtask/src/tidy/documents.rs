//! Documents: links between them lead somewhere, in the repository and on the site that is made of docs/, and decisions have numbers of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, Findings};

const DECISIONS: &str = "docs/adr/";
/// The list of the site's pages.
const SUMMARY: &str = "docs/SUMMARY.md";

pub(super) fn check(files: &[File], findings: &mut Findings) {
    check_numbers(files, findings);
    let places: BTreeSet<String> = files.iter().flat_map(|file| with_folders(&file.path)).collect();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for target in links(&file.text) {
            check_link(file, target, files, &places, findings);
        }
    }
    if let Some(summary) = files.iter().find(|file| file.path == SUMMARY) {
        check_site(summary, files, findings);
    }
}

/// The site has the pages that its summary names, and what is no page below docs/; nothing else of the repository.
fn check_site(summary: &File, files: &[File], findings: &mut Findings) {
    let pages: BTreeSet<String> = links(&summary.text).iter().filter_map(|one| resolve(SUMMARY, one)).collect();
    let is_there = |place: &String| {
        let is_page = place.ends_with(".md");
        let is_file = || place.starts_with("docs/") && files.iter().any(|file| file.path == *place);
        pages.contains(place) || (!is_page && is_file())
    };
    for page in files.iter().filter(|file| pages.contains(&file.path)) {
        for target in links(&page.text) {
            let path = target.split_once('#').map_or(target, |(path, _)| path);
            if is_elsewhere(target) || path.is_empty() || resolve(&page.path, path).is_some_and(|one| is_there(&one)) {
                continue;
            }
            findings.complain(format!(
                "{}: the link {target} leads off the site, which has only the pages of {SUMMARY}: name the file without a link, or show it on a page",
                page.path
            ));
        }
    }
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// `docs/adr/NNNN-title.md`, each number once, and the page says the same number.
fn check_numbers(files: &[File], findings: &mut Findings) {
    let mut numbers = BTreeMap::new();
    for file in files {
        let Some(name) = file.path.strip_prefix(DECISIONS) else { continue };
        let number = name.split_once('-').map(|(number, _)| number).unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) || !name.ends_with(".md") {
            findings.complain(format!("{} must be named NNNN-title.md", file.path));
            continue;
        }
        if !file.text.starts_with(&format!("# {number}. ")) {
            findings.complain(format!("{} must open with \"# {number}. \" and its title", file.path));
        }
        if let Some(other) = numbers.insert(number, &file.path) {
            findings.complain(format!("{} and {other} have the same number", file.path));
        }
    }
}

/// A path and all folders above it.
fn with_folders(path: &str) -> impl Iterator<Item = String> {
    let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
    ends.into_iter().map(move |end| path[..end].to_owned()).collect::<Vec<_>>().into_iter()
}

/// The targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // What stands in backticks is no link, but a link's text may hold backticks.
            let targets = line.match_indices("](").filter(|(at, _)| line[..*at].matches('`').count() % 2 == 0);
            found.extend(targets.filter_map(|(at, open)| {
                let target = line[at + open.len()..].split([')', ' ']).next()?;
                Some(target.trim_matches(['<', '>']))
            }));
        }
    }
    found
}

fn check_link(file: &File, target: &str, files: &[File], places: &BTreeSet<String>, findings: &mut Findings) {
    if is_elsewhere(target) {
        return;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = if path.is_empty() { Some(file.path.clone()) } else { resolve(&file.path, path) };
    let Some(place) = place.filter(|place| places.contains(place) || place.is_empty()) else {
        return findings.complain(format!("{}: the link {target} leads nowhere", file.path));
    };
    let page = files.iter().find(|other| other.path == place && other.path.ends_with(".md"));
    if let Some(page) = page.filter(|_| !anchor.is_empty())
        && !anchors(&page.text).any(|known| known == anchor)
    {
        findings.complain(format!("{}: {place} has no heading for #{anchor}", file.path));
    }
}

/// The path from the root that `target` means in a file at `from`.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that GitHub makes of the headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut fenced = false;
    let headings = text.lines().filter(move |line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.starts_with('#')
    });
    headings.map(|line| {
        let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
        let heading = line.trim_start_matches('#').trim();
        heading.chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(pages: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        check(&pages.iter().map(file).collect::<Vec<_>>(), &mut findings);
        findings.complaints
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let page = "# Top\n[a](docs/b.md) [b](docs) [c](#top) [`d`](docs/b.md#the-second-one) [e](https://example.test/x)\n`[f](gone)`\n```\n[g](gone)\n```\n";
        let second = "## The `second` one!\n[up](../README.md#top)\n";
        assert_eq!(complaints(&[("README.md", page), ("docs/b.md", second)]), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for text in ["[a](gone.md)", "[a](../x.md)", "[a](#gone)", "text [`a`](docs/b.md#gone)"] {
            let found = complaints(&[("README.md", text), ("docs/b.md", "# B\n")]);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
    }

    #[test]
    fn links_off_the_site_are_found() {
        let summary = ("docs/SUMMARY.md", "- [A](a.md)\n- [B](b/b.md)\n");
        let site = |text| {
            let rest =
                [("deploy/x.conf", ""), ("docs/draft.md", "# D\n[x](../deploy/x.conf)\n"), ("docs/plan.svg", "")];
            complaints(&[&[summary, ("docs/a.md", "# A\n"), ("docs/b/b.md", text)][..], &rest[..]].concat())
        };
        let good =
            "# B\n[a](../a.md#a) [b](#b) [c](https://example.test/x) [d](../plan.svg) `[e](../../deploy/x.conf)`\n";
        assert_eq!(site(good), Vec::<String>::new(), "a page that is not on the site may say what it likes");
        for text in ["[a](../../deploy/x.conf)", "[a](../../deploy)", "[a](../draft.md#d)", "[a](..)"] {
            assert_eq!(site(text).len(), 1, "{text}: {:?}", site(text));
        }
    }

    #[test]
    fn decisions_have_numbers_of_their_own() {
        let good = [("docs/adr/0001-a.md", "# 0001. A\n"), ("docs/adr/0002-b.md", "# 0002. B\n")];
        assert_eq!(complaints(&good), Vec::<String>::new());
        for bad in [
            ("docs/adr/0001-c.md", "# 0001. C\n"),
            ("docs/adr/0003-c.md", "# 0004. C\n"),
            ("docs/adr/3-c.md", "# 3. C\n"),
        ] {
            assert_eq!(complaints(&[good[0], good[1], bad]).len(), 1, "{bad:?}");
        }
    }
}
