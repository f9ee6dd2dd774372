//! The programs of the demo: a client that fetches pages over one HTTP/1.1 connection, and a server that has them.
//!
//! They decide who closes when: the client asks for that with its last request, the server closes first (and so is the one
//! in TIME-WAIT), the client when it has seen the end. Bodies come from a function of page and place, so that each byte is
//! checked where it arrives and nothing needs to be kept. They see sockets only: no packets, no virtual time.

use std::net::SocketAddr;

use bowline_base::Instant;
use bowline_stack::Stack;
use bowline_tcp::{CallError, ConnectionError, ConnectionKey, ListenerKey, Readiness};
use bytes::Bytes;

use super::world::Program;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// How many.
    pub count: u32,
    /// The size of each body in bytes.
    pub size: u64,
    /// What their bytes are made from.
    pub seed: u64,
}

/// Bytes of a body handed to the stack at once.
const PIECE: usize = 64 * 1024;

/// The most that a head may have.
const MAX_HEAD: usize = 4096;

impl Pages {
    /// The byte at a place of a page.
    #[must_use]
    pub const fn byte(&self, page: u32, at: u64) -> u8 {
        let mixed = (at ^ self.seed.rotate_left(page) ^ (page as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as u8
    }

    /// Bytes of bodies that have arrived in the middle of the middle page: a moment when both hosts are busy.
    #[must_use]
    pub const fn half_way(&self) -> u64 {
        (self.count as u64 / 2).saturating_mul(self.size) + self.size / 2
    }

    fn request(&self, page: u32, host: SocketAddr) -> String {
        let last = page >= self.count;
        let connection = if last { "close" } else { "keep-alive" };
        format!("GET /{page} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n")
    }

    fn response_head(&self, last: bool) -> String {
        let connection = if last { "close" } else { "keep-alive" };
        let (size, kind) = (self.size, "application/octet-stream");
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: {connection}\r\n\r\n")
    }
}

/// How a program's part of the exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet.
    Running,
    /// All was exchanged and found right.
    Done,
    /// It went wrong: why.
    Failed(String),
}

impl Outcome {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    fn ended(error: ConnectionError) -> Self {
        Self::failed(error.to_string())
    }

    /// Whether there is nothing more to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self != Self::Running
    }
}

/// Takes the head of a message from the front of `buffer` if it is complete.
fn take_head(buffer: &mut Vec<u8>) -> Result<Option<String>, String> {
    let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if buffer.len() > MAX_HEAD { Err("a head without end".to_owned()) } else { Ok(None) };
    };
    let rest = buffer.split_off(end + 4);
    let head = std::mem::replace(buffer, rest);
    String::from_utf8(head).map(Some).map_err(|_| "a head that is no text".to_owned())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

/// The program that fetches.
#[derive(Debug)]
pub struct Client {
    pages: Pages,
    server: SocketAddr,
    connection: Option<ConnectionKey>,
    /// What is not handed to the stack yet.
    outbox: Bytes,
    /// What is not understood yet: of a head only.
    inbox: Vec<u8>,
    /// The page asked for, from 1.
    page: u32,
    /// Where in its body we are; `None` in its head.
    at: Option<u64>,
    received: u64,
    first_request: Option<Instant>,
    last_byte: Option<Instant>,
    outcome: Outcome,
}

impl Client {
    /// A client of this server.
    #[must_use]
    pub fn new(pages: Pages, server: SocketAddr) -> Self {
        Self {
            pages,
            server,
            connection: None,
            outbox: Bytes::new(),
            inbox: Vec::new(),
            page: 0,
            at: None,
            received: 0,
            first_request: None,
            last_byte: None,
            outcome: Outcome::Running,
        }
    }

    /// Begins to connect.
    pub fn connect(&mut self, now: Instant, stack: &mut Stack) {
        match stack.tcp_connect(now, None, self.server, None) {
            Ok(key) => self.connection = Some(key),
            Err(error) => self.outcome = Outcome::failed(error.to_string()),
        }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Bytes of bodies that have arrived and were right.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Pages that have arrived whole.
    #[must_use]
    pub fn complete(&self) -> u32 {
        if self.at == Some(self.pages.size) { self.page } else { self.page.saturating_sub(1) }
    }

    /// From the first request to the last byte of a body.
    #[must_use]
    pub fn span(&self) -> Option<(Instant, Instant)> {
        self.first_request.zip(self.last_byte)
    }

    fn ask_for_next(&mut self, now: Instant) {
        self.page += 1;
        self.first_request.get_or_insert(now);
        self.outbox = Bytes::from(self.pages.request(self.page, self.server));
    }

    /// Takes in what has arrived.
    fn read(&mut self, now: Instant, data: &[u8]) -> Result<(), String> {
        let mut data = data;
        self.last_byte = Some(now);
        while !data.is_empty() {
            let Some(at) = self.at else {
                self.inbox.extend_from_slice(data);
                data = &[];
                let Some(head) = take_head(&mut self.inbox)? else { continue };
                if !head.starts_with("HTTP/1.1 200 ") {
                    return Err(format!("the server answered: {}", head.lines().next().unwrap_or_default()));
                }
                if field(&head, "Content-Length") != Some(&*self.pages.size.to_string()) {
                    return Err("the server announced another length".to_owned());
                }
                self.at = Some(0);
                let body = std::mem::take(&mut self.inbox);
                self.end_of_page(now);
                self.read(now, &body)?;
                continue;
            };
            let left = usize::try_from(self.pages.size - at).unwrap_or(usize::MAX);
            if left == 0 {
                return Err("the server sent more than it announced".to_owned());
            }
            let (body, rest) = data.split_at(left.min(data.len()));
            let wrong = (at..).zip(body).find(|(at, byte)| self.pages.byte(self.page, *at) != **byte);
            if let Some((at, _)) = wrong {
                return Err(format!("byte {at} of page {} is not the one that was sent", self.page));
            }
            (self.at, data) = (Some(at + body.len() as u64), rest);
            self.received += body.len() as u64;
            self.end_of_page(now);
        }
        Ok(())
    }

    fn end_of_page(&mut self, now: Instant) {
        if self.at == Some(self.pages.size) && self.page < self.pages.count {
            self.at = None;
            self.ask_for_next(now);
        }
    }

    fn step(&mut self, now: Instant, stack: &mut Stack, key: ConnectionKey) -> bool {
        let tcp = stack.tcp_mut();
        if self.page == 0 {
            if !tcp.readiness(key).contains(Readiness::CONNECTED) {
                return self.check(tcp.error(key));
            }
            self.ask_for_next(now);
        }
        let wrote = !self.outbox.is_empty() && tcp.send_bytes(now, key, &mut self.outbox).is_ok();
        match tcp.receive_bytes(now, key, usize::MAX) {
            Ok(data) if data.is_empty() => {
                let whole = self.page == self.pages.count && self.at == Some(self.pages.size);
                self.outcome = if whole { Outcome::Done } else { Outcome::failed("the server closed too early") };
                tcp.close(now, key);
                true
            }
            Ok(data) => {
                if let Err(why) = self.read(now, &data) {
                    self.outcome = Outcome::Failed(why);
                    tcp.abort(now, key);
                }
                true
            }
            Err(CallError::Ended(error)) => self.check(Some(error)),
            Err(_) => wrote,
        }
    }

    fn check(&mut self, error: Option<ConnectionError>) -> bool {
        if let Some(error) = error {
            self.outcome = Outcome::ended(error);
        }
        error.is_some()
    }
}

impl Program for Client {
    fn poll(&mut self, now: Instant, stack: &mut Stack) -> bool {
        while stack.poll_event().is_some() {}
        match self.connection {
            Some(key) if !self.outcome.is_over() => {
                let worked = self.step(now, stack, key);
                if self.outcome.is_over() {
                    stack.tcp_mut().close(now, key);
                }
                worked
            }
            _ => false,
        }
    }
}

/// The program that has the pages.
#[derive(Debug)]
pub struct Server {
    pages: Pages,
    listener: ListenerKey,
    host: SocketAddr,
    connection: Option<ConnectionKey>,
    inbox: Vec<u8>,
    head: Bytes,
    /// What is being sent: a page, and how much of its body was made.
    sending: Option<(u32, u64)>,
    /// Made and not handed to the stack yet.
    piece: Bytes,
    answered: u32,
    outcome: Outcome,
}

impl Server {
    /// A server behind a listener, which is reached at `host`.
    #[must_use]
    pub fn new(pages: Pages, listener: ListenerKey, host: SocketAddr) -> Self {
        Self {
            pages,
            listener,
            host,
            connection: None,
            inbox: Vec::new(),
            head: Bytes::new(),
            sending: None,
            piece: Bytes::new(),
            answered: 0,
            outcome: Outcome::Running,
        }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    fn step(&mut self, now: Instant, stack: &mut Stack, key: ConnectionKey) -> bool {
        let read = match stack.tcp_mut().receive_bytes(now, key, usize::MAX) {
            Ok(data) if data.is_empty() => {
                self.outcome = Outcome::failed("the client closed too early");
                return true;
            }
            Ok(data) => {
                self.inbox.extend_from_slice(&data);
                true
            }
            Err(CallError::Ended(error)) => {
                self.outcome = Outcome::ended(error);
                return true;
            }
            Err(_) => false,
        };
        if let Err(why) = self.understand() {
            self.outcome = Outcome::Failed(why);
            return true;
        }
        self.write(now, stack, key) || read
    }

    /// Reads a request, if one is there and nothing else is being answered. Its bytes must be those that were sent.
    fn understand(&mut self) -> Result<(), String> {
        if self.sending.is_some() {
            return Ok(());
        }
        let Some(head) = take_head(&mut self.inbox)? else { return Ok(()) };
        let page = self.answered + 1;
        if head != self.pages.request(page, self.host) {
            return Err(format!("the request is not the one that was sent: {head:?}"));
        }
        let last = field(&head, "Connection") == Some("close");
        self.head = Bytes::from(self.pages.response_head(last));
        self.sending = Some((page, 0));
        Ok(())
    }

    fn write(&mut self, now: Instant, stack: &mut Stack, key: ConnectionKey) -> bool {
        let Some((page, mut made)) = self.sending else { return false };
        let tcp = stack.tcp_mut();
        // Head and body leave together, as one write of a buffer would make them.
        if self.piece.is_empty() {
            let length = (self.pages.size - made).min(PIECE as u64);
            let body = (made..made + length).map(|at| self.pages.byte(page, at));
            self.piece = std::mem::take(&mut self.head).into_iter().chain(body).collect();
            made += length;
            self.sending = Some((page, made));
        }
        let wrote = matches!(tcp.send_bytes(now, key, &mut self.piece), Ok(length) if length > 0);
        if self.piece.is_empty() && made == self.pages.size {
            (self.sending, self.answered) = (None, page);
            if page == self.pages.count {
                self.outcome = Outcome::Done;
            }
        }
        wrote
    }
}

impl Program for Server {
    fn poll(&mut self, now: Instant, stack: &mut Stack) -> bool {
        while stack.poll_event().is_some() {}
        if self.connection.is_none() {
            self.connection = stack.tcp_mut().accept(now, self.listener);
        }
        match self.connection {
            Some(key) if !self.outcome.is_over() => {
                let worked = self.step(now, stack, key);
                if self.outcome.is_over() {
                    stack.tcp_mut().close(now, key);
                }
                worked
            }
            _ => false,
        }
    }
}
