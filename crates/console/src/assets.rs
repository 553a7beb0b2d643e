//! The console's own files, in the binary. Each is served under a name with a hash of what it is, so that browsers may keep it for ever.

use tollgate_core::credentials::fingerprint;

use crate::answer::Answer;

/// Below this path.
pub(crate) const FOLDER: &str = "/console/assets/";

const FILES: [(&str, &str, &str, &[u8]); 4] = [
    ("console", "css", "text/css; charset=utf-8", include_bytes!("../assets/console.css")),
    ("console", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/console.js")),
    ("icons", "svg", "image/svg+xml", include_bytes!("../assets/icons.svg")),
    ("favicon", "svg", "image/svg+xml", include_bytes!("../assets/favicon.svg")),
];

/// Where each file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assets {
    pub(crate) css: String,
    pub(crate) js: String,
    pub(crate) icons: String,
    pub(crate) favicon: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let [css, js, icons, favicon] = FILES.map(|(name, ending, _, bytes)| path(name, ending, bytes));
        Self { css, js, icons, favicon }
    }
}

fn path(name: &str, ending: &str, bytes: &[u8]) -> String {
    let hash = fingerprint(&[bytes]);
    let digits: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{FOLDER}{name}-{digits}.{ending}")
}

/// The file at this path.
pub(crate) fn file(asked: &str) -> Option<Answer> {
    let (_, _, content_type, bytes) =
        FILES.iter().find(|(name, ending, _, bytes)| path(name, ending, bytes) == asked)?;
    Some(Answer::file(content_type, bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_found_under_their_hashes_only() {
        let assets = Assets::new();
        for path in [&assets.css, &assets.js, &assets.icons, &assets.favicon] {
            assert!(file(path).is_some(), "{path}");
        }
        for path in ["/console/assets/console.css", "/console/assets/", "/console/assets/console-00000000.css"] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_script_stays_small() {
        assert!(FILES[1].3.len() <= 8 * 1024, "{} bytes", FILES[1].3.len());
    }
}
