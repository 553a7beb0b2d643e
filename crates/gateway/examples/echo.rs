//! An echo server on the gateway, for the Autobahn suite and for attacks from outside: `echo [ADDRESS [SHARDS [DESCRIPTORS_RESERVED]]]`.
//!
//! It prints `listening ADDRESS` once it accepts and ends when its
//! standard input does: closing the pipe drains it, and its counters go to stderr.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Read;

use tollgate_gateway::Limits;
use tollgate_gateway::frame::FrameLimits;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024 + 1024;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse().unwrap();
    let shards = arguments.next().map_or(1, |shards| shards.parse().unwrap());
    let defaults = Limits::default();
    let limits = Limits {
        descriptors_reserved: arguments
            .next()
            .map_or(defaults.descriptors_reserved, |reserved| reserved.parse().unwrap()),
        frames: FrameLimits { message_bytes_max: MESSAGE_BYTES_MAX, fragments_max: u32::MAX },
        unidentified_message_bytes_max: MESSAGE_BYTES_MAX,
        unauthenticated_percent_max: 100,
        connections_per_address_max: 1_000_000,
        messages_burst: 1_000_000,
        messages_per_second: 1_000_000,
        ..defaults
    };
    let gateway = support::start(address, shards, limits, None);
    println!("listening {}", gateway.address());
    let _end = std::io::stdin().read_to_end(&mut Vec::new());
    gateway.drain();
    let counters = std::sync::Arc::clone(gateway.counters());
    gateway.join().unwrap();
    eprintln!("{:?}", counters.all());
}
