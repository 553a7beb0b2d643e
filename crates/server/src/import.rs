//! `tollgate token import`: many tokens from a file, as a background job of the server, with its progress on standard error.

use std::path::Path;

use crate::Failure;
use crate::config::Config;

/// Creates the tokens that the lines of `file` describe, and writes what came of each to `out`, in the same order.
pub(crate) fn import(
    _config: &Config,
    _project: Option<&str>,
    _file: &Path,
    _out: &Path,
    _json: bool,
) -> Result<(), Failure> {
    Err("importing is not possible yet".into())
}
