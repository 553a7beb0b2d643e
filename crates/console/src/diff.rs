//! Two texts, line by line: what both have, and what only one has.

/// More lines than this are not compared: the table would be large, and nobody reads it.
const LINES_MAX: usize = 600;

/// A line of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `m` is only in the first text, `p` only in the second, empty in both: classes of the style sheet.
    pub(crate) look: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) text: String,
}

/// The comparison; both texts whole where they are too long.
pub(crate) fn lines(theirs: &str, mine: &str) -> Vec<Line> {
    let (one, other): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), mine.lines().collect());
    let line = |look, mark, text: &str| Line { look, mark, text: text.to_owned() };
    if one.len() > LINES_MAX || other.len() > LINES_MAX {
        let all = one.iter().map(|text| line("m", "−", text));
        return all.chain(other.iter().map(|text| line("p", "+", text))).collect();
    }
    // The longest common part of what is behind each pair of lines.
    let mut common = vec![vec![0_u16; other.len() + 1]; one.len() + 1];
    for at in (0..one.len()).rev() {
        for beside in (0..other.len()).rev() {
            common[at][beside] = if one[at] == other[beside] {
                common[at + 1][beside + 1] + 1
            } else {
                common[at + 1][beside].max(common[at][beside + 1])
            };
        }
    }
    let (mut at, mut beside, mut all) = (0, 0, Vec::new());
    while at < one.len() || beside < other.len() {
        if at < one.len() && beside < other.len() && one[at] == other[beside] {
            all.push(line("", " ", one[at]));
            (at, beside) = (at + 1, beside + 1);
        } else if beside == other.len() || (at < one.len() && common[at + 1][beside] >= common[at][beside + 1]) {
            all.push(line("m", "−", one[at]));
            at += 1;
        } else {
            all.push(line("p", "+", other[beside]));
            beside += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked() {
        let marks = |one: &str, other: &str| {
            lines(one, other).iter().map(|line| format!("{}{}", line.mark, line.text)).collect::<Vec<_>>().join("|")
        };
        assert_eq!(marks("a\nb\nc", "a\nx\nc"), " a|−b|+x| c");
        assert_eq!(marks("", "a"), "+a");
        assert_eq!(marks("a\nb", "b"), "−a| b");
        assert_eq!(marks("a", "a"), " a");
        assert_eq!(lines(&"a\n".repeat(LINES_MAX + 1), "a").len(), LINES_MAX + 2);
    }
}
