//! The table of settings: every key that exists, and which texts its value may have. What the values mean together is not here.

use tollgate_core::peer::Network;

fn networks<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Value, String> {
    let parsed: Result<_, _> = texts.into_iter().map(str::parse).collect();
    parsed.map(Value::Networks).map_err(|error: tollgate_core::Error| error.detail)
}

/// What is shown for a secret.
pub(super) const SHOWN: &str = "(secret)";

/// What a setting's value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// `IP:port`.
    Address,
    /// true or false.
    Flag,
    /// A whole number.
    Number { min: u64, max: u64 },
    /// Networks in CIDR spelling: a list of texts in a file, separated by commas elsewhere.
    Networks,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of texts; in the environment parted by commas.
    List,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in a file, with the section before a dot.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

const fn number(name: &'static str, min: u64, max: u64) -> Key {
    key(name, Kind::Number { min, max })
}

/// Ten minutes: longer waits are a slip of the unit.
const WAIT_MS_MAX: u64 = 600_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Every setting, in the order of the default file.
pub(crate) const KEYS: &[Key] = &[
    key("listen", Kind::Address),
    key("data_dir", Kind::Text),
    number("shards", 0, 64),
    key("allow_plain_http", Kind::Flag),
    key("master_key_file", Kind::Text),
    key("trusted_proxies", Kind::Networks),
    key("trusted_proxies_header", Kind::Choice(&["x-forwarded-for", "forwarded"])),
    key("tls.certificate", Kind::Text),
    key("tls.key", Kind::Text),
    key("acme.domains", Kind::List),
    key("acme.contact", Kind::Text),
    key("acme.terms_agreed", Kind::Flag),
    key("acme.directory", Kind::Text),
    key("acme.root_file", Kind::Text),
    number("limits.body_bytes_max", 1024, 64 * 1024 * 1024),
    number("limits.message_bytes_max", 1024, 1024 * 1024),
    number("limits.connections_max", 1, 100_000_000),
    number("limits.connections_per_address_max", 1, 100_000_000),
    number("limits.messages_burst", 1, 1_000_000),
    number("limits.messages_per_second", 1, 1_000_000),
    number("leap.heartbeat_interval_ms", 100, HOUR_MS),
    number("leap.ack_delay_ms", 0, 1_000),
    number("leap.identify_timeout_ms", 100, WAIT_MS_MAX),
    number("leap.idle_grace_ms", 0, HOUR_MS),
    key("leap.move_to", Kind::Text),
    key("leap.announce_expiry", Kind::Flag),
    number("native.ping_ms", 100, HOUR_MS),
    number("native.timeout_ms", 100, WAIT_MS_MAX),
    key("access_hook.url", Kind::Text),
    key("access_hook.secret", Kind::Secret),
    key("access_hook.secret_file", Kind::Text),
    number("access_hook.timeout_ms", 1, WAIT_MS_MAX),
    key("outbound.allow_private", Kind::Flag),
    key("outbound.allowed_hosts", Kind::List),
    key("outbound.allow_http", Kind::Flag),
    number("store.free_bytes_min", 0, 1 << 50),
    number("drain.spread_ms", 0, WAIT_MS_MAX),
    number("drain.deadline_ms", 0, WAIT_MS_MAX),
    key("metrics.listen", Kind::Text),
    key("console.enabled", Kind::Flag),
    key("console.listen", Kind::Text),
    key("console.hosts", Kind::List),
    number("console.idle_ms", 300_000, DAY_MS),
    number("console.session_ms", 900_000, 30 * DAY_MS),
    key("traces.endpoint", Kind::Text),
    key("traces.authorization", Kind::Secret),
    number("traces.sample_percent", 0, 100),
    key("traces.service_name", Kind::Text),
    key("log.level", Kind::Text),
    key("log.format", Kind::Choice(&["human", "json"])),
];

/// The key with this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

impl Key {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("{}{}", super::PREFIX, self.name.replace('.', "_").to_uppercase())
    }
}

/// A value of the right kind.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Secret(super::Secret),
    Networks(Vec<Network>),
    Flag(bool),
    Number(u64),
    List(Vec<String>),
}

impl std::fmt::Display for Value {
    /// As TOML; a secret that is set shows only that it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", toml::Value::from(text.as_str())),
            Self::Secret(secret) => write!(f, "{:?}", if secret.is_empty() { "" } else { SHOWN }),
            Self::Networks(networks) => {
                let texts: Vec<_> = networks.iter().map(|network| toml::Value::from(network.to_string())).collect();
                write!(f, "{}", toml::Value::from(texts))
            }
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(texts) => write!(f, "{}", toml::Value::from(texts.clone())),
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Kind {
    /// Reads a value from a file.
    pub(crate) fn read(self, value: &toml::Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Text | Self::Secret | Self::Address | Self::Choice(_), toml::Value::String(text)) => {
                self.parse(text)
            }
            (Self::Networks, toml::Value::Array(texts)) => {
                let texts = texts.iter().map(|text| text.as_str().ok_or_else(|| self.wanted()));
                networks(texts.collect::<Result<Vec<_>, _>>()?)
            }
            (Self::Flag, toml::Value::Boolean(flag)) => Ok(Value::Flag(*flag)),
            (Self::Number { min, max }, toml::Value::Integer(number)) => match u64::try_from(*number) {
                Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
                _ => Err(self.wanted()),
            },
            (Self::List, toml::Value::Array(values)) => {
                let texts = values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>();
                texts.map(Value::List).ok_or_else(|| self.wanted())
            }
            _ => Err(self.wanted()),
        }
    }

    /// Reads a value from the environment or a flag.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        let wanted = || self.wanted();
        match self {
            Self::Text => Ok(Value::Text(text.into())),
            // As `config print` shows it: a printed file taken for a real one would sign with a word that everybody knows.
            Self::Secret if text == SHOWN => {
                Err(format!("{SHOWN:?} only stands for a secret in a print; put the secret itself"))
            }
            Self::Secret => Ok(Value::Secret(super::Secret::new(text))),
            Self::Address => match text.parse::<std::net::SocketAddr>() {
                Ok(address) => Ok(Value::Text(address.to_string())),
                Err(_) => Err(wanted()),
            },
            Self::Networks => networks(text.split(',').map(str::trim).filter(|text| !text.is_empty())),
            Self::Flag => text.parse().map(Value::Flag).map_err(|_| wanted()),
            Self::Number { min, max } => {
                text.parse().ok().filter(|number| (min..=max).contains(number)).map(Value::Number).ok_or_else(wanted)
            }
            Self::Choice(words) if words.contains(&text) => Ok(Value::Text(text.into())),
            Self::Choice(_) => Err(wanted()),
            Self::List => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                Ok(Value::List(texts.map(str::to_owned).collect()))
            }
        }
    }

    fn wanted(self) -> String {
        match self {
            Self::Text | Self::Secret => "must be a text in quotes".into(),
            Self::Address => "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".into(),
            Self::Networks => "must be a list of networks such as [\"10.0.0.0/8\", \"2001:db8::/32\"]".into(),
            Self::Flag => "must be true or false".into(),
            Self::Number { min, max } => format!("must be a whole number from {min} to {max}"),
            Self::Choice(words) => format!("must be one of: {}", words.join(", ")),
            Self::List => "must be a list of texts, such as [\"a\", \"b\"]; in the environment: a,b".into(),
        }
    }
}
