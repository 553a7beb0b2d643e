//! Users, sessions, auth tokens and limits as the operations have them: over the store in memory, with a clock that tests own.
#![allow(clippy::unwrap_used)]

mod again;
mod auth_tokens;
mod ended;
mod limits;
mod races;
mod signing;
#[path = "../bulk/support.rs"]
#[allow(dead_code)]
mod support;
mod users;

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::{ErrorKind, Result};
use tollgate_core::permissions::Permissions;
use tollgate_core::records::{SettingsRecord, TokenKind};
use tollgate_node::{SessionRequest, SessionView};

use support::{Bench, block_on};

impl Bench {
    fn operator(&self) -> Caller {
        Caller::ProjectOperator { project: self.project }
    }

    /// A key with these permissions.
    fn key_with(&self, permissions: Permissions) -> Caller {
        let (_, secret) = block_on(self.node.create_key(&Caller::Operator, self.project, permissions)).unwrap();
        self.node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap()
    }

    fn settings(&self, edit: impl Fn(&mut SettingsRecord) + Sync) {
        let edit = |settings: &mut SettingsRecord| {
            edit(settings);
            Ok(())
        };
        block_on(self.node.change_settings(&self.key, &edit)).unwrap();
    }

    fn session(&self, user: &str, device: &str) -> Result<SessionView> {
        block_on(self.node.create_session(&self.key, request(user, device)))
    }

    /// Why an access token is refused; nothing if it works.
    fn refused(&self, session: &SessionView) -> Option<ErrorKind> {
        refused(self, &session.access_token.text)
    }
}

fn refused(bench: &Bench, text: &str) -> Option<ErrorKind> {
    authenticate(bench, text).err().map(|error| error.kind)
}

fn authenticate(bench: &Bench, text: &str) -> Result<Caller> {
    let secret = PresentedSecret::new(text.to_owned());
    block_on(bench.node.authenticate_token(None, &secret, tollgate_node::Place::default()))
}

fn request(user: &str, device: &str) -> SessionRequest {
    SessionRequest {
        user_id: user.into(),
        device_id: Some(device.into()),
        kind: TokenKind::UserToken,
        ..SessionRequest::default()
    }
}
