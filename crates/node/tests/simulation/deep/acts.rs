//! What everybody does: one random step at a time.

use tollgate_core::clock::{Clock, UnixMillis};
use tollgate_core::command::{
    Command, HistoryFrom, HistoryPage, HistoryQuery, MembersQuery, NewMessage, PresentedSecret, PublishOptions,
    Published, Reply, Resume, StartFrom, SubscribeWish,
};
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::PUBLICATION_ID_MS;
use tollgate_core::model::{ChannelSettings, HistorySettings};
use tollgate_core::ports::store::StateChange;
use tollgate_node::{ChannelUpdate, FormatIndex, TokenUpdate};

use super::super::outside::Rng;
use super::CHANNELS;
use super::client::{Conn, News};
use super::device::{Device, Spoken};
use super::wire::{bring, carry_out, number_in};
use super::world::{TOKENS, Task, World, new_channel};

pub(super) fn act(world: &mut World, rng: &mut Rng) {
    let channel = CHANNELS[rng.below(CHANNELS.len())];
    match rng.below(100) {
        0..9 => come(world, rng),
        9..16 => go(world, rng),
        16..28 => subscribe(world, channel, rng),
        28..33 => {
            command(world, rng, Command::Unsubscribe { channel: channel.into() });
        }
        33..47 => publish(world, channel, rng),
        47..50 => publish_again(world, rng),
        50..60 => publish_as_backend(world, channel, rng),
        60..66 => change_state(world, channel, rng),
        66..69 => history(world, channel, rng),
        69..72 => who_is_there(world, channel, rng),
        72..77 => direct(world, rng),
        77..84 => backend_subscribes(world, channel, rng),
        84..86 => change_settings(world, rng),
        86 => delete_and_create_again(world, ["private-room", "open-flux"][rng.below(2)]),
        87 => replace_a_token(world, rng),
        88 => {
            let token = world.any_token(rng);
            command(world, rng, Command::Renew { token });
        }
        89..92 => toggle_block(world, rng),
        92..97 => pass_time(world, rng),
        97 if rng.below(3) == 0 => move_an_end(world, rng),
        _ => (0..50).for_each(|_| world.turn(rng)),
    }
}

/// A device connects: a new one, or one that was here before, with what it has. Sometimes before the server knows that its last connection is gone.
fn come(world: &mut World, rng: &mut Rng) {
    let count = world.devices.borrow().len();
    let device = if count < 8 || rng.below(12) == 0 {
        let native = rng.below(4) > 0;
        let token = (rng.below(5) > 0).then(|| rng.below(TOKENS));
        world.devices.borrow_mut().push(Device { native, token, ..Device::default() });
        count
    } else {
        rng.below(count)
    };
    open(world, device, rng);
}

fn open(world: &mut World, device: usize, rng: &mut Rng) {
    let shard = rng.below(world.shards.len());
    open_at(world, device, shard, rng);
}

/// A device connects to this shard.
pub(super) fn open_at(world: &mut World, device: usize, shard: usize, rng: &mut Rng) {
    let slot = world.conns.borrow().len();
    let key = World::key_of(slot);
    let (native, token) = (world.devices.borrow()[device].native, world.devices.borrow()[device].token);
    let token_with = token.map(|token| (token, world.generations[token]));
    let mut conn = Conn::new((shard, key, device), token_with, &world.devices, &world.truth);
    let mut resume = None;
    if native {
        let devices = world.devices.borrow();
        let device = &devices[device];
        let mut wanted = Resume { session: device.session.clone(), ..Resume::default() };
        for (channel, position) in device.positions.iter().filter(|_| token.is_some() && rng.below(6) > 0) {
            wanted.positions.push((channel.clone(), *position));
            conn.asked.insert(channel.clone(), vec![(0, StartFrom::Position(*position))]);
        }
        wanted.direct = device
            .direct
            .filter(|(at, generation, _)| Some((*at, *generation)) == token_with && rng.below(6) > 0)
            .map(|direct| direct.2);
        conn.asked_direct = wanted.direct;
        for channel in CHANNELS.iter().filter(|_| rng.below(2) == 0) {
            wanted.watches.push((*channel).to_owned());
            conn.watched.insert((*channel).to_owned());
        }
        wanted.data = (rng.below(2) == 0).then(|| face(slot));
        resume = Some(Box::new(wanted));
    }
    world.devices.borrow_mut()[device].connection = Some(slot);
    world.conns.borrow_mut().push(conn);
    world.on(shard, |parts, _| parts.shard.open(key, FormatIndex(native.into())));
    let token = token.map(|token| PresentedSecret::new(world.tokens[token].clone()));
    perform(world, slot, Command::Connect { project: world.project.to_string(), token, resume });
}

fn face(number: usize) -> JsonObject {
    JsonObject::parse(format!("{{\"face\":{}}}", number % 3).as_bytes(), 100).unwrap()
}

/// A connection breaks, or its client closes it, or its socket is lost and the server does not know it yet.
fn go(world: &mut World, rng: &mut Rng) {
    let live: Vec<_> = (0..world.conns.borrow().len()).filter(|at| !world.conns.borrow()[*at].gone).collect();
    let Some(&at) = live.get(rng.below(live.len().max(1))) else { return };
    if rng.below(4) == 0 {
        let device = world.conns.borrow()[at].device;
        world.devices.borrow_mut()[device].connection = None;
        open(world, device, rng);
    } else {
        world.cut(at, rng.below(4) == 0);
    }
}

/// A connected client asks for something. Answers who.
fn command(world: &mut World, rng: &mut Rng, command: Command) -> Option<usize> {
    let slot = anybody(world, rng, |_| true)?;
    perform(world, slot, command);
    Some(slot)
}

fn anybody(world: &World, rng: &mut Rng, is_fit: impl Fn(&Conn) -> bool) -> Option<usize> {
    let conns = world.conns.borrow();
    let live: Vec<_> = (0..conns.len()).filter(|at| conns[*at].is_live() && is_fit(&conns[*at])).collect();
    live.get(rng.below(live.len().max(1))).copied()
}

fn subscribe(world: &mut World, channel: &str, rng: &mut Rng) {
    let Some(slot) = anybody(world, rng, |_| true) else { return };
    let wish = {
        let mut conns = world.conns.borrow_mut();
        let conn = &mut conns[slot];
        let known = world.devices.borrow()[conn.device].positions.get(channel).copied();
        let from = match rng.below(4) {
            0 => known.map(StartFrom::Position),
            1 => Some(StartFrom::Last(1 + u32::try_from(rng.below(20)).unwrap())),
            2 if rng.below(2) == 0 => {
                Some(StartFrom::Since(UnixMillis(world.clock.unix().0.saturating_sub(rng.below(5_000) as u64))))
            }
            _ => None,
        };
        if let (true, Some(from)) = (conn.native, from) {
            conn.asks += 1;
            conn.asked.entry(channel.to_owned()).or_default().push((conn.asks, from));
        }
        let watches = rng.below(4) > 0;
        if conn.native && watches {
            conn.watched.insert(channel.to_owned());
            conn.watches.insert(channel.to_owned());
        } else if conn.native {
            conn.looked_away.insert(channel.to_owned());
            conn.views.remove(channel);
        }
        let data = (rng.below(3) == 0).then(|| face(rng.below(3)));
        conn.native.then(|| Box::new(SubscribeWish { from, watches, data }))
    };
    perform(world, slot, Command::Subscribe { channel: channel.into(), wish });
}

fn message(channel: &str, number: u64, options: PublishOptions) -> NewMessage {
    NewMessage { options: Some(Box::new(options)), ..NewMessage::new(channel, "m", World::data(number)) }
}

fn spoken(world: &mut World, slot: usize, channel: &str, rng: &mut Rng) -> NewMessage {
    let number = world.next_number();
    let key = channel.contains("fast").then(|| format!("key-{}", rng.below(2)));
    let id = (rng.below(2) == 0).then(|| format!("id-{number}"));
    let conns = world.conns.borrow();
    let conn = &conns[slot];
    if let (Some(_), Some(token), true) = (&id, conn.acting, channel.contains("stable")) {
        let at = world.clock.unix().0;
        let spoken = Spoken { channel: channel.into(), number, key: key.clone(), at, token };
        world.devices.borrow_mut()[conn.device].spoken.push(spoken);
    }
    let echo = (rng.below(3) == 0).then_some(false);
    message(channel, number, PublishOptions { id, echo, key })
}

fn publish(world: &mut World, channel: &str, rng: &mut Rng) {
    let Some(slot) = anybody(world, rng, |_| true) else { return };
    if rng.below(3) > 0 {
        let message = spoken(world, slot, channel, rng);
        return perform(world, slot, Command::Publish(message));
    }
    let count = 1 + rng.below(5);
    let messages = (0..count).map(|_| {
        let channel = CHANNELS[rng.below(CHANNELS.len())];
        spoken(world, slot, channel, rng)
    });
    let messages = messages.collect();
    perform(world, slot, Command::Batch(messages));
}

/// A client whose reply was lost says the same again, by whatever connection it has now.
fn publish_again(world: &mut World, rng: &mut Rng) {
    let Some(slot) = anybody(world, rng, |_| true) else { return };
    let message = {
        let (conns, devices) = (world.conns.borrow(), world.devices.borrow());
        let conn = &conns[slot];
        let spoken = &devices[conn.device].spoken;
        let Some(spoken) = spoken.get(rng.below(spoken.len().max(1))) else { return };
        let is_known = world.clock.unix().0 < spoken.at + PUBLICATION_ID_MS / 2;
        if !is_known || conn.acting != Some(spoken.token) {
            return;
        }
        let options = PublishOptions { id: Some(format!("id-{}", spoken.number)), echo: None, key: spoken.key.clone() };
        message(&spoken.channel, spoken.number, options)
    };
    perform(world, slot, Command::Publish(message));
}

fn publish_as_backend(world: &mut World, channel: &str, rng: &mut Rng) {
    let number = world.next_number();
    let key = (channel.contains("fast") || rng.below(4) == 0).then(|| format!("key-{}", rng.below(2)));
    let message = message(channel, number, PublishOptions { key, ..PublishOptions::default() });
    let (node, caller, truth, channel) = (world.node.clone(), world.key, world.truth.clone(), channel.to_owned());
    world.spawn(async move {
        if let Published::At(position) = node.publish(&caller, message).await? {
            truth.borrow_mut().say(&channel, position, number, None);
        }
        Ok(())
    });
}

fn change_state(world: &mut World, channel: &str, rng: &mut Rng) {
    let state = world.state();
    let change = if rng.below(2) == 0 { StateChange::Replace(state) } else { StateChange::Merge(state) };
    let if_version = (rng.below(3) == 0).then(|| 1 + rng.below(4) as u64);
    if rng.below(2) == 0 {
        command(world, rng, Command::SetState { channel: channel.into(), change, if_version });
        return;
    }
    let (node, caller, id) = (world.node.clone(), world.key, ChannelId::new(channel).unwrap());
    world.spawn(async move { node.change_state(&caller, &id, change, if_version).await.map(drop) });
}

fn history(world: &mut World, channel: &str, rng: &mut Rng) {
    let Some(slot) = anybody(world, rng, |conn| conn.native) else { return };
    let known = world.devices.borrow()[world.conns.borrow()[slot].device].positions.get(channel).copied();
    let from = match (rng.below(4), known) {
        (0, Some(position)) => HistoryFrom::After(position),
        (1, Some(position)) => HistoryFrom::Before(position),
        (2, _) => HistoryFrom::Since(UnixMillis(world.clock.unix().0.saturating_sub(rng.below(5_000) as u64))),
        _ => HistoryFrom::End,
    };
    let query = HistoryQuery { from, newest_first: rng.below(2) == 0, limit: 1 + rng.below(30) };
    perform(world, slot, Command::History { channel: channel.into(), query });
}

/// Checks a page of history, and adds it to what is known.
fn read_page(
    world_truth: &std::cell::RefCell<super::truth::Truth>,
    channel: &str,
    query: HistoryQuery,
    page: &HistoryPage,
) {
    let HistoryPage { messages, position, more } = page;
    assert!(messages.len() <= query.limit);
    let mut truth = world_truth.borrow_mut();
    for (offset, publication) in messages {
        let place = Position { offset: *offset, ..*position };
        truth.say(channel, place, number_in(publication), Some(publication.at.0));
    }
    let step =
        |pair: &[(u64, _)]| if query.newest_first { pair[0].0 == pair[1].0 + 1 } else { pair[0].0 + 1 == pair[1].0 };
    assert!(messages.windows(2).all(step), "a page has no holes: {query:?} {page:?}");
    if let (HistoryFrom::After(after), false) = (query.from, query.newest_first) {
        assert!(messages.first().is_none_or(|(offset, _)| *offset == after.offset + 1), "{query:?} {page:?}");
        let last = messages.last().map_or(after.offset, |(offset, _)| *offset);
        assert!(*more || last == position.offset, "{query:?} {page:?}");
    }
    assert!(messages.iter().all(|(offset, _)| *offset <= position.offset));
}

/// A client looks who is there, or shows another face.
fn who_is_there(world: &mut World, channel: &str, rng: &mut Rng) {
    if rng.below(3) == 0 {
        let data = Some(face(rng.below(3)));
        command(world, rng, Command::SetMember { channel: channel.into(), data });
        return;
    }
    let is_fit = |conn: &Conn| conn.is_sure(channel);
    let Some(slot) = anybody(world, rng, is_fit) else { return };
    ask_members(world, slot, channel);
}

pub(super) fn ask_members(world: &mut World, slot: usize, channel: &str) {
    {
        let mut conns = world.conns.borrow_mut();
        let view = conns[slot].views.entry(channel.to_owned()).or_default();
        if view.asking {
            return;
        }
        view.asking = true;
    }
    let query = MembersQuery { after: None, limit: 1_000, sample: false };
    perform(world, slot, Command::Members { channel: channel.into(), query });
}

fn direct(world: &mut World, rng: &mut Rng) {
    let (node, caller, token, number) = (world.node.clone(), world.key, world.any_token(rng), world.next_number());
    world.spawn(async move { node.direct_message(&caller, &token, "d", World::data(number)).await.map(drop) });
}

fn backend_subscribes(world: &mut World, channel: &str, rng: &mut Rng) {
    let (node, caller, token, id) =
        (world.node.clone(), world.key, world.any_token(rng), ChannelId::new(channel).unwrap());
    if rng.below(3) > 0 {
        let ephemeral = rng.below(4) == 0;
        world.spawn(async move { node.subscribe_token(&caller, &id, &token, ephemeral).await });
    } else {
        world.spawn(async move { node.unsubscribe_token(&caller, &id, &token).await });
    }
}

fn change_settings(world: &mut World, rng: &mut Rng) {
    let durable = rng.below(3) == 0;
    let history = HistorySettings {
        size: [1, 3, 50][rng.below(3)] - u32::from(!durable && rng.below(4) == 0),
        ttl_ms: [1_000, 20_000, 1_000_000][rng.below(3)],
        durable,
    };
    let settings = ChannelSettings {
        history,
        presence: rng.below(2) == 0,
        retain: rng.below(2) == 0,
        conflate_per_second: if !durable && rng.below(2) == 0 { 5 } else { 0 },
        ..ChannelSettings::default()
    };
    let channel = "open-flux";
    world.truth.borrow_mut().promise(channel, &settings);
    let (node, caller, id) = (world.node.clone(), world.key, ChannelId::new(channel).unwrap());
    let update = ChannelUpdate { settings: Some(settings.into()), ..ChannelUpdate::default() };
    world.spawn(async move { node.change_channel(&caller, &id, update).await.map(drop) });
}

fn delete_and_create_again(world: &mut World, channel: &str) {
    let (node, caller, new) = (world.node.clone(), world.key, new_channel(channel));
    world.spawn(async move {
        node.delete_channel(&caller, new.id.as_ref().unwrap()).await?;
        node.create_channel(&caller, new).await.map(drop)
    });
}

/// Deletes or revokes a token and puts a new one in its place. After the answer, nothing may reach the old one's connections.
fn replace_a_token(world: &mut World, rng: &mut Rng) {
    let at = rng.below(TOKENS);
    let new = world.new_token(at);
    let old = PresentedSecret::new(std::mem::replace(&mut world.tokens[at], new));
    let (node, caller, conns, doomed) = (world.node.clone(), world.key, world.conns.clone(), world.generations[at]);
    world.generations[at] += 1;
    let revokes = rng.below(2) == 0;
    world.spawn(async move {
        if revokes {
            let selector = tollgate_node::Selector::token(old);
            node.revoke(&caller, tollgate_node::RevokeRequest { selector, ..Default::default() }).await?;
        } else {
            node.delete_token(&caller, &old).await?;
        }
        // Whom the server takes it for: one that goes on with another token may not have read so yet.
        let is_doomed = |conn: &&mut Conn| conn.acting == Some((at, doomed));
        conns.borrow_mut().iter_mut().filter(is_doomed).for_each(|conn| conn.dead = true);
        Ok(())
    });
}

fn move_an_end(world: &mut World, rng: &mut Rng) {
    let end = (rng.below(3) > 0).then(|| UnixMillis(world.clock.unix().0 + 1 + rng.below(20_000) as u64));
    let (node, caller, token) = (world.node.clone(), world.key, world.any_token(rng));
    let update = TokenUpdate { expires_at: Some(end), ..TokenUpdate::default() };
    world.spawn(async move { node.change_token(&caller, &token, update).await.map(drop) });
}

fn toggle_block(world: &mut World, rng: &mut Rng) {
    let count = world.conns.borrow().len();
    if count > 0 {
        let at = rng.below(count);
        let blocked = world.conns.borrow()[at].blocked;
        world.set_blocked(at, !blocked);
    }
}

/// Time goes by: a little, half a second or so, or minutes. The timers of connections fire, or are late.
fn pass_time(world: &mut World, rng: &mut Rng) {
    let ms = match rng.below(20) {
        0 => {
            // No message is on its way for minutes.
            world.settle_down(rng);
            60_000 + rng.below(90_000)
        }
        1..6 => 500 + rng.below(5_000),
        _ => 1 + rng.below(300),
    };
    let_pass(world, ms as u64, rng);
}

pub(super) fn let_pass(world: &mut World, ms: u64, rng: &mut Rng) {
    world.all_are_ready();
    world.clock.pass(ms);
    let node = world.node.clone();
    world.spawn(async move {
        node.end_sessions().await;
        node.prune_history().await;
        Ok(())
    });
    for shard in 0..world.shards.len() {
        world.on(shard, |parts, outlet| {
            parts.shard.forget_old();
            if rng.below(4) == 0 {
                parts.shard.end_stalled(5_000, outlet);
            }
        });
    }
    let count = world.conns.borrow().len();
    for at in 0..count {
        let (shard, key) = (world.conns.borrow()[at].shard, world.conns.borrow()[at].key);
        if rng.below(2) == 0 {
            world.on(shard, |parts, outlet| parts.shard.expire(key, outlet));
        }
    }
}

/// Carries out a client's command: prepares it now, and settles it when its operation is done.
pub(super) fn perform(world: &mut World, slot: usize, command: Command) {
    let (shard, key) = (world.conns.borrow()[slot].shard, world.conns.borrow()[slot].key);
    let leaves = if let Command::Unsubscribe { channel } = &command { Some(channel.clone()) } else { None };
    let client = world.on(shard, |parts, outlet| {
        let client = parts.shard.prepare(key, &command, outlet);
        if let Some(channel) = leaves {
            let before = outlet.conns.borrow()[slot].asks;
            bring(parts, outlet, key, News::Leaves(channel, before));
        }
        client
    });
    let Some(client) = client else { return };
    if let Command::Renew { .. } = &command
        && std::mem::replace(&mut world.conns.borrow_mut()[slot].is_renewing, true)
    {
        return;
    }
    let renewed = if let Command::Renew { token } = &command {
        world.tokens.iter().position(|one| one == token.expose()).map(|at| (at, world.generations[at]))
    } else {
        None
    };
    let (parts, outlet) = (world.shards[shard].parts.clone(), world.shards[shard].outlet.clone());
    let (node, clock, truth, conns) =
        (world.node.clone(), world.clock.clone(), world.truth.clone(), world.conns.clone());
    let (duplicates, caller, asked) = (world.duplicates.clone(), world.key, command.clone());
    let work = async move {
        let outcome = node.perform(client, command).await;
        if let Command::Renew { .. } = &asked {
            conns.borrow_mut()[slot].is_renewing = false;
        }
        let (mut parts, mut outlet) = (parts.borrow_mut(), outlet.borrow_mut());
        parts.shard.set_now(clock.monotonic());
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => {
                if let Command::Connect { .. } = &asked {
                    // As the gateway does.
                    conns.borrow_mut()[slot].gone = true;
                    parts.shard.gone(key, &mut *outlet);
                    carry_out(&mut parts, &mut outlet);
                }
                if let Command::Members { channel, .. } = &asked {
                    conns.borrow_mut()[slot].views.remove(channel);
                }
                return;
            }
        };
        let reply = parts.shard.settle(key, outcome, &mut *outlet);
        let say = |channel: &str, published: &Published, number: u64| match published {
            Published::At(position) => truth.borrow_mut().say(channel, *position, number, None),
            Published::Duplicate(position) => {
                duplicates.set(duplicates.get() + 1);
                truth.borrow_mut().say(channel, *position, number, None);
            }
            Published::Conflated => {}
        };
        let number = |message: &NewMessage| message.data.as_str().parse().unwrap();
        let mut news = None;
        match (reply, &asked) {
            (Some(Reply::Renewed(told)), _) => {
                conns.borrow_mut()[slot].ends_at = told
                    .token
                    .expiry
                    .map_or(tollgate_core::clock::Monotonic(u64::MAX), |expiry| clock.monotonic().plus(expiry.left_ms));
                conns.borrow_mut()[slot].acting = renewed;
                news = Some(News::Renewed(renewed, told));
            }
            (None, Command::Renew { .. }) => {
                let conn = &mut conns.borrow_mut()[slot];
                (conn.acting, conn.is_renewing) = (renewed, true);
            }
            (Some(Reply::Published(published)), Command::Publish(message)) => {
                say(&message.channel, &published, number(message));
            }
            (Some(Reply::Batch(results)), Command::Batch(messages)) => {
                for (message, result) in messages.iter().zip(results) {
                    if let Ok(Reply::Published(published)) = result {
                        say(&message.channel, &published, number(message));
                    }
                }
            }
            (Some(Reply::History(page)), Command::History { channel, query }) => {
                read_page(&truth, channel, *query, &page);
            }
            (Some(Reply::PositionLost(current)), Command::History { channel, query }) => {
                if let HistoryFrom::After(position) = query.from {
                    truth.borrow().lost(channel, position, current, clock.unix().0);
                }
            }
            (Some(Reply::Members(page)), Command::Members { channel, .. }) => {
                let names = page.members.iter().map(|member| member.name.to_string()).collect();
                news = Some(News::Members(channel.clone(), names, page.count));
            }
            (Some(Reply::Done), Command::Unsubscribe { channel }) => {
                let id = ChannelId::new(channel).unwrap();
                let token = conns.borrow()[slot].token_name.clone();
                let tokens = node.channel_tokens(&caller, &id).unwrap_or_default();
                let is_in = tokens.iter().any(|view| token.as_ref() == Some(&view.id.to_string()));
                news = Some(News::Left(channel.clone(), token.is_some() && !is_in));
            }
            _ => {}
        }
        carry_out(&mut parts, &mut outlet);
        if let Some(news) = news {
            bring(&mut parts, &mut outlet, key, news);
            carry_out(&mut parts, &mut outlet);
        }
    };
    let mut work: Task = Box::pin(work);
    if work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending() {
        world.tasks.push(work);
    }
}
