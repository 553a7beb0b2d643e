//! What the server says on standard output once it is ready: one line for programs, or a page for people. Nothing else ever goes there.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Serialize;

/// What there is to say.
#[derive(Clone, Copy)]
pub(crate) struct Ready<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: bool,
    /// Where operators read the metrics.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) project: &'a str,
    /// Only on the first start.
    pub(crate) key: Option<&'a str>,
    /// Where the console is, if it has an address of its own.
    pub(crate) console: Option<SocketAddr>,
    /// The code that makes the console's first owner, as long as there is none.
    pub(crate) invitation: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_listen: Option<String>,
    /// Once there is an owner nobody needs to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    console: Option<String>,
}

/// Writes a text to standard output, whole. Fails when nobody reads it any more, which the caller may pass over.
pub(crate) fn out(text: &str) -> std::io::Result<()> {
    bytes(text.as_bytes())
}

/// As [`out`].
pub(crate) fn bytes(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Where somebody becomes an operator. The code is behind the `#`, so that no log and no proxy has it.
pub(crate) fn link(origin: &str, code: &str) -> String {
    format!("{origin}/console/set-up#{code}")
}

/// Where browsers reach what listens here.
pub(crate) fn origin(listen: SocketAddr, tls: bool) -> String {
    format!("{}://{}", if tls { "https" } else { "http" }, reachable(listen))
}

impl Ready<'_> {
    /// Where browsers reach the console.
    fn origin(&self) -> String {
        origin(self.console.unwrap_or(self.listen), self.tls)
    }

    /// The line of `--announce json`.
    pub(crate) fn json(self) -> String {
        let metrics = self.metrics.map(|address| address.to_string());
        let console = self.invitation.map(|code| link(&self.origin(), code));
        let console_listen = self.console.map(|address| address.to_string());
        let listen = self.listen.to_string();
        let line = Line { listen, metrics, project: self.project, key: self.key, console_listen, console };
        serde_json::to_string(&line).expect("invariant: texts become JSON") + "\n"
    }

    /// The page.
    pub(crate) fn human(self) -> String {
        let Self { project, .. } = self;
        let (http, ws) = if self.tls { ("https", "wss") } else { ("http", "ws") };
        let reach = reachable(self.listen);
        let console = match self.invitation {
            Some(code) => {
                format!("  Console  {}\n           (opens once, and makes you its owner)\n", link(&self.origin(), code))
            }
            None => self.console.map(|_| format!("  Console  {}/console/\n", self.origin())).unwrap_or_default(),
        };
        let head = format!(
            "\nTollgate is ready.\n\n  Address  {http}://{reach}\n{console}  Native   {ws}://{reach}/connect\n  Leap     {ws}://{reach}/ws\n  Project  {project}\n"
        );
        let Some(key) = self.key else {
            return format!(
                "{head}\nThe project's key was shown on the first start only. Make a new one: tollgate key create --project {project}\n\n"
            );
        };
        format!(
            "{head}  Key      {key}\n\n\
             The key may do everything in this project and is shown only now: keep it on your servers.\n\n\
             Your backend (npm install PATH-TO/sdks/typescript, after npm install && npm run build there):\n\n\
             \x20 import {{ Server }} from 'tollgate/server';\n\
             \x20 const backend = new Server({{ url: '{http}://{reach}', key: '{key}' }});\n\
             \x20 await backend.channels.create('room', {{ type: 'unprotected', settings: {{ history: {{ durable: true }} }} }});\n\
             \x20 await backend.channels.publish('room', 'said', 'Hello!');\n\n\
             Your clients, in browsers or Node:\n\n\
             \x20 import {{ Client }} from 'tollgate/client';\n\
             \x20 const client = new Client({{ url: '{http}://{reach}', project: '{project}' }});\n\
             \x20 client.subscribe('room', {{ rewind: {{ last: 10 }} }}).on('message', ({{ data }}) => console.log(data));\n\
             \x20 await client.connect();\n\n\
             Or with Hop's SDKs. The backend (npm install @onehop/js):\n\n\
             \x20 import {{ Hop, ChannelType }} from '@onehop/js';\n\
             \x20 const hop = new Hop('{key}', '{http}://{reach}');\n\
             \x20 await hop.channels.create(ChannelType.UNPROTECTED, 'room1', {{ state: {{ n: 0 }} }});\n\
             \x20 await hop.channels.publishMessage('room1', 'HELLO', {{ from: 'backend' }});\n\n\
             The clients (npm install @onehop/client):\n\n\
             \x20 import {{ hop }} from '@onehop/client';\n\
             \x20 const client = hop.init({{ projectId: '{project}' }}, {{ leapSocketUrl: '{ws}://{reach}/ws' }});\n\
             \x20 client.on('CONNECTION_STATE_UPDATE', state => state === 'connected' && client.subscribeToChannel('room1'));\n\
             \x20 client.on('MESSAGE', ({{ event, data, channel }}) => console.log(channel, event, data));\n\n"
        )
    }
}

/// An address to paste: one that listens everywhere is reached on this machine by its loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ready<'a>(listen: &str, key: Option<&'a str>) -> Ready<'a> {
        Ready {
            listen: listen.parse().unwrap(),
            tls: false,
            metrics: None,
            project: "project_a",
            key,
            console: None,
            invitation: None,
        }
    }

    #[test]
    fn programs_get_one_line() {
        assert_eq!(
            ready("127.0.0.1:41235", Some("ptk_x")).json(),
            "{\"listen\":\"127.0.0.1:41235\",\"project\":\"project_a\",\"key\":\"ptk_x\"}\n"
        );
        assert_eq!(ready("[::1]:80", None).json(), "{\"listen\":\"[::1]:80\",\"project\":\"project_a\"}\n");
    }

    #[test]
    fn people_get_lines_to_paste() {
        let first = ready("0.0.0.0:8080", Some("ptk_x")).human();
        for line in [
            "new Hop('ptk_x', 'http://127.0.0.1:8080')",
            "projectId: 'project_a'",
            "leapSocketUrl: 'ws://127.0.0.1:8080/ws'",
            "Native   ws://127.0.0.1:8080/connect",
            "new Server({ url: 'http://127.0.0.1:8080', key: 'ptk_x' })",
            "new Client({ url: 'http://127.0.0.1:8080', project: 'project_a' })",
        ] {
            assert!(first.contains(line), "{line} is not in:\n{first}");
        }
        let later = Ready { tls: true, ..ready("[::]:443", None) }.human();
        assert!(
            later.contains("https://[::1]:443")
                && later.contains("wss://[::1]:443/connect")
                && later.contains("tollgate key create --project project_a"),
            "{later}"
        );
        assert!(!later.contains("ptk_") && !later.contains("Console"), "{later}");
    }

    #[test]
    fn the_first_owner_gets_a_link() {
        let first = Ready { invitation: Some("tgi_x"), ..ready("0.0.0.0:8080", None) };
        assert!(first.human().contains("  Console  http://127.0.0.1:8080/console/set-up#tgi_x\n"), "{}", first.human());
        let first = Ready { tls: true, ..first };
        assert!(
            first.json().contains(r#","console":"https://127.0.0.1:8080/console/set-up#tgi_x"}"#),
            "{}",
            first.json()
        );
        let own = Ready { console: Some("127.0.0.1:9".parse().unwrap()), tls: false, ..first };
        assert!(
            own.json()
                .contains(r#","console_listen":"127.0.0.1:9","console":"http://127.0.0.1:9/console/set-up#tgi_x"}"#),
            "{}",
            own.json()
        );
        let later = Ready { invitation: None, ..own }.human();
        assert!(later.contains("  Console  http://127.0.0.1:9/console/\n"), "{later}");
    }
}
