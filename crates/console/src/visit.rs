//! One request, behind the rules: what every page is handed. A [`Knock`] is anybody's; a [`Visit`] is an operator's.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use http::request::Parts;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::ProjectId;
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{Node, SignedIn};

use crate::cookie;
use crate::form::Form;
use crate::frame::Frame;
use crate::routes::Params;
use crate::service::House;
use crate::sessions::Name;
use crate::words;

/// A request of anybody.
pub(crate) struct Knock {
    pub(crate) house: Arc<House>,
    pub(crate) parts: Parts,
    /// The parameters of the path, decoded.
    pub(crate) params: Params,
    pub(crate) query: Form,
    /// What was sent; empty for who only looks.
    pub(crate) form: Form,
    pub(crate) address: Option<IpAddr>,
    /// The session that it comes with, if that is not over.
    pub(crate) session: Option<Known>,
}

/// What is known of a session.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) name: Name,
    pub(crate) signed_in: SignedIn,
    /// What its forms carry.
    pub(crate) csrf: String,
}

/// A request of an operator, on a project or on the whole server.
pub(crate) struct Visit {
    pub(crate) knock: Knock,
    pub(crate) caller: Caller,
    pub(crate) project: Option<ProjectId>,
    pub(crate) session: Known,
    pub(crate) frame: Frame,
}

impl Deref for Visit {
    type Target = Knock;

    fn deref(&self) -> &Knock {
        &self.knock
    }
}

impl Knock {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.house.node
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.house.node.now()
    }

    /// A parameter of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(one, _)| *one == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn theme(&self) -> Option<&'static str> {
        cookie::theme(&self.parts.headers)
    }

    /// Where to go after signing in: a path of ours, or the beginning. Anything else would lead people who trust this address elsewhere.
    pub(crate) fn to(&self, typed: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let ours = typed.starts_with("/console/") && !typed.contains("//") && typed.bytes().all(plain);
        if ours { typed.to_owned() } else { "/console/".to_owned() }
    }
}

impl Visit {
    /// The frame of this page, in this part of the console.
    pub(crate) fn frame(&self, here: &'static str) -> Frame {
        Frame { here, ..self.frame.clone() }
    }

    /// The page of a user.
    pub(crate) fn user_at(&self, user_id: &str) -> String {
        self.at(&format!("/users/{}", words::segment(user_id)))
    }

    /// The user that a path names, by the customer's own id.
    pub(crate) fn user(&self) -> &str {
        words::unmarked(self.param("user"))
    }

    /// A path of this project's pages: `visit.at("/channels")`.
    pub(crate) fn at(&self, below: &str) -> String {
        format!("{}{below}", self.frame.base)
    }
}

/// `not_found` for a part of an address that is no id.
pub(crate) fn no_such(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("There is no such {what}."))
}
