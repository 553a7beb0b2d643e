//! The service: route, authenticate, read, run, wrap. Whatever happens, the answer is an envelope.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, header};
use http_body::Body;
use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::ProjectId;
use tollgate_core::peer::ClientAddress;
use tollgate_core::ports::trace::Tracer;
use tollgate_node::{Node, Origin, with_origin};
use tower_service::Service;

use crate::answer::{Answer, Reply, Usual};
use crate::body::Upload;
use crate::call::{Asked, Call, credential, named_project, place};
use crate::refusal::{Door, Refusal};
use crate::request_id::RequestIds;
use crate::routes::{Found, Route, Routes, Run};
use crate::timing::{RouteFigures, Timing};
use crate::traced::Collected;
use crate::{ApiConfig, openapi, socialplus};

/// Answers every plain HTTP request. A handle: cheap to clone, one is enough for all connections of all threads.
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    config: ApiConfig,
    routes: Routes,
    request_ids: RequestIds,
    timing: Timing,
    tracer: Option<Arc<dyn Tracer>>,
    usual: Usual,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Router({:?})", self.shared.routes)
    }
}

impl Router {
    pub(crate) fn new(
        node: Arc<Node>,
        config: ApiConfig,
        routes: &'static [Route],
        tracer: Option<Arc<dyn Tracer>>,
    ) -> Self {
        let (request_ids, timing) = (RequestIds::new(config.instance), Timing::new(routes));
        let (routes, usual) = (Routes::new(routes), Usual::new());
        Self { shared: Arc::new(Shared { node, config, routes, request_ids, timing, tracer, usual }) }
    }

    /// The answer to one request, from nobody knows where. Never fails and never panics.
    pub async fn answer<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let Ok(reply) = Arc::clone(&self.shared).answer(None, Box::new(parts), body).await;
        reply
    }

    /// What is told of each route that was asked for.
    #[must_use]
    pub fn figures(&self) -> Vec<RouteFigures> {
        self.shared.timing.read()
    }

    /// The answer to a request of the person at the machine, who may do everything in `project`: how the command line uses the same API as
    /// everybody else.
    pub async fn as_operator(&self, project: ProjectId, request: Request<Bytes>) -> Reply {
        let (parts, body) = request.into_parts();
        let request_id = self.shared.request_ids.of(&parts.headers);
        let origin = Origin { request_id: request_id.to_str().ok().map(Arc::from), ..Origin::default() };
        let door = Door::of(parts.uri.path());
        let work = pin!(self.shared.operate(project, Box::new(parts), body));
        let outcome = with_origin(origin, contained(work)).await.unwrap_or_else(|()| Err(Refusal::defect()));
        let answer = outcome.unwrap_or_else(|refusal| Answer::refused(&refusal.through(door), door, &request_id));
        answer.reply(&self.shared.usual, request_id, false)
    }
}

impl<B> Service<(ClientAddress, Request<B>)> for Router
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (client, request): (ClientAddress, Request<B>)) -> Self::Future {
        let (parts, body) = request.into_parts();
        // Moved from one future into the next: as a whole they would be copied each time, and each future had room for them.
        Box::pin(Arc::clone(&self.shared).answer(Some(client), Box::new(parts), body))
    }
}

impl Shared {
    async fn answer<B>(
        self: Arc<Self>,
        client: Option<ClientAddress>,
        parts: Box<Parts>,
        body: B,
    ) -> Result<Reply, Infallible>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let request_id = self.request_ids.of(&parts.headers);
        let found = self.routes.find(&parts.method, parts.uri.path());
        let (route, begun_us) = (found.as_ref().ok().map(|(route, _)| *route), self.node.now_us());
        let trace = self.tracer.as_ref().and_then(|tracer| Collected::begin(tracer, &parts));
        let awaits_word = parts
            .headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let mut upload = Upload::new(body, awaits_word);
        let door = Door::of(parts.uri.path());
        let origin = Origin {
            request_id: request_id.to_str().ok().map(Arc::from),
            address: client.map(|client| client.0),
            asked: found.as_ref().ok().map(|(route, _)| (route.method.as_str(), route.template)),
            trace: trace.as_ref().map(|collected| Arc::clone(&collected.trace)),
        };
        let work = pin!(async {
            let outcome = {
                let work = pin!(self.outcome(found, parts, &mut upload, &request_id));
                contained(work).await.unwrap_or_else(|()| Err(Refusal::defect()))
            };
            let answer = outcome.unwrap_or_else(|refusal| {
                let refusal = refusal.through(door);
                log(&refusal);
                Answer::refused(&refusal, door, &request_id)
            });
            let closing = !upload.discard().await;
            answer.reply(&self.usual, request_id, closing)
        });
        let reply = with_origin(origin, work).await;
        let ended_us = self.node.now_us();
        self.timing.note(route, reply.status(), ended_us.saturating_sub(begun_us));
        if let Some(collected) = trace {
            collected.end(route, &reply, (begun_us, ended_us));
        }
        Ok(reply)
    }

    async fn operate(&self, project: ProjectId, parts: Box<Parts>, body: Bytes) -> Result<Answer, Refusal> {
        let (route, params) = self.routes.find(&parts.method, parts.uri.path())?;
        let (Run::Keyed(handler) | Run::Bearer(handler)) = route.run else { return Err(Refusal::no_route()) };
        openapi::check_query(route, parts.uri.query())?;
        let call = Call::new(self.node.clone(), Caller::ProjectOperator { project }, parts, params, body)?;
        handler(&call).await
    }

    /// Whose token a request comes with. A JWT of a registered issuer needs the project beside it.
    async fn token(&self, parts: &Parts, secret: &PresentedSecret) -> Result<Caller, Refusal> {
        let project = named_project(&parts.headers)?;
        Ok(self.node.authenticate_token(project, secret, place(parts)).await?)
    }

    async fn outcome<B>(
        &self,
        found: Result<Found, Refusal>,
        parts: Box<Parts>,
        upload: &mut Upload<B>,
        request_id: &HeaderValue,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if parts.method == Method::OPTIONS {
            return Ok(match Door::of(parts.uri.path()) {
                Door::SocialPlus => socialplus::preflight(&self.node, &parts.headers),
                Door::Hop | Door::V2 => Answer::preflight(),
            });
        }
        let (route, params) = found?;
        // Before the body: a stranger's bytes are not kept.
        let (handler, caller) = match route.run {
            Run::Open(handler) => return Ok(handler(&self.node).await),
            Run::Keyed(handler) => (handler, self.node.authenticate(&credential(&parts.headers)?)?),
            Run::Bearer(handler) => {
                let secret = credential(&parts.headers)?;
                let caller = if secret.expose().starts_with("ptk_") {
                    self.node.authenticate(&secret)?
                } else {
                    // Boxed, so that not every request has room for what a key does not need.
                    Box::pin(self.token(&parts, &secret)).await?
                };
                (handler, caller)
            }
            Run::Own(handler) => {
                let body = upload.whole(self.config.body_bytes_max, self.config.body_deadline).await?;
                let request_id = request_id.clone();
                return handler(&Asked { node: self.node.clone(), parts, params, body, request_id }).await;
            }
        };
        let body = upload.whole(self.config.body_bytes_max, self.config.body_deadline).await?;
        openapi::check_query(route, parts.uri.query())?;
        let call = Call::new(self.node.clone(), caller, parts, params, body)?;
        handler(&call).await
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

fn log(refusal: &Refusal) {
    let (status, code, message) = (refusal.status().as_u16(), refusal.code(), refusal.message());
    if status >= 500 {
        tracing::error!(status, code, "request failed: {message}");
    } else {
        // The message is for the caller and may repeat what it sent.
        tracing::debug!(status, code, "request refused");
    }
}
