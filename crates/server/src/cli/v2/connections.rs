//! `tollgate connection …`.

use clap::Subcommand;

use super::{Paging, Where, encoded};
use crate::cli::Task;

#[derive(Debug, Subcommand)]
pub(crate) enum Connection {
    /// List live connections
    List {
        /// Only those of this token
        #[arg(long, value_name = "TOKEN_ID")]
        token: Option<String>,
        /// Only those of this user, by your own id
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// Only those subscribed to this channel
        #[arg(long, value_name = "CHANNEL")]
        channel: Option<String>,
        /// Only those that speak this: native, leap or events
        #[arg(long, value_name = "PROTOCOL")]
        protocol: Option<String>,
        /// Only those from this address, or from this network like 10.0.0.0/8
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// Only those that read too slowly, or that have no token: behind or anonymous
        #[arg(long, value_name = "WORD")]
        only: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// End a connection; its client may come back at once: to keep it out, revoke its token
    Close {
        /// The connection's id
        #[arg(value_name = "CONNECTION_ID")]
        connection: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Connection {
    pub(crate) fn task(self) -> Task {
        match self {
            Self::List { token, user, channel, protocol, address, only, paging, place } => place.get(
                "/v2/connections",
                &[
                    ("token", token),
                    ("user_id", user),
                    ("channel", channel),
                    ("protocol", protocol),
                    ("address", address),
                    ("only", only),
                    ("limit", paging.limit.map(|limit| limit.to_string())),
                    ("cursor", paging.cursor),
                ],
            ),
            Self::Close { connection, place } => {
                place.request("DELETE", format!("/v2/connections/{}", encoded(&connection)), None)
            }
        }
    }
}
