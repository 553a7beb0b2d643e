//! A certificate by ACME, from a real authority for tests (Let's Encrypt's Pebble): had, shown, kept over a restart; and what is said when the
//! authority cannot be reached or does not see that the name leads here.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tempfile::TempDir;
use tollgate_testkit::poll::{self, SOON};
use tollgate_testkit::{Http, Server, Setup};

/// The authority, with a certificate of its own for its own address.
struct Authority {
    dir: TempDir,
    directory: SocketAddr,
    management: SocketAddr,
    process: Option<Child>,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Authority {
    /// Not running yet; nothing where it is not installed.
    fn new() -> Option<Self> {
        if Command::new("pebble").arg("-h").stderr(Stdio::null()).status().is_err() {
            // Past the capture of the test's output: a skip that nobody sees is none.
            writeln!(
                std::io::stderr(),
                "SKIPPED certificates by ACME: pebble is not installed (apt-get install pebble)"
            )
            .unwrap();
            return None;
        }
        let dir = TempDir::new().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(dir.path().join("own.pem"), own.cert.pem()).unwrap();
        fs::write(dir.path().join("own.key"), own.signing_key.serialize_pem()).unwrap();
        Some(Self { dir, directory: free(), management: free(), process: None })
    }

    fn config(&self) -> String {
        let root = self.dir.path().join("own.pem");
        format!(
            "[acme]\ndomains = [\"localhost\"]\ncontact = \"ops@example.com\"\nterms_agreed = true\ndirectory = \"https://localhost:{}/dir\"\n\
             root_file = {root:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
            self.directory.port()
        )
    }

    /// Runs, and looks for proofs at this port.
    fn start(&mut self, looks_at: u16) {
        let path = |name: &str| self.dir.path().join(name);
        let config = json!({"pebble": {
            "listenAddress": self.directory.to_string(), "managementListenAddress": self.management.to_string(),
            "certificate": path("own.pem"), "privateKey": path("own.key"), "httpPort": 1, "tlsPort": looks_at,
        }});
        fs::write(path("pebble.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path("pebble.json")).env("PEBBLE_VA_NOSLEEP", "1");
        self.process = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        poll::until(SOON, "the authority", || TcpStream::connect(self.management).ok().map(drop));
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// A client that trusts what this authority signs.
    fn client(&self) -> Arc<ClientConfig> {
        let own = CertificateDer::from_pem_file(self.dir.path().join("own.pem")).unwrap();
        let mut stream = tls(self.management, &trusting(own));
        stream.write_all(b"GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        trusting(CertificateDer::from_pem_slice(&answer).unwrap())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.stop();
    }
}

fn trusting(root: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(client.with_root_certificates(roots).with_no_client_auth())
}

fn tls(address: SocketAddr, client: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(client), "localhost".try_into().unwrap()).unwrap(), stream)
}

fn answers(server: &Server, client: &Arc<ClientConfig>) -> bool {
    let mut stream = tls(server.addr, client);
    let mut answer = Vec::new();
    let asked = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let _ = asked.and_then(|()| stream.read_to_end(&mut answer));
    answer.starts_with(b"HTTP/1.1 200")
}

fn metric(server: &Server, name: &str) -> Option<f64> {
    let mut http = Http::connect(server.metrics.unwrap()).unwrap();
    let text = String::from_utf8(http.request("GET", "/metrics", &[], None).unwrap().body).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_certificate_is_had_shown_and_kept() {
    let Some(mut authority) = Authority::new() else { return };
    let mut server = Setup::default().config(authority.config()).start();
    let failed = "tollgate_tls_certificates_total{outcome=\"failed\"}";
    poll::until(SOON, "the first try, with no authority there", || {
        metric(&server, failed).filter(|count| *count > 0.0)
    });
    assert_eq!(metric(&server, "tollgate_tls_certificate_end_time_seconds"), None);

    authority.start(server.addr.port());
    let client = authority.client();
    assert!(!answers(&server, &client), "there is no certificate yet");
    // Not later by itself, because the next try is minutes away.
    server.hang_up();
    poll::until(SOON, "a certificate", || answers(&server, &client).then_some(()));
    let ends = metric(&server, "tollgate_tls_certificate_end_time_seconds").unwrap();
    assert!(ends > 1_790_000_000.0, "{ends}");

    let folder = server.data().join("acme");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["account.json", "certificate.pem"] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let kept = fs::read_to_string(folder.join("certificate.pem")).unwrap();
    let key = kept.split("PRIVATE KEY-----").nth(1).unwrap().trim().lines().next().unwrap();
    server.remember(key);

    // With the authority gone, the next start shows what was kept.
    authority.stop();
    server.stop();
    server.start_again();
    assert!(answers(&server, &client), "{}", server.log());
    assert_eq!(fs::read_to_string(folder.join("certificate.pem")).unwrap(), kept);
}

#[test]
fn a_name_that_leads_elsewhere_is_said() {
    let Some(mut authority) = Authority::new() else { return };
    authority.start(free().port());
    let server = Setup::default().config(authority.config()).start();
    poll::until(SOON, "the refusal in the log", || {
        server.log().contains("could not see that the names lead here").then_some(())
    });
    let log = server.log();
    assert!(log.contains("localhost: ") && log.contains("every TLS handshake fails"), "{log}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let dir = TempDir::new().unwrap();
    for (text, said) in [
        ("domains = [\"*.example.com\"]\nterms_agreed = true", "wildcard"),
        ("domains = [\"192.0.2.1\"]\nterms_agreed = true", "not an address"),
        ("domains = [\"no name\"]\nterms_agreed = true", "must be a DNS name"),
        ("domains = [\"rt.example.com\"]", "acme.terms_agreed"),
        ("domains = [\"rt.example.com\"]\nterms_agreed = true\ncontact = \"mailto:me@example.com\"", "acme.contact"),
        ("domains = [\"rt.example.com\"]\nterms_agreed = true\ndirectory = \"http://ca/\"", "acme.directory"),
        ("domains = [\"rt.example.com\"]\nterms_agreed = true\nroot_file = \"none.pem\"", "none.pem"),
        ("terms_agreed = true", "of no use without acme.domains"),
        (
            "domains = [\"rt.example.com\"]\nterms_agreed = true\n[tls]\ncertificate = \"c\"\nkey = \"k\"",
            "keep one of the two",
        ),
    ] {
        let refused = Setup::default().config(format!("[acme]\n{text}\n")).fails_in(dir.path());
        assert!(refused.stderr.contains(said), "{text}: {refused:#?}");
    }
}
