//! Who is in a channel: its members, each with the connections by which it is there. Changes are gathered, and told when they are due. Not how they are
//! told, which is the home's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::command::{MembersPage, MembersQuery};
use tollgate_core::delivery::Member;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{
    MEMBERS_PAGE_MAX, MEMBERS_TOLD_MAX, NATIVE_SESSION_MS, PRESENCE_COUNT_MS, PRESENCE_GATHER_MS,
};

use super::ConnectionRef;

/// Who is at one end of a connection, as members of its channels see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// The customer's id of the user, a token's public id, or a connection's.
    pub(crate) name: Arc<str>,
    /// What others see.
    pub(crate) data: Option<JsonObject>,
}

/// A member, by whatever it is there.
#[derive(Debug)]
struct Present {
    connections: Vec<ConnectionRef>,
    data: Option<JsonObject>,
    since: UnixMillis,
    /// When its last connection went; it stays until its session is over.
    left_at: Option<Monotonic>,
    /// Its place among the names.
    place: usize,
}

/// What is to be told: how many there are, and who came and went unless there are too many.
pub(super) type News = (u64, Option<(Vec<Member>, Vec<Arc<str>>)>);

/// The members of one channel.
#[derive(Debug, Default)]
pub(super) struct Presence {
    members: BTreeMap<Arc<str>, Present>,
    /// All their names, in no order: what samples are drawn from.
    names: Vec<Arc<str>>,
    /// Who may be leaving, in order of time.
    leaving: VecDeque<(Monotonic, Arc<str>)>,
    /// Who came, or changed, and who went since the last news.
    joined: BTreeSet<Arc<str>>,
    left: BTreeSet<Arc<str>>,
    /// Since when there is something to tell.
    news_since: Option<Monotonic>,
}

impl Presence {
    /// A connection has entered the channel.
    pub(super) fn enter(&mut self, connection: ConnectionRef, face: Face, at: UnixMillis, now: Monotonic) {
        let place = self.names.len();
        let member = self.members.entry(Arc::clone(&face.name)).or_insert_with(|| {
            self.names.push(Arc::clone(&face.name));
            Present { connections: Vec::new(), data: None, since: at, left_at: None, place }
        });
        let is_new = member.place == place;
        member.left_at = None;
        if !member.connections.contains(&connection) {
            member.connections.push(connection);
        }
        if is_new || (face.data.is_some() && member.data != face.data) {
            member.data = face.data;
            self.left.remove(&face.name);
            self.joined.insert(face.name);
            self.news_since.get_or_insert(now);
        }
    }

    /// A connection has left the channel, for good or only because it broke.
    pub(super) fn leave(&mut self, connection: ConnectionRef, name: &Arc<str>, for_good: bool, now: Monotonic) {
        let Some(member) = self.members.get_mut(name) else { return };
        member.connections.retain(|one| *one != connection);
        if !member.connections.is_empty() {
            return;
        }
        if for_good {
            return self.remove(name, now);
        }
        member.left_at = Some(now);
        self.leaving.push_back((now.plus(NATIVE_SESSION_MS), Arc::clone(name)));
    }

    fn remove(&mut self, name: &Arc<str>, now: Monotonic) {
        if let Some(Present { place, .. }) = self.members.remove(name) {
            self.names.swap_remove(place);
            if let Some(moved) = self.names.get(place).and_then(|name| self.members.get_mut(name)) {
                moved.place = place;
            }
        }
        // Told even of who came since the last news: somebody may have read of it, or heard of it earlier and now of another face.
        self.joined.remove(name);
        self.left.insert(Arc::clone(name));
        self.news_since.get_or_insert(now);
    }

    /// Lets those go whose session is over.
    pub(super) fn expire(&mut self, now: Monotonic) {
        while self.leaving.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.leaving.pop_front() else { return };
            let is_over =
                |member: &Present| member.left_at.is_some_and(|left_at| left_at.plus(NATIVE_SESSION_MS) <= now);
            if self.members.get(&name).is_some_and(is_over) {
                self.remove(&name, now);
            }
        }
    }

    fn is_large(&self) -> bool {
        self.members.len() > MEMBERS_TOLD_MAX
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Monotonic> {
        self.news_at().into_iter().chain(self.leaving.front().map(|(at, _)| *at)).min()
    }

    /// When the news are due: what comes together is told together.
    fn news_at(&self) -> Option<Monotonic> {
        let wait_ms = if self.is_large() { PRESENCE_COUNT_MS } else { PRESENCE_GATHER_MS };
        self.news_since.map(|since| since.plus(wait_ms))
    }

    /// What is to be told now.
    pub(super) fn news(&mut self, now: Monotonic) -> Option<News> {
        if self.news_at().is_none_or(|at| at > now) {
            return None;
        }
        self.news_since = None;
        let (joined, left) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.left));
        let changes = (!self.is_large() && joined.len() + left.len() <= MEMBERS_TOLD_MAX).then(|| {
            let joined = joined.iter().filter_map(|name| self.members.get_key_value(name)).map(shown).collect();
            (joined, left.into_iter().collect())
        });
        Some((self.members.len() as u64, changes))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.news_since.is_none() && self.leaving.is_empty()
    }

    /// Everybody whose connection is in this shard.
    pub(super) fn page(&self, query: &MembersQuery, random: u64) -> MembersPage {
        let count = self.members.len() as u64;
        let limit = query.limit.min(MEMBERS_PAGE_MAX);
        if query.sample {
            return MembersPage { count, members: self.sample(limit, random), more: false };
        }
        let after = query.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.members.range::<str, _>((after, Bound::Unbounded));
        let members = behind.by_ref().take(limit).map(shown).collect();
        MembersPage { count, members, more: limit > 0 && behind.next().is_some() }
    }

    /// So many members at random: all are as likely, and none comes twice. Costs by how many are drawn, not by how many there are (Floyd's algorithm).
    fn sample(&self, limit: usize, mut random: u64) -> Vec<Member> {
        let count = self.names.len();
        let mut drawn = BTreeSet::new();
        for last in count - limit.min(count)..count {
            // xorshift: a sample is no secret.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let place = (random % (last as u64 + 1)) as usize;
            if !drawn.insert(place) {
                drawn.insert(last);
            }
        }
        drawn.into_iter().filter_map(|place| self.members.get_key_value(&self.names[place])).map(shown).collect()
    }
}

fn shown((name, member): (&Arc<str>, &Present)) -> Member {
    Member { name: Arc::clone(name), data: member.data.clone(), since: member.since }
}

#[cfg(test)]
mod tests {
    use super::super::{ConnectionKey, ShardIndex};
    use super::*;

    fn at(slot: u32) -> ConnectionRef {
        ConnectionRef { shard: ShardIndex(0), key: ConnectionKey { slot, generation: 0 } }
    }

    fn face(name: &str) -> Face {
        Face { name: name.into(), data: None }
    }

    fn told(presence: &mut Presence, now: u64) -> Option<(u64, String, String)> {
        let (count, changes) = presence.news(Monotonic(now))?;
        let (joined, left) = changes?;
        let joined: Vec<_> = joined.iter().map(|member| &*member.name).collect();
        Some((count, joined.join(" "), left.join(" ")))
    }

    fn some(count: u64, joined: &str, left: &str) -> Option<(u64, String, String)> {
        Some((count, joined.into(), left.into()))
    }

    #[test]
    fn comings_and_goings_are_gathered_and_each_is_told_once() {
        let (mut presence, now) = (Presence::default(), UnixMillis(1));
        presence.enter(at(1), face("ann"), now, Monotonic(0));
        presence.enter(at(2), face("ann"), now, Monotonic(400));
        presence.enter(at(3), face("ben"), now, Monotonic(400));
        assert_eq!(told(&mut presence, PRESENCE_GATHER_MS - 1), None);
        assert_eq!(told(&mut presence, PRESENCE_GATHER_MS), some(2, "ann ben", ""));
        assert_eq!(told(&mut presence, 10_000), None, "nothing new");
        presence.leave(at(1), &"ann".into(), true, Monotonic(10_000));
        assert_eq!(told(&mut presence, 10_001), None, "it is there by another connection");
        presence.leave(at(2), &"ann".into(), true, Monotonic(10_000));
        presence.enter(at(4), face("cyd"), now, Monotonic(10_000));
        presence.leave(at(4), &"cyd".into(), true, Monotonic(10_000));
        assert_eq!(told(&mut presence, 11_000), some(1, "", "ann cyd"), "even of who came and went meanwhile");
        presence.enter(
            at(3),
            Face { data: JsonObject::parse(b"{\"a\":1}", 100).ok(), ..face("ben") },
            now,
            Monotonic(20_000),
        );
        presence.leave(at(3), &"ben".into(), true, Monotonic(20_000));
        assert_eq!(told(&mut presence, 21_000), some(0, "", "ben"), "another face, and then none");
    }

    #[test]
    fn who_breaks_off_stays_as_long_as_its_session() {
        let mut presence = Presence::default();
        presence.enter(at(1), face("ann"), UnixMillis(1), Monotonic(0));
        presence.news(Monotonic(1_000));
        presence.leave(at(1), &"ann".into(), false, Monotonic(2_000));
        presence.expire(Monotonic(2_000 + NATIVE_SESSION_MS - 1));
        presence.enter(at(2), face("ann"), UnixMillis(2), Monotonic(3_000));
        presence.leave(at(2), &"ann".into(), false, Monotonic(50_000));
        presence.expire(Monotonic(2_000 + NATIVE_SESSION_MS));
        assert_eq!((presence.members.len(), presence.news_since), (1, None), "it came back meanwhile");
        presence.expire(Monotonic(50_000 + NATIVE_SESSION_MS));
        assert_eq!(told(&mut presence, 500_000), some(0, "", "ann"));
        assert!(presence.is_empty() && presence.due_at().is_none());
    }

    #[test]
    fn pages_samples_and_counts_of_a_large_channel() {
        let mut presence = Presence::default();
        for slot in 0..5_000 {
            presence.enter(at(slot), face(&format!("u{slot:05}")), UnixMillis(1), Monotonic(0));
        }
        let (count, changes) = presence.news(Monotonic(PRESENCE_COUNT_MS)).unwrap_or_default();
        assert_eq!((count, changes), (5_000, None), "only counted");
        let query =
            |after: Option<&str>, limit, sample| MembersQuery { after: after.map(str::to_owned), limit, sample };
        let page = presence.page(&query(Some("u00998"), 2, false), 1);
        let names: Vec<_> = page.members.iter().map(|member| member.name.to_string()).collect();
        assert_eq!((page.count, page.more, names.join(" ")), (5_000, true, "u00999 u01000".to_owned()));
        assert!(!presence.page(&query(Some("u04999"), 2, false), 1).more);
        assert_eq!(presence.page(&query(None, 0, false), 1).members.len(), 0);
        let sample = presence.page(&query(None, 100, true), 7).members;
        let distinct: BTreeSet<_> = sample.iter().map(|member| &member.name).collect();
        assert_eq!((sample.len(), distinct.len()), (100, 100));
        assert!(sample.iter().any(|member| &*member.name > "u02500"), "not the first ones");
        assert_eq!(presence.page(&query(None, 1_000_000, true), 7).members.len(), MEMBERS_PAGE_MAX);
    }

    #[test]
    fn everybody_who_is_there_is_drawn_as_often_and_nobody_who_has_gone() {
        let mut presence = Presence::default();
        for slot in 0..20 {
            presence.enter(at(slot), face(&format!("u{slot:02}")), UnixMillis(1), Monotonic(0));
        }
        for gone in [19, 0, 7, 18] {
            presence.leave(at(gone), &format!("u{gone:02}").into(), true, Monotonic(1));
        }
        let mut drawn = BTreeMap::<String, u32>::new();
        for random in 1..=10_000_u64 {
            let query = MembersQuery { after: None, limit: 4, sample: true };
            for member in presence.page(&query, random.wrapping_mul(0x9e37_79b9_7f4a_7c15)).members {
                *drawn.entry(member.name.to_string()).or_default() += 1;
            }
        }
        assert_eq!(drawn.len(), 16, "{drawn:?}");
        assert!(drawn.values().all(|times| (2_300..2_700).contains(times)), "{drawn:?}");
        let all = presence.page(&MembersQuery { after: None, limit: 100, sample: true }, 1).members;
        let names: Vec<_> = all.iter().map(|member| &*member.name).collect();
        assert_eq!(BTreeSet::from_iter(&names).len(), 16);
        for name in ["u00", "u07", "u18", "u19"] {
            assert!(!names.contains(&name), "{name} has gone");
        }
    }
}
