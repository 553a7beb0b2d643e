//! The servers that the bench compares with: which there are, what they speak, and which of them a run was asked for. Nothing of them is in this
//! repository: they are installed from registries under `target/peers` ([`install`]), started by the bench ([`running`]), or found by URL.
mod check;
mod compared;
mod contender;
mod install;
mod launch;
mod owner;
mod running;

pub(crate) use check::{Arguments, run as check};
pub(crate) use compared::{Field, idle, idle_rows, rows, spread_rows, steady_rows};
use running::Running;

use crate::failure::{Outcome, cannot};
use install::Source;
use std::net::SocketAddr;

/// The protocol of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Text,
    SocketIo,
    Pusher,
    Nats,
    Centrifuge,
}

/// A server to compare with.
#[derive(Debug)]
pub(crate) struct Peer {
    /// As it is asked for.
    pub(crate) name: &'static str,
    /// As a report calls it.
    pub(crate) title: &'static str,
    pub(crate) licence: &'static str,
    source: Source,
    speaks: Speaks,
    /// Whether `all` means it, too: it installs within a minute.
    is_quick: bool,
}

/// Versions are those of the lock files and constants in `install`; a test holds the titles to them.
static PEERS: [Peer; 8] = [
    peer("uws", "uWebSockets.js 20.30", "Apache-2.0", Source::Topics("uws.mjs"), Speaks::Text),
    peer("ws", "ws 8.23", "MIT", Source::Topics("ws.mjs"), Speaks::Text),
    peer("socketio", "Socket.IO 4.8", "MIT", Source::Topics("socketio.mjs"), Speaks::SocketIo),
    peer("soketi", "soketi 1.6", "AGPL-3.0", Source::Soketi, Speaks::Pusher),
    peer("nats", "NATS 2.15", "Apache-2.0", Source::Nats, Speaks::Nats),
    peer("nchan", "nginx with nchan", "BSD-2-Clause and MIT", Source::Nchan, Speaks::Text),
    Peer { is_quick: false, ..peer("sockudo", "sockudo 5.2", "MIT", Source::Sockudo, Speaks::Pusher) },
    Peer { is_quick: false, ..peer("centrifugo", "Centrifugo", "Apache-2.0", Source::Url, Speaks::Centrifuge) },
];

const fn peer(name: &'static str, title: &'static str, licence: &'static str, source: Source, speaks: Speaks) -> Peer {
    Peer { name, title, licence, source, speaks, is_quick: true }
}

/// A server that somebody else started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Url {
    pub(crate) address: SocketAddr,
    /// `?key=…`: what its HTTP API wants.
    pub(crate) key: String,
}

/// A peer that a run was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) peer: &'static Peer,
    pub(crate) url: Option<Url>,
}

/// Reads `uws,ws,centrifugo=http://127.0.0.1:8000?key=…`. `all` stands for those that install within a minute. Each once, in the order of the words.
///
/// # Errors
/// [`Failure::CannotRun`](crate::failure::Failure::CannotRun) with the list of names where one is unknown, or with what a URL lacks.
pub(crate) fn choose(words: &str) -> Outcome<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if word == "all" {
            chosen.extend(PEERS.iter().filter(|peer| peer.is_quick).map(|peer| Chosen { peer, url: None }));
            continue;
        }
        let (name, url) = word.split_once('=').map_or((word, None), |(name, url)| (name, Some(url)));
        let Some(peer) = PEERS.iter().find(|peer| peer.name == name) else {
            let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
            return cannot(format!("there is no peer `{name}`: choose of {}, or `all`", names.join(", ")));
        };
        chosen.push(Chosen { peer, url: url_for(peer, url)? });
    }
    let mut names = Vec::new();
    chosen.retain(|one| {
        let is_new = !names.contains(&one.peer.name);
        names.push(one.peer.name);
        is_new
    });
    Ok(chosen)
}

fn url_for(peer: &Peer, url: Option<&str>) -> Outcome<Option<Url>> {
    match (peer.source, url) {
        (Source::Url, None) => cannot(format!(
            "the bench cannot install {0}: start one and say {0}=http://127.0.0.1:PORT?key=KEY",
            peer.name
        )),
        (Source::Url, Some(url)) => parse_url(peer.name, url).map(Some),
        (_, Some(_)) => cannot(format!("the bench starts {} itself: say its name without a URL", peer.name)),
        (_, None) => Ok(None),
    }
}

/// Only this machine's own addresses: the bench puts load on nobody else, and it could not read the CPU time there.
fn parse_url(name: &str, url: &str) -> Outcome<Url> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://")).unwrap_or(url);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.trim_end_matches('/').replace("localhost", "127.0.0.1");
    let Ok(address) = place.parse::<SocketAddr>() else {
        return cannot(format!("`{url}` is no address of {name}: write http://127.0.0.1:PORT?key=KEY"));
    };
    if !address.ip().is_loopback() {
        return cannot(format!("{address} is not on this machine: the bench measures only servers on 127.0.0.0/8"));
    }
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default().to_owned();
    Ok(Url { address, key })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(words: &str) -> Vec<&'static str> {
        choose(words).unwrap().iter().map(|one| one.peer.name).collect()
    }

    #[test]
    fn peers_are_chosen_by_name_once_and_in_order() {
        assert_eq!(names("ws, uws,ws"), ["ws", "uws"]);
        assert_eq!(names("all"), ["uws", "ws", "socketio", "soketi", "nats", "nchan"]);
        assert_eq!(names("nats,all").len(), 6);
        assert_eq!(names("all,sockudo"), ["uws", "ws", "socketio", "soketi", "nats", "nchan", "sockudo"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn a_report_names_the_versions_that_are_installed() {
        let topics = include_str!("../../peers/package.json");
        let soketi = include_str!("../../peers/soketi/package.json");
        let nats = format!("\"nats\": \"{}\"", install::NATS);
        let sockudo = format!("\"sockudo\": \"{}\"", install::SOCKUDO);
        let cases = [
            ("uws", topics, "uws-js-unofficial"),
            ("ws", topics, "\"ws"),
            ("socketio", topics, "socket.io"),
            ("soketi", soketi, "soketi/soketi"),
            ("nats", &nats, "nats"),
            ("sockudo", &sockudo, "sockudo"),
        ];
        for (name, words, package) in cases {
            let peer = PEERS.iter().find(|peer| peer.name == name).unwrap();
            let version = peer.title.rsplit(' ').next().unwrap();
            assert!(words.contains(&format!("{package}\": \"{version}.")), "{}: {words}", peer.title);
        }
    }

    #[test]
    fn a_url_is_for_a_server_on_this_machine_that_the_bench_does_not_start() {
        let chosen = choose("centrifugo=http://localhost:8000/?key=abc").unwrap();
        assert_eq!(chosen[0].url, Some(Url { address: "127.0.0.1:8000".parse().unwrap(), key: "abc".to_owned() }));
        let cases = [
            ("uws,nobody", "no peer `nobody`: choose of uws, ws, socketio, soketi, nats, nchan, sockudo, centrifugo"),
            ("centrifugo", "start one and say centrifugo=http://127.0.0.1:PORT"),
            ("uws=http://127.0.0.1:1", "starts uws itself"),
            ("centrifugo=http://192.0.2.1:8000", "not on this machine"),
            ("centrifugo=http://127.0.0.1", "no address of centrifugo"),
        ];
        for (words, expected) in cases {
            let said = choose(words).unwrap_err().to_string();
            assert!(said.contains(expected), "{words}: {said}");
        }
    }
}
