//! What the books prove of each record: its kind, and its term, which is an HMAC over all of it. No sums.

use tollgate_core::audit::LedgerKey;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::model::{Capabilities, Channel, ChannelSettings, ChannelType, HistorySettings, Project};
use tollgate_core::ports::store::{Row, RowName, Vault};

/// The settings of every channel of the first schema, which had none, as the migration writes them. Not the default for new channels, which may
/// change.
const FIRST_SETTINGS: ChannelSettings = ChannelSettings {
    history: HistorySettings { size: 256, ttl_ms: 120_000, durable: false },
    presence: false,
    echo: true,
    retain: false,
    conflate_per_second: 0,
};

/// How many kinds of records are summed apart.
pub(super) const PARTS: usize = 4 + RowKind::ALL.len();

/// A kind of record with a sum of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Vault,
    Projects,
    Channels,
    Subscriptions,
    Rows(RowKind),
}

impl Part {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [Self::Vault, Self::Projects, Self::Channels, Self::Subscriptions]
            .into_iter()
            .chain(RowKind::ALL.into_iter().map(Self::Rows))
    }

    /// Its place among [`Part::all`].
    pub(super) fn place(self) -> usize {
        match self {
            Self::Vault => 0,
            Self::Projects => 1,
            Self::Channels => 2,
            Self::Subscriptions => 3,
            Self::Rows(kind) => {
                4 + RowKind::ALL.iter().position(|one| *one == kind).expect("invariant: ALL has every kind")
            }
        }
    }

    /// Its number in what is written, below those of the kinds of rows.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Vault => 1,
            Self::Projects => 2,
            Self::Channels => 3,
            Self::Subscriptions => 4,
            Self::Rows(kind) => kind.number(),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Projects => "project",
            Self::Channels => "channel",
            Self::Subscriptions => "subscription",
            Self::Rows(kind) => kind.word(),
        }
    }
}

/// A record, as far as the books prove it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Vault(&'a Vault),
    Project(&'a Project),
    Row { name: RowName, revision: u32, sealed: &'a [u8] },
    Channel(ChannelRecord<'a>),
    Subscription { token: u64, channel: u64, ephemeral: bool },
}

/// A channel without its state, and without the messages of its history and their last offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelRecord<'a> {
    pub(crate) sequence: u64,
    pub(crate) project: ProjectId,
    pub(crate) id: &'a str,
    pub(crate) kind: ChannelType,
    pub(crate) capabilities: Capabilities,
    pub(crate) created_at: UnixMillis,
    pub(crate) settings: ChannelSettings,
    pub(crate) run: u32,
}

impl<'a> From<&'a Row> for Record<'a> {
    fn from(row: &'a Row) -> Self {
        Self::Row { name: row.name, revision: row.revision, sealed: &row.sealed }
    }
}

impl<'a> From<&'a Channel> for Record<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self::Channel(ChannelRecord {
            sequence: channel.sequence,
            project: channel.project,
            id: channel.id.as_str(),
            kind: channel.kind,
            capabilities: channel.capabilities,
            created_at: channel.created_at,
            settings: channel.settings,
            run: channel.run,
        })
    }
}

impl ChannelRecord<'_> {
    /// Without settings of its own, the channel's term is the one that the first schema gave it: so the books of an old file prove its channels as they
    /// are now.
    fn term(&self, key: &LedgerKey) -> [u8; 32] {
        let settings = settings_bytes(&self.settings, self.run);
        let (sequence, project) = (self.sequence.to_be_bytes(), self.project.get().to_be_bytes());
        let (capabilities, created_at) = (self.capabilities.bits().to_be_bytes(), self.created_at.0.to_be_bytes());
        let parts: [&[u8]; 7] = [
            &sequence,
            &project,
            self.id.as_bytes(),
            self.kind.word().as_bytes(),
            &capabilities,
            &created_at,
            &settings,
        ];
        let is_first = (self.settings, self.run) == (FIRST_SETTINGS, 0);
        key.mac(b"channel", if is_first { &parts[..6] } else { &parts })
    }
}

/// Settings and run, each in a place of its own.
fn settings_bytes(settings: &ChannelSettings, run: u32) -> [u8; 22] {
    // Taken apart, so that a setting that is added is not forgotten here.
    let ChannelSettings { history, presence, echo, retain, conflate_per_second } = *settings;
    let HistorySettings { size, ttl_ms, durable } = history;
    let mut bytes = [0; 22];
    bytes[..4].copy_from_slice(&size.to_be_bytes());
    bytes[4..12].copy_from_slice(&ttl_ms.to_be_bytes());
    for (byte, flag) in bytes[12..16].iter_mut().zip([durable, presence, echo, retain]) {
        *byte = u8::from(flag);
    }
    bytes[16..18].copy_from_slice(&conflate_per_second.to_be_bytes());
    bytes[18..].copy_from_slice(&run.to_be_bytes());
    bytes
}

impl Record<'_> {
    pub(super) fn part(&self) -> Part {
        match self {
            Self::Vault(_) => Part::Vault,
            Self::Project(_) => Part::Projects,
            Self::Row { name, .. } => Part::Rows(name.kind),
            Self::Channel(_) => Part::Channels,
            Self::Subscription { .. } => Part::Subscriptions,
        }
    }

    /// The record's term. Each kind has a label of its own and parts whose lengths are under the HMAC.
    pub(super) fn term(&self, key: &LedgerKey) -> Term {
        let mac = match *self {
            Self::Row { name, revision, sealed } => {
                let mut head = [0; 21];
                head[0] = name.kind.number();
                head[1..9].copy_from_slice(&name.project.get().to_be_bytes());
                head[9..17].copy_from_slice(&name.id.to_be_bytes());
                head[17..].copy_from_slice(&revision.to_be_bytes());
                key.mac(b"row", &[&head, sealed])
            }
            Self::Subscription { token, channel, ephemeral } => {
                key.mac(b"subscription", &[&token.to_be_bytes(), &channel.to_be_bytes(), &[u8::from(ephemeral)]])
            }
            Self::Channel(channel) => channel.term(key),
            Self::Project(project) => {
                let (id, at) = (project.id.get().to_be_bytes(), project.created_at.0.to_be_bytes());
                let numbers: Vec<_> =
                    project.wrapped_data_keys.iter().map(|(number, _)| number.to_be_bytes()).collect();
                let mut parts: Vec<&[u8]> = vec![&id, &at, project.name.as_bytes()];
                for (number, (_, wrapped)) in numbers.iter().zip(&project.wrapped_data_keys) {
                    parts.extend([&number[..], wrapped]);
                }
                key.mac(b"project", &parts)
            }
            Self::Vault(vault) => {
                let heads: Vec<_> = vault
                    .ring
                    .iter()
                    .map(|one| {
                        let mut head = one.number.to_be_bytes().to_vec();
                        head.push(u8::from(one.active));
                        head.extend(one.created_at.0.to_be_bytes());
                        head
                    })
                    .collect();
                let last_number = vault.last_number.to_be_bytes();
                let mut parts: Vec<&[u8]> = vec![&vault.key_check, &vault.ledger_key, &last_number];
                for (head, one) in heads.iter().zip(&vault.ring) {
                    parts.extend([&head[..], &one.wrapped]);
                }
                key.mac(b"vault", &parts)
            }
        };
        Term(mac)
    }
}

/// A record's term in a sum. Never written, never shown.
#[derive(Clone, Copy)]
pub(crate) struct Term([u8; 32]);

impl Term {
    /// The term as a number: its lowest 64 bits first.
    pub(super) fn limbs(&self) -> [u64; 4] {
        let (limbs, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|place| u64::from_le_bytes(limbs[place]))
    }
}
