//! The table of routes, sorted by path, and finding the one for a request.

use http::Method;
use tollgate_core::Result;
use tollgate_core::ports::Pending;
use tollgate_core::roles::Role;

use crate::answer::Answer;
use crate::form::decode;
use crate::pages;
use crate::visit::{Knock, Visit};

/// One verb on one path.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Segments that start with `:` take any text. This, never the path, is what logs show.
    pub(crate) template: &'static str,
    pub(crate) run: Run,
    /// Most bytes of its form.
    pub(crate) body_bytes_max: usize,
}

/// Who may ask, and who answers.
#[derive(Debug)]
pub(crate) enum Run {
    /// Anybody: signing in, and before.
    Door(for<'a> fn(&'a Knock) -> Pending<'a, Result<Answer>>),
    /// Operators of at least this role; the operation behind it decides again.
    Inside(Role, for<'a> fn(&'a Visit) -> Pending<'a, Result<Answer>>),
}

/// The parameters of a path, by name.
pub(crate) type Params = Vec<(&'static str, String)>;

/// Most bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// Of one with JSON in it: a megabyte of it, percent-encoded.
const LARGE_FORM_BYTES_MAX: usize = 4 * 1024 * 1024;

macro_rules! door {
    ($method:ident $template:literal => $($handler:ident)::+) => {
        Route { method: Method::$method, template: $template, run: Run::Door(|knock| Box::pin(pages::$($handler)::+(knock))), body_bytes_max: FORM_BYTES_MAX }
    };
}

macro_rules! inside {
    ($role:ident $method:ident $template:literal => $($handler:ident)::+) => { inside!($role $method $template => $($handler)::+, FORM_BYTES_MAX) };
    ($role:ident $method:ident $template:literal => $($handler:ident)::+, $max:ident) => {
        Route { method: Method::$method, template: $template, run: Run::Inside(Role::$role, |visit| Box::pin(pages::$($handler)::+(visit))), body_bytes_max: $max }
    };
}

/// Every route, by path. The first that fits wins, so `new` stands before ids. Changes are POST; what is a page is GET.
pub(crate) static ROUTES: &[Route] = &[
    inside!(Viewer GET "/console" => overview::begin),
    inside!(Viewer GET "/console/p/:project" => overview::show),
    inside!(Viewer GET "/console/p/:project/audit" => audit::show),
    inside!(Viewer POST "/console/p/:project/audit/export" => audit::export),
    inside!(Viewer POST "/console/p/:project/audit/verify" => audit::verify),
    inside!(Viewer GET "/console/p/:project/channels" => channels::list),
    inside!(Editor GET "/console/p/:project/channels/new" => channels::new),
    inside!(Editor POST "/console/p/:project/channels/new" => channels::create, LARGE_FORM_BYTES_MAX),
    inside!(Viewer GET "/console/p/:project/channels/:channel" => channel::show),
    inside!(Editor GET "/console/p/:project/channels/:channel/delete" => channel_more::about_to_delete),
    inside!(Editor POST "/console/p/:project/channels/:channel/delete" => channel_more::delete),
    inside!(Viewer GET "/console/p/:project/channels/:channel/history" => channel_past::history),
    inside!(Editor POST "/console/p/:project/channels/:channel/publish" => channel::publish, LARGE_FORM_BYTES_MAX),
    inside!(Viewer GET "/console/p/:project/channels/:channel/settings" => channel_more::settings),
    inside!(Editor POST "/console/p/:project/channels/:channel/settings" => channel_more::change),
    inside!(Editor POST "/console/p/:project/channels/:channel/state" => channel::save, LARGE_FORM_BYTES_MAX),
    inside!(Viewer GET "/console/p/:project/channels/:channel/subscribers" => channel_more::subscribers),
    inside!(Editor POST "/console/p/:project/channels/:channel/subscribers" => channel_more::subscribe),
    inside!(Viewer GET "/console/p/:project/channels/:channel/tail" => channel_past::tail),
    inside!(Viewer GET "/console/p/:project/connections" => connections::list),
    inside!(Editor POST "/console/p/:project/connections" => connections::close),
    inside!(Viewer GET "/console/p/:project/explain" => explain::show),
    inside!(Viewer POST "/console/p/:project/explain" => explain::ask),
    inside!(Viewer GET "/console/p/:project/find" => find::show),
    inside!(Viewer POST "/console/p/:project/find" => find::find),
    inside!(Owner GET "/console/p/:project/issuers/new" => issuers::new),
    inside!(Owner POST "/console/p/:project/issuers/new" => issuers::create),
    inside!(Owner GET "/console/p/:project/issuers/try" => issuers::about_to_try),
    inside!(Owner POST "/console/p/:project/issuers/try" => issuers::attempt),
    inside!(Owner GET "/console/p/:project/issuers/:issuer" => issuers::show),
    inside!(Owner POST "/console/p/:project/issuers/:issuer" => issuers::change),
    inside!(Owner GET "/console/p/:project/issuers/:issuer/delete" => issuers::about_to_delete),
    inside!(Owner POST "/console/p/:project/issuers/:issuer/delete" => issuers::delete),
    inside!(Viewer GET "/console/p/:project/keys" => keys::list),
    inside!(Owner GET "/console/p/:project/keys/new" => keys::new),
    inside!(Owner POST "/console/p/:project/keys/new" => keys::create),
    inside!(Owner GET "/console/p/:project/keys/:key" => keys::show),
    inside!(Owner POST "/console/p/:project/keys/:key" => keys::change),
    inside!(Owner GET "/console/p/:project/keys/:key/revoke" => keys::about_to_revoke),
    inside!(Owner POST "/console/p/:project/keys/:key/revoke" => keys::revoke),
    inside!(Viewer GET "/console/p/:project/settings" => settings::show),
    inside!(Owner GET "/console/p/:project/settings/hook/remove" => settings::about_to_remove_hook),
    inside!(Owner POST "/console/p/:project/settings/hook/remove" => settings::remove_hook),
    inside!(Owner POST "/console/p/:project/settings/hook/rotate" => settings::rotate_hook),
    inside!(Owner POST "/console/p/:project/settings/hook/test" => settings::test_hook),
    inside!(Owner POST "/console/p/:project/settings/:group" => settings::save),
    inside!(Owner GET "/console/p/:project/signing-keys/new" => signing::new),
    inside!(Owner POST "/console/p/:project/signing-keys/new" => signing::create),
    inside!(Owner GET "/console/p/:project/signing-keys/:kid/retire" => signing::about_to_retire),
    inside!(Owner POST "/console/p/:project/signing-keys/:kid/retire" => signing::retire),
    inside!(Viewer GET "/console/p/:project/tokens" => tokens::list),
    inside!(Viewer POST "/console/p/:project/tokens/find" => tokens::find),
    inside!(Editor GET "/console/p/:project/tokens/new" => tokens::new),
    inside!(Editor POST "/console/p/:project/tokens/new" => tokens::create),
    inside!(Editor GET "/console/p/:project/tokens/revoke" => revoke::show),
    inside!(Editor POST "/console/p/:project/tokens/revoke" => revoke::act),
    inside!(Viewer GET "/console/p/:project/tokens/:token" => token::show),
    inside!(Viewer GET "/console/p/:project/tokens/:token/audit" => token_more::audit),
    inside!(Editor GET "/console/p/:project/tokens/:token/delete" => token_more::about_to_delete),
    inside!(Editor POST "/console/p/:project/tokens/:token/delete" => token_more::delete),
    inside!(Editor POST "/console/p/:project/tokens/:token/message" => token::message, LARGE_FORM_BYTES_MAX),
    inside!(Editor POST "/console/p/:project/tokens/:token/restore" => token::restore),
    inside!(Editor GET "/console/p/:project/tokens/:token/revoke" => token::about_to_revoke),
    inside!(Editor POST "/console/p/:project/tokens/:token/revoke" => token::revoke),
    inside!(Editor POST "/console/p/:project/tokens/:token/rotate" => token::rotate),
    inside!(Editor POST "/console/p/:project/tokens/:token/state" => token::save, LARGE_FORM_BYTES_MAX),
    inside!(Viewer GET "/console/p/:project/tokens/:token/subscriptions" => token_more::subscriptions),
    inside!(Editor POST "/console/p/:project/tokens/:token/subscriptions" => token_more::subscribe),
    inside!(Viewer GET "/console/p/:project/tokens/:token/terms" => token_terms::show),
    inside!(Editor POST "/console/p/:project/tokens/:token/terms" => token_terms::save),
    inside!(Viewer GET "/console/p/:project/tokens/:token/usage" => token_more::usage),
    inside!(Viewer GET "/console/p/:project/users" => users::list),
    inside!(Editor POST "/console/p/:project/users" => users::create),
    inside!(Viewer GET "/console/p/:project/users/:user" => users::show),
    inside!(Editor POST "/console/p/:project/users/:user" => users::change),
    inside!(Editor GET "/console/p/:project/users/:user/ban" => user_more::about_to_ban),
    inside!(Editor POST "/console/p/:project/users/:user/ban" => user_more::ban),
    inside!(Editor GET "/console/p/:project/users/:user/delete" => user_more::about_to_delete),
    inside!(Editor POST "/console/p/:project/users/:user/delete" => user_more::delete),
    inside!(Editor POST "/console/p/:project/users/:user/message" => user_more::message, LARGE_FORM_BYTES_MAX),
    inside!(Editor GET "/console/p/:project/users/:user/revoke" => user_more::about_to_revoke),
    inside!(Editor POST "/console/p/:project/users/:user/revoke" => user_more::revoke),
    inside!(Editor POST "/console/p/:project/users/:user/unban" => user_more::unban),
    inside!(Viewer GET "/console/p/:project/webhooks" => webhooks::list),
    inside!(Owner POST "/console/p/:project/webhooks" => webhooks::create),
    inside!(Viewer GET "/console/p/:project/webhooks/:webhook" => webhooks::show),
    inside!(Owner POST "/console/p/:project/webhooks/:webhook" => webhooks::change),
    inside!(Owner GET "/console/p/:project/webhooks/:webhook/delete" => webhooks::about_to_delete),
    inside!(Owner POST "/console/p/:project/webhooks/:webhook/delete" => webhooks::delete),
    inside!(Viewer GET "/console/p/:project/works/:work" => works::show),
    inside!(Owner GET "/console/server/about" => server::about),
    inside!(Owner GET "/console/server/audit" => audit::show),
    inside!(Owner POST "/console/server/audit/export" => audit::export),
    inside!(Owner POST "/console/server/audit/verify" => audit::verify),
    inside!(Owner GET "/console/server/operators" => operators::list),
    inside!(Owner POST "/console/server/operators" => operators::invite),
    inside!(Owner GET "/console/server/operators/:operator" => operators::show),
    inside!(Owner POST "/console/server/operators/:operator" => operators::change),
    inside!(Owner GET "/console/server/operators/:operator/delete" => operators::about_to_delete),
    inside!(Owner POST "/console/server/operators/:operator/delete" => operators::delete),
    inside!(Owner GET "/console/server/projects" => projects::list),
    inside!(Owner POST "/console/server/projects" => projects::create),
    inside!(Viewer GET "/console/server/pulse" => pulse::show),
    inside!(Owner GET "/console/server/works/:work" => works::show),
    inside!(Viewer GET "/console/server/you" => you::show),
    inside!(Viewer POST "/console/server/you/password" => you::password),
    inside!(Viewer POST "/console/server/you/sessions" => you::end),
    door!(GET "/console/set-up" => doors::set_up),
    door!(POST "/console/set-up" => doors::accept),
    door!(GET "/console/sign-in" => doors::sign_in),
    door!(POST "/console/sign-in" => doors::enter),
    door!(GET "/console/sign-in/check" => doors::check),
    inside!(Viewer POST "/console/sign-out" => doors::leave),
    inside!(Viewer POST "/console/theme" => doors::theme),
];

/// What a request's path and method come to.
pub(crate) enum Found {
    Route(&'static Route, Params),
    /// The path has another method.
    Otherwise,
    Nothing,
}

/// The route for a request. HEAD is served as GET. A slash at the end is like none.
///
/// # Errors
/// `invalid_input` for a parameter that is not properly encoded.
pub(crate) fn find(table: &'static [Route], method: &Method, path: &str) -> Result<Found> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut otherwise = false;
    for route in table {
        let Some(params) = fits(route.template, &segments) else { continue };
        if route.method != *method {
            otherwise = true;
            continue;
        }
        let decoded = params.into_iter().map(|(name, text)| Ok((name, decode(text.as_bytes(), false)?)));
        return Ok(Found::Route(route, decoded.collect::<Result<_>>()?));
    }
    Ok(if otherwise { Found::Otherwise } else { Found::Nothing })
}

fn fits<'p>(template: &'static str, segments: &[&'p str]) -> Option<Vec<(&'static str, &'p str)>> {
    let mut params = Vec::new();
    let mut rest = segments.iter();
    for wanted in template.split('/').skip(1) {
        let segment = *rest.next()?;
        match wanted.strip_prefix(':') {
            Some(name) => params.push((name, segment)),
            None if wanted == segment => {}
            None => return None,
        }
    }
    rest.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_route_hides_a_later_one() {
        for route in ROUTES {
            let Found::Route(found, _) = find(ROUTES, &route.method, route.template).unwrap() else {
                panic!("{route:?}")
            };
            assert!(std::ptr::eq(found, route), "{} is hidden by {}", route.template, found.template);
        }
    }

    #[test]
    fn paths_find_their_routes() {
        let table = [
            (Method::GET, "/console", "/console"),
            (Method::GET, "/console/", "/console"),
            (Method::HEAD, "/console/sign-in", "/console/sign-in"),
            (Method::GET, "/console/p/project_x/", "/console/p/:project"),
            (Method::POST, "/console/sign-out", "/console/sign-out"),
            (Method::GET, "/console/sign-out", "otherwise"),
            (Method::GET, "/console/nothing", ""),
        ];
        for (method, path, expected) in table {
            let got = match find(ROUTES, &method, path).unwrap() {
                Found::Route(route, _) => route.template.to_owned(),
                Found::Otherwise => "otherwise".to_owned(),
                Found::Nothing => String::new(),
            };
            assert_eq!(got, expected, "{method} {path}");
        }
        assert!(find(ROUTES, &Method::GET, "/console/p/%ff").is_err());
    }
}
