//! C1 for the guard: what a connection costs, as a multiple of what it costs a server that only says hello. That one accepts a TCP connection with the same
//! library and answers one request, which is all but Tollgate's own part: the kernel's handshake, which is most of it and differs most between machines,
//! is in both. A floor's `send()` would be another part of the kernel, and a bare `accept()` has no HTTP.
use super::bouts::{Bout, repeat};
use crate::child::Measured;
use crate::failure::{Outcome, cannot};
use crate::kernel::{self, Poller};
use crate::rest::{Api, Pool};
use crate::settings::Settings;
use crate::workloads::storm::{Way, storm};
use crate::{rounds, stage};
use std::time::Duration;

/// Under way at a time: as many as the audience's.
const HANDSHAKES: usize = 128;
const PATIENCE: Duration = Duration::from_secs(15);

/// The multiple.
pub(super) fn run(settings: &Settings) -> Outcome<f64> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    stage::create_channel(&api, "private")?;
    let tokens = stage::create_tokens(&api, settings.subscribers / 2)?;
    stage::subscribe_tokens(&api, &tokens)?;
    let hello = Measured::hello(settings.cores)?;
    let hello_api = Api { address: hello.address, key: api.key.clone() };
    let warm_up = tokens.len() / 10;
    storm(&server, &api, Way::Leap, &tokens[..warm_up], rounds::wave(0, 1))?;
    greeted(&hello_api, hello.pid(), warm_up)?;
    let [part] = repeat(["C1"], settings.rounds, |round| {
        let hello = greeted(&hello_api, hello.pid(), tokens.len())?;
        let connected = storm(&server, &api, Way::Leap, &tokens, rounds::wave(round + 1, 1))?.seconds_each();
        // Connecting is as dear for the generator as for the server, and may well be its limit. CPU time of the server does not mind.
        Ok([Bout { floor: 1.0 / hello, server: 1.0 / connected, waited: None }])
    })?;
    Ok(1.0 / part)
}

/// CPU time, in seconds, of hello for each of so many connections with one request, all of which stay open until the last has its answer.
fn greeted(api: &Api, pid: u32, count: usize) -> Outcome<f64> {
    let request = api.request("GET", "/connect", "");
    let (mut open, mut ready) = (Vec::new(), Vec::new());
    let before = kernel::cpu_time(pid)?;
    for number in 0..count / HANDSHAKES {
        let mut poller = Poller::new()?;
        let mut pool = Pool::connect(api.address, HANDSHAKES, &poller, 0)?;
        while pool.idle() > 0 {
            pool.ask(&request, number as u64)?;
        }
        while !pool.is_quiet() {
            poller.wait(PATIENCE, &mut ready)?;
            if ready.is_empty() {
                return cannot("the hello server does not answer");
            }
            for number in &ready {
                if let Some((_, answer)) = pool.ready(*number, &poller)? {
                    answer.accepted()?;
                }
            }
        }
        open.push(pool);
    }
    let spent = kernel::cpu_time(pid)?.saturating_sub(before);
    Ok(spent.as_secs_f64() / (open.len() * HANDSHAKES) as f64)
}
