//! What a client keeps across its connections: its session, its positions, and what it has said.

use std::collections::BTreeMap;

use tollgate_core::delivery::Position;

/// Something that was published with an id.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) channel: String,
    pub(super) number: u64,
    pub(super) key: Option<String>,
    pub(super) at: u64,
    /// The token, by place and generation, that said it: an id is its publisher's.
    pub(super) token: (usize, u32),
}

#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) native: bool,
    /// Whose token it has, by place; nothing for an anonymous one.
    pub(super) token: Option<usize>,
    pub(super) session: Option<String>,
    pub(super) positions: BTreeMap<String, Position>,
    /// With which token, by place and generation, and its position.
    pub(super) direct: Option<(usize, u32, Position)>,
    /// Its present connection.
    pub(super) connection: Option<usize>,
    pub(super) spoken: Vec<Spoken>,
}
