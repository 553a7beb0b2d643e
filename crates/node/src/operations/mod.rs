//! The operations: what any door may ask for, one file per group. Each takes a caller and begins with a decision; each answers after its
//! change is durable and has reached the shards.

mod admission;
pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod auth_tokens;
pub(crate) mod batch;
mod bearers;
pub(crate) mod channels;
mod client_channels;
pub(crate) mod clients;
pub(crate) mod closing;
pub(crate) mod connections;
pub(crate) mod deliveries;
mod direct_fates;
mod ended;
pub(crate) mod events;
pub(crate) mod explain;
mod explain_hook;
pub(crate) mod fates;
pub(crate) mod find;
mod foreign;
pub(crate) mod history;
pub(crate) mod hook_test;
mod hooks;
pub(crate) mod idempotency;
mod identity;
mod introspect;
pub(crate) mod issuer_keys;
pub(crate) mod issuers;
mod job_worker;
pub(crate) mod jobs;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod mailbox;
mod minting;
pub(crate) mod online;
pub(crate) mod operators;
pub(crate) mod presence;
pub(crate) mod presented;
pub(crate) mod projects;
mod publish;
mod reached;
mod recognise;
pub(crate) mod refusals;
mod renew;
pub(crate) mod revoke;
pub(crate) mod selector;
pub(crate) mod sessions;
pub(crate) mod sessions_again;
pub(crate) mod settings;
pub(crate) mod signing;
pub(crate) mod signing_in;
pub(crate) mod signing_keys;
mod state;
mod subscriptions;
mod terms;
pub(crate) mod tickets;
pub(crate) mod token_views;
mod tokens;
pub(crate) mod tokens_change;
mod tokens_create;
mod tokens_read;
pub(crate) mod tokens_rotate;
pub(crate) mod traced;
mod upkeep;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod views;
pub(crate) mod webhooks;
mod weighing;
pub(crate) mod writing;

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelKey, ProjectId};
use tollgate_core::limits;
use tollgate_core::ports::store::{StoreError, Subject};

use crate::Node;
use crate::directory::ProjectEntry;
use crate::hub::{ConnectionRef, Request, ShardIndex};

impl Node {
    /// The decision, and the project that it allows to work on.
    fn authorize(&self, caller: &Caller, action: Action) -> Result<Arc<ProjectEntry>> {
        let project = authorize::within_project(caller, action)?;
        self.project(project)
    }

    fn project(&self, project: ProjectId) -> Result<Arc<ProjectEntry>> {
        self.directory
            .project(project)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("There is no project {project}.")))
    }

    /// Waits until what these shards were told about a channel, through its home, has taken effect there: so that who hears our answer and then
    /// publishes reaches whom we just subscribed, and no longer whom we unsubscribed. And until the home knows what they told it by then.
    async fn settled(&self, shards: impl IntoIterator<Item = ShardIndex>, channel: &ChannelKey) {
        let home = self.hub.home(channel);
        let ask = |shard| (home, move |reply| Request::SettleChannel(shard, channel.clone(), reply));
        self.hub.ask_each(shards.into_iter().map(ask)).await;
    }

    /// Waits until what was changed in a channel has reached all that are subscribed: so that who hears our answer finds it so, whoever it asks.
    async fn settled_for_subscribers(&self, channel: &ChannelKey) {
        let ask = |reply| Request::SettleSubscribers(channel.clone(), reply);
        for answer in self.hub.ask_each([(self.hub.home(channel), ask)]).await.into_iter().flatten().flatten() {
            let _shard_ended = answer.await;
        }
    }
}

fn shards_of(connections: &[ConnectionRef]) -> BTreeSet<ShardIndex> {
    connections.iter().map(|connection| connection.shard).collect()
}

/// A store's refusal in the caller's words. `id` is what the caller named.
fn refusal(error: StoreError, id: &dyn std::fmt::Display) -> Error {
    match error {
        StoreError::NotFound(Subject::Channel) => Error::not_found("channel", id),
        StoreError::NotFound(Subject::Row(kind)) => {
            Error::new(ErrorKind::NotFound, format!("There is no such {} in this project.", kind.word()))
        }
        StoreError::Conflict(kind) => Error::new(
            ErrorKind::Unavailable,
            format!(
                "The {} was changed by another request at the same moment; nothing was changed. Try again.",
                kind.word()
            ),
        ),
        StoreError::NotFound(Subject::Project) => Error::new(ErrorKind::NotFound, "There is no such project."),
        StoreError::AlreadyExists(subject) => Error::new(
            ErrorKind::AlreadyExists,
            format!("A {subject} with the id {id} exists already; choose another id, or change the existing one."),
        ),
        StoreError::VersionMismatch { current } => Error::version_mismatch(
            format!(
                "The state of {id} has changed: it is at version {current} now. Read it again and repeat the change."
            ),
            current,
        ),
        StoreError::NotDurable => Error::new(
            ErrorKind::Unavailable,
            format!("The settings of {id} are being changed; nothing was published. Try again."),
        ),
        StoreError::LimitReached("channel state") => Error::new(
            ErrorKind::TooLarge,
            format!(
                "The merged state would have more than {} bytes; remove keys first.",
                limits::CHANNEL_STATE_BYTES_MAX
            ),
        ),
        StoreError::LimitReached(what) => {
            Error::new(ErrorKind::LimitReached, format!("No more {what} are possible here; remove some first."))
        }
        StoreError::Unavailable(cause) | StoreError::Damaged(cause) => {
            tracing::error!(cause, "the store refused a change");
            Error::new(
                ErrorKind::Unavailable,
                "The server cannot store changes right now; nothing was changed. Try again.",
            )
        }
    }
}
