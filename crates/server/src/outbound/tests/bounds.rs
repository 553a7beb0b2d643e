//! How many at a time, and what is left behind by calls that nobody waits for.

use super::*;

/// Takes requests and says nothing. Tells of each request, and whether its connection was ended.
fn silent() -> (SocketAddr, Receiver<usize>, Receiver<bool>) {
    let (tell, ended) = sync_channel(2_048);
    let (tell_request, requests) = sync_channel(2_048);
    let (address, _connections) = listener("127.0.0.1:0", move |number, mut stream| {
        if read_head(&mut stream).is_some() {
            let _ = tell_request.send(number);
        }
        let _ = tell.send(ends(&mut stream));
    });
    (address, requests, ended)
}

#[test]
fn a_host_that_does_not_answer_holds_up_its_own_calls_only() {
    let (slow, requests, _ended) = silent();
    let (quick, _came) = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let outbound = outbound();
    let url = |address: SocketAddr| format!("http://hooks.example:{}/", address.port());
    let Bounds { calls_per_host_max, places_per_host_max, .. } = Bounds::SHARED;
    let waiting: Vec<_> = (0..places_per_host_max).map(|_| outbound.call(get(&url(slow)))).collect();
    assert_eq!(ask(&outbound, get(&url(slow))), Err(OutboundFailure::Overloaded));
    assert_eq!(outbound.counters().overflowed.get(), 1);
    assert!(ask(&outbound, get(&url(quick))).is_ok(), "another host is called meanwhile");
    for _ in 0..calls_per_host_max {
        requests.recv_timeout(DEADLINE).unwrap();
    }
    assert!(requests.recv_timeout(MOMENT).is_err(), "no more than {calls_per_host_max} at a time");
    drop(waiting);
}

#[test]
fn too_many_calls_are_refused_at_once() {
    let (slow, requests, _ended) = silent();
    let outbound = outbound();
    let Bounds { calls_max, places_max, .. } = Bounds::SHARED;
    let call = |host: usize| outbound.call(get(&format!("http://h{host}.example:{}/", slow.port())));
    // More hosts than it takes to fill all turns.
    let waiting: Vec<_> = (0..places_max).map(|number| call(number % 16)).collect();
    let another = call(places_max);
    assert_eq!(wait(another), Err(OutboundFailure::Overloaded));
    for _ in 0..calls_max {
        requests.recv_timeout(DEADLINE).unwrap();
    }
    assert!(requests.recv_timeout(MOMENT).is_err(), "no more than {calls_max} at a time");
    drop(waiting);
    // Their places are free again when the thread has seen that they are gone.
    let deadline = std::iter::repeat_with(|| outbound.counters().given_up.get());
    let until = deadline.inspect(|_| std::thread::yield_now()).take(50_000_000).find(|gone| *gone == places_max as u64);
    assert!(until.is_some());
}

#[test]
fn waiting_in_line_counts_against_the_deadline() {
    let (slow, _requests, _ended) = silent();
    let outbound = outbound();
    let call = |timeout_ms| {
        outbound.call(OutboundCall { timeout_ms, ..get(&format!("http://hooks.example:{}/", slow.port())) })
    };
    let before: Vec<_> = (0..Bounds::SHARED.calls_per_host_max).map(|_| call(60_000)).collect();
    let clock = SystemClock::new();
    assert_eq!(wait(call(100)), Err(OutboundFailure::Timeout(100)));
    assert!(clock.monotonic().0 < 5_000, "the ones before it may take a minute");
    drop(before);
}

#[test]
fn a_call_that_nobody_waits_for_is_given_up() {
    let (address, requests, ended) = silent();
    let outbound = outbound();
    let call = outbound.call(get(&format!("http://hooks.example:{}/", address.port())));
    requests.recv_timeout(DEADLINE).unwrap();
    drop(call);
    assert!(ended.recv_timeout(DEADLINE).unwrap(), "its connection is closed");
    assert_eq!(outbound.counters().given_up.get(), 1);
}

/// Time that a test moves.
#[derive(Default)]
struct HandClock(std::sync::atomic::AtomicU64);

impl Clock for HandClock {
    fn monotonic(&self) -> tollgate_core::clock::Monotonic {
        tollgate_core::clock::Monotonic(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn unix(&self) -> tollgate_core::clock::UnixMillis {
        tollgate_core::clock::UnixMillis(0)
    }
}

#[test]
fn idle_connections_are_few_and_not_kept_for_long() {
    let (tell, ended) = sync_channel(2_048);
    let (address, connections) = listener("127.0.0.1:0", move |number, mut stream| {
        while read_head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 204 X\r\n\r\n");
        }
        let _ = tell.send(number);
    });
    let clock = Arc::new(HandClock::default());
    let outbound = HttpOutbound::start(OutboundParts { clock: clock.clone(), ..parts() }).unwrap();
    let call = |host: usize| ask(&outbound, get(&format!("http://h{host}.example:{}/", address.port()))).unwrap();
    (0..pool::IDLE_MAX).for_each(|host| drop(call(host)));
    call(0);
    assert!(ended.recv_timeout(MOMENT).is_err(), "all are kept");
    call(pool::IDLE_MAX);
    assert_eq!(ended.recv_timeout(DEADLINE), Ok(1), "the one that was used longest ago gives way");
    assert!(ended.recv_timeout(MOMENT).is_err());
    let so_far = connections.try_iter().count();
    assert_eq!(so_far, pool::IDLE_MAX + 1);
    clock.0.fetch_add(pool::IDLE_MS, std::sync::atomic::Ordering::SeqCst);
    call(0);
    let ended: Vec<_> = (0..pool::IDLE_MAX).map(|_| ended.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(ended.contains(&0), "too old, it was not used again");
    assert_eq!(connections.try_iter().count(), 1);
}

#[test]
fn a_connection_whose_other_side_reads_nothing_is_not_left_open() {
    let (go, gone) = sync_channel::<()>(1);
    let gone = Arc::new(std::sync::Mutex::new(gone));
    let (tell, ended) = sync_channel(1);
    let (address, _came) = listener("127.0.0.1:0", move |_, mut stream| {
        gone.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        // What is written to a socket that is closed comes back as a reset; one that is only never read from takes a while to fill.
        let clock = SystemClock::new();
        while clock.monotonic().0 < 5_000 && stream.write_all(b"x").is_ok() {
            std::thread::yield_now();
        }
        let _ = tell.send(clock.monotonic().0);
    });
    let post = OutboundCall {
        method: Method::Post,
        body: vec![b'x'; 32 * 1024 * 1024],
        timeout_ms: 300,
        ..get(&format!("http://hooks.example:{}/", address.port()))
    };
    let outbound = outbound();
    assert_eq!(ask(&outbound, post), Err(OutboundFailure::Timeout(300)));
    go.send(()).unwrap();
    let waited_ms = ended.recv_timeout(DEADLINE).unwrap();
    assert!(waited_ms < 5_000, "the socket still takes what is written to it");
}
