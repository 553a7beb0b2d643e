//! What random schedules found, step by step: each would need a thousand seeds to be met again. Not more than the checks of every run, which are in
//! [`super::client`].

use std::task::{Context, Waker};

use tollgate_core::clock::{Clock, UnixMillis};
use tollgate_core::command::{Command, NewMessage, PresentedSecret, StartFrom, SubscribeWish};
use tollgate_core::ids::ChannelId;
use tollgate_node::TokenUpdate;

use super::super::outside::Rng;
use super::acts::{open_at, perform};
use super::device::Device;
use super::planted::Plant;
use super::world::World;

/// The place of a token that is nobody else's.
const TOKEN: usize = 3;

const CHANNEL: &str = "open-stable";

/// A world of two shards, where nothing happens that is not asked for.
fn world() -> (World, Rng) {
    (World::new(2, Plant::Nothing), Rng::new(1))
}

/// A device with the token of this place comes to this shard. Answers its connection.
fn comes(world: &mut World, token: usize, shard: usize, rng: &mut Rng) -> usize {
    let (device, slot) = (world.devices.borrow().len(), world.conns.borrow().len());
    world.devices.borrow_mut().push(Device { native: true, token: Some(token), ..Device::default() });
    open_at(world, device, shard, rng);
    slot
}

/// Operations go on, and the shards do nothing.
fn operations_go_on(world: &mut World) {
    for _ in 0..10 {
        world.tasks.retain_mut(|task| task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

/// A shard hears every word that other shards have for it.
fn hears_all(world: &mut World, shard: usize) {
    while !world.shards[shard].parts.borrow().peers.is_empty() {
        world.hear_peer(shard);
    }
}

fn publish(world: &mut World, channel: &str) {
    let (node, key, number) = (world.node.clone(), world.key, world.next_number());
    let message = NewMessage::new(channel, "m", World::data(number));
    world.spawn(async move { node.publish(&key, message).await.map(drop) });
    operations_go_on(world);
}

fn send_direct(world: &mut World) {
    let (node, key, number) = (world.node.clone(), world.key, world.next_number());
    let token = PresentedSecret::new(world.tokens[TOKEN].clone());
    world.spawn(async move { node.direct_message(&key, &token, "d", World::data(number)).await.map(drop) });
    operations_go_on(world);
}

fn subscribe(world: &mut World, slot: usize, from: Option<StartFrom>) {
    if let Some(from) = from {
        let conn = &mut world.conns.borrow_mut()[slot];
        conn.asked.entry(CHANNEL.to_owned()).or_default().push((0, from));
    }
    let wish = Some(Box::new(SubscribeWish { from, watches: false, data: None }));
    perform(world, slot, Command::Subscribe { channel: CHANNEL.into(), wish });
    operations_go_on(world);
}

/// The shard that was asked for something, and the other one.
fn asked_shard(world: &World) -> (usize, usize) {
    let is_asked = |shard: &usize| !world.shards[*shard].parts.borrow().requests.is_empty();
    let asked = (0..2).find(is_asked).expect("somebody was asked");
    (asked, 1 - asked)
}

#[test]
fn who_asks_for_the_past_again_hears_on_until_it_is_answered() {
    let (mut world, mut rng) = world();
    publish(&mut world, CHANNEL);
    let (home, shard) = asked_shard(&world);
    let slot = comes(&mut world, TOKEN, shard, &mut rng);
    world.come_to_rest(&mut rng);
    subscribe(&mut world, slot, None);
    world.come_to_rest(&mut rng);
    // It asks for the past, and for nothing of it behind that; is answered the first; and asks for the past again.
    subscribe(&mut world, slot, Some(StartFrom::Last(1)));
    hears_all(&mut world, home);
    subscribe(&mut world, slot, None);
    hears_all(&mut world, shard);
    subscribe(&mut world, slot, Some(StartFrom::Last(2)));
    // A message, and then the answer to the second.
    publish(&mut world, CHANNEL);
    world.hear_request(home);
    hears_all(&mut world, home);
    world.come_to_rest(&mut rng);
    let conns = world.conns.borrow();
    let told = &conns[slot].heard;
    assert_eq!(told.iter().filter(|line| line.starts_with("m ")).count(), 4, "each message live, and again: {told:#?}");
}

/// It would have been told a place of another session than that of the message behind it.
#[test]
fn who_comes_with_a_token_that_is_deleted_at_that_moment_is_told_of_no_place() {
    let (mut world, mut rng) = world();
    let early = comes(&mut world, TOKEN, 0, &mut rng);
    world.come_to_rest(&mut rng);
    send_direct(&mut world);
    let (home, shard) = asked_shard(&world);
    world.come_to_rest(&mut rng);
    world.cut(early, false);
    let slot = comes(&mut world, TOKEN, shard, &mut rng);
    operations_go_on(&mut world);
    send_direct(&mut world);
    world.hear_request(home);
    hears_all(&mut world, shard);
    let (node, key, token) = (world.node.clone(), world.key, PresentedSecret::new(world.tokens[TOKEN].clone()));
    world.spawn(async move { node.delete_token(&key, &token).await });
    operations_go_on(&mut world);
    hears_all(&mut world, home);
    hears_all(&mut world, shard);
    assert!(!world.conns.borrow()[slot].connected);
    world.come_to_rest(&mut rng);
    assert!(world.conns.borrow()[slot].gone, "it is closed");
}

#[test]
fn who_goes_on_with_another_token_is_not_handed_what_came_when_the_first_had_ended() {
    let (mut world, mut rng) = world();
    let (channel, id) = ("private-room", ChannelId::new("private-room").unwrap());
    let slot = comes(&mut world, 0, 0, &mut rng);
    let (node, key, token) = (world.node.clone(), world.key, PresentedSecret::new(world.tokens[0].clone()));
    let end = UnixMillis(world.clock.unix().0 + 1_000);
    world.spawn(async move {
        node.subscribe_token(&key, &id, &token, false).await?;
        node.change_token(&key, &token, TokenUpdate { expires_at: Some(Some(end)), ..TokenUpdate::default() })
            .await
            .map(drop)
    });
    world.come_to_rest(&mut rng);
    assert!(world.conns.borrow()[slot].channels.contains_key(channel));
    world.clock.pass(1_000);
    publish(&mut world, channel);
    let (home, _) = asked_shard(&world);
    world.hear_request(home);
    hears_all(&mut world, 0);
    let token = PresentedSecret::new(world.tokens[1].clone());
    perform(&mut world, slot, Command::Renew { token });
    world.come_to_rest(&mut rng);
    let conns = world.conns.borrow();
    let told = &conns[slot].heard;
    assert!(conns[slot].is_live() && !conns[slot].channels.contains_key(channel), "{told:#?}");
    assert!(!told.iter().any(|line| line.starts_with("m ")), "{told:#?}");
}
