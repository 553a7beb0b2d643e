//! Simulation of the hub: one to three shards, random schedules, sockets that block, clients that come and go, and checkers that hold the
//! promises of order and of nothing lost. Seeded; a failure prints its seed. No sockets, no threads, no time but our own.
#![allow(clippy::unwrap_used)]

mod clients;
mod deep;
mod outside;
mod world;

use outside::Rng;
use tollgate_core::authorize::Caller;
use tollgate_core::command::{Command, MembersQuery, NewMessage, SubscribeWish};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings};
use tollgate_core::ports::store::StateChange;
use tollgate_node::{ChannelUpdate, NewChannel};
use world::{World, new_channel};

const CHANNELS: [&str; 3] = ["private-room", "public-room", "open-room"];

/// One random step of somebody.
fn act(world: &mut World, rng: &mut Rng) {
    let channel = CHANNELS[rng.below(3)];
    let id = ChannelId::new(channel).unwrap();
    match rng.below(100) {
        0..15 => world.open(rng.below(2) == 0, rng),
        15..22 => world.disconnect(rng),
        22..34 => world.command(rng, Command::Subscribe { channel: channel.into(), wish: None }),
        34..40 => world.command(rng, Command::Unsubscribe { channel: channel.into() }),
        40..46 => {
            let data = world.next_data(channel);
            world.command(rng, Command::Publish(NewMessage::new(channel, "m", data)));
        }
        46..64 => {
            let data = world.next_data(channel);
            let (node, caller) = (world.node.clone(), world.key);
            world.spawn(async move { node.publish(&caller, NewMessage::new(id.as_str(), "m", data)).await.map(drop) });
        }
        64..67 => world.pass_time(rng),
        67..69 => world.move_an_end(rng),
        69 => world.renew(rng),
        70..84 => {
            let state = world.next_state(channel);
            let (node, caller) = (world.node.clone(), world.key);
            let change = if rng.below(2) == 0 { StateChange::Replace(state) } else { StateChange::Merge(state) };
            world.spawn(async move { node.change_state(&caller, &id, change, None).await.map(drop) });
        }
        84..89 => {
            let (node, caller, token) = (world.node.clone(), world.key, world.any_token(rng));
            world.spawn(async move { node.subscribe_token(&caller, &id, &token, false).await });
        }
        89..93 => {
            let (node, caller, token) = (world.node.clone(), world.key, world.any_token(rng));
            world.spawn(async move { node.unsubscribe_token(&caller, &id, &token).await });
        }
        93..95 => {
            let (node, caller, token) = (world.node.clone(), world.key, world.any_token(rng));
            let data = JsonValue::parse(b"\"direct\"", 100).unwrap();
            world.spawn(async move { node.direct_message(&caller, &token, "d", data).await.map(drop) });
        }
        95 => world.delete_and_create_again(channel),
        96 => world.replace_a_token(rng),
        97 => world.toggle_block(rng),
        _ => world.run_a_while(rng),
    }
}

fn simulate(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World::new(1 + rng.below(3), &CHANNELS);
    for _ in 0..400 {
        act(&mut world, &mut rng);
        (0..rng.below(6)).for_each(|_| world.turn(&mut rng));
    }
    world.come_to_rest(&mut rng);
    world.check_at_rest();
    world.everybody_leaves(&mut rng);
    world.check_empty();
}

#[test]
fn order_and_completeness_hold_on_every_seed() {
    let failed: Vec<_> =
        deep::chosen_seeds(300).filter(|seed| std::panic::catch_unwind(|| simulate(*seed)).is_err()).collect();
    assert!(failed.is_empty(), "seeds {failed:?}");
}

#[test]
fn b25_who_hears_the_answer_to_a_subscribe_and_publishes_reaches_the_token() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &CHANNELS);
        world.open(true, &mut rng);
        world.come_to_rest(&mut rng);
        let (node, caller, token, id) =
            (world.node.clone(), world.key, world.token_of_client(0), ChannelId::new("private-room").unwrap());
        let data = world.next_data("private-room");
        world.spawn(async move {
            node.subscribe_token(&caller, &id, &token, false).await?;
            node.publish(&caller, NewMessage::new(id.as_str(), "m", data)).await?;
            node.unsubscribe_token(&caller, &id, &token).await?;
            node.publish(&caller, NewMessage::new(id.as_str(), "late", JsonValue::null())).await.map(drop)
        });
        world.come_to_rest(&mut rng);
        let heard = world.heard_by_client(0);
        let words: Vec<_> = heard.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(words, ["connected", "subscribed", "m", "unsubscribed"], "seed {seed}: {heard:?}");
    }
}

/// However far away the channel's home is, and whether or not others have brought the channel near.
#[test]
fn who_subscribes_and_then_publishes_hears_it() {
    for seed in 0..1_000 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &[]);
        let settings = ChannelSettings { retain: rng.below(4) > 0, ..ChannelSettings::default() };
        let new = NewChannel { settings, ..new_channel("open-hall") };
        world.block_on(world.node.create_channel(&world.key, new)).unwrap();
        match rng.below(4) {
            0 => world.open_with(0, &mut rng),
            _ => world.open(false, &mut rng),
        }
        world.open_with(1, &mut rng);
        world.come_to_rest(&mut rng);
        let enter = Command::Subscribe { channel: "open-hall".into(), wish: None };
        if rng.below(4) > 0 {
            world.ask(1, enter.clone());
            world.come_to_rest(&mut rng);
        }
        world.ask(0, enter);
        world.run_until_heard(0, ("done", 1), &mut rng);
        let message = |number: &str| NewMessage::new("open-hall", "m", JsonValue::parse(number.as_bytes(), 9).unwrap());
        let (said, command) = match rng.below(4) {
            0 => (1, Command::Publish(message("1"))),
            _ => (2, Command::Batch(vec![message("1"), message("2")])),
        };
        world.ask(0, command);
        world.come_to_rest(&mut rng);
        let mut heard = world.heard_by_client(0);
        heard.retain(|line| line != "done");
        let all = ["connected", "subscribed open-hall", "m open-hall 1", "m open-hall 2"];
        assert_eq!(heard, all[..2 + said], "seed {seed}");
    }
}

/// Hop behaviour 50: the state that a subscriber is given is fresh, also where the channel is near already and its home is far away.
#[test]
fn b50_who_comes_after_a_state_was_answered_is_given_it() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &[]);
        let hall = ChannelId::new("open-hall").unwrap();
        let capabilities = Capabilities::from_bits(Capabilities::TOKEN_SET_STATE.into()).unwrap();
        let new = NewChannel { capabilities, ..new_channel("open-hall") };
        world.block_on(world.node.create_channel(&world.key, new)).unwrap();
        (0..4).for_each(|token| world.open_with(token, &mut rng));
        world.come_to_rest(&mut rng);
        (1..4).for_each(|client| world.ask(client, Command::Subscribe { channel: "open-hall".into(), wish: None }));
        world.come_to_rest(&mut rng);
        let mut was_in = world.heard_by_client(1).len();
        if rng.below(2) == 0 {
            let (node, caller, state) = (world.node.clone(), world.key, world.next_state("open-hall"));
            world.run_until_answered(&mut rng, async move {
                node.change_state(&caller, &hall, StateChange::Replace(state), None).await.map(drop)
            });
        } else {
            let change = StateChange::Replace(world.next_state("open-hall"));
            world.ask(1, Command::SetState { channel: "open-hall".into(), change, if_version: None });
            world.run_until_heard(1, ("changed", 1), &mut rng);
            was_in += 1;
        }
        world.ask(0, Command::Subscribe { channel: "open-hall".into(), wish: None });
        world.open_with(1, &mut rng);
        world.come_to_rest(&mut rng);
        assert_eq!(world.heard_by_client(1).len(), was_in + 1, "seed {seed}: who was in is told of the state");
        assert_eq!(world.heard_by_client(0), ["connected", "subscribed open-hall", "done"], "seed {seed}");
        assert_eq!(world.heard_by_client(4), ["connected"], "seed {seed}");
    }
}

#[test]
fn who_comes_after_a_channel_was_changed_is_told_what_it_allows_now() {
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &["open-hall"]);
        (0..4).for_each(|token| world.open_with(token, &mut rng));
        world.come_to_rest(&mut rng);
        (1..4).for_each(|client| world.ask(client, Command::Subscribe { channel: "open-hall".into(), wish: None }));
        world.come_to_rest(&mut rng);
        let mute = Capabilities::from_bits(0).unwrap();
        let (node, caller, hall) = (world.node.clone(), world.key, ChannelId::new("open-hall").unwrap());
        let update = ChannelUpdate { capabilities: Some(mute), settings: None };
        world.run_until_answered(&mut rng, async move { node.change_channel(&caller, &hall, update).await.map(drop) });
        world.ask(0, Command::Subscribe { channel: "open-hall".into(), wish: None });
        world.open_with(1, &mut rng);
        world.come_to_rest(&mut rng);
        let told = [0, 4].map(|client| world.capabilities_by_client(client, "open-hall"));
        assert_eq!(told, [Some(mute); 2], "seed {seed}");
    }
}

/// Words between shards and requests come by two ways: a question that an answer led to must not overtake the words of what was answered.
#[test]
fn who_is_told_that_it_is_in_finds_itself_there() {
    let face = |number: usize| JsonObject::parse(format!("{{\"n\":{number}}}").as_bytes(), 100).unwrap();
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &[]);
        let hall = ChannelId::new("public-hall").unwrap();
        let retain = rng.below(2) == 0;
        let settings = ChannelSettings { presence: true, retain, ..ChannelSettings::default() };
        let new = NewChannel { settings, ..new_channel("public-hall") };
        world.block_on(world.node.create_channel(&world.key, new)).unwrap();
        world.open_with(2, &mut rng);
        world.come_to_rest(&mut rng);
        let query = MembersQuery { after: None, limit: 10, sample: false };
        let ask = Command::Members { channel: "public-hall".into(), query: query.clone() };

        let wish = Some(Box::new(SubscribeWish { data: Some(face(1)), ..SubscribeWish::default() }));
        world.command(&mut rng, Command::Subscribe { channel: "public-hall".into(), wish });
        world.run_until_heard(0, ("subscribed public-hall", 1), &mut rng);
        world.command(&mut rng, ask.clone());
        world.run_until_heard(0, ("members", 1), &mut rng);

        world.command(&mut rng, Command::SetMember { channel: "public-hall".into(), data: Some(face(2)) });
        world.run_until_heard(0, ("done", 2), &mut rng);
        world.command(&mut rng, ask);
        world.come_to_rest(&mut rng);
        let heard = world.heard_by_client(0);
        let members: Vec<_> = heard.iter().filter(|line| line.starts_with("members")).collect();
        assert_eq!(members, ["members {\"n\":1}", "members {\"n\":2}"], "seed {seed}: {heard:?}");

        // The same for a backend that puts somebody in, and takes him out.
        let (node, caller, token) = (world.node.clone(), world.key, world.token_of_client(0));
        world.spawn(async move {
            for (is_in, count) in [(false, 0), (true, 1)] {
                if is_in {
                    node.subscribe_token(&caller, &hall, &token, false).await.unwrap();
                } else {
                    node.unsubscribe_token(&caller, &hall, &token).await.unwrap();
                }
                assert_eq!(node.members(&caller, &hall, query.clone()).await.unwrap().count, count, "seed {seed}");
            }
            node.delete_token(&caller, &token).await.unwrap();
            assert_eq!(node.members(&caller, &hall, query).await.unwrap().count, 0, "seed {seed}");
            Ok(())
        });
        world.come_to_rest(&mut rng);
    }
}

/// social.plus item 21: a token is replaced on a live connection without a gap.
#[test]
fn a_connection_goes_on_with_another_token_of_the_user_and_misses_nothing() {
    let mut told = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut world = World::new(1 + rng.below(3), &CHANNELS);
        let [old, new, other] = [0, 1, 2].map(|at| world.token_at(at));
        for (channel, token) in
            [("private-room", &old), ("public-room", &old), ("public-room", &new), ("open-room", &new)]
        {
            let id = ChannelId::new(channel).unwrap();
            world.block_on_turning(&mut rng, |node, key| {
                let token = token.clone();
                async move { node.subscribe_token(&key, &id, &token, false).await }
            });
        }
        world.open_with(0, &mut rng);
        world.come_to_rest(&mut rng);
        for number in 0..40 {
            let channel = CHANNELS[rng.below(3)];
            let (node, caller, data, id) =
                (world.node.clone(), world.key, world.next_data(channel), ChannelId::new(channel).unwrap());
            world.spawn(async move { node.publish(&caller, NewMessage::new(id.as_str(), "m", data)).await.map(drop) });
            match number {
                15 => world.command(&mut rng, Command::Renew { token: other.clone() }),
                20 => world.command(&mut rng, Command::Renew { token: new.clone() }),
                _ => {}
            }
            (0..rng.below(20)).for_each(|_| world.turn(&mut rng));
        }
        world.come_to_rest(&mut rng);
        world.check_at_rest();
        let heard = world.heard_by_client(0);
        let numbers = heard.iter().filter_map(|line| line.strip_prefix("m public-room "));
        let mut public: Vec<u64> = numbers.map(|number| number.parse().unwrap()).collect();
        // They were published at once, so their order is nobody's promise.
        public.sort_unstable();
        let all: Vec<_> = (1..=world.published("public-room")).collect();
        assert_eq!(public, all, "seed {seed}: {heard:?}");
        let news: Vec<_> = heard.iter().filter(|line| line.contains("subscribed")).cloned().collect();
        assert!(news.contains(&"subscribed open-room".into()), "seed {seed}: {heard:?}");
        assert!(news.contains(&"unsubscribed private-room".into()), "seed {seed}: {heard:?}");
        assert_eq!(news.len(), 2, "seed {seed}: {heard:?}");
        told.extend(news);
        world.everybody_leaves(&mut rng);
        world.check_empty();
    }
    assert_eq!(told.len(), 2);
}

#[test]
fn callers_without_rights_are_refused_by_the_operations_themselves() {
    let world = World::new(1, &CHANNELS);
    let Caller::ProjectKey { project, .. } = world.key else { unreachable!("the world's caller is a key") };
    let id = ChannelId::new("open-room").unwrap();
    for caller in [Caller::Anonymous { project }, Caller::Operator, Caller::System] {
        assert!(world.node.channel(&caller, &id).is_err());
        let change = StateChange::Replace(JsonObject::empty());
        assert!(world.block_on(world.node.change_state(&caller, &id, change, None)).is_err());
        assert!(
            world.block_on(world.node.publish(&caller, NewMessage::new(id.as_str(), "m", JsonValue::null()))).is_err()
        );
    }
}
