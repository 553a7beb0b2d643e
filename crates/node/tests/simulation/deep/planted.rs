//! Planted bugs: each spoils what shards say to each other, or what they are asked, in one way, and each must make the checks fail within the seeds.
//! Nothing of it is in the product.

use tollgate_node::{PeerWord, Request};

use super::{Coverage, chosen_seeds, simulate};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    Nothing,
    AMessageIsDropped,
    AMessageIsRepeated,
    TwoWordsAreSwapped,
    HoleInWhatWasMissed,
    MissedBeforeItsAnswer,
    LostIsSaidToBeWhole,
    AnIdIsForgotten,
    WhoIsGoneDoesNotLeave,
    CutsAreForgotten,
    UnsubscribesAreForgotten,
    PresenceNewsAreLost,
    AStateIsLost,
    ARestartIsLost,
    ADeletionIsLost,
    ADirectMessageIsLost,
    InterestIsKept,
    NobodyWakesTheShard,
}

const ALL: [Plant; 17] = [
    Plant::AMessageIsDropped,
    Plant::AMessageIsRepeated,
    Plant::TwoWordsAreSwapped,
    Plant::HoleInWhatWasMissed,
    Plant::MissedBeforeItsAnswer,
    Plant::LostIsSaidToBeWhole,
    Plant::AnIdIsForgotten,
    Plant::WhoIsGoneDoesNotLeave,
    Plant::CutsAreForgotten,
    Plant::UnsubscribesAreForgotten,
    Plant::PresenceNewsAreLost,
    Plant::AStateIsLost,
    Plant::ARestartIsLost,
    Plant::ADeletionIsLost,
    Plant::ADirectMessageIsLost,
    Plant::InterestIsKept,
    Plant::NobodyWakesTheShard,
];

/// Whether a word is one that the bug spoils.
fn spoils(plant: Plant, word: &PeerWord) -> bool {
    match plant {
        Plant::AMessageIsDropped | Plant::AMessageIsRepeated | Plant::TwoWordsAreSwapped => {
            matches!(word, PeerWord::Published(..))
        }
        Plant::WhoIsGoneDoesNotLeave => matches!(word, PeerWord::Left(..)),
        Plant::UnsubscribesAreForgotten => matches!(word, PeerWord::Leave(..)),
        Plant::PresenceNewsAreLost => matches!(word, PeerWord::Presence(..)),
        Plant::AStateIsLost => matches!(word, PeerWord::Changed(_, Some(_))),
        Plant::ARestartIsLost => matches!(word, PeerWord::Restarted(..)),
        Plant::ADeletionIsLost => matches!(word, PeerWord::Deleted(..)),
        Plant::ADirectMessageIsLost => matches!(word, PeerWord::Direct(..)),
        Plant::InterestIsKept => matches!(word, PeerWord::NoInterest(..)),
        _ => false,
    }
}

/// What a shard is told in place of this word. `held` is a word that waits to be told behind the next one.
pub(super) fn word(plant: Plant, one_in_four: bool, word: PeerWord, held: &mut Option<PeerWord>) -> Vec<PeerWord> {
    if !one_in_four || !spoils(plant, &word) {
        return std::iter::once(word).chain(held.take()).collect();
    }
    match (plant, word) {
        (Plant::AMessageIsRepeated, PeerWord::Published(channel, position, frames)) => {
            let again = PeerWord::Published(channel.clone(), position, frames.clone());
            vec![PeerWord::Published(channel, position, frames), again]
        }
        (Plant::TwoWordsAreSwapped, word) => {
            let before = held.take();
            *held = Some(word);
            before.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What a shard is asked in place of this request.
pub(super) fn request(plant: Plant, one_in_four: bool, request: Request) -> Option<Request> {
    match (plant, request) {
        (Plant::AnIdIsForgotten, Request::Publish { channel, publication, how, reply }) => {
            let how = tollgate_core::ports::broker::PublishHow { once: None, ..how };
            Some(Request::Publish { channel, publication, how, reply })
        }
        (Plant::CutsAreForgotten, Request::Close(..)) => None,
        (Plant::CutsAreForgotten, Request::CloseAll(_, _, reply)) => {
            reply.send((0, None)).unwrap_or_default();
            None
        }
        (Plant::UnsubscribesAreForgotten, Request::Leave(..)) if one_in_four => None,
        (Plant::AStateIsLost, Request::StateChanged(_)) if one_in_four => None,
        (_, request) => Some(request),
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let seeds = chosen_seeds(300);
    let mut escaped = Vec::new();
    for plant in ALL {
        let fails = |seed: &u64| std::panic::catch_unwind(|| simulate(*seed, plant, &mut Coverage::default())).is_err();
        match seeds.clone().find(fails) {
            Some(seed) => println!("{plant:?}: seed {seed}"),
            None => escaped.push(plant),
        }
    }
    assert!(escaped.is_empty(), "not caught in the seeds {seeds:?}: {escaped:?}");
}
