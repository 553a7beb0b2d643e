//! The last net under the log: whatever looks like a credential of ours is hidden before a line leaves the process. That no secret is logged is
//! each speaker's duty all the same; the tests take a line that had to be changed here for a defect.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// How our credentials begin: project keys, tokens in both spellings, auth tokens, tickets, webhook secrets; and JSON Web Tokens.
const BEGINNINGS: [&str; 7] = ["ptk_", "tgt_", "leap_token_", "tga_", "tkt_", "whsec_", "eyJ"];
/// What follows must be this long to be one: shorter are the first characters that listings show, and words.
const BODY_BYTES_MIN: usize = 16;
/// In place of what followed.
const HIDDEN: &str = "…hidden…";

/// Makes writers to this one that hide credentials.
#[derive(Debug)]
pub(crate) struct Scrubbing<M>(pub(crate) M);

/// Writes whole lines, as the log does.
#[derive(Debug)]
pub(crate) struct Scrubbed<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Scrubbing<M> {
    type Writer = Scrubbed<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed(self.0.make_writer())
    }
}

impl<W: Write> Write for Scrubbed<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).map(scrubbed) {
            Ok(Cow::Owned(changed)) => self.0.write_all(changed.as_bytes())?,
            Ok(Cow::Borrowed(_)) | Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line without credentials.
fn scrubbed(line: &str) -> Cow<'_, str> {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((at, beginning)) = first(rest) {
        let body_at = at + beginning.len();
        let body = rest[body_at..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-+/=.".contains(byte));
        let body_bytes = body.count();
        out.push_str(&rest[..body_at]);
        if body_bytes >= BODY_BYTES_MIN {
            out.push_str(HIDDEN);
            rest = &rest[body_at + body_bytes..];
        } else {
            rest = &rest[body_at..];
        }
    }
    if out.len() + rest.len() == line.len() {
        // Nothing was taken out; what was put in is never as long as what it stands for.
        return Cow::Borrowed(line);
    }
    Cow::Owned(out + rest)
}

/// The first beginning of a credential, and where.
fn first(text: &str) -> Option<(usize, &'static str)> {
    BEGINNINGS.iter().filter_map(|beginning| Some((text.find(beginning)?, *beginning))).min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_hidden_and_nothing_else() {
        let body = "0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL";
        for beginning in ["ptk_", "tgt_", "leap_token_", "tga_", "tkt_", "whsec_"] {
            let line = format!("a {beginning}{body}, b={beginning}{body}\n");
            let hidden = format!("a {beginning}…hidden…, b={beginning}…hidden…\n");
            assert_eq!(scrubbed(&line), hidden);
        }
        assert_eq!(scrubbed("jwt=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln\"}"), "jwt=eyJ…hidden…\"}");
        assert_eq!(scrubbed("/tokens/leap_token_0123456789abcdefXYZ/state"), "/tokens/leap_token_…hidden…");
        for line in [
            "",
            "nothing",
            "begins with ptk_0123…",
            "tgt_",
            "token_0123456789abcdefghij connected",
            "é ptk_é whsec_ tgt_ptk_",
        ] {
            assert!(matches!(scrubbed(line), Cow::Borrowed(same) if same == line), "{line}");
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_the_log_goes_through_it() {
        let (kept, other) = (Kept::default(), Kept::default());
        let (to_kept, to_other) = (kept.clone(), other.clone());
        let lines = tracing_subscriber::registry()
            .with(fmt::layer().json().with_writer(Scrubbing(move || to_kept.clone())))
            .with(fmt::layer().with_ansi(false).with_writer(Scrubbing(move || to_other.clone())));
        tracing::subscriber::with_default(lines, || {
            tracing::info!(key = "ptk_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL", "slipped");
        });
        for (page, json) in [(kept, true), (other, false)] {
            let line = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            assert!(line.contains("ptk_…hidden…") && line.contains("slipped"), "{line}");
            assert!(!line.contains("456789ABC") && line.ends_with('\n'), "{line}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), json, "{line}");
        }
    }
}
