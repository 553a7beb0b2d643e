//! Numbers as the paths of a drawing. No script plots anything.

/// A curve and the area under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Curve {
    pub(crate) line: String,
    pub(crate) area: String,
}

/// The curve of these values in a box of this size, its top at `top` or above.
pub(crate) fn curve(values: &[u64], width: u32, height: u32, top: u64) -> Curve {
    let known: Vec<Option<u64>> = values.iter().copied().map(Some).collect();
    curve_of_known(&known, width, height, top)
}

/// The same where some values are not known: the curve breaks off there, and is drawn as nothing, not as zero.
pub(crate) fn curve_of_known(values: &[Option<u64>], width: u32, height: u32, top: u64) -> Curve {
    let top = values.iter().flatten().copied().max().unwrap_or(0).max(top).max(1);
    let (width, height) = (u64::from(width), u64::from(height));
    let last = (values.len() as u64).saturating_sub(1).max(1);
    let x = |place: usize| tenths(place as u64 * width * 10 / last);
    let y = |value: u64| {
        let down = u128::from(value) * u128::from(height * 10) / u128::from(top);
        tenths(height * 10 - u64::try_from(down).unwrap_or(height * 10).min(height * 10))
    };
    let mut drawn = Curve::default();
    let mut begins = None;
    for (place, value) in values.iter().enumerate() {
        let Some(value) = *value else {
            drawn.close(begins.take().zip(place.checked_sub(1)), x, height);
            continue;
        };
        let point = format!("{}{} {}", if begins.is_none() { 'M' } else { 'L' }, x(place), y(value));
        begins.get_or_insert(place);
        drawn.line += &point;
        drawn.area += &point;
    }
    drawn.close(begins.zip(values.len().checked_sub(1)), x, height);
    drawn
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

impl Curve {
    /// Ends the piece between these places, if there is one.
    fn close(&mut self, piece: Option<(usize, usize)>, x: impl Fn(usize) -> String, height: u64) {
        let Some((begins, ends)) = piece else { return };
        if begins == ends {
            // A line of no length would not be seen.
            self.line += "h0.1";
        }
        self.area += &format!("L{} {height}L{} {height}Z", x(ends), x(begins));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fill_their_box() {
        let drawn = curve(&[0, 5, 10], 100, 40, 1);
        assert_eq!(drawn.line, "M0.0 40.0L50.0 20.0L100.0 0.0");
        assert_eq!(drawn.area, "M0.0 40.0L50.0 20.0L100.0 0.0L100.0 40L0.0 40Z");
        assert_eq!(curve(&[3], 10, 10, 6).line, "M0.0 5.0h0.1");
        assert_eq!(curve(&[0, 0], 10, 10, 0).line, "M0.0 10.0L10.0 10.0");
        assert_eq!(curve(&[], 10, 10, 1), Curve::default());
        assert_eq!(curve(&[u64::MAX, 0], 10, 10, 1).line, "M0.0 0.0L10.0 10.0");
    }

    #[test]
    fn what_is_not_known_is_a_gap() {
        let drawn = curve_of_known(&[None, Some(5), Some(10), None, Some(5)], 40, 10, 1);
        assert_eq!(drawn.line, "M10.0 5.0L20.0 0.0M40.0 5.0h0.1");
        assert_eq!(drawn.area, "M10.0 5.0L20.0 0.0L20.0 10L10.0 10ZM40.0 5.0L40.0 10L40.0 10Z");
        assert_eq!(curve_of_known(&[None; 3], 40, 10, 1), Curve::default());
    }
}
