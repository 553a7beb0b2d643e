//! The tests of the whole facade, over a real node with a store in memory.
