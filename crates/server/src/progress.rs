//! How far long work is, on standard error: a bar on a terminal, a line for each tenth elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

/// One work's progress.
pub(crate) struct Progress {
    terminal: bool,
    /// The tenth that was last said, of each word.
    said: Option<(&'static str, u64)>,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self { terminal: io::stderr().is_terminal(), said: None }
    }

    /// So much of `total` is done.
    pub(crate) fn show(&mut self, word: &'static str, done: u64, total: u64) {
        let percent = done * 100 / total.max(1);
        // Whoever closed standard error does not want to know.
        let _ = if self.terminal {
            let full = usize::try_from(percent * 40 / 100).unwrap_or(40).min(40);
            write!(
                io::stderr(),
                "\r[{}{}] {percent:3} % {word} ({done} of {total})  ",
                "#".repeat(full),
                "-".repeat(40 - full),
            )
        } else if self.said != Some((word, percent / 10)) {
            self.said = Some((word, percent / 10));
            writeln!(io::stderr(), "{percent} % {word} ({done} of {total})")
        } else {
            Ok(())
        };
    }

    pub(crate) fn end(&self) {
        if self.terminal {
            let _ = writeln!(io::stderr());
        }
    }
}
