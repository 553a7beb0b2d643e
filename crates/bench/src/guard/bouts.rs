//! Rounds of floor and server in turn, more of them where the machine was disturbed. Knows no workload.
//!
//! A figure is the best of the server's rounds as a part of the best of the floor's: whatever else a machine does makes CPU time dearer and never cheaper,
//! so the best of a few rounds hardly differs from run to run where a median still does.
use crate::failure::{Failure, Outcome};
use crate::say;

/// A floor this much below the best one of the run was disturbed: something else had its core.
const DISTURBED: f64 = 0.75;

/// What one round found of a figure. More is faster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bout {
    pub(super) floor: f64,
    pub(super) server: f64,
    /// The generator's part of its core, if the server waited for it.
    pub(super) waited: Option<f64>,
}

fn best(bouts: &[Bout], of: fn(&Bout) -> f64) -> f64 {
    bouts.iter().map(of).fold(0.0, f64::max)
}

/// Why a round is not judged.
fn flaw(bout: &Bout, bouts: &[Bout]) -> Option<String> {
    if let Some(share) = bout.waited {
        return Some(format!("the generator was the limit, with {:.0} % of its core", share * 100.0));
    }
    let part = bout.floor / best(bouts, |bout| bout.floor);
    (part < DISTURBED)
        .then(|| format!("the floor was disturbed: {:.0} % of what it was in the best round", part * 100.0))
}

/// The rounds of one figure that can be judged.
fn sound(bouts: &[Bout]) -> Vec<Bout> {
    bouts.iter().filter(|bout| flaw(bout, bouts).is_none()).copied().collect()
}

/// Takes rounds until each of the figures named has `wanted` that can be judged, at most twice as many in all. Gives the server's part of the floor.
///
/// # Errors
/// Where the machine does not let half of them be judged: [`Failure::Unfit`].
pub(super) fn repeat<const N: usize>(
    names: [&str; N],
    wanted: usize,
    mut round: impl FnMut(usize) -> Outcome<[Bout; N]>,
) -> Outcome<[f64; N]> {
    let mut all: [Vec<Bout>; N] = std::array::from_fn(|_| Vec::new());
    for number in 0..wanted * 2 {
        if all.iter().all(|bouts| sound(bouts).len() >= wanted) {
            break;
        }
        for ((bouts, bout), name) in all.iter_mut().zip(round(number)?).zip(names) {
            bouts.push(bout);
            let flaw = flaw(&bout, bouts).map_or(String::new(), |why| format!("; not judged: {why}"));
            say(&format!("{name} round {}: {:.3} of the floor{flaw}", number + 1, bout.server / bout.floor));
        }
    }
    for (bouts, name) in all.iter().zip(names) {
        let (judged, of) = (sound(bouts).len(), bouts.len());
        if judged * 2 < wanted {
            return Err(Failure::Unfit(format!(
                "{name}: of {of} rounds only {judged} can be judged, since this machine is busy with something else"
            )));
        }
    }
    Ok(all.map(|bouts| {
        let sound = sound(&bouts);
        best(&sound, |bout| bout.server) / best(&sound, |bout| bout.floor)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bout(floor: f64, server: f64) -> Bout {
        Bout { floor, server, waited: None }
    }

    #[test]
    fn disturbed_rounds_are_repeated_and_not_judged() {
        let waited = Bout { waited: Some(0.99), ..bout(100.0, 99.0) };
        let rounds = [bout(50.0, 98.0), bout(100.0, 50.0), waited, bout(90.0, 60.0)];
        let mut taken = 0;
        let parts = repeat(["x"], 2, |number| {
            taken += 1;
            Ok([rounds[number]])
        });
        assert_eq!((parts.unwrap(), taken), ([0.6], 4));
    }

    #[test]
    fn a_busy_machine_is_not_the_servers_fault() {
        let refused = repeat(["x"], 4, |number| Ok([bout(if number == 0 { 100.0 } else { 10.0 }, 1.0)])).unwrap_err();
        let words = "x: of 8 rounds only 1 can be judged";
        assert!(matches!(&refused, Failure::Unfit(why) if why.starts_with(words)), "{refused}");
        let limited = repeat(["x"], 2, |_| Ok([Bout { waited: Some(1.0), ..bout(100.0, 100.0) }]));
        assert!(matches!(limited, Err(Failure::Unfit(_))));
    }

    #[test]
    fn a_quiet_machine_takes_no_more_rounds_than_wanted() {
        let mut taken = 0;
        let parts = repeat(["x", "y"], 3, |_| {
            taken += 1;
            Ok([bout(100.0, 50.0), bout(7.0, 14.0)])
        });
        assert_eq!((parts.unwrap(), taken), ([0.5, 2.0], 3));
    }
}
