//! When two endpoints are alike: when whatever happens next has the same outcome for both. For model checkers, which
//! meet the same endpoint again on many ways and need to look at it once.
//!
//! It must not leave out what decides anything; what it leaves out only reports or is told by the rest.

use core::hash::{Hash, Hasher};

use super::Endpoint;

impl Endpoint {
    /// Feeds everything that decides this endpoint's future to `state`: two endpoints with the same configuration, seed and
    /// fingerprint answer the same inputs at the same times with the same segments and events, and name what
    /// begins alike.
    ///
    /// Left out are counters, the trace and numbers in it; hash table, timer wheel and cache of the last connection, which
    /// follow from the tables; which ephemeral ports were given, and the ration of RSTs for nobody, as long as neither
    /// runs out; and of a congestion controller all but the windows it names.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) {
        let Self { connections, listeners, syn_queue, pending, time_wait, ready, events, .. } = self;
        let Self { listener_events, control, ports, parted, reserved, fast_open, spent, .. } = self;
        connections.hash_handles(state);
        listeners.hash_handles(state);
        pending.hash_handles(state);
        connections.iter().for_each(|(name, tcb)| (name, tcb).hash(state));
        listeners.iter().for_each(|(name, listener)| (name, listener).hash(state));
        syn_queue.iter().for_each(|half| half.hash(state));
        for (key, syn) in pending.iter() {
            (key, &syn.header, syn.tuple, syn.text).hash(state);
        }
        time_wait.iter().for_each(|(_, entry)| entry.hash(state));
        (ready, events, listener_events, control, ports, parted, reserved, spent).hash(state);
        (&fast_open.cache, &fast_open.pause, &fast_open.left).hash(state);
        (pending.poll_timeout(), self.population()).hash(state);
    }
}
