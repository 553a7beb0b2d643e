//! Numbers as digits, without the machinery of `format!`: every request passes here. Into room of the caller's, so that nothing is allocated. Not here:
//! reading them.

/// As `{}`.
#[must_use]
pub fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut first = room.len();
    loop {
        first -= 1;
        room[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[first..];
        }
    }
}

/// As `{:x}`. By a loop of its own: by a radix that is not known beforehand the processor has to divide.
#[must_use]
pub fn hexadecimal(mut number: u64, room: &mut [u8; 16]) -> &[u8] {
    let mut first = room.len();
    loop {
        first -= 1;
        room[first] = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
        if number == 0 {
            return &room[first..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_format() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 0xdead_beef, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
            assert_eq!(hexadecimal(number, &mut [0; 16]), format!("{number:x}").as_bytes());
        }
    }
}
