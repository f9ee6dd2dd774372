use super::*;

#[test]
fn a_buffer_returns_when_its_last_slice_goes() {
    let pool = BufferPool::new(4096, 2);
    let mut buffer = pool.take();
    buffer.space()[10..14].copy_from_slice(b"data");
    let address = buffer.space().as_ptr();
    let bytes = buffer.freeze(10, 14);
    let slice = bytes.slice(1..3);
    drop(bytes);
    assert_eq!((&slice[..], pool.outstanding(), pool.kept()), (&b"at"[..], 1, 0));
    drop(slice);
    assert_eq!((pool.outstanding(), pool.kept()), (0, 1));
    assert_eq!(pool.take().space().as_ptr(), address, "the same memory serves again");
}

#[test]
fn the_free_list_is_bounded_and_outlives_the_pool() {
    let pool = BufferPool::new(64, 2);
    let held: Vec<_> = (0..5).map(|_| pool.take()).collect();
    assert_eq!(pool.outstanding(), 5);
    let last = pool.take().freeze(0, 64);
    drop(held);
    assert_eq!((pool.outstanding(), pool.kept()), (1, 2));
    drop(pool);
    assert_eq!(last.len(), 64);
}

#[test]
fn freezing_beyond_the_buffer_is_cut() {
    let pool = BufferPool::new(64, 2);
    assert_eq!(pool.take().freeze(60, 100).len(), 4);
    assert_eq!(pool.take().freeze(100, 200).len(), 0);
}

#[test]
fn an_arena_carves_what_was_put_in_and_reuses_its_chunks() {
    let mut arena = Arena::new(4);
    let mut chunks = std::collections::BTreeSet::new();
    for round in 0..10_000u32 {
        let body = [round as u8; 1000];
        let packet = arena.carve(&[&round.to_be_bytes(), &body]);
        assert_eq!((&packet[..4], &packet[4..]), (&round.to_be_bytes()[..], &body[..]));
        chunks.insert(packet.as_ptr() as usize / CHUNK);
    }
    assert!(chunks.len() <= 4, "10 MB went through {} chunks", chunks.len());
}

#[test]
fn an_arena_leaves_held_packets_alone() {
    let mut arena = Arena::new(2);
    let held: Vec<_> = (0..500u32).map(|n| arena.carve(&[&n.to_be_bytes(), &[0; 1000]])).collect();
    for (n, packet) in held.iter().enumerate() {
        assert_eq!(packet[..4], (n as u32).to_be_bytes());
    }
}

#[test]
fn packet_memory_tells_what_a_packet_pins() {
    let mut memory = PacketMemory::new(4);
    for (len, pins) in [(40, CHUNK), (CARVE_MAX, CHUNK), (CARVE_MAX + 1, 16384), (16385, PACKET_BUFFER)] {
        let (bytes, pinned) = memory.copy(&[&vec![7; len]]).unwrap();
        assert_eq!((bytes.len(), pinned), (len, pins));
    }
    assert_eq!(memory.outstanding(), 0);
    assert!(memory.copy(&[&vec![7; PACKET_BUFFER + 1]]).is_none());
    assert_eq!(memory.outstanding(), 0, "a refused packet leaves no buffer behind");
}
