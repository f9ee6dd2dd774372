//! What a scenario may not say although each of its words is known: what is not there, never ends, or means nothing.

use super::{FlowSpec, Kind, Scenario, WaySpec};
use crate::scenario::ScenarioError;

impl Scenario {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let say = |text| Err(ScenarioError::Text(text));
        if self.flows.is_empty() {
            return say("a scenario needs a [[flow]], or nothing happens".to_owned());
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
            if let Some(key) = flow.stranger() {
                return say(format!("the flow from {:?} is {}, which has no `{key}`", flow.from, flow.kind.name()));
            }
        }
        for link in &self.links {
            if let Some(contradiction) = link.ways.iter().find_map(WaySpec::contradiction) {
                return say(format!("the link of {:?} and {:?}: {contradiction}", link.ends[0], link.ends[1]));
            }
        }
        self.hosts.values().try_for_each(|host| host.algorithm().map(drop))
    }
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
    fn contradiction(&self) -> Option<&'static str> {
        let alone = self.reorder.is_none() && (self.reorder_gap.is_some() || self.reorder_hold.is_some());
        let cases = [
            (alone, "`reorder_gap` and `reorder_hold` say how; `reorder` says how many, and is missing"),
            (self.loss.is_some() && self.burst_loss.is_some(), "`loss` and `burst_loss` are two models: keep one"),
            (
                self.mtu.is_some() && self.black_hole.is_some(),
                "`mtu` tells senders and `black_hole` does not: keep one",
            ),
        ];
        cases.into_iter().find_map(|(wrong, text)| wrong.then_some(text))
    }
}
