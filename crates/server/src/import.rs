//! `tollgate token import`: many tokens from a file, as a background job of the server, with its progress on standard error.
//!
//! The lines are sent in parts, and the results of each part are asked for as soon as it is done: they are handed out once, and go to a file that its
//! owner alone may read.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_core::limits::{BATCH_MAX, JOB_PARTS_MAX, JOB_TOKENS_MAX};

use crate::Failure;
use crate::admin::{Answer, Request};
use crate::announce;
use crate::config::Config;
use crate::control::{CallError, call};
use crate::data_dir;
use crate::progress::Progress;

/// Most bytes of the lines of one part: a request has to hold them with their quotes escaped.
const PART_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How often the job is looked at, and a server that is just starting again is asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a server may be gone before the command gives up, in looks.
const LOOKS_WITHOUT_SERVER_MAX: u32 = 300;

/// A part of the file: its lines.
type Part = Vec<String>;

/// Creates the tokens that the lines of `file` describe, and writes what came of each to `out`, in the same order.
pub(crate) fn import(
    config: &Config,
    project: Option<&str>,
    file: &Path,
    out: &Path,
    json: bool,
) -> Result<(), Failure> {
    let named = |error: io::Error, path: &Path| format!("{}: {error}", path.display());
    let (total, parts) = count(file).map_err(|error| format!("{}: {error}", file.display()))?;
    // Before anything is made: there must be a place for the secrets. A file that is there is never written over.
    let results = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let mut results = BufWriter::new(results.map_err(|error| named(error, out))?);
    let door = Door { config, project };
    let mut progress = Progress::start();
    let wish = json!({"action": "create", "total": total}).to_string();
    let job = door.ask("POST", "/v2/jobs", Some(&wish))?;
    let job = job["id"].as_str().ok_or("the server answered without the job's id")?.to_owned();
    let path = format!("/v2/jobs/{job}");
    let mut sent = 0;
    each_part(file, |number, part| {
        sent += part.len();
        door.persistently("PUT", &format!("{path}/parts/{number}"), Some(&part.join("\n")))?;
        progress.show("sent", sent as u64, total as u64);
        Ok(())
    })?;
    door.persistently("POST", &format!("{path}/start"), None)?;
    let mut read = 0;
    let view = loop {
        let view = door.persistently("GET", &path, None)?;
        let done = view["parts_done"].as_u64().unwrap_or(0).min(parts);
        while read < done {
            read += 1;
            let part = door.ask("GET", &format!("{path}/results?part={read}"), None)?;
            for one in part["results"].as_array().into_iter().flatten() {
                writeln!(results, "{one}").map_err(|error| named(error, out))?;
            }
            results.flush().map_err(|error| named(error, out))?;
        }
        let ended = |key: &str| view[key].as_u64().unwrap_or(0);
        progress.show("done", ended("succeeded") + ended("failed"), total as u64);
        match view["status"].as_str() {
            Some("running") => std::thread::sleep(LOOK_EVERY),
            _ if read < view["parts_done"].as_u64().unwrap_or(0) => {}
            _ => break view,
        }
    };
    results.get_ref().sync_all().map_err(|error| named(error, out))?;
    progress.end();
    conclude(&view, out, json)
}

/// Says what the job came to. One that did not finish is a failure; its results so far are in the file.
fn conclude(view: &Value, out: &Path, json: bool) -> Result<(), Failure> {
    let (status, made, refused) = (view["status"].as_str().unwrap_or_default(), &view["succeeded"], &view["failed"]);
    if status != "finished" {
        let why = view["failure"].as_str().unwrap_or("it was cancelled");
        return Err(format!(
            "the import ended before its end ({status}): {why}. {made} tokens were made; they are in {}",
            out.display()
        )
        .into());
    }
    let summary = json!({
        "job": view["id"], "total": view["total"], "succeeded": made, "failed": refused, "out": out.display().to_string(),
    });
    Ok(announce::out(&if json {
        format!("{summary}\n")
    } else {
        format!(
            "{made} tokens made, {refused} lines refused. The results, secrets among them, are in {}.\n",
            out.display()
        )
    })?)
}

/// How many lines that are not blank a file has, and how many parts they make.
fn count(file: &Path) -> Result<(usize, u64), Failure> {
    let (mut total, mut parts) = (0, 0);
    each_part(file, |_, part| {
        total += part.len();
        parts += 1;
        Ok(())
    })?;
    match total {
        0 => Err("there is no line in it; each describes a token, as {\"user_id\":\"alice\"}".into()),
        1..=JOB_TOKENS_MAX if parts <= u64::from(JOB_PARTS_MAX) => Ok((total, parts)),
        _ => Err(format!(
            "it is too much for one import: at most {JOB_TOKENS_MAX} lines, in {JOB_PARTS_MAX} parts of {PART_BYTES_MAX} bytes; split it"
        )
        .into()),
    }
}

/// Hands the file over part by part, from 1.
fn each_part(file: &Path, mut take: impl FnMut(u64, &Part) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut reader = BufReader::new(File::open(file)?);
    let (mut number, mut part, mut bytes) = (0, Part::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        let at_end = reader.read_line(&mut line)? == 0;
        let text = line.trim();
        if !part.is_empty() && (at_end || part.len() == BATCH_MAX || bytes + text.len() > PART_BYTES_MAX) {
            number += 1;
            take(number, &part)?;
            part.clear();
            bytes = 0;
        }
        if at_end {
            return Ok(());
        }
        if !text.is_empty() {
            bytes += text.len();
            part.push(text.to_owned());
        }
    }
}

/// The running server. A job needs one: the work goes on in it.
struct Door<'a> {
    config: &'a Config,
    project: Option<&'a str>,
}

impl Door<'_> {
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<Value, Failure> {
        match self.call(method, path, body) {
            Err(CallError::NobodyListens) => {
                Err("importing needs a running server; start it with `tollgate serve`".into())
            }
            Err(error) => Err(error.into()),
            Ok(answer) => answered(answer),
        }
    }

    /// For what may be asked twice: a server that is being started again is waited for.
    fn persistently(&self, method: &str, path: &str, body: Option<&str>) -> Result<Value, Failure> {
        for _ in 0..LOOKS_WITHOUT_SERVER_MAX {
            match self.call(method, path, body) {
                Ok(answer) => return answered(answer),
                Err(CallError::NobodyListens | CallError::Broken(_)) => std::thread::sleep(LOOK_EVERY),
            }
        }
        Err(format!(
            "the server is gone; the job goes on when it is back: see `tollgate job get {}`",
            path.trim_start_matches("/v2/jobs/")
        )
        .into())
    }

    fn call(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer, CallError> {
        let request = Request::Api {
            project: self.project.map(str::to_owned),
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(str::to_owned),
            idempotency_key: None,
        };
        call(&data_dir::control_socket(&self.config.data_dir), &request)
    }
}

fn answered(answer: Answer) -> Result<Value, Failure> {
    match answer {
        Answer::Api { status, body } => {
            let value: Value = serde_json::from_str(&body).unwrap_or_default();
            if status < 400 {
                return Ok(value);
            }
            let part = |name: &str| value[name].as_str().unwrap_or_default();
            Err(format!("{}: {}", part("code"), part("detail")).into())
        }
        Answer::Refused(why) => Err(why.into()),
        _ => Err("the server answered something else; is the command of the same version?".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_come_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.ndjson");
        let wide = format!("{{\"name\":\"{}\"}}", "x".repeat(PART_BYTES_MAX / 2));
        for (text, expected) in [
            ("{}\n".repeat(2_500), vec![1_000, 1_000, 500]),
            ("{}\n\n  \n{}".into(), vec![2]),
            (format!("{wide}\n{wide}\n{{}}\n"), vec![1, 2]),
        ] {
            std::fs::write(&file, text).unwrap();
            let mut parts = Vec::new();
            each_part(&file, |number, part| {
                assert_eq!(number, parts.len() as u64 + 1);
                parts.push(part.len());
                Ok(())
            })
            .unwrap();
            assert_eq!(parts, expected);
            assert_eq!(count(&file).unwrap(), (expected.iter().sum(), expected.len() as u64));
        }
        std::fs::write(&file, "\n \n").unwrap();
        assert!(count(&file).unwrap_err().to_string().contains("no line"));
    }
}
