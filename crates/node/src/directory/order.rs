//! The tokens of a project in the order of their ids, for reading them page by page: 8 bytes for each beside the table that finds them.
//!
//! Ids grow, so that nearly every new one goes to the end. Not here: the tokens. An id that was removed may stay for a while; whoever
//! walks the order asks the table whether it is still there.

use tollgate_core::ids::TokenId;

/// The order.
#[derive(Debug, Default)]
pub(super) struct TokenOrder {
    /// Sorted.
    ids: Vec<TokenId>,
    /// How many of them are gone.
    gone: usize,
}

impl TokenOrder {
    /// Adds an id that is not in the table yet.
    pub(super) fn add(&mut self, id: TokenId) {
        if self.ids.last().is_none_or(|last| *last < id) {
            return self.ids.push(id);
        }
        match self.ids.binary_search(&id) {
            // It was removed and not forgotten yet.
            Ok(_) => self.gone = self.gone.saturating_sub(1),
            Err(place) => self.ids.insert(place, id),
        }
    }

    /// One id of the order is gone from the table; `is_there` tells which remain. Tidies up once half of them are gone.
    pub(super) fn removed(&mut self, is_there: impl Fn(TokenId) -> bool) {
        self.gone += 1;
        if self.gone * 2 > self.ids.len() {
            self.ids.retain(|id| is_there(*id));
            self.ids.shrink_to(self.ids.len() * 2);
            self.gone = 0;
        }
    }

    /// The ids behind this one, or all, oldest first; among them some that are gone.
    pub(super) fn after(&self, id: Option<TokenId>) -> &[TokenId] {
        let from = id.map_or(0, |id| self.ids.partition_point(|one| *one <= id));
        &self.ids[from..]
    }

    /// The ids before this one, or all, oldest first; among them some that are gone.
    pub(super) fn before(&self, id: Option<TokenId>) -> &[TokenId] {
        let to = id.map_or(self.ids.len(), |id| self.ids.partition_point(|one| *one < id));
        &self.ids[..to]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_order_is_that_of_the_ids_whatever_comes_and_goes() {
        let (mut order, mut there) = (TokenOrder::default(), BTreeSet::new());
        let mut random = 7_u64;
        for step in 0..4_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = TokenId::new(if random >> 63 == 0 { step + 100 } else { (random >> 33) % (step + 100) });
            if (random >> 40) % 5 < 3 {
                if there.insert(id) {
                    order.add(id);
                }
            } else if there.remove(&id) {
                order.removed(|id| there.contains(&id));
            }
            assert!(order.ids.is_sorted_by(|a, b| a < b) && order.ids.len() <= there.len() * 2 + 1, "step {step}");
            let walked: Vec<_> = order.after(Some(id)).iter().filter(|id| there.contains(id)).copied().collect();
            let expected: Vec<_> = there.range(id..).filter(|one| **one != id).copied().collect();
            assert_eq!(walked, expected, "step {step}");
            let walked: Vec<_> = order.before(Some(id)).iter().filter(|id| there.contains(id)).copied().collect();
            assert_eq!(walked, there.range(..id).copied().collect::<Vec<_>>(), "step {step}");
        }
        assert_eq!(order.after(None).len(), order.ids.len());
    }
}
