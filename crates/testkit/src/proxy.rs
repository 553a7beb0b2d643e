//! A TCP proxy between a test and the server that can stall or cut: a network that does what networks do.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A running proxy; it ends, and cuts all that runs through it, when it goes out of scope.
#[derive(Debug)]
pub struct Proxy {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    weather: Mutex<Weather>,
    changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
}

#[derive(Debug, Default)]
struct Weather {
    ended: bool,
    stalled: bool,
}

impl Shared {
    fn set(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.weather.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits as long as nothing is carried. False: it has ended.
    fn passes(&self) -> bool {
        let weather = self.weather.lock().unwrap();
        !self.changed.wait_while(weather, |weather| weather.stalled && !weather.ended).unwrap().ended
    }
}

impl Proxy {
    /// Forwards connections on a free port to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || {
            for inbound in listener.incoming().map_while(Result::ok) {
                if inner.weather.lock().unwrap().ended {
                    return;
                }
                let shared = Arc::clone(&inner);
                std::thread::spawn(move || join(&shared, target, &inbound));
            }
        });
        Self { addr, shared }
    }

    /// Stops (or goes on) carrying anything in both directions, ends of connections too. They stay open; new ones are taken, and reach
    /// nobody until it goes on. What was sent meanwhile comes late, as it does when TCP sends it again.
    pub fn stall(&self, stalled: bool) {
        self.shared.set(|weather| weather.stalled = stalled);
    }

    /// Cuts every connection that runs through it now.
    pub fn cut(&self) {
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(|weather| weather.ended = true);
        self.cut();
        let _ = TcpStream::connect(self.addr);
    }
}

fn join(shared: &Arc<Shared>, target: SocketAddr, inbound: &TcpStream) -> io::Result<()> {
    inbound.set_nodelay(true)?;
    shared.streams.lock().unwrap().push(inbound.try_clone()?);
    if !shared.passes() {
        return Ok(());
    }
    let outbound = match TcpStream::connect(target) {
        Ok(outbound) => outbound,
        Err(error) => return inbound.shutdown(Shutdown::Both).and(Err(error)),
    };
    outbound.set_nodelay(true)?;
    shared.streams.lock().unwrap().push(outbound.try_clone()?);
    for (from, to) in [(inbound, &outbound), (&outbound, inbound)] {
        let (from, to, shared) = (from.try_clone()?, to.try_clone()?, Arc::clone(shared));
        std::thread::spawn(move || carry(&shared, from, to));
    }
    Ok(())
}

fn carry(shared: &Shared, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer);
        // Also what was on its way when it was stalled, and ends.
        if !shared.passes() {
            return;
        }
        match read {
            Ok(len @ 1..) if to.write_all(&buffer[..len]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
