//! Requests that overtake each other: the store takes its time, and every interleaving is tried that a seed gives.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use super::*;
use support::{Rng, run_all};

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

const SEEDS: u64 = 60;

#[test]
fn one_auth_token_makes_one_session_however_many_ask_at_once() {
    for seed in 0..SEEDS {
        let bench = Bench::with_pauses(Some(seed));
        let token = block_on(bench.node.create_auth_token(&bench.key, "alice", None)).unwrap();
        let made = RefCell::new(0);
        let tasks: Vec<Task> = (0..8)
            .map(|device| {
                let (bench, made) = (&bench, &made);
                let auth_token = Some(PresentedSecret::new(token.secret.expose().to_string()));
                let wish = SessionRequest { auth_token, ..request("alice", &format!("d{device}")) };
                Box::pin(async move {
                    if bench.node.create_session(&bench.key, wish).await.is_ok() {
                        *made.borrow_mut() += 1;
                    }
                }) as Task
            })
            .collect();
        run_all(&mut Rng::new(seed), tasks);
        assert_eq!(*made.borrow(), 1, "seed {seed}");
    }
}

#[test]
fn the_same_request_sent_twice_at_once_makes_one_token() {
    for seed in 0..SEEDS {
        let bench = Bench::with_pauses(Some(seed));
        let made = RefCell::new(Vec::new());
        let tasks: Vec<Task> = (0..4)
            .map(|_| {
                let (bench, made) = (&bench, &made);
                Box::pin(async move {
                    let session = bench.node.create_session(&bench.key, request("alice", "a")).await.unwrap();
                    made.borrow_mut().push((session.token, session.access_token.text.to_string()));
                }) as Task
            })
            .collect();
        run_all(&mut Rng::new(seed), tasks);
        made.borrow_mut().dedup();
        assert_eq!(made.borrow().len(), 1, "seed {seed}");
        assert_eq!(bench.audit("session.create_user_token").len(), 1, "seed {seed}");
    }
}

#[test]
fn no_session_survives_a_ban_or_deletion_that_it_ran_into() {
    for seed in 0..SEEDS {
        for deletes in [false, true] {
            let bench = Bench::with_pauses(Some(seed));
            let operator = bench.operator();
            bench.session("alice", "first").unwrap();
            let (made, over) = (RefCell::new(Vec::new()), RefCell::new(false));
            let mut tasks: Vec<Task> = (0..6)
                .map(|device| {
                    let (bench, made, over) = (&bench, &made, &over);
                    Box::pin(async move {
                        let session =
                            bench.node.create_session(&bench.key, request("alice", &format!("d{device}"))).await;
                        if let Ok(session) = session {
                            let was_over = *over.borrow();
                            made.borrow_mut().push((session, was_over));
                        }
                    }) as Task
                })
                .collect();
            let (bench_, over_) = (&bench, &over);
            tasks.push(Box::pin(async move {
                if deletes {
                    bench_.node.delete_user(&operator, "alice").await.unwrap();
                } else {
                    bench_.node.ban_user(&operator, "alice").await.unwrap();
                }
                *over_.borrow_mut() = true;
            }));
            run_all(&mut Rng::new(seed), tasks);
            if !deletes {
                // What a ban ended stays ended after it.
                block_on(bench.node.unban_user(&bench.operator(), "alice")).unwrap();
            }
            for (session, was_over) in made.borrow().iter() {
                let works = bench.refused(session).is_none();
                assert!(!works || (deletes && *was_over), "seed {seed}: it was made before the end, and works");
                assert!(
                    works || !*was_over || !deletes,
                    "seed {seed}: it was made after the deletion, and does not work"
                );
            }
        }
    }
}

#[test]
fn a_user_is_made_once_however_many_name_it_at_once() {
    for seed in 0..SEEDS {
        let bench = Bench::with_pauses(Some(seed));
        let tasks: Vec<Task> = (0..6)
            .map(|device| {
                let bench = &bench;
                Box::pin(async move {
                    let made = bench.node.create_session(&bench.key, request("alice", &format!("d{device}"))).await;
                    made.unwrap();
                }) as Task
            })
            .collect();
        run_all(&mut Rng::new(seed), tasks);
        let users = bench.node.users(&bench.operator(), None, 10).unwrap();
        assert_eq!((users.len(), users[0].tokens), (1, 6), "seed {seed}");
    }
}

#[test]
fn a_project_gets_one_first_signing_key() {
    for seed in 0..SEEDS {
        let bench = Bench::with_pauses(Some(seed));
        let tasks: Vec<Task> = (0..6)
            .map(|user| {
                let bench = &bench;
                Box::pin(async move {
                    bench.node.create_session(&bench.key, request(&format!("u{user}"), "d")).await.unwrap();
                }) as Task
            })
            .collect();
        run_all(&mut Rng::new(seed), tasks);
        assert_eq!(bench.audit("signing_key.create").len(), 1, "seed {seed}");
    }
}
