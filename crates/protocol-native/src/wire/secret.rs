//! A credential inside a frame. Not verified, and not printed.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A token or a ticket as it stands in a frame. Cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
