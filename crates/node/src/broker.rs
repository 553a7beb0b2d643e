//! The broker of a single node: a publication goes to the shard that is its channel's home, which orders it, keeps it and hands it over.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::clock::Entropy;
use tollgate_core::command::{HistoryQuery, MembersPage, MembersQuery, Published, StartFrom};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::ChannelKey;
use tollgate_core::ports::Pending;
use tollgate_core::ports::broker::{Broker, History, PublishHow};

use crate::hub::{Hub, Request};

/// Orders and delivers within this process.
pub(crate) struct InProcessBroker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl InProcessBroker {
    /// Asks a channel's home.
    fn ask<T: Send + 'static>(
        &self,
        channel: ChannelKey,
        request: impl FnOnce(ChannelKey, oneshot::Sender<T>) -> Request + Send + 'static,
    ) -> Pending<'_, Result<T>> {
        let (reply, answer) = oneshot::channel();
        let home = self.hub.home(&channel);
        // Nearly always there is room: then the request need not be carried through a future, which is copied as a whole.
        let waiting = self.hub.ask_now(home, request(channel, reply));
        Box::pin(async move {
            if let Some(request) = waiting {
                self.hub.ask(home, *request).await;
            }
            answer.await.map_err(|_| Error::new(ErrorKind::Unavailable, "The server is shutting down; try again."))
        })
    }
}

impl Broker for InProcessBroker {
    fn publish(
        &self,
        channel: ChannelKey,
        publication: Publication,
        how: PublishHow,
    ) -> Pending<'_, Result<Option<Published>>> {
        self.ask(channel, |channel, reply| Request::Publish { channel, publication, how, reply })
    }

    fn history(&self, channel: ChannelKey, query: HistoryQuery) -> Pending<'_, Result<History>> {
        self.ask(channel, move |channel, reply| Request::History(channel, query, reply))
    }

    fn after(&self, channel: ChannelKey, position: Position) -> Pending<'_, Result<bool>> {
        self.ask(channel, move |channel, reply| Request::After(channel, position, reply))
    }

    fn missing(&self, channel: ChannelKey, from: StartFrom) -> Pending<'_, Result<Option<(u64, u64)>>> {
        self.ask(channel, move |channel, reply| Request::Missing(channel, from, reply))
    }

    fn fill(&self, channel: ChannelKey, epoch: u64, messages: Vec<(u64, Publication)>) -> Pending<'_, Result<()>> {
        self.ask(channel, move |channel, reply| Request::Fill(channel, epoch, messages, reply))
    }

    fn members(&self, channel: ChannelKey, query: MembersQuery) -> Pending<'_, Result<MembersPage>> {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        let random = u64::from_ne_bytes(random) | 1;
        self.ask(channel, move |channel, reply| Request::Members(channel, query, random, reply))
    }
}
