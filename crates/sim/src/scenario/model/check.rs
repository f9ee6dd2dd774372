//! What a scenario may not say although each of its words is known: what is not there, never ends, or means nothing.

use std::collections::BTreeSet;

use super::{FlowSpec, HostSpec, Kind, Scenario, WaySpec};
use crate::scenario::ScenarioError;

/// What every network of IPv4 carries (RFC 791 3.2).
const LEAST_MTU: u16 = 68;

impl Scenario {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let say = |text| Err(ScenarioError::Text(text));
        if self.flows.is_empty() {
            return say("a scenario needs a [[flow]], or nothing happens".to_owned());
        }
        for link in &self.links {
            if link.ends[0] == link.ends[1] {
                return say(format!("a link of {:?} with itself leads nowhere", link.ends[0]));
            }
            if let Some(contradiction) = link.ways.iter().find_map(WaySpec::contradiction) {
                return say(format!("the link of {:?} and {:?}: {contradiction}", link.ends[0], link.ends[1]));
            }
        }
        for flow in &self.flows {
            for end in [&flow.from, &flow.to] {
                if !self.hosts.contains_key(end) {
                    return say(format!("the flow's {end:?} is no host: add [hosts.{end}]"));
                }
            }
            if flow.from == flow.to {
                return say(format!("a flow from {:?} to itself meets no link", flow.from));
            }
            if self.duration.is_none() && !flow.ends() {
                return say(format!("the flow from {:?} never ends: set the scenario's duration", flow.from));
            }
            if flow.count == 0 {
                return say(format!("the flow from {:?}: `count` is at least 1", flow.from));
            }
            if !self.leads(&flow.from, &flow.to) {
                return say(format!(
                    "no link leads from {:?} to {:?}: hosts are no way for others",
                    flow.from, flow.to
                ));
            }
            if let Some(key) = flow.stranger() {
                return say(format!("the flow from {:?} is {}, which has no `{key}`", flow.from, flow.kind.name()));
            }
        }
        for (name, host) in &self.hosts {
            if let Some(impossible) = host.impossible() {
                return say(format!("the host {name:?}: {impossible}"));
            }
        }
        self.hosts.values().try_for_each(|host| host.algorithm().map(drop))
    }

    /// Whether there is a way from one host to another by links and routers.
    fn leads(&self, from: &str, to: &str) -> bool {
        let (mut reached, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(here) = open.pop() {
            let ends = self.links.iter().map(|link| link.ends.each_ref().map(String::as_str));
            let next = ends.filter_map(|[a, b]| if a == here { Some(b) } else { (b == here).then_some(a) });
            let new: Vec<&str> = next.filter(|next| reached.insert(next)).collect();
            open.extend(new.into_iter().filter(|next| !self.hosts.contains_key(*next)));
        }
        reached.contains(to)
    }
}

impl HostSpec {
    /// What no host can have.
    fn impossible(&self) -> Option<String> {
        let buffers = [
            ("send_buffer", self.send_buffer),
            ("receive_buffer", self.receive_buffer),
            ("receive_buffer_max", self.receive_buffer_max),
        ];
        let empty = buffers.into_iter().find(|(_, size)| size.is_some_and(|size| size.0 == 0));
        let empty = empty.map(|(name, _)| format!("nothing fits in a `{name}` of 0"));
        empty.or_else(|| self.mtu.filter(|mtu| *mtu < LEAST_MTU).map(small))
    }
}

/// Of an MTU: that it is too small.
fn small(mtu: u16) -> String {
    format!("an MTU of {mtu} is less than the {LEAST_MTU} that every network carries")
}

impl FlowSpec {
    /// A key that it has and its kind has not: it would say what does not happen.
    fn stranger(&self) -> Option<&'static str> {
        use Kind::{Bulk, Idle, OnOff, Requests};
        let keys: [(&str, bool, &[Kind]); 7] = [
            ("bytes", self.bytes.is_some(), &[Bulk]),
            ("request", self.request.is_some(), &[Requests]),
            ("response", self.response.is_some(), &[Requests]),
            ("requests", self.requests.is_some(), &[Requests]),
            ("pause", self.pause.is_some(), &[Requests, Idle]),
            ("on", self.on.is_some(), &[OnOff]),
            ("off", self.off.is_some(), &[OnOff]),
        ];
        let stranger = keys.into_iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind));
        stranger.map(|(key, ..)| key)
    }
}

impl WaySpec {
    /// Of keys that cannot both be meant, or that mean nothing without another: what to do.
    fn contradiction(&self) -> Option<String> {
        let alone = self.reorder.is_none() && (self.reorder_gap.is_some() || self.reorder_hold.is_some());
        let cases = [
            (alone, "`reorder_gap` and `reorder_hold` say how; `reorder` says how many, and is missing"),
            (self.loss.is_some() && self.burst_loss.is_some(), "`loss` and `burst_loss` are two models: keep one"),
            (
                self.mtu.is_some() && self.black_hole.is_some(),
                "`mtu` tells senders and `black_hole` does not: keep one",
            ),
            (
                self.outages.iter().any(|[from, until]| from.0 >= until.0),
                "an outage is [\"from\", \"until\"], and ends after it begins",
            ),
        ];
        let contradiction = cases.into_iter().find_map(|(wrong, text)| wrong.then(|| text.to_owned()));
        contradiction.or_else(|| self.mtu.or(self.black_hole).filter(|mtu| *mtu < LEAST_MTU).map(small))
    }
}
