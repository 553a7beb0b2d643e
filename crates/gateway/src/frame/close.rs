//! The payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).

use std::borrow::Cow;

use super::Violation;

/// What a peer said when it closed. No code at all is legal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloseFrame<'a> {
    pub code: Option<u16>,
    pub reason: Cow<'a, str>,
}

impl CloseFrame<'_> {
    /// The same frame, owning its reason.
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame { code: self.code, reason: Cow::Owned(self.reason.into_owned()) }
    }
}

/// Whether a code may appear in a close frame: the registered ones, and 3000–4999 for libraries and applications.
/// 1004, 1005, 1006 and 1015 are for local use only.
pub fn code_is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

pub(super) fn parse(payload: &[u8]) -> Result<CloseFrame<'static>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(CloseFrame::default()) } else { Err(Violation::CloseTooShort) };
    };
    let code = u16::from_be_bytes(*code);
    if !code_is_sendable(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::CloseReasonNotUtf8)?;
    Ok(CloseFrame { code: Some(code), reason: Cow::Owned(reason.to_owned()) })
}
