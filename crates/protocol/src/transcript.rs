//! The transcript bench: drives a dialect and its encoder through a plain-text script on virtual time, and compares every effect. What it
//! does not do: sockets, operations, or anything at random; a script says every outcome itself.
//!
//! A script is a list of lines. Empty lines and lines that start with `#` are for the reader. The clock of each
//! connection begins at [`START`]. After each line that tells the dialect something, the lines that follow must name **exactly** the effects
//! it had, in order, to the byte: a missing one and an extra one both fail.
//!
//! | told to the dialect | |
//! |---|---|
//! | `open` | a new connection is up; the one before is forgotten |
//! | `< TEXT` | the client sends a text message |
//! | `<x 00ff` | the client sends a binary message, in hexadecimal |
//! | `+10ms`, `+10s`, `+2m`, `+9h` | time goes by; the dialect is woken whenever it asked to be |
//! | `answer 1 done`, `… not_allowed`, `… not_subscribed` | command 1 was carried out, with this reply |
//! | `answer 1 error not_found` | command 1 failed, with this code |
//! | `answer 2 renewed 5000`, `… renewed 5000 of 90000`, `… renewed never`, `… renewed {"token":{…}}` | the connection goes on with the new token |
//! | `answer 1 connected {"cid", "count", "project", "token": null or {"id"?, "user"?, "state", "expires_in_ms", "life_ms"?}, "session"?, "resumed"?, "direct"?, "direct_lost"?, "channels"}` | the client is identified |
//! | `answer 2 published 1-43`, `… published duplicate 1-43`, `… published conflated`, `… batch ["1-43", {"error": code}]` | what became of messages |
//! | `answer 2 state_changed 4`, `… version_mismatch 4`, `… history {"messages", "position", "more"?}`, `… position_lost 1-43`, `… members {"count", "members", "more"?}` | |
//! | `notice subscribed {"id", "project", "type", "capabilities"?, "state", "version"?, "position"?, "recovered"?}` | it is subscribed to this channel |
//! | `notice unsubscribed "room1"` | it is not any more |
//! | `notice direct {"e", "d"}` | a direct message for this connection |
//! | `notice expiry 5000`, `notice expiry 5000 of 90000`, `notice expiry never` | the token's expiry was changed: milliseconds from now, and of its whole life if that is longer |
//! | `deliver message "room1" {"e", "d", "at"?, "position"?, "token"?, "user"?, "connection"?, "id"?}`, `deliver state "room1" 4? {…}`, `deliver deleted "room1"`, `deliver restarted "room1" 2-0`, `deliver presence "room1" {"count", "joined"?, "left"?}`, `deliver direct {"e", "d", …}` | something is broadcast, so it is encoded once for everybody |
//! | `end draining` | the server closes the connection, for this reason |
//!
//! | expected of it | |
//! |---|---|
//! | `> TEXT` | it sends this text message |
//! | `= 1 connect "project_x" anonymous`, `= 1 connect "project_x" "SECRET"` | it wants this performed, as command 1 |
//! | `= 1 connect … {"session"?, "positions"?, "direct"?, "watches"?, "data"?}` | … and goes on with this |
//! | `= 2 renew "SECRET"` | |
//! | `= 2 subscribe "room1"`, `= 2 unsubscribe "room1"` | |
//! | `= 2 subscribe "room1" {"position" or "last" or "since"?, "watches"?, "data"?}` | |
//! | `= 2 publish "room1" "X" {"v":1} {"id"?, "echo"?, "key"?}`, `= 2 batch …, …` | |
//! | `= 2 set_state "room1" {"v":1} if 3`, `= 2 merge_state …` | the condition where there is one |
//! | `= 2 history "room1" {"after" or "before" or "since"?, "newest"?, "limit"}`, `= 2 members "room1" {"after"?, "sample"?, "limit"}` | |
//! | `= 2 set_member "room1" {…}`, `= 2 acknowledge 5a-8` | |
//! | `close 4002 Identify timeout (identify_timeout)` | it closes with this code and text, for the reason in brackets; nothing may follow |

mod notation;
mod spell;
mod texts;

use std::collections::VecDeque;

use tollgate_core::clock::Monotonic;
use tollgate_core::delivery::Encoder;

use crate::{Dialect, Effect};
use notation::{Line, Told};

/// The virtual time at which a transcript begins. Not zero, so that a dialect that forgets to add is found out.
pub const START: Monotonic = Monotonic(1_000_000);

/// A dialect that asks this often to be woken at one moment will never let time go by.
const WAKES_MAX: usize = 10_000;

/// Replays `script` against connections that `dialect` makes, and `encoder`.
///
/// # Errors
/// One sentence saying at which line the script and the dialect disagree, and what each says there; or that a line cannot be read.
pub fn replay<D: Dialect>(dialect: impl Fn() -> D, encoder: &dyn Encoder, script: &str) -> Result<(), String> {
    let mut bench: Option<Bench<'_, D>> = None;
    for (index, text) in script.lines().enumerate() {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let outcome = match &mut bench {
            None if text != "open" => Err("a script begins with `open`".to_owned()),
            Some(bench) if text != "open" => bench.line(text),
            before => before.as_mut().map_or(Ok(()), Bench::nothing_left).and_then(|()| {
                let fresh = Bench { dialect: dialect(), encoder, now: START, effects: VecDeque::new(), ended: false };
                before.insert(fresh).tell(|dialect, now, effects| dialect.open(now, effects))
            }),
        };
        outcome.map_err(|problem| format!("line {}: {problem}", index + 1))?;
    }
    bench.as_mut().map_or(Ok(()), Bench::nothing_left).map_err(|problem| format!("at the end: {problem}"))
}

struct Bench<'a, D> {
    dialect: D,
    encoder: &'a dyn Encoder,
    now: Monotonic,
    /// What the dialect did and the script has not named yet, in the script's notation.
    effects: VecDeque<String>,
    ended: bool,
}

impl<D: Dialect> Bench<'_, D> {
    fn line(&mut self, text: &str) -> Result<(), String> {
        let told = match notation::read(text)? {
            Line::Expected(expected) => return self.expect(expected),
            Line::Told(told) => told,
        };
        self.nothing_left()?;
        if self.ended {
            return Err("the dialect has closed, nothing can be told to it any more".to_owned());
        }
        match told {
            Told::Frame(frame) => self.tell(|dialect, now, effects| dialect.receive(now, frame.borrow(), effects)),
            Told::Answer(number, result) => {
                self.tell(|dialect, now, effects| dialect.answer(now, number, result, effects))
            }
            Told::Notice(notice) => self.tell(|dialect, now, effects| dialect.notify(now, notice, effects)),
            Told::End(reason) => self.tell(|dialect, now, effects| dialect.close(now, reason, effects)),
            Told::Delivery(delivery) => {
                let mut payload = Vec::new();
                if self.encoder.encode(&delivery, &mut payload) {
                    self.effects.push_back(spell::effect(&Effect::Send(payload.into())));
                }
                Ok(())
            }
            Told::Passed(ms) => self.pass(ms),
        }
    }

    /// Lets time go by.
    fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.now.plus(ms);
        for _ in 0..WAKES_MAX {
            match self.dialect.wake_at() {
                Some(at) if at <= until && !self.ended => {
                    self.now = self.now.max(at);
                    self.tell(|dialect, now, effects| dialect.wake(now, effects))?;
                }
                Some(_) | None => {
                    self.now = until;
                    return Ok(());
                }
            }
        }
        Err(format!("the dialect was woken {WAKES_MAX} times and still wants to be woken before {ms} ms are over"))
    }

    fn tell(&mut self, what: impl FnOnce(&mut D, Monotonic, &mut Vec<Effect>)) -> Result<(), String> {
        let mut effects = Vec::new();
        what(&mut self.dialect, self.now, &mut effects);
        for effect in effects {
            let shown = spell::effect(&effect);
            if self.ended {
                return Err(format!("after it had closed, the dialect went on with\n  {shown}"));
            }
            self.ended = matches!(effect, Effect::Close { .. });
            self.effects.push_back(shown);
        }
        Ok(())
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        match self.effects.pop_front() {
            Some(effect) if effect == expected => Ok(()),
            Some(effect) => Err(format!("expected\n  {expected}\nbut the dialect did\n  {effect}")),
            None => Err(format!("expected\n  {expected}\nbut the dialect did nothing")),
        }
    }

    fn nothing_left(&mut self) -> Result<(), String> {
        match self.effects.pop_front() {
            Some(effect) => {
                Err(format!("before this, the dialect did something that the script does not name:\n  {effect}"))
            }
            None => Ok(()),
        }
    }
}
