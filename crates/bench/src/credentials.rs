//! T1: what a token costs. Durable creations beside a bare SQLite loop on the same core, memory of a live token, and how
//! long a revocation takes until everybody it hits is cut off.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, leap::Leap};
use crate::failure::{Doing, Outcome, cannot};
use crate::kernel::{self, Poller};
use crate::rest::{self, Api};
use crate::settings::Settings;
use crate::{idle, say, stage};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Bytes of a token's row, sealed, with an empty state: what the bare loop inserts.
const ROW_BYTES: usize = 300;
/// Requests in flight of many writers, and rows of the bare loop's transactions beside them.
pub(crate) const WRITERS: usize = 64;
/// Entries of one batch.
const BATCH: usize = 1_000;

/// One shape of load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creations {
    pub(crate) writers: usize,
    /// The server's, a second.
    pub(crate) server: f64,
    /// A second, of a bare loop that makes each row durable by itself.
    pub(crate) bare: f64,
    /// And of one that makes as many durable at a time as there are writers.
    pub(crate) bare_grouped: f64,
}

/// What a round found.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) alone: Creations,
    pub(crate) together: Creations,
    /// Tokens that were there when memory was read.
    pub(crate) tokens: usize,
    pub(crate) bytes_per_token: f64,
    /// Connections that a revocation hit.
    pub(crate) revoked: usize,
    pub(crate) revocation: Duration,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Reading>> {
    (1..=settings.idle_rounds())
        .map(|round| {
            // A million takes a while: in the first round alone.
            let tokens = if settings.quick {
                20_000
            } else if round == 1 {
                1_000_000
            } else {
                100_000
            };
            let reading = measure(settings, tokens)?;
            say(&format!("T1 round {round}: {reading:?}"));
            Ok(reading)
        })
        .collect()
}

fn measure(settings: &Settings, tokens: usize) -> Outcome<Reading> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    let (few, many) = if settings.quick { (100, 3_000) } else { (1_000, 30_000) };
    let alone = beside(settings, &api, 1, few)?;
    let together = beside(settings, &api, WRITERS, many)?;

    create(&api, BATCH * 5)?;
    let before = idle::settle_for(settings, server.pid())?;
    create(&api, tokens)?;
    let after = idle::settle_for(settings, server.pid())?;
    let bytes_per_token = (after.saturating_sub(before) * 1024) as f64 / tokens as f64;

    let revoked = if settings.quick { 200 } else { 1_000 };
    let revocation = revoke(&server, &api, revoked)?;
    Ok(Reading { alone, together, tokens, bytes_per_token, revoked, revocation })
}

/// Creations one by one or many at a time, and the bare loop right after: what else the machine does then burdens both alike.
fn beside(settings: &Settings, api: &Api, writers: usize, count: usize) -> Outcome<Creations> {
    let request = api.request("POST", "/v1/channels/tokens", r#"{"state":{}}"#);
    rest::call_all(api, &vec![request.clone(); WRITERS], writers)?;
    let start = kernel::now();
    rest::call_all(api, &vec![request; count], writers)?;
    let server = count as f64 / start.elapsed().as_secs_f64();

    let folder = tempfile::tempdir().doing("create a folder")?;
    // The bare loop works where the server did.
    kernel::pin(settings.cores.server);
    let rates = bare(&folder.path().join("bare.db"), count.min(if settings.quick { 300 } else { 2_000 }), 1)
        .and_then(|alone| Ok((alone, bare(&folder.path().join("grouped.db"), count, writers)?)));
    kernel::pin(settings.cores.generator);
    match rates {
        Ok((bare, bare_grouped)) => Ok(Creations { writers, server, bare, bare_grouped }),
        Err(error) => cannot(format!("the bare loop failed: {error}")),
    }
}

/// Rows a second of a loop that does nothing but insert, `group` rows in a transaction, durably.
fn bare(file: &Path, count: usize, group: usize) -> rusqlite::Result<f64> {
    let db = Connection::open(file)?;
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE rows (id INTEGER PRIMARY KEY, kind INTEGER, project INTEGER, revision INTEGER, sealed BLOB) STRICT",
    )?;
    let mut insert = db.prepare("INSERT INTO rows VALUES (NULL, ?1, ?2, ?3, ?4)")?;
    let sealed = [7_u8; ROW_BYTES];
    let (start, mut done) = (kernel::now(), 0);
    while done < count {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..group {
            insert.execute((23, 1, 1, &sealed[..]))?;
        }
        db.execute_batch("COMMIT")?;
        done += group;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

/// Makes tokens by the batch.
pub(crate) fn create(api: &Api, count: usize) -> Outcome<()> {
    let entries = vec!["{}"; BATCH].join(",");
    let body = format!(r#"{{"action":"create","mode":"atomic","entries":[{entries}]}}"#);
    let request = api.request("POST", "/v2/tokens/batch", &body);
    rest::call_all(api, &vec![request; count.div_ceil(BATCH)], 1).map(drop)
}

/// From asking for the revocation of every token to its answer, by when all their connections are closed.
fn revoke(server: &Measured, api: &Api, count: usize) -> Outcome<Duration> {
    stage::create_channel(api, "private")?;
    let tokens = stage::create_tokens(api, count)?;
    stage::subscribe_tokens(api, &tokens)?;
    let (project, channels) = (server.project.as_str(), Channels::one(stage::CHANNEL));
    let dialect = Leap { api, project, channels, tokens: Some(&tokens) };
    let mut poller = Poller::new()?;
    let audience = Audience::gather(count, 0, server.address, &dialect, &mut poller)?;
    stage::await_online(api, audience.len())?;
    let secrets: Vec<String> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
    let body = format!(r#"{{"tokens":[{}]}}"#, secrets.join(","));
    let start = kernel::now();
    let answer = api.call("POST", "/v2/tokens/revoke", &body)?;
    let took = start.elapsed();
    if answer["connections_closed"] != count {
        return cannot(format!("{count} connections were to be closed: {answer}"));
    }
    stage::await_online(api, 0)?;
    Ok(took)
}
