//! Waiting for a condition with a deadline. There is no way here to wait for a time and hope.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a test waits for something that should happen at once.
pub const SOON: Duration = Duration::from_secs(10);

/// Asks `probe` every 5 ms until it gives something; panics with `what` when `deadline` has passed.
pub fn until<T>(deadline: Duration, what: impl Display, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// [`until`] for a plain yes or no, within [`SOON`].
pub fn wait(what: impl Display, mut probe: impl FnMut() -> bool) {
    until(SOON, what, || probe().then_some(()));
}

/// Does `work` again and again on a thread of its own while `watch` runs.
pub fn alongside<T>(mut work: impl FnMut() + Send, watch: impl FnOnce() -> T) -> T {
    struct SetOnDrop<'f>(&'f AtomicBool);
    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when `watch` panics, else the scope would wait for ever.
        let _stop = SetOnDrop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                work();
            }
        });
        watch()
    })
}

/// The time `offset` from now, spelled as RFC 3339 with nanoseconds, the way Hop's command line spells it.
pub fn from_now(offset: Duration) -> String {
    spelled(SystemTime::now() + offset)
}

/// A time, spelled so.
pub fn spelled(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to civil date, counted in 400-year eras of 146,097 days that start on 1 March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}+00:00", since.subsec_nanos())
}
