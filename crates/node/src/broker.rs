//! The broker of a single node: a publication goes to the shard that is its channel's home, which orders it and hands it over.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::ChannelKey;
use tollgate_core::ports::Pending;
use tollgate_core::ports::broker::Broker;

use crate::hub::{Hub, Request};

/// Orders and delivers within this process.
pub(crate) struct InProcessBroker {
    pub(crate) hub: Arc<Hub>,
}

impl Broker for InProcessBroker {
    fn publish(&self, channel: ChannelKey, publication: Publication) -> Pending<'_, Result<Position>> {
        Box::pin(async move {
            let (reply, position) = oneshot::channel();
            self.hub.ask(self.hub.home(&channel), Request::Publish { channel, publication, reply }).await;
            position.await.map_err(|_| Error::new(ErrorKind::Unavailable, "The server is shutting down; try again."))
        })
    }
}
