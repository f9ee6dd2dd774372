//! The peer's own idea of an MD5 digest (RFC 2385 2.0), written down a second time.

use bowline_wire::Signature;
use bowline_wire::tcp::{MAX_HEADER, TcpHeader};
use md5::{Digest, Md5};

/// The digest of a segment from `from` to `to`.
pub(crate) fn digest(key: &[u8], from: [u8; 4], to: [u8; 4], header: &TcpHeader, payload: &[u8]) -> [u8; 16] {
    let mut header = header.clone();
    header.options.signature = Some(Signature::Md5([0; 16]));
    let mut head = [0; MAX_HEADER];
    let len = header.emit(&mut head);
    let total = u16::try_from(len + payload.len()).unwrap().to_be_bytes();
    let mut covered = [&from[..], &to, &[0, 6], &total, &head[..20], payload, key].concat();
    covered[12 + 16..12 + 18].fill(0);
    Md5::digest(covered).into()
}
