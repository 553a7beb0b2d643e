//! Where calls go, and where they never do.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Answers questions in this order, the last answer for ever; and counts them.
fn answers_in_turn(answers: &[&[&str]]) -> (Resolve, Arc<AtomicUsize>) {
    let parse = |addresses: &&[&str]| addresses.iter().map(|one| one.parse().unwrap()).collect::<Vec<IpAddr>>();
    let answers: Vec<_> = answers.iter().map(parse).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let resolve: Resolve = Arc::new(move |_| {
        let number = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        Box::pin(std::future::ready(Ok(answers[number].clone())))
    });
    (resolve, asked)
}

/// The same port, inside and outside.
fn inside_and_outside(answer: &'static str) -> (SocketAddr, Receiver<usize>, Receiver<usize>) {
    for _ in 0..50 {
        let (outside, came_outside) = answers(answer);
        let address = format!("127.0.0.2:{}", outside.port());
        if TcpListener::bind(&address).is_ok() {
            let (_, came_inside) = listener(&address, |_, _| {});
            return (outside, came_outside, came_inside);
        }
    }
    panic!("no port is free on both addresses");
}

fn refused(answered: &Answered) -> bool {
    matches!(answered, Err(OutboundFailure::TargetRefused { .. }))
}

#[test]
fn a_name_that_leads_inside_is_refused_in_every_spelling() {
    for address in [
        "127.0.0.2",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::127.0.0.2",
        "::ffff:127.0.0.2",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:a00:1::",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
    ] {
        let outbound = HttpOutbound::start(OutboundParts { resolve: leads_to(&[address]), ..parts() }).unwrap();
        let answered = ask(&outbound, get("http://hooks.example:9/p?token=s3cret"));
        assert!(refused(&answered), "{address}: {answered:?}");
        let said = answered.unwrap_err().to_string();
        assert!(said.starts_with("hooks.example is refused") && said.contains("outbound.allowed_hosts"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert_eq!(outbound.counters().refused.get(), 1);
        assert_eq!(outbound.counters().connections.get(), 0);
    }
}

#[test]
fn an_address_written_out_is_refused_without_a_connection() {
    let (outside, _, came_inside) = inside_and_outside("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let outbound = outbound();
    let port = outside.port();
    for host in
        ["127.0.0.2", "127.0.0.2.", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[64:ff9b::7f00:2]", "[2002:7f00:2::]"]
    {
        let url = format!("http://{host}:{port}/");
        assert!(refused(&outbound.check(&url).map(|()| unreachable!())), "{url}");
        assert!(refused(&ask(&outbound, get(&url))), "{url}");
    }
    for host in
        ["0x7f.2", "0x7f000002", "2130706434", "127.2", "0177.0.0.2", "127.0.0.02", "127。0。0。2", "u@127.0.0.1"]
    {
        let url = format!("http://{host}:{port}/");
        assert!(matches!(ask(&outbound, get(&url)), Err(OutboundFailure::BadUrl(_))), "{url}");
    }
    assert!(came_inside.recv_timeout(MOMENT).is_err(), "nobody was called");
    assert!(ask(&outbound, get(&format!("http://127.0.0.1:{port}/"))).is_ok(), "the same port outside is");
    assert!(ask(&outbound, get(&format!("http://[::ffff:127.0.0.1]:{port}/"))).is_ok(), "and by its other name");
}

#[test]
fn a_name_is_resolved_once_and_called_where_it_was_checked() {
    // Closes each connection, so that each call needs a new one.
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (outside, came_outside, came_inside) = inside_and_outside(answer);
    let (resolve, asked) = answers_in_turn(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let outbound = HttpOutbound::start(OutboundParts { resolve, ..parts() }).unwrap();
    let url = format!("http://rebinds.example:{}/", outside.port());
    assert!(ask(&outbound, get(&url)).is_ok());
    assert_eq!((came_outside.recv_timeout(DEADLINE), asked.load(Ordering::SeqCst)), (Ok(0), 1));
    assert!(refused(&ask(&outbound, get(&url))), "the second answer leads inside");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(came_inside.recv_timeout(MOMENT).is_err() && came_outside.try_recv().is_err());
}

#[test]
fn one_address_inside_speaks_against_all() {
    let (outside, came_outside, came_inside) = inside_and_outside("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for addresses in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
        let outbound = HttpOutbound::start(OutboundParts { resolve: leads_to(&addresses), ..parts() }).unwrap();
        assert!(refused(&ask(&outbound, get(&format!("http://both.example:{}/", outside.port())))));
    }
    assert!(came_inside.recv_timeout(MOMENT).is_err() && came_outside.try_recv().is_err());
}

#[test]
fn a_connection_is_lent_to_its_own_host_only() {
    let (outside, came_outside, came_inside) = inside_and_outside("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let resolve: Resolve = Arc::new(|name| {
        let address = if name == "outside.example" { "127.0.0.1" } else { "127.0.0.2" };
        Box::pin(std::future::ready(Ok(vec![address.parse().unwrap()])))
    });
    let outbound = HttpOutbound::start(OutboundParts { resolve, ..parts() }).unwrap();
    let url = |host: &str| format!("http://{host}:{}/", outside.port());
    assert!(ask(&outbound, get(&url("outside.example"))).is_ok());
    assert!(refused(&ask(&outbound, get(&url("inside.example")))), "although a connection to its port waits");
    assert!(ask(&outbound, get(&url("outside.example"))).is_ok());
    assert_eq!((came_outside.try_iter().count(), came_inside.try_iter().count()), (1, 0));
}

#[test]
fn redirects_are_never_followed_whatever_is_allowed() {
    let (inside, came_inside) = listener("127.0.0.2:0", |_, _| {});
    for status in [301, 302, 303, 307, 308] {
        for allow_private in [false, true] {
            let answer = format!("HTTP/1.1 {status} X\r\nLocation: http://{inside}/\r\nContent-Length: 0\r\n\r\n");
            let (outside, _came) = answers(answer);
            let rules = OutboundRules { allow_private, ..rules() };
            let outbound = HttpOutbound::start(OutboundParts { rules, ..parts() }).unwrap();
            let answered = ask(&outbound, get(&format!("http://{outside}/")));
            assert_eq!(answered, Err(OutboundFailure::Redirect(status)));
            assert_eq!(outbound.counters().redirects.get(), 1);
        }
    }
    assert!(came_inside.recv_timeout(MOMENT).is_err());
}

#[test]
fn what_is_allowed_is_called() {
    let (inside, came) = listener("127.0.0.2:0", |_, mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 204 X\r\n\r\n");
    });
    let rules = |allow_private, allowed: &[&str]| {
        let allowed = allowed.iter().map(|text| Allowed::parse(text).unwrap()).collect();
        OutboundRules { allow_private, allow_http: true, allowed }
    };
    for (rules, may) in [
        (rules(true, &[]), true),
        (rules(false, &["hooks.internal"]), true),
        (rules(false, &["127.0.0.0/8"]), true),
        (rules(false, &["127.0.0.2"]), true),
        (rules(false, &["other.internal", "10.0.0.0/8", "127.0.0.0/31"]), false),
        (OutboundRules { allow_http: false, ..rules(true, &[]) }, false),
    ] {
        let resolve = leads_to(&["127.0.0.2"]);
        let outbound = HttpOutbound::start(OutboundParts { rules: rules.clone(), resolve, ..parts() }).unwrap();
        let answered = ask(&outbound, get(&format!("http://Hooks.INTERNAL.:{}/", inside.port())));
        assert_eq!(answered.is_ok(), may, "{rules:?}: {answered:?}");
        assert_eq!(came.try_iter().count(), usize::from(may), "{rules:?}");
    }
}

#[test]
fn names_that_lead_nowhere_say_so() {
    let answers: [(Resolve, &str); 2] = [
        (leads_to(&[]), "the name gone.example could not be resolved"),
        (Arc::new(|_| Box::pin(std::future::ready(Err(io::Error::other("x"))))), "the name gone.example could not be"),
    ];
    for (resolve, said) in answers {
        let outbound = HttpOutbound::start(OutboundParts { resolve, ..parts() }).unwrap();
        let answered = ask(&outbound, get("http://gone.example/?s3cret")).unwrap_err().to_string();
        assert!(answered.starts_with(said), "{answered}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answered = ask(&outbound(), get(&format!("http://gone.example:{}/", closed.port()))).unwrap_err();
    let said = answered.to_string();
    assert!(said.starts_with("no connection: gone.example port") && !said.contains("127.0.0.1"), "{said}");
}

/// The system's own resolver, by the one name that every machine knows.
#[test]
fn the_systems_resolver_is_checked_like_any_other() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (system, tell) = (system_resolver(), Arc::clone(&asked));
    let resolve: Resolve = Arc::new(move |name| {
        tell.lock().unwrap().push(name.clone());
        system(name)
    });
    let strict = OutboundRules { allow_http: true, ..OutboundRules::default() };
    let outbound = HttpOutbound::start(OutboundParts { rules: strict, resolve, ..parts() }).unwrap();
    assert!(refused(&ask(&outbound, get("http://localhost/"))));
    assert!(asked.lock().unwrap().is_empty(), "refused by its name alone");
    let target = Target::parse("http://localhost/").unwrap();
    let sent = outbound.send(target, 5_000, Box::new(|| get("http://localhost/")));
    assert!(refused(&wait(sent)), "and again where it leads");
    assert_eq!(*asked.lock().unwrap(), ["localhost"]);
}
