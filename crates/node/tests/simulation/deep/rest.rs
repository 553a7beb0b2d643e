//! What holds when nothing moves: everybody has everything, who is in is who is subscribed, news agree with what is read, and nothing is left in the end.

use std::collections::BTreeSet;

use tollgate_core::clock::Clock;
use tollgate_core::command::{HistoryFrom, HistoryPage, HistoryQuery, MembersQuery, NewMessage, PublishOptions};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;
use tollgate_node::{HistoryView, Page};

use super::super::outside::{Rng, number_of};
use super::CHANNELS;
use super::acts::{ask_members, let_pass};
use super::client::Conn;
use super::world::{World, block_on};

fn id(channel: &str) -> ChannelId {
    ChannelId::new(channel).unwrap()
}

/// Runs an operation to its end while everything goes on.
fn ask<T: 'static, F: Future<Output = T> + 'static>(
    world: &mut World,
    rng: &mut Rng,
    operation: impl FnOnce(std::sync::Arc<tollgate_node::Node>, tollgate_core::authorize::Caller) -> F,
) -> T {
    let answer = std::rc::Rc::new(std::cell::RefCell::new(None));
    let (kept, work) = (answer.clone(), operation(world.node.clone(), world.key));
    world.spawn(async move {
        *kept.borrow_mut() = Some(work.await);
        Ok(())
    });
    world.come_to_rest(rng);
    answer.take().unwrap()
}

fn page(world: &mut World, rng: &mut Rng, channel: &str) -> HistoryPage {
    let (id, query) = (id(channel), HistoryQuery { from: HistoryFrom::End, newest_first: true, limit: 1_000 });
    match ask(world, rng, |node, key| async move { node.history(&key, &id, query).await.unwrap() }) {
        HistoryView::Page(page) => page,
        HistoryView::Lost(_) => panic!("the end is never lost"),
    }
}

/// Of each connection: who is in what, with which state.
pub(super) fn check(world: &World) {
    for conn in world.conns.borrow().iter().filter(|conn| conn.is_live() && !conn.dead) {
        assert!(conn.resuming.is_empty(), "{:?} never began: {:#?}", conn.resuming, conn.heard);
        for (channel, chan) in &conn.channels {
            let (state, version) = world.node.channel_state(&world.key, &id(channel)).unwrap();
            let expected = (version, number_of(state.as_str()));
            assert_eq!((chan.version, chan.state), expected, "the state of {channel}: {:#?}", conn.heard);
        }
        let Some(token) = &conn.token_name else { continue };
        for channel in CHANNELS {
            let tokens = world.node.channel_tokens(&world.key, &id(channel)).unwrap();
            let is_subscribed = tokens.iter().any(|view| view.id.to_string() == *token);
            let hears = conn.channels.contains_key(channel);
            assert_eq!(hears, is_subscribed, "{token} in {channel}: {:?} {:?} {:#?}", conn.key, conn.asked, conn.heard);
        }
    }
}

/// Something is said to everybody, and all hear it as the last.
pub(super) fn check_last_words(world: &mut World, rng: &mut Rng) {
    // What was held back before goes first.
    let_pass(world, 2_000, rng);
    world.come_to_rest(rng);
    for channel in CHANNELS {
        for _ in 0..3 {
            let (id, number) = (id(channel), world.next_number());
            let options = PublishOptions { key: Some("key-0".into()), ..PublishOptions::default() };
            let message = NewMessage {
                options: Some(Box::new(options)),
                ..NewMessage::new(id.as_str(), "m", World::data(number))
            };
            ask(world, rng, |node, key| async move { node.publish(&key, message).await.unwrap() });
        }
    }
    // Whoever asked late who is there has its answer.
    for channel in CHANNELS {
        let watchers: Vec<_> = {
            let conns = world.conns.borrow();
            let is_fit = |conn: &Conn| conn.is_live() && conn.is_sure(channel);
            (0..conns.len()).filter(|at| is_fit(&conns[*at])).collect()
        };
        watchers.into_iter().for_each(|slot| ask_members(world, slot, channel));
    }
    world.come_to_rest(rng);
    let_pass(world, 6_000, rng);
    world.come_to_rest(rng);
    let last = world.next_number() - 1;
    for (at, channel) in CHANNELS.into_iter().enumerate() {
        let page = page(world, rng, channel);
        let truth = world.truth.borrow();
        let durable = channel.contains("durable") || channel.contains("flux");
        assert!(durable || page.messages.len() as u64 <= truth.sizes_max[channel], "history is bounded");
        drop(truth);
        let expected = last - 3 * (CHANNELS.len() - 1 - at) as u64;
        for conn in world.conns.borrow().iter().filter(|conn| conn.is_live() && !conn.dead) {
            let Some(chan) = conn.channels.get(channel) else { continue };
            assert_eq!(chan.at, page.position, "the end of {channel}: {:#?}", conn.heard);
            assert_eq!(chan.last_number, Some(expected), "the last words in {channel}: {:#?}", conn.heard);
        }
    }
    check_directs(world, rng);
    check_views(world, rng);
}

fn check_directs(world: &mut World, rng: &mut Rng) {
    for at in 0..world.tokens.len() {
        let (token, number) =
            (tollgate_core::command::PresentedSecret::new(world.tokens[at].clone()), world.next_number());
        ask(world, rng, |node, key| async move {
            node.direct_message(&key, &token, "d", World::data(number)).await.map_or(0, |count| count)
        });
        let conns = world.conns.borrow();
        let is_one = |conn: &&Conn| {
            conn.is_live() && !conn.dead && conn.token == Some(at) && conn.generation == world.generations[at]
        };
        let mut ends = BTreeSet::<Position>::new();
        for conn in conns.iter().filter(is_one) {
            if conn.ends_at <= world.clock.monotonic() {
                continue;
            }
            let last = conn.heard.iter().rev().find(|line| line.starts_with("direct")).map(String::as_str);
            assert!(
                last.is_some_and(|line| line.ends_with(&format!(" {number}"))),
                "direct {number}: {:#?}",
                conn.heard
            );
            ends.extend(conn.direct.filter(|_| conn.native));
        }
        assert!(ends.len() <= 1, "all connections of a token are at the same direct message: {ends:?}");
    }
}

fn members(world: &mut World, rng: &mut Rng, channel: &str) -> Option<BTreeSet<String>> {
    let (id, query) = (id(channel), MembersQuery { after: None, limit: 1_000, sample: false });
    let page = ask(world, rng, |node, key| async move { node.members(&key, &id, query).await }).ok()?;
    assert_eq!(page.count, page.members.len() as u64);
    Some(page.members.iter().map(|member| member.name.to_string()).collect())
}

fn check_views(world: &mut World, rng: &mut Rng) {
    // Until there is no news that is not told yet.
    for _ in 0..100 {
        let soon = world.clock.monotonic().plus(600);
        if world.shards.iter().all(|shard| shard.parts.borrow().shard.wakes_at().is_none_or(|at| at > soon)) {
            break;
        }
        let_pass(world, 600, rng);
        world.come_to_rest(rng);
    }
    for channel in CHANNELS.iter().filter(|channel| channel.contains("stable")) {
        let Some(members) = members(world, rng, channel) else { continue };
        for conn in world.conns.borrow().iter().filter(|conn| conn.is_live()) {
            let Some(view) = conn.views.get(*channel).filter(|_| conn.is_sure(channel)) else { continue };
            let Some(seen) = &view.members else { continue };
            assert_eq!(*seen, members, "who is in {channel}: {:#?}", conn.heard);
            assert_eq!(view.count, Some(members.len() as u64));
        }
    }
}

/// When all sessions that nobody came back to are over, members are who is connected and subscribed.
pub(super) fn sessions_end(world: &mut World, rng: &mut Rng) {
    for _ in 0..3 {
        let_pass(world, 60_000, rng);
        world.come_to_rest(rng);
    }
    check(world);
    check_views(world, rng);
    for channel in CHANNELS {
        let Some(members) = members(world, rng, channel) else { continue };
        let conns = world.conns.borrow();
        let live = conns.iter().filter(|conn| !conn.gone && conn.channels.contains_key(channel));
        let live: BTreeSet<_> = live.map(|conn| conn.name.clone()).collect();
        assert_eq!(members, live, "who is in {channel}");
    }
}

pub(super) fn everybody_leaves(world: &mut World, rng: &mut Rng) {
    let count = world.conns.borrow().len();
    for at in 0..count {
        world.cut(at, false);
    }
    world.come_to_rest(rng);
    for _ in 0..40 {
        let_pass(world, 6_000, rng);
    }
    world.come_to_rest(rng);
    for _ in 0..40 {
        let_pass(world, 6_000, rng);
    }
    world.come_to_rest(rng);
    let tokens = world.node.tokens(&world.key, Page::ALL).unwrap().entries;
    assert!(tokens.iter().all(|token| !token.is_online));
    for shard in &world.shards {
        let waiting = shard.parts.borrow().shard.waiting();
        assert_eq!(waiting, tollgate_node::hub::Waiting::default());
    }
    for channel in world.node.channels(&world.key, Page::ALL).unwrap().entries {
        assert_eq!(world.node.online_count(&world.key, &channel.id).unwrap(), 0);
    }
    block_on(std::future::ready(()));
}
