//! The service: rules, route, session, body, role, page, headers. Whatever happens, the answer is a page with all headers.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::credentials::fingerprint;
use tollgate_core::ids::ProjectId;
use tollgate_core::peer::ClientAddress;
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{Node, Origin, with_origin};
use tower_service::Service;

use crate::answer::{Answer, Reply};
use crate::assets::{self, Assets};
use crate::figures::{ConsoleFigures, Figures};
use crate::form::Form;
use crate::frame::{self, Frame};
use crate::premises::Premises;
use crate::request_id::RequestIds;
use crate::routes::{self, Found, ROUTES, Route, Run};
use crate::rules::{self, Broken};
use crate::sessions::{Doing, Lives, Sessions};
use crate::surroundings::Surroundings;
use crate::visit::{Knock, Known, Visit, no_such};
use crate::works::Works;
use crate::{ConsoleParts, ConsoleSettings, cookie, pages, refused};

/// How long a form may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Said by the console's own script of a request that nobody made by hand: it does not make a session last longer.
const LOOK: &str = "x-console-look";

/// Answers every request below `/console`. A handle: cheap to clone.
#[derive(Clone)]
pub struct Console {
    house: Arc<House>,
}

/// What all requests share.
pub(crate) struct House {
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) assets: Assets,
    pub(crate) figures: Figures,
    pub(crate) premises: Arc<dyn Premises>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    settings: ConsoleSettings,
    sessions: Mutex<Sessions>,
    works: Mutex<Works>,
    request_ids: RequestIds,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// A console without anybody in it.
    #[must_use]
    pub fn new(parts: ConsoleParts) -> Self {
        let ConsoleParts { node, clock, entropy, premises, surroundings, settings } = parts;
        let lives = Lives { idle_ms: settings.idle_ms, whole_ms: settings.session_ms };
        let sessions = Mutex::new(Sessions::new(lives));
        let request_ids = RequestIds::new(settings.instance);
        let house = House {
            node,
            clock,
            entropy,
            assets: Assets::new(),
            figures: Figures::new(),
            premises,
            surroundings,
            settings,
            sessions,
            works: Mutex::default(),
            request_ids,
        };
        Self { house: Arc::new(house) }
    }

    /// Whether a path is the console's.
    #[must_use]
    pub fn has(path: &str) -> bool {
        path == "/console" || path.starts_with("/console/")
    }

    /// The answer to one request. Never fails and never panics.
    pub async fn answer<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.house.clone().answer(request).await
    }

    /// What it has counted of itself.
    #[must_use]
    pub fn figures(&self) -> ConsoleFigures {
        let now = self.house.clock.monotonic();
        let sessions = self.house.sessions().count(now);
        self.house.figures.read(sessions)
    }

    #[cfg(test)]
    pub(crate) fn house(&self) -> &Arc<House> {
        &self.house
    }
}

impl<B> Service<Request<B>> for Console
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let house = Arc::clone(&self.house);
        Box::pin(async move { Ok(house.answer(request).await) })
    }
}

impl House {
    /// The sessions. Never held across a wait.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The long works. Never held across a wait.
    pub(crate) fn works(&self) -> MutexGuard<'_, Works> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the listener itself speaks TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.settings.tls
    }

    async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let begun_us = self.clock.micros();
        let request_id = self.request_ids.next();
        let theme = cookie::theme(&parts.headers);
        let which = OnceLock::new();
        let outcome = {
            let work = pin!(self.outcome(parts, body, &request_id, &which));
            contained(work).await.unwrap_or(Err(Broken {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                why: "Something failed inside the server; the log says what.",
            }))
        };
        let answer = outcome.unwrap_or_else(|broken| {
            let answer = refused::outside(&self.assets, theme, (broken.status, broken.why), &request_id);
            if broken.status == StatusCode::METHOD_NOT_ALLOWED { answer.allowing("GET, HEAD, POST") } else { answer }
        });
        let took_us = self.clock.micros().saturating_sub(begun_us);
        self.figures.note(which.get().copied(), answer.status, took_us);
        answer.after(took_us).reply(&request_id, self.settings.tls)
    }

    /// `which` is set to the route as soon as it is known.
    async fn outcome<B>(
        self: &Arc<Self>,
        parts: Parts,
        body: B,
        request_id: &Arc<str>,
        which: &OnceLock<&'static Route>,
    ) -> Result<Answer, Broken>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let asked = rules::Request { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        rules::check(asked, &self.settings.hosts)?;
        let path = parts.uri.path();
        if path.starts_with(assets::FOLDER) {
            return Ok(assets::file(path).unwrap_or_else(|| Answer::nothing(StatusCode::NOT_FOUND)));
        }
        let looks = parts.headers.contains_key(LOOK);
        let session = self.session(&parts, looks);
        if session.is_none() && parts.method == Method::GET && asked.is_led_here_from_elsewhere() {
            // The cookie is not sent on the way from another site's link; it is on the second step, which is ours.
            return pages::doors::bounce(&self.assets, &parts.uri).map_err(defect);
        }
        let query = Form::read(parts.uri.query().unwrap_or_default().as_bytes()).map_err(garbled)?;
        let (route, params) = match routes::find(ROUTES, &parts.method, path).map_err(garbled)? {
            Found::Route(route, params) => (Some(*which.get_or_init(|| route)), params),
            Found::Otherwise => {
                return Err(Broken {
                    status: StatusCode::METHOD_NOT_ALLOWED,
                    why: "This is not asked for in this way.",
                });
            }
            Found::Nothing => (None, Vec::new()),
        };
        let address = parts.extensions.get::<ClientAddress>().map(|client| client.0);
        let form = match route {
            // A stranger's bytes are not kept, but at the doors.
            Some(Route { run: Run::Inside(..), .. }) if session.is_none() => Form::default(),
            Some(route) if parts.method == Method::POST => {
                Form::read(&read(body, route.body_bytes_max).await?).map_err(garbled)?
            }
            _ => Form::default(),
        };
        let origin = Origin {
            request_id: Some(Arc::clone(request_id)),
            address,
            asked: route.map(|route| (route.method.as_str(), route.template)),
            trace: None,
        };
        let knock = Knock { house: Arc::clone(self), parts, params, query, form, address, session };
        let is_known = knock.session.is_some();
        let answer = with_origin(origin, self.run(route, knock, looks, request_id)).await?;
        Ok(answer.of_known(is_known))
    }

    async fn run(&self, route: Option<&Route>, knock: Knock, looks: bool, request_id: &str) -> Result<Answer, Broken> {
        if let Some(Route { run: Run::Door(handler), .. }) = route {
            let theme = knock.theme();
            return Ok(handler(&knock).await.unwrap_or_else(|error| {
                refused::outside(&self.assets, theme, (refused::status(error.kind), &error.detail), request_id)
            }));
        }
        let Some(session) = knock.session.clone() else {
            return Ok(if looks {
                Answer::nothing(StatusCode::UNAUTHORIZED)
            } else {
                pages::doors::to_sign_in(&knock)
            });
        };
        let named = knock.param("project").to_owned();
        let project = if named.is_empty() { None } else { named.parse::<ProjectId>().ok() };
        let Some((caller, name, role)) = self.node.caller_of(session.signed_in, project) else {
            self.sessions().end(|one, _| *one == session.name);
            return Ok(pages::doors::to_sign_in(&knock));
        };
        // Operators are the whole server's, so which projects there are is no secret from any of them.
        let projects = self.node.projects(&Caller::Operator).unwrap_or_default();
        let exists = named.is_empty() || project.is_some_and(|id| projects.iter().any(|one| one.id == id));
        let framed = project.filter(|_| exists).or_else(|| projects.first().map(|one| one.id));
        let path = knock.parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let frame = Frame {
            theme: knock.theme(),
            done: knock.query.get("done").and_then(frame::done),
            path,
            ..Frame::new(&self.assets, (name, role), session.csrf.clone(), &projects, framed)
        };
        let refuse = |error: &Error| Ok(refused::inside(frame.clone(), error, request_id));
        let Some(Route { run: Run::Inside(least, handler), method, .. }) = route else {
            return refuse(&no_such("page"));
        };
        if !exists {
            return refuse(&no_such("project"));
        }
        if *method == Method::POST && !same(knock.form.value("_csrf"), &session.csrf) {
            return refuse(&Error::new(
                ErrorKind::Forbidden,
                "This form is of another sign-in. Go back, load the page again, and repeat it.",
            ));
        }
        if role < *least {
            let why = format!(
                "Your role ({}) may not do this; it takes {}. An owner can change that.",
                role.word(),
                least.word()
            );
            return refuse(&Error::new(ErrorKind::Forbidden, why));
        }
        let visit = Visit { knock, caller, project, session, frame: frame.clone() };
        match handler(&visit).await {
            Ok(answer) => Ok(answer),
            Err(error) => refuse(&error),
        }
    }

    fn session(&self, parts: &Parts, looks: bool) -> Option<Known> {
        let name = cookie::session(&parts.headers)?;
        let doing = if looks { Doing::Look } else { Doing::Use };
        let mut sessions = self.sessions();
        let found = sessions.find(&name, doing, self.clock.monotonic())?;
        Some(Known { name, signed_in: found.signed_in, csrf: found.csrf.clone() })
    }
}

/// Whether two texts are the same, told in a time that does not depend on where they differ.
fn same(one: &str, other: &str) -> bool {
    fingerprint(&[one.as_bytes()]) == fingerprint(&[other.as_bytes()])
}

fn garbled(_error: Error) -> Broken {
    Broken {
        status: StatusCode::BAD_REQUEST,
        why: "The address or the form is not properly encoded, or has too many fields.",
    }
}

fn defect(_error: Error) -> Broken {
    Broken { status: StatusCode::INTERNAL_SERVER_ERROR, why: "This page could not be written; the log says why." }
}

async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, Broken>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = timeout(BODY_DEADLINE, Limited::new(body, bytes_max).collect()).await;
    match read {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Broken {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            why: "That is more than this form takes. Go back, and send less.",
        }),
        Ok(Err(_broken)) => {
            Err(Broken { status: StatusCode::BAD_REQUEST, why: "The form broke off before its end; send it again." })
        }
        Err(_late) => {
            Err(Broken { status: StatusCode::REQUEST_TIMEOUT, why: "The form did not arrive in time; send it again." })
        }
    }
}

/// Runs a future to its end, or to its panic (which the panic hook has then reported).
async fn contained<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, ()> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(_panic) => Poll::Ready(Err(())),
    })
    .await
}
