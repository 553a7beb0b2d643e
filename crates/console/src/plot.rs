//! Numbers as the paths of a drawing. No script plots anything.

/// A curve and the area under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Curve {
    pub(crate) line: String,
    pub(crate) area: String,
}

/// The curve of these values in a box of this size, its top at `top` or above.
pub(crate) fn curve(values: &[u64], width: u32, height: u32, top: u64) -> Curve {
    if values.is_empty() {
        return Curve::default();
    }
    let top = values.iter().copied().max().unwrap_or(0).max(top).max(1);
    let (width, height) = (u64::from(width), u64::from(height));
    let last = (values.len() as u64 - 1).max(1);
    let points: Vec<String> = (0..)
        .zip(values)
        .map(|(at, value)| {
            let (x, y) = (at * width * 10 / last, height * 10 - value.saturating_mul(height * 10) / top);
            format!("{}.{} {}.{}", x / 10, x % 10, y / 10, y % 10)
        })
        .collect();
    let line = format!("M{}", points.join("L"));
    let area = format!("{line}L{width} {height}L0 {height}Z");
    Curve { line, area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_fill_their_box() {
        let drawn = curve(&[0, 5, 10], 100, 40, 1);
        assert_eq!(drawn.line, "M0.0 40.0L50.0 20.0L100.0 0.0");
        assert_eq!(drawn.area, "M0.0 40.0L50.0 20.0L100.0 0.0L100 40L0 40Z");
        assert_eq!(curve(&[3], 10, 10, 6).line, "M0.0 5.0");
        assert_eq!(curve(&[0, 0], 10, 10, 0).line, "M0.0 10.0L10.0 10.0");
        assert_eq!(curve(&[], 10, 10, 1), Curve::default());
    }
}
