//! What a world is made of, and what a link can end at: nodes by their number, routers, and whatever has a node.

/// A host or a router: which of the world's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(crate) usize);

/// A router: it passes packets on, and has no sockets.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    pub(crate) node: NodeId,
}

/// What a link can end at.
pub trait Node {
    /// Which node it is.
    fn id(&self) -> NodeId;
}

impl Node for Router {
    fn id(&self) -> NodeId {
        self.node
    }
}

impl Node for NodeId {
    fn id(&self) -> NodeId {
        *self
    }
}
