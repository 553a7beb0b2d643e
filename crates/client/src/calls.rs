//! Requests that wait to be sent or to be answered, bounded, with their deadlines: plain data. It sends nothing.

use std::collections::{BTreeMap, VecDeque};

use tollgate_protocol_native::wire::{Request, write_request};

use crate::Error;

/// Never, on the machine's clock.
pub(crate) const NEVER: u64 = u64::MAX;

/// For whom a reply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// The application's call with this number.
    App(u64),
    Connect,
    Renew,
    /// A `subscribe`; whether it named a position or a rewind.
    Enter {
        channel: String,
        positioned: bool,
    },
}

/// A request on its way. Cannot be printed: it may hold a token.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// Its frame behind the id.
    tail: String,
    pub(crate) to: For,
    /// Until when it may wait, in milliseconds on the machine's clock.
    deadline: u64,
    /// For how long after it was first sent it may be sent again on another connection; 0: never.
    resend_ms: u64,
    first_sent_at: Option<u64>,
    /// Its deadline is over, but the server has not answered: its id is still taken.
    pub(crate) is_given_up: bool,
}

impl Call {
    /// A request of the machine's own: it ends with the connection.
    pub(crate) fn own(request: &Request<'_>, to: For) -> Self {
        let frame = write_request(1, request);
        let tail = frame.strip_prefix("{\"id\":1,").expect("invariant: a frame begins with its id").to_owned();
        Self { name: request.name(), tail, to, deadline: NEVER, resend_ms: 0, first_sent_at: None, is_given_up: false }
    }

    /// A request of the application, not yet numbered.
    pub(crate) fn app(request: &Request<'_>) -> Self {
        Self::own(request, For::App(0))
    }

    /// The same with its number and how long it may take.
    pub(crate) fn numbered(self, number: u64, deadline: u64, resend_ms: u64) -> Self {
        Self { to: For::App(number), deadline, resend_ms, ..self }
    }

    /// How long its frame is, but for the id, in bytes.
    pub(crate) const fn len(&self) -> usize {
        self.tail.len()
    }

    const fn is_app(&self) -> bool {
        matches!(self.to, For::App(_))
    }

    const fn is_late(&self, now: u64) -> bool {
        self.deadline <= now && !self.is_given_up
    }

    fn may_go_again(&self, now: u64) -> bool {
        self.first_sent_at.is_some_and(|at| now.saturating_sub(at) < self.resend_ms)
    }
}

/// All requests of a client.
pub(crate) struct Calls {
    waiting: VecDeque<Call>,
    flying: BTreeMap<u32, Call>,
    last_id: u32,
    queue_limit: usize,
}

impl Calls {
    pub(crate) const fn new(queue_limit: usize) -> Self {
        Self { waiting: VecDeque::new(), flying: BTreeMap::new(), last_id: 0, queue_limit }
    }

    /// Puts a call into the queue. What the application asks for is bounded.
    pub(crate) fn add(&mut self, call: Call) -> Result<(), Error> {
        // The machine's own come first, in their order: who subscribes and then publishes hears it.
        let own = self.waiting.iter().take_while(|waiting| !waiting.is_app()).count();
        if !call.is_app() {
            self.waiting.insert(own, call);
        } else if self.waiting.len() - own >= self.queue_limit {
            return Err(Error::QueueFull(self.queue_limit));
        } else {
            self.waiting.push_back(call);
        }
        Ok(())
    }

    /// The next frame to be sent, if fewer than `most` requests are unanswered.
    pub(crate) fn next(&mut self, now: u64, most: usize) -> Option<String> {
        if self.flying.len() >= most {
            return None;
        }
        self.waiting.pop_front().map(|call| self.fly(now, call))
    }

    /// A call that is sent now, whatever waits: its frame.
    pub(crate) fn fly(&mut self, now: u64, mut call: Call) -> String {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        while self.flying.contains_key(&self.last_id) {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        }
        call.first_sent_at.get_or_insert(now);
        let frame = format!("{{\"id\":{},{}", self.last_id, call.tail);
        self.flying.insert(self.last_id, call);
        frame
    }

    /// The call that this reply answers.
    pub(crate) fn answered(&mut self, id: u32) -> Option<Call> {
        self.flying.remove(&id)
    }

    /// The connection ended: what may be sent again waits in front, in its order; returns what may not and has come to an unknown end.
    pub(crate) fn lost(&mut self, now: u64) -> Vec<Call> {
        let flying = std::mem::take(&mut self.flying).into_values().filter(|call| call.is_app() && !call.is_given_up);
        let (again, over): (Vec<_>, Vec<_>) = flying.partition(|call| call.may_go_again(now));
        self.last_id = 0;
        // The machine asks for its own anew on the next connection.
        self.waiting.retain(Call::is_app);
        for call in again.into_iter().rev() {
            self.waiting.push_front(call);
        }
        over
    }

    /// Takes out what may wait no longer: the numbers and names of the application's calls.
    pub(crate) fn overdue(&mut self, now: u64) -> Vec<(u64, &'static str)> {
        let mut late = Vec::new();
        self.waiting.retain(|call| {
            let is_late = call.is_late(now);
            if let (true, For::App(number)) = (is_late, &call.to) {
                late.push((*number, call.name));
            }
            !is_late
        });
        for call in self.flying.values_mut().filter(|call| call.is_late(now)) {
            call.is_given_up = true;
            if let For::App(number) = call.to {
                late.push((number, call.name));
            }
        }
        late
    }

    /// Takes out everything: the numbers of what the application waits for.
    pub(crate) fn end(&mut self) -> Vec<u64> {
        let flying = std::mem::take(&mut self.flying).into_values();
        flying
            .chain(std::mem::take(&mut self.waiting))
            .filter(|call| !call.is_given_up)
            .filter_map(|call| if let For::App(number) = call.to { Some(number) } else { None })
            .collect()
    }

    /// When `overdue` has something.
    pub(crate) fn earliest(&self) -> u64 {
        let open = self.waiting.iter().chain(self.flying.values()).filter(|call| !call.is_given_up);
        open.map(|call| call.deadline).min().unwrap_or(NEVER)
    }
}
