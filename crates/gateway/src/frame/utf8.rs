//! UTF-8 checked as it arrives: the first byte that no continuation can repair is an error at once.

/// Where a text stands: the bytes of a character whose end has not arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    pending: [u8; 4],
    pending_len: u8,
}

/// The text can no longer become valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl Utf8 {
    /// Takes the next bytes of the text.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while self.pending_len > 0 {
            let Some((&first, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.push_pending(first)?;
        }
        let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Broken);
        }
        let tail = &bytes[error.valid_up_to()..];
        self.pending[..tail.len()].copy_from_slice(tail);
        self.pending_len = tail.len() as u8;
        Ok(())
    }

    fn push_pending(&mut self, byte: u8) -> Result<(), Broken> {
        let len = usize::from(self.pending_len);
        self.pending[len] = byte;
        match std::str::from_utf8(&self.pending[..=len]) {
            Ok(_) => self.pending_len = 0,
            Err(error) if error.error_len().is_some() => return Err(Broken),
            Err(_) => self.pending_len += 1,
        }
        Ok(())
    }

    /// Whether the text could end here.
    pub(super) fn is_whole(self) -> bool {
        self.pending_len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Broken, Utf8};

    /// Feeds one byte at a time; the answer is the index of the byte that broke the text, or whether it could end.
    fn check(bytes: &[u8]) -> Result<bool, usize> {
        let mut utf8 = Utf8::default();
        for (index, byte) in bytes.iter().enumerate() {
            utf8.push(std::slice::from_ref(byte)).map_err(|Broken| index)?;
        }
        Ok(utf8.is_whole())
    }

    #[test]
    fn fails_at_the_first_hopeless_byte() {
        let table: &[(&[u8], Result<bool, usize>)] = &[
            (b"", Ok(true)),
            (b"abc", Ok(true)),
            ("κόσμε€😀".as_bytes(), Ok(true)),
            (b"\xe2\x82", Ok(false)),
            (b"\xf0\x9f\x98", Ok(false)),
            (b"\x80", Err(0)),
            (b"\xc0\x80", Err(0)),
            (b"\xe0\x80\x80", Err(1)),
            (b"\xed\xa0\x80", Err(1)),
            (b"\xf4\x90\x80\x80", Err(1)),
            (b"\xf5", Err(0)),
            (b"ab\xe2\x28", Err(3)),
            (b"\xf0\x9f\x98\x41", Err(3)),
        ];
        for (bytes, expected) in table {
            assert_eq!(check(bytes), *expected, "{bytes:x?}");
        }
    }

    #[test]
    fn every_split_of_a_text_is_accepted() {
        let text = "a€😀κb\u{10ffff}".as_bytes();
        for cut in 0..=text.len() {
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.push(&text[..cut]), Ok(()));
            assert_eq!(utf8.push(&text[cut..]), Ok(()), "cut at {cut}");
            assert!(utf8.is_whole());
        }
    }
}
