//! Bowline under test: a host in memory, in virtual time.

use std::time::Duration;

use bowline_base::Instant;
use bowline_stack::{Config, IfaceId, Interface, Stack};
use bowline_tcp::{CallError, ConnectionError, ConnectionKey, FourTuple, Listen, ListenerKey};
use bowline_wire::Capabilities;

use super::case::{Call, Case, Step};
use super::conversation::{Conversation, OURS, received};
use super::record::{Outcome, Record};

/// Between two steps.
const STEP: Duration = Duration::from_micros(100);

struct Bowline {
    stack: Stack,
    iface: IfaceId,
    now: Instant,
    listener: Option<ListenerKey>,
    key: Option<ConnectionKey>,
    has_closed: bool,
    has_failed: bool,
}

/// Runs a case; also returns the state before each step.
pub(super) fn run(case: &Case) -> (Record, Vec<String>) {
    let mut conversation = Conversation::new(case, 80);
    let mut host = Bowline::new();
    let tuple = FourTuple::new(conversation.ends.0, conversation.ends.1);
    let (mut record, mut states, mut rationed) = (Record::new(), Vec::new(), false);
    for step in &case.steps {
        let state = host.state(&tuple);
        states.push(format!("{state}{}", if rationed && is_rationed(&state) { " (answered)" } else { "" }));
        let mut outcome = Outcome::default();
        match step {
            Step::Call(call) => {
                conversation.on_call(*call);
                outcome.returned = host.call(*call, &tuple).filter(|_| !host.has_failed);
                host.has_failed |= outcome.returned.as_ref().is_some_and(|value| is_failure(value));
            }
            Step::Peer(segment) => {
                let packet = conversation.packet(segment);
                host.stack.handle_packet(host.now, host.iface, received(packet));
            }
            Step::Wait(time) => {
                let until = host.now + *time;
                while let Some(next) = host.stack.poll_timeout().filter(|&next| next <= until) {
                    host.now = host.now.max(next);
                    host.stack.handle_timeout(host.now);
                    let sent = host.sent();
                    sent.iter().filter_map(|packet| conversation.look(packet)).for_each(|seen| outcome.add_later(seen));
                }
                host.now = until;
            }
        }
        outcome.at_once.extend(host.sent().iter().filter_map(|packet| conversation.look(packet)));
        rationed |= is_rationed(&state) && !outcome.at_once.is_empty();
        host.accept();
        host.now += STEP;
        record.push(outcome);
    }
    (record, states)
}

impl Bowline {
    fn new() -> Self {
        let now = Instant::from_secs(1000);
        let mut stack = Stack::new(Config::default(), [7; 32], now);
        let addresses = [format!("{}/24", OURS.0), format!("{}/64", OURS.1)];
        let addresses = addresses.iter().filter_map(|text| text.parse().ok());
        let interface = Interface::new(Capabilities::plain(1500), addresses);
        // The first of 65,536 is always taken.
        let iface = stack.add_interface(interface).unwrap_or_else(|| unreachable!("there is no interface yet"));
        Self { stack, iface, now, listener: None, key: None, has_closed: false, has_failed: false }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let now = self.now;
        let mut take = |_: IfaceId, packet: bowline_wire::TxPacket<'_>| {
            let mut bytes = vec![0; packet.len()];
            if packet.copy_to(&mut bytes).is_some() {
                packets.push(bytes);
            }
        };
        while self.stack.poll_transmit(now, &mut take) {}
        while self.stack.poll_event().is_some() {}
        packets
    }

    fn accept(&mut self) {
        if let (Some(listener), None) = (self.listener, self.key) {
            self.key = self.stack.tcp_mut().accept(self.now, listener);
        }
    }

    fn state(&self, tuple: &FourTuple) -> String {
        let connections = self.stack.tcp().connections(self.now);
        match connections.iter().find(|info| info.tuple == *tuple) {
            // Who has closed cannot be told of what comes: that makes a difference in some states.
            Some(info) if self.has_closed => format!("{} (closed)", info.state),
            Some(info) => info.state.to_string(),
            None if !self.stack.tcp().listeners(self.now).is_empty() => "LISTEN".to_owned(),
            None => "CLOSED".to_owned(),
        }
    }

    fn call(&mut self, call: Call, tuple: &FourTuple) -> Option<String> {
        let now = self.now;
        match call {
            Call::Listen => self.listener = self.stack.tcp_mut().listen(Listen::on_port(tuple.local.port())).ok(),
            Call::Connect => self.key = self.stack.tcp_connect(now, Some(tuple.local), tuple.remote, None).ok(),
            Call::Write(len) => {
                let data: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
                let result = self.stack.tcp_mut().send(now, self.key?, &data);
                return Some(named(result.map(|n| n as u64)));
            }
            Call::Read => {
                let mut data = vec![0; 1 << 16];
                let result = self.stack.tcp_mut().receive(now, self.key?, &mut data);
                return Some(named(result.map(|n| n as u64)));
            }
            Call::Shutdown => {
                let _ = self.stack.tcp_mut().shutdown(now, self.key?);
            }
            Call::Close => {
                self.stack.tcp_mut().close(now, self.key.take()?);
                self.has_closed = true;
            }
            Call::Abort => self.stack.tcp_mut().abort(now, self.key.take()?),
        }
        None
    }
}

/// In TIME-WAIT and for a half-open connection we answer twice a second, and the kernel as often as it is asked.
fn is_rationed(state: &str) -> bool {
    state.starts_with("TIME-WAIT") || state.starts_with("SYN-RECEIVED")
}

/// Whether a call's result ends what there is to compare: Linux tells an error once, and then something else.
pub(super) fn is_failure(returned: &str) -> bool {
    returned != "EAGAIN" && returned.parse::<u64>().is_err()
}

/// As the system calls say it.
fn named(result: Result<u64, CallError>) -> String {
    match result {
        Ok(n) => n.to_string(),
        Err(CallError::WouldBlock) => "EAGAIN".to_owned(),
        Err(CallError::Closing) => "EPIPE".to_owned(),
        Err(CallError::Ended(ConnectionError::Reset)) => "ECONNRESET".to_owned(),
        Err(CallError::Ended(ConnectionError::Refused)) => "ECONNREFUSED".to_owned(),
        Err(CallError::Ended(ConnectionError::TimedOut)) => "ETIMEDOUT".to_owned(),
        Err(other) => other.to_string(),
    }
}
