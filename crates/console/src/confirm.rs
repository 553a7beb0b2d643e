//! Making sure that it is the operator who sits there: before what is dangerous the password is asked for, unless it was said lately.

use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;

use crate::sessions::Doing;
use crate::visit::Visit;

/// For so long a password that was said is good, in milliseconds.
const LATELY_MS: u64 = 15 * 60_000;

/// Whether the form has to ask for the password.
pub(crate) fn is_due(visit: &Visit) -> bool {
    let now = visit.house.clock.monotonic();
    let mut sessions = visit.house.sessions();
    sessions.find(&visit.session.name, Doing::Look, now).is_none_or(|one| now.since(one.confirmed) >= LATELY_MS)
}

/// Goes on only with the password in the form's field `password`, where that is due.
///
/// # Errors
/// `invalid_auth`, `rate_limited`, `unavailable`.
pub(crate) async fn asked(visit: &Visit) -> Result<()> {
    if !is_due(visit) {
        return Ok(());
    }
    let password = PresentedSecret::new(visit.form.value("password").to_owned());
    visit.node().confirm_password(&visit.caller, &password).await.map_err(|mut error| {
        if error.kind == tollgate_core::ErrorKind::InvalidAuth {
            error.detail = "That is not your password.".to_owned();
        }
        error
    })?;
    let now = visit.house.clock.monotonic();
    if let Some(session) = visit.house.sessions().find(&visit.session.name, Doing::Use, now) {
        session.confirmed = now;
    }
    Ok(())
}
