//! How answers look: JSON for programs, columns and sentences for people.

use super::Answer;
use super::explained::explained;

/// The answer as one JSON text.
pub(crate) fn json(answer: &Answer) -> String {
    let text = match answer {
        Answer::Project(one) => serde_json::to_string(one),
        Answer::Projects(all) => serde_json::to_string(all),
        Answer::Key(one) => serde_json::to_string(one),
        Answer::Keys(all) => serde_json::to_string(all),
        Answer::Revoked(one) => serde_json::to_string(one),
        Answer::Refused(why) => serde_json::to_string(why),
        Answer::About { version, pid, .. } => Ok(serde_json::json!({ "version": version, "pid": pid }).to_string()),
        Answer::Backup(stand) => serde_json::to_string(stand),
        Answer::Api { body, .. } => Ok(body.clone()),
        Answer::Said { json, .. } => Ok(json.clone()),
        Answer::Metrics(text) => serde_json::to_string(text),
    };
    text.expect("invariant: answers are texts, flags and lists") + "\n"
}

/// The answer for people.
pub(crate) fn human(answer: &Answer) -> String {
    match answer {
        Answer::Project(one) => format!(
            "Created the project {} ({}).\n\nIts first key, with all permissions, shown only now:\n\n  {}\n",
            one.project, one.name, one.key
        ),
        Answer::Projects(all) if all.is_empty() => {
            "There is no project yet. Make one: tollgate project create --name NAME\n".into()
        }
        Answer::Projects(all) => {
            let rows = all.iter().map(|one| vec![one.id.clone(), one.name.clone(), one.created_at.clone()]);
            columns(&["PROJECT", "NAME", "CREATED"], rows.collect())
        }
        Answer::Key(one) => format!(
            "Created the key {} of {}.\nIt may: {}\n\nThe key, shown only now:\n\n  {}\n",
            one.id,
            one.project,
            may(&one.permissions),
            one.key
        ),
        Answer::Keys(all) if all.is_empty() => {
            "There is no key. Make one: tollgate key create --project PROJECT\n".into()
        }
        Answer::Keys(all) => {
            let row = |one: &super::ListedKey| {
                let state = one.revoked_at.as_ref().map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"));
                let used = one.last_used_at.clone().unwrap_or_else(|| "never".into());
                vec![
                    one.id.clone(),
                    one.project.clone(),
                    one.hint.clone(),
                    one.created_at.clone(),
                    used,
                    state,
                    may(&one.permissions),
                ]
            };
            columns(
                &["KEY", "PROJECT", "BEGINS", "CREATED", "LAST USED", "STATE", "MAY"],
                all.iter().map(row).collect(),
            )
        }
        Answer::Revoked(one) => format!("Revoked the key {}. It is refused from now on.\n", one.id),
        Answer::About { version, pid, .. } => format!("Version {version}, process {pid}\n"),
        Answer::Backup(stand) => format!("{stand:?}\n"),
        Answer::Refused(why) => format!("{why}\n"),
        Answer::Said { text, .. } => format!("{text}\n"),
        Answer::Metrics(text) => text.clone(),
        Answer::Api { body, .. } => from_api(body),
    }
}

/// What `/v2` answered, for people: a list as columns of its plain fields, one thing as a line for each field.
fn from_api(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(body) else {
        // Nothing, or lines of JSON.
        return if body.is_empty() { "Done.\n".into() } else { body.to_owned() };
    };
    if let Some(text) = explained(&value) {
        return text;
    }
    let Some(all) = value.get("data").and_then(serde_json::Value::as_array) else { return fields(&value) };
    let Some(first) = all.first().and_then(serde_json::Value::as_object) else { return "There is none.\n".into() };
    let plain = |value: &serde_json::Value| !value.is_object() && !value.is_array();
    let names: Vec<&String> = first
        .keys()
        .filter(|name| all.iter().all(|one| one.get(*name).is_none_or(plain)))
        .filter(|name| all.iter().any(|one| one.get(*name).is_some_and(|value| !value.is_null())))
        .collect();
    let heads: Vec<String> = names.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows = all.iter().map(|one| names.iter().map(|name| cell(one.get(*name))).collect());
    let more = value.get("next_cursor").and_then(serde_json::Value::as_str);
    let more = more.map(|cursor| format!("There are more: add --cursor {cursor}\n"));
    columns(&heads, rows.collect()) + &more.unwrap_or_default()
}

fn fields(value: &serde_json::Value) -> String {
    let Some(object) = value.as_object() else { return format!("{value}\n") };
    let shown = object.iter().filter(|(_, value)| !value.is_null());
    let rows: Vec<Vec<String>> = shown.map(|(name, value)| vec![name.replace('_', " "), cell(Some(value))]).collect();
    let text = columns(&["", ""], rows);
    text.split_once('\n').map_or(String::new(), |(_, rows)| rows.to_owned())
}

fn cell(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => "-".into(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn may(permissions: &[String]) -> String {
    match permissions.len() {
        0 => "nothing".into(),
        all if all == tollgate_core::permissions::Permissions::NAMED.len() => "all".into(),
        _ => permissions.join(","),
    }
}

/// Left-aligned columns, two spaces apart, without trailing spaces. Control characters of names are shown, not sent to the terminal.
pub(super) fn columns(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let printable = |cell: String| plain(&cell);
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(head).chain(rows).map(|row| row.into_iter().map(printable).collect()).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A text that moves no terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// As [`plain`], with its lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::super::{CreatedKey, CreatedProject, ListedKey, ListedProject, RevokedKey};
    use super::*;

    fn samples() -> Vec<Answer> {
        let project = |id: &str, name: &str| ListedProject {
            id: id.into(),
            name: name.into(),
            created_at: "2026-01-02T03:04:05Z".into(),
        };
        let key = |permissions: &[&str], revoked: Option<&str>| ListedKey {
            id: "ptkid_a".into(),
            project: "project_a".into(),
            hint: "ptk_abcd…".into(),
            permissions: permissions.iter().map(|one| (*one).to_owned()).collect(),
            created_at: "2026-01-02T03:04:05Z".into(),
            last_used_at: None,
            revoked_at: revoked.map(str::to_owned),
        };
        vec![
            Answer::Project(CreatedProject { project: "project_a".into(), name: "Mine".into(), key: "ptk_x".into() }),
            Answer::Projects(vec![project("project_a", "Mine"), project("project_abc", "a\u{1b}[2Jb")]),
            Answer::Projects(vec![]),
            Answer::Key(CreatedKey {
                id: "ptkid_a".into(),
                project: "project_a".into(),
                key: "ptk_x".into(),
                permissions: vec!["read_channels".into()],
            }),
            Answer::Keys(vec![key(&["read_channels", "create_channel"], None), key(&[], Some("2026-02-01T00:00:00Z"))]),
            Answer::Revoked(RevokedKey { id: "ptkid_a".into(), revoked: true }),
        ]
    }

    #[test]
    fn programs_get_json() {
        let shown: Vec<String> = samples().iter().map(json).collect();
        assert_eq!(
            shown,
            [
                "{\"project\":\"project_a\",\"name\":\"Mine\",\"key\":\"ptk_x\"}\n",
                "[{\"id\":\"project_a\",\"name\":\"Mine\",\"created_at\":\"2026-01-02T03:04:05Z\"},{\"id\":\"project_abc\",\"name\":\"a\\u001b[2Jb\",\"created_at\":\"2026-01-02T03:04:05Z\"}]\n",
                "[]\n",
                "{\"id\":\"ptkid_a\",\"project\":\"project_a\",\"key\":\"ptk_x\",\"permissions\":[\"read_channels\"]}\n",
                "[{\"id\":\"ptkid_a\",\"project\":\"project_a\",\"hint\":\"ptk_abcd…\",\"permissions\":[\"read_channels\",\"create_channel\"],\"created_at\":\"2026-01-02T03:04:05Z\",\"last_used_at\":null,\"revoked_at\":null},{\"id\":\"ptkid_a\",\"project\":\"project_a\",\"hint\":\"ptk_abcd…\",\"permissions\":[],\"created_at\":\"2026-01-02T03:04:05Z\",\"last_used_at\":null,\"revoked_at\":\"2026-02-01T00:00:00Z\"}]\n",
                "{\"id\":\"ptkid_a\",\"revoked\":true}\n",
            ]
        );
    }

    #[test]
    fn people_get_columns() {
        assert_eq!(
            human(&samples()[1]),
            "PROJECT      NAME    CREATED\n\
             project_a    Mine    2026-01-02T03:04:05Z\n\
             project_abc  a\u{fffd}[2Jb  2026-01-02T03:04:05Z\n"
        );
        assert_eq!(
            human(&samples()[4]),
            "KEY      PROJECT    BEGINS     CREATED               LAST USED  STATE                         MAY\n\
             ptkid_a  project_a  ptk_abcd…  2026-01-02T03:04:05Z  never      active                        read_channels,create_channel\n\
             ptkid_a  project_a  ptk_abcd…  2026-01-02T03:04:05Z  never      revoked 2026-02-01T00:00:00Z  nothing\n"
        );
        for answer in samples() {
            let text = human(&answer);
            assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text}");
        }
        assert!(!format!("{:?}", samples()).contains("ptk_x"), "keys are not printable");
    }
}
