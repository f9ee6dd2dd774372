//! Which way leads where: the fewest links, and of those the link that was made first.
//!
//! Computed when first asked after the network has changed. Cutting a link changes no route, as a cut cable does not.

use std::collections::VecDeque;

use super::WayId;
use crate::node::NodeId;
use crate::way::Way;

/// For each destination that was asked for: the way out of each node.
#[derive(Debug, Default)]
pub(super) struct Routes {
    toward: Vec<Option<Vec<Option<WayId>>>>,
}

impl Routes {
    /// The network has changed.
    pub(super) fn forget(&mut self) {
        self.toward.clear();
    }

    /// The way out of `node` toward `to`.
    ///
    /// `transit` says which nodes pass packets on: routers do, hosts do not.
    pub(super) fn next(
        &mut self,
        node: NodeId,
        to: NodeId,
        ways: &[Way],
        transit: impl Fn(usize) -> bool,
    ) -> Option<WayId> {
        if self.toward.len() <= to.0 {
            self.toward.resize(to.0 + 1, None);
        }
        let place = self.toward.get_mut(to.0)?;
        let table = place.get_or_insert_with(|| spread(to, ways, transit));
        table.get(node.0).copied().flatten()
    }
}

/// From the destination outward, link by link.
fn spread(to: NodeId, ways: &[Way], transit: impl Fn(usize) -> bool) -> Vec<Option<WayId>> {
    let nodes = ways.iter().map(|way| way.from.0.max(way.to.0) + 1).max().unwrap_or(0);
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (place, way) in ways.iter().enumerate() {
        into[way.to.0].push(place);
    }
    let mut out = vec![None; nodes];
    let mut reached = vec![false; nodes];
    let mut next = VecDeque::from([to.0]);
    if let Some(reached) = reached.get_mut(to.0) {
        *reached = true;
    }
    while let Some(node) = next.pop_front() {
        for &place in into.get(node).map_or(&[][..], Vec::as_slice) {
            let from = ways[place].from.0;
            if !reached[from] {
                reached[from] = true;
                out[from] = Some(WayId(place));
                if transit(from) {
                    next.push_back(from);
                }
            }
        }
    }
    out
}
