//! What two sides together may not do: each one's ledger against the other's.

use crate::Side;
use crate::ledger::{End, Ledger, Life};

/// One side's ledger against the other's.
pub(super) fn judge(side: Side, ours: &Ledger, theirs: &Ledger, cookies: bool) -> Result<(), String> {
    for life in ours.lives.iter().filter(|life| life.early && !life.established) {
        judge_early(side, life, theirs)?;
    }
    for life in ours.lives.iter().filter(|life| life.established) {
        let Some(irs) = life.irs else { return Err("established without a SYN of the peer's".into()) };
        let mut peers = theirs.lives.iter().enumerate();
        let mut find = || peers.find(|(_, peer)| peer.iss == irs && peer.irs == Some(life.iss));
        let (peer, twin) = (find(), find());
        if twin.is_some() {
            // A cookie is kept nowhere, and so is good for as long as it is not too old (RFC 4987 3.6).
            return if cookies { Ok(()) } else { Err("the peer has had these initial numbers twice".into()) };
        }
        let Some((number, peer)) = peer else {
            // Nobody has the other end: a half-open connection (RFC 9293 3.5.1), or one whose user does not have it yet.
            if life.got > 0 || life.eof {
                return Err("data came out of a connection that nobody has the other end of".into());
            }
            continue;
        };
        let written: Vec<u8> = (0..peer.wrote).map(|at| Ledger::byte(side.other(), number, at)).collect();
        if !written.starts_with(&life.read) {
            return Err(format!("read {:?} where {written:?} was written", life.read));
        }
        if life.got > peer.wrote || life.read.len() > life.got.max(peer.wrote) {
            return Err(format!("{} bytes arrived of {} written", life.got, peer.wrote));
        }
        if life.eof && !(peer.shut && life.read.len() == peer.wrote) {
            return Err(format!("the stream ended after {} of {} bytes", life.read.len(), peer.wrote));
        }
        if life.flushed && peer.end.is_none() && peer.got < life.wrote {
            return Err(format!("all is acknowledged, and {} of {} bytes arrived", peer.got, life.wrote));
        }
    }
    let live = |ledger: &Ledger| {
        let mut lives = ledger.lives.iter().filter(|life| life.established && life.end.is_none());
        lives.next_back().map(|life| (life.iss, life.irs))
    };
    if let (Some((iss, irs)), Some((their_iss, their_irs))) = (live(ours), live(theirs))
        && (irs != Some(their_iss) || their_irs != Some(iss))
    {
        return Err("both are established, with different initial numbers".into());
    }
    let orderly = ours.lives.iter().filter(|life| life.end == Some(End::Orderly));
    if orderly.clone().any(|life| !life.flushed) {
        return Err("ended in order before all was acknowledged".into());
    }
    Ok(())
}

/// What came with a SYN may be a copy (RFC 7413 6.1), and several connections have it; but only what the peer wrote on the one
/// whose SYN it was, and no end of a stream.
fn judge_early(side: Side, life: &Life, theirs: &Ledger) -> Result<(), String> {
    let peer = theirs.lives.iter().enumerate().find(|(_, peer)| life.irs == Some(peer.iss));
    let written: Vec<u8> = match peer {
        Some((number, peer)) => (0..peer.wrote).map(|at| Ledger::byte(side.other(), number, at)).collect(),
        None => Vec::new(),
    };
    if life.got > written.len() || !written.starts_with(&life.read) || life.eof {
        let eof = if life.eof { " and the end" } else { "" };
        return Err(format!("{} bytes, {:?}{eof}, came with a SYN behind which was {written:?}", life.got, life.read));
    }
    Ok(())
}
