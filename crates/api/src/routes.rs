//! The table of routes, and finding the one for a request. Nothing is decoded here: ids stay as they came.

use http::Method;
use tollgate_core::ports::Pending;
use tollgate_node::Node;

use crate::answer::Answer;
use crate::call::{Asked, Call};
use crate::refusal::Refusal;
use crate::{health, hop, jwks, openapi, socialplus, v2};

/// One verb on one path.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Segments that start with `:` take any text. This, never the path, is what logs show.
    pub(crate) template: &'static str,
    pub(crate) run: Run,
}

/// What a route needs before it runs.
#[derive(Debug)]
pub(crate) enum Run {
    /// Nothing: anybody may ask.
    Open(for<'a> fn(&'a Node) -> Pending<'a, Answer>),
    /// A project key.
    Keyed(for<'a> fn(&'a Call) -> Pending<'a, Result<Answer, Refusal>>),
    /// A project key or a user's token.
    Bearer(for<'a> fn(&'a Call) -> Pending<'a, Result<Answer, Refusal>>),
    /// What the handler itself asks for.
    Own(for<'a> fn(&'a Asked) -> Pending<'a, Result<Answer, Refusal>>),
}

/// The parameters of a path, by name, still percent-encoded.
pub(crate) type Params = Vec<(&'static str, String)>;

macro_rules! keyed {
    ($method:ident $template:literal => $($handler:ident)::+) => {
        Route { method: Method::$method, template: $template, run: Run::Keyed(|call| Box::pin(async move { refused(hop::$($handler)::+(call).await) })) }
    };
}

macro_rules! v2 {
    ($method:ident $template:literal => $($handler:ident)::+) => {
        Route { method: Method::$method, template: $template, run: Run::Keyed(|call| Box::pin(async move { refused(v2::$($handler)::+(call).await) })) }
    };
}

macro_rules! social_plus {
    ($method:ident $template:literal => $($handler:ident)::+) => {
        Route {
            method: Method::$method,
            template: $template,
            run: Run::Own(|asked| {
                Box::pin(socialplus::run(asked, |called| Box::pin(socialplus::$($handler)::+(called))))
            }),
        }
    };
}

macro_rules! bearer {
    ($method:ident $template:literal => $($handler:ident)::+) => {
        Route { method: Method::$method, template: $template, run: Run::Bearer(|call| Box::pin(async move { refused(v2::$($handler)::+(call).await) })) }
    };
}

/// What a handler of either kind of error came to.
fn refused<E: Into<Refusal>>(outcome: Result<Answer, E>) -> Result<Answer, Refusal> {
    outcome.map_err(Into::into)
}

/// Every route. The first that fits wins, so `tokens` as a second segment stands before channel ids.
pub(crate) static ROUTES: &[Route] = &[
    Route { method: Method::GET, template: "/livez", run: Run::Open(|node| Box::pin(health::alive(node))) },
    Route { method: Method::GET, template: "/readyz", run: Run::Open(|node| Box::pin(health::ready(node))) },
    Route {
        method: Method::GET,
        template: "/.well-known/jwks.json",
        run: Run::Own(|asked| Box::pin(jwks::get(asked))),
    },
    Route {
        method: Method::GET,
        template: "/projects/:project/.well-known/jwks.json",
        run: Run::Own(|asked| Box::pin(jwks::get(asked))),
    },
    keyed!(GET "/v1/projects/@this" => projects::this),
    keyed!(GET "/v1/users/@me" => projects::me),
    keyed!(GET "/v1/channels/tokens" => tokens::list),
    keyed!(POST "/v1/channels/tokens" => tokens::create),
    keyed!(GET "/v1/channels/tokens/:token" => tokens::get),
    keyed!(PATCH "/v1/channels/tokens/:token" => tokens::change),
    keyed!(DELETE "/v1/channels/tokens/:token" => tokens::delete),
    keyed!(POST "/v1/channels/tokens/:token/messages" => messages::direct),
    keyed!(GET "/v1/channels" => channels::list),
    keyed!(POST "/v1/channels" => channels::create),
    keyed!(PUT "/v1/channels/:channel" => channels::create_named),
    keyed!(GET "/v1/channels/:channel" => channels::get),
    keyed!(PATCH "/v1/channels/:channel" => channels::change),
    keyed!(DELETE "/v1/channels/:channel" => channels::delete),
    keyed!(GET "/v1/channels/:channel/stats" => channels::stats),
    keyed!(GET "/v1/channels/:channel/state" => state::get),
    keyed!(PUT "/v1/channels/:channel/state" => state::replace),
    keyed!(PATCH "/v1/channels/:channel/state" => state::merge),
    keyed!(POST "/v1/channels/:channel/messages" => messages::publish),
    keyed!(POST "/v1/channels/:channel/publish" => messages::publish),
    keyed!(GET "/v1/channels/:channel/tokens" => subscribers::list),
    keyed!(PUT "/v1/channels/:channel/subscribers/:token" => subscribers::subscribe),
    keyed!(DELETE "/v1/channels/:channel/subscribers/:token" => subscribers::unsubscribe),
    Route {
        method: Method::GET,
        template: "/v2/openapi.json",
        run: Run::Open(|node| Box::pin(openapi::document(node))),
    },
    Route { method: Method::GET, template: "/docs", run: Run::Open(|node| Box::pin(openapi::docs(node))) },
    Route { method: Method::GET, template: "/docs.css", run: Run::Open(|node| Box::pin(openapi::style(node))) },
    v2!(GET "/v2/project" => project::get),
    v2!(PATCH "/v2/project" => project::change),
    v2!(POST "/v2/project/hook/test" => project_hook::test),
    v2!(GET "/v2/keys" => keys::list),
    v2!(POST "/v2/keys" => keys::create),
    v2!(GET "/v2/keys/:key" => keys::get),
    v2!(PATCH "/v2/keys/:key" => keys::change),
    v2!(POST "/v2/keys/:key/rotate" => keys::rotate),
    v2!(POST "/v2/keys/:key/revoke" => keys::revoke),
    v2!(POST "/v2/tokens/revoke" => revoke::revoke),
    v2!(POST "/v2/tokens/batch" => batch::run),
    v2!(POST "/v2/tokens/:token/restore" => revoke::restore),
    v2!(POST "/v2/tokens/:token/access-tokens" => signing_keys::spell),
    v2!(GET "/v2/signing-keys" => signing_keys::list),
    v2!(POST "/v2/signing-keys" => signing_keys::create),
    v2!(POST "/v2/signing-keys/rotate" => signing_keys::rotate),
    v2!(POST "/v2/signing-keys/:kid/retire" => signing_keys::retire),
    v2!(GET "/v2/issuers" => issuers::list),
    v2!(POST "/v2/issuers" => issuers::create),
    v2!(GET "/v2/issuers/:issuer" => issuers::get),
    v2!(PATCH "/v2/issuers/:issuer" => issuers::change),
    v2!(DELETE "/v2/issuers/:issuer" => issuers::delete),
    v2!(GET "/v2/users" => users::list),
    v2!(POST "/v2/users" => users::create),
    v2!(GET "/v2/users/:user" => users::get),
    v2!(PATCH "/v2/users/:user" => users::change),
    v2!(DELETE "/v2/users/:user" => users::delete),
    v2!(POST "/v2/users/:user/ban" => users::ban),
    v2!(POST "/v2/users/:user/unban" => users::unban),
    v2!(GET "/v2/users/:user/tokens" => tokens::list_of_user),
    v2!(POST "/v2/users/:user/messages" => users::message),
    v2!(POST "/v2/auth-tokens" => auth_tokens::create),
    v2!(GET "/v2/jobs" => jobs::list),
    v2!(POST "/v2/jobs" => jobs::create),
    v2!(GET "/v2/jobs/:job" => jobs::get),
    v2!(PUT "/v2/jobs/:job/parts/:part" => jobs::put_part),
    v2!(POST "/v2/jobs/:job/start" => jobs::start),
    v2!(POST "/v2/jobs/:job/cancel" => jobs::cancel),
    v2!(GET "/v2/jobs/:job/results" => jobs::results),
    v2!(GET "/v2/tokens/:token/usage" => usage::token),
    v2!(GET "/v2/users/:user/usage" => usage::user),
    v2!(GET "/v2/usage" => usage::project),
    v2!(POST "/v2/online" => online::query),
    v2!(GET "/v2/alerts" => usage::alerts),
    v2!(GET "/v2/webhooks" => webhooks::list),
    v2!(POST "/v2/webhooks" => webhooks::create),
    v2!(GET "/v2/webhooks/:webhook" => webhooks::get),
    v2!(PATCH "/v2/webhooks/:webhook" => webhooks::change),
    v2!(DELETE "/v2/webhooks/:webhook" => webhooks::delete),
    v2!(POST "/v2/webhooks/:webhook/rotate" => webhooks::rotate),
    v2!(POST "/v2/webhooks/:webhook/test" => webhooks::test),
    v2!(GET "/v2/webhooks/:webhook/deliveries" => webhooks::deliveries),
    v2!(POST "/v2/webhooks/:webhook/deliveries/:delivery/replay" => webhooks::replay),
    v2!(POST "/v2/explain" => explain::explain),
    v2!(POST "/v2/explain/message" => explain::message),
    v2!(POST "/v2/find" => find::find),
    v2!(GET "/v2/tokens" => tokens::list),
    v2!(POST "/v2/tokens" => tokens::create),
    v2!(POST "/v2/tokens/introspect" => introspect::introspect),
    v2!(GET "/v2/tokens/:token" => tokens::get),
    v2!(PATCH "/v2/tokens/:token" => tokens::change),
    v2!(DELETE "/v2/tokens/:token" => tokens::delete),
    v2!(POST "/v2/tokens/:token/rehearse" => tokens::rehearse),
    v2!(POST "/v2/tokens/:token/rotate" => tokens::rotate),
    v2!(GET "/v2/tokens/:token/state" => token_state::get),
    v2!(PUT "/v2/tokens/:token/state" => token_state::replace),
    v2!(PATCH "/v2/tokens/:token/state" => token_state::merge),
    v2!(GET "/v2/tokens/:token/connections" => token_use::connections),
    v2!(POST "/v2/tokens/:token/messages" => messages::to_token),
    v2!(POST "/v2/tokens/:token/connections/:connection/messages" => messages::to_connection),
    v2!(GET "/v2/tokens/:token/subscriptions" => token_use::subscriptions),
    v2!(PUT "/v2/tokens/:token/subscriptions/:channel" => token_use::subscribe),
    v2!(DELETE "/v2/tokens/:token/subscriptions/:channel" => token_use::unsubscribe),
    bearer!(GET "/v2/me" => me::get),
    bearer!(DELETE "/v2/me" => me::revoke),
    bearer!(GET "/v2/me/subscriptions" => me::subscriptions),
    bearer!(POST "/v2/tickets" => tickets::create),
    v2!(GET "/v2/connections" => connections::list),
    v2!(DELETE "/v2/connections/:connection" => connections::close),
    v2!(GET "/v2/channels" => channels::list),
    v2!(POST "/v2/channels" => channels::create),
    v2!(GET "/v2/channels/:channel" => channels::get),
    v2!(PATCH "/v2/channels/:channel" => channels::change),
    v2!(DELETE "/v2/channels/:channel" => channels::delete),
    v2!(GET "/v2/channels/:channel/subscribers" => channels::subscribers),
    v2!(PUT "/v2/channels/:channel/subscribers/:token" => token_use::subscribe),
    v2!(DELETE "/v2/channels/:channel/subscribers/:token" => token_use::unsubscribe),
    bearer!(POST "/v2/publish" => messages::publish_batch),
    bearer!(POST "/v2/channels/:channel/messages" => messages::publish),
    bearer!(GET "/v2/channels/:channel/history" => history::history),
    bearer!(GET "/v2/channels/:channel/presence" => history::presence),
    bearer!(GET "/v2/channels/:channel/state" => channel_state::get),
    bearer!(PUT "/v2/channels/:channel/state" => channel_state::replace),
    bearer!(PATCH "/v2/channels/:channel/state" => channel_state::merge),
    v2!(GET "/v2/audit" => audit::list),
    v2!(GET "/v2/audit/export" => audit::export),
    v2!(GET "/v2/audit/verify" => audit::verify),
    social_plus!(POST "/api/v3/sessions" => sessions::create),
    social_plus!(GET "/api/v3/sessions" => sessions::verify),
    social_plus!(DELETE "/api/v3/sessions" => sessions::end),
    social_plus!(DELETE "/api/v3/sessions/users/:user" => sessions::end_of_user),
    social_plus!(POST "/api/v4/sessions" => sessions::create),
    social_plus!(GET "/api/v4/sessions" => sessions::verify),
    social_plus!(DELETE "/api/v4/sessions" => sessions::end),
    social_plus!(DELETE "/api/v4/sessions/users/:user" => sessions::end_of_user),
    social_plus!(POST "/api/v5/sessions" => sessions::create),
    social_plus!(GET "/api/v5/sessions" => sessions::verify),
    social_plus!(DELETE "/api/v5/sessions" => sessions::end),
    social_plus!(DELETE "/api/v5/sessions/users/:user" => sessions::end_of_user),
    social_plus!(POST "/api/v5/sessions/visitor" => sessions::create_visitor),
    social_plus!(POST "/api/v5/sessions/bot" => sessions::create_bot),
    social_plus!(GET "/api/v1/accessToken" => sessions::refresh),
    social_plus!(POST "/api/v4/authentication/token" => auth_tokens::create),
    social_plus!(GET "/api/v3/authentication/token" => auth_tokens::get),
    social_plus!(GET "/api/v3/users/me" => users::me),
    social_plus!(GET "/api/v3/users/:user" => users::get),
    social_plus!(GET "/api/v3/network-settings/chat" => users::chat_settings),
];

/// A route with the parameters of a path.
pub(crate) type Found = (&'static Route, Params);

/// The table, its templates taken apart, by how many segments they have.
pub(crate) struct Routes(Vec<Vec<Form>>);

/// A route and its template's segments.
struct Form {
    route: &'static Route,
    segments: Vec<&'static str>,
    /// [`key`] of its last segment; `None` where that takes any text.
    last: Option<u64>,
}

/// Of a segment: its last eight bytes. Tells most apart at a glance.
fn key(segment: &str) -> u64 {
    segment.bytes().fold(0, |key, byte| key << 8 | u64::from(byte))
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} routes", self.0.iter().map(Vec::len).sum::<usize>())
    }
}

impl Routes {
    pub(crate) fn new(table: &'static [Route]) -> Self {
        let mut by_length = Vec::new();
        for route in table {
            let segments: Vec<&str> = route.template.split('/').skip(1).collect();
            if by_length.len() <= segments.len() {
                by_length.resize_with(segments.len() + 1, Vec::new);
            }
            let last = segments.last().filter(|last| !last.starts_with(':')).map(|last| key(last));
            by_length[segments.len()].push(Form { route, segments, last });
        }
        Self(by_length)
    }

    /// The route for a request. HEAD is served as GET (the connection leaves the body out).
    ///
    /// Duplicate slashes count as one. A slash at the end stands for an empty last parameter where a route takes one there
    /// (so that an SDK called with an empty id is told so), and for nothing elsewhere.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Found, Refusal> {
        let mut segments = segments(path);
        // Where social.plus's SDKs end up whose region was given as `example.com/`.
        if let [".amity.co", "api", ..] = segments.as_slice() {
            segments.remove(0);
        }
        let ends_in_slash = !segments.is_empty() && path.ends_with('/');
        let method = if method == Method::HEAD { &Method::GET } else { method };
        if ends_in_slash {
            segments.push("");
            if let Some(found) = self.first(method, &segments) {
                return Ok(found);
            }
            segments.pop();
        }
        self.first(method, &segments).ok_or_else(|| {
            let fitting = self.of_length(&segments).iter().filter(|form| form.fits(&segments));
            let allowed: Vec<&str> = fitting.map(|form| form.route.method.as_str()).collect();
            if allowed.is_empty() { Refusal::no_route() } else { Refusal::wrong_method(&allowed) }
        })
    }

    fn of_length(&self, segments: &[&str]) -> &[Form] {
        self.0.get(segments.len()).map_or(&[], Vec::as_slice)
    }

    fn first(&self, method: &Method, segments: &[&str]) -> Option<Found> {
        let last = segments.last().map(|last| key(last));
        let mut forms = self.of_length(segments).iter().filter(|form| form.last.is_none() || form.last == last);
        let form = forms.find(|form| form.route.method == method && form.fits(segments))?;
        Some((form.route, form.params(segments)))
    }
}

/// The segments of a path that have text.
fn segments(path: &str) -> Vec<&str> {
    let (mut segments, mut begin) = (Vec::with_capacity(8), 0);
    let ends = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(end, _)| end);
    for end in ends.chain([path.len()]) {
        if begin < end {
            segments.push(&path[begin..end]);
        }
        begin = end + 1;
    }
    segments
}

impl Form {
    /// Whether a path of as many segments has the form of the template. Looked at from behind, where routes differ.
    fn fits(&self, segments: &[&str]) -> bool {
        let mut pairs = self.segments.iter().zip(segments).rev();
        pairs.all(|(wanted, segment)| wanted == segment || wanted.starts_with(':'))
    }

    fn params(&self, segments: &[&str]) -> Params {
        let pairs = self.segments.iter().zip(segments);
        pairs.filter_map(|(wanted, segment)| Some((wanted.strip_prefix(':')?, (*segment).to_owned()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The template and the values of its parameters, or a status.
    type Expected<'a> = Result<(&'a str, &'a [&'a str]), u16>;

    fn check(method: &Method, path: &str, expected: Expected) {
        match (Routes::new(ROUTES).find(method, path), expected) {
            (Ok((route, params)), Ok((template, values))) => {
                let got: Vec<&str> = params.iter().map(|(_, value)| value.as_str()).collect();
                assert_eq!((route.template, got.as_slice()), (template, values), "{method} {path}");
            }
            (Err(refusal), Err(status)) => assert_eq!(refusal.status().as_u16(), status, "{method} {path}"),
            (got, expected) => panic!("{method} {path}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn paths_find_their_routes() {
        let table: &[(Method, &str, Expected)] = &[
            (Method::GET, "/v1/channels", Ok(("/v1/channels", &[]))),
            (Method::GET, "//v1///channels//a", Ok(("/v1/channels/:channel", &["a"]))),
            (Method::GET, "/v1/channels/a/", Ok(("/v1/channels/:channel", &["a"]))),
            (Method::HEAD, "/v1/channels/a", Ok(("/v1/channels/:channel", &["a"]))),
            (Method::POST, "/v1/channels/", Ok(("/v1/channels", &[]))),
            (Method::DELETE, "/v1/channels/", Ok(("/v1/channels/:channel", &[""]))),
            (Method::DELETE, "/v1/channels/tokens/", Ok(("/v1/channels/tokens/:token", &[""]))),
            (Method::GET, "/v1/channels/tokens", Ok(("/v1/channels/tokens", &[]))),
            (Method::GET, "/v1/channels/tokens/messages", Ok(("/v1/channels/tokens/:token", &["messages"]))),
            (Method::PUT, "/v1/channels/tokens", Ok(("/v1/channels/:channel", &["tokens"]))),
            (Method::PUT, "/v1/channels/a%2Fb", Ok(("/v1/channels/:channel", &["a%2Fb"]))),
            (
                Method::PUT,
                "/v1/channels/a/subscribers/t",
                Ok(("/v1/channels/:channel/subscribers/:token", &["a", "t"])),
            ),
            (Method::POST, "/v1/channels/a/publish", Ok(("/v1/channels/:channel/publish", &["a"]))),
            (Method::GET, "/v1/projects/@this", Ok(("/v1/projects/@this", &[]))),
            (Method::PUT, "/v1/channels", Err(405)),
            (Method::TRACE, "/v1/channels/a", Err(405)),
            (Method::GET, "/v1/channels/a/b", Err(404)),
            (Method::GET, "/v1", Err(404)),
            (Method::GET, "/", Err(404)),
            (Method::GET, "*", Err(404)),
            (Method::CONNECT, "", Err(404)),
            (Method::GET, "/V1/channels", Err(404)),
        ];
        for (method, path, expected) in table {
            check(method, path, *expected);
        }
    }

    #[test]
    fn no_route_hides_a_later_one() {
        let routes = Routes::new(ROUTES);
        for (place, route) in ROUTES.iter().enumerate() {
            let (found, _) = routes.find(&route.method, route.template).expect("a route finds itself");
            assert!(
                std::ptr::eq(found, route),
                "{place}: {} {} is hidden by {}",
                route.method,
                route.template,
                found.template
            );
        }
    }
}
