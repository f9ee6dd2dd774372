use std::sync::Arc;

use parking_lot::Mutex;
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;

use super::*;

/// A file in memory that can fail.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) Arc<Mutex<(Vec<u8>, Option<usize>)>>);

impl Disk {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().0.clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock();
        let room = disk.1.map_or(usize::MAX, |size| size - disk.0.len()).min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.0.extend(&bytes[..room]);
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A packet as a foreign reader sees it: nanoseconds, flags, comment, bytes, original length.
pub(crate) type Seen = (u64, u32, String, Vec<u8>, u32);

/// Reads a file with somebody else's reader: packets, and received/dropped of the statistics.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Seen>, Option<(u64, u64)>) {
    let mut reader = PcapNgReader::new(bytes).unwrap();
    let (mut packets, mut statistics) = (Vec::new(), None);
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::EnhancedPacket(packet) => {
                let (mut flags, mut comment) = (0, String::new());
                for option in &packet.options {
                    match option {
                        EnhancedPacketOption::Flags(value) => flags = *value,
                        EnhancedPacketOption::Comment(text) => comment = text.to_string(),
                        other => panic!("{other:?}"),
                    }
                }
                // The reader takes all times for nanoseconds, which these are.
                let nanos = packet.timestamp.as_nanos() as u64;
                packets.push((nanos, flags, comment, packet.data.to_vec(), packet.original_len));
            }
            Block::InterfaceStatistics(block) => {
                let find =
                    |wanted: fn(&InterfaceStatisticsOption<'_>) -> Option<u64>| block.options.iter().find_map(wanted);
                let received = find(|o| if let InterfaceStatisticsOption::IsbIfRecv(n) = o { Some(*n) } else { None });
                let dropped = find(|o| if let InterfaceStatisticsOption::IsbIfDrop(n) = o { Some(*n) } else { None });
                statistics = Some((received.unwrap(), dropped.unwrap()));
            }
            Block::InterfaceDescription(block) => {
                assert_eq!(block.linktype, DataLink::RAW);
                assert!(block.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
            }
            other => panic!("{other:?}"),
        }
    }
    (packets, statistics)
}

fn record<'a>(nanos: u64, direction: Direction, packet: &'a [u8], comment: &'a str) -> Record<'a> {
    Record { nanos, direction, packet, comment }
}

#[test]
fn another_reader_finds_what_was_written() {
    let disk = Disk::default();
    let mut writer = PcapngWriter::new(disk.clone(), "test", 0).unwrap();
    let start = 1_790_000_000_123_456_789;
    for len in 0..9u64 {
        let packet = vec![len as u8; len as usize];
        let direction = if len % 2 == 0 { Direction::Inbound } else { Direction::Outbound };
        let comment = "fast retransmit"[..len as usize].to_owned();
        writer.packet(&record(start + len, direction, &packet, &comment)).unwrap();
    }
    writer.finish(start, start + 8, 9, 0).unwrap();
    let (packets, statistics) = read(&disk.bytes());
    assert_eq!(statistics, Some((9, 0)));
    assert_eq!(packets.len(), 9);
    for (len, (nanos, flags, comment, data, original)) in packets.iter().enumerate() {
        assert_eq!((*nanos, *flags), (start + len as u64, if len % 2 == 0 { 1 } else { 2 }));
        assert_eq!((comment.as_str(), data, *original), (&"fast retransmit"[..len], &vec![len as u8; len], len as u32));
    }
}

#[test]
fn the_file_is_valid_after_every_flush_and_cut_only_between_blocks() {
    let disk = Disk::default();
    let mut writer = PcapngWriter::new(disk.clone(), "test", 0).unwrap();
    assert_eq!(read(&disk.bytes()).0.len(), 0, "a file without packets is a file");
    let packet = vec![1; 1500];
    let mut sizes = std::collections::BTreeSet::new();
    for n in 1..=1000 {
        writer.packet(&record(n, Direction::Inbound, &packet, "")).unwrap();
        // Whenever bytes reach the disk, and so whatever a kill -9 leaves, all blocks are whole.
        if sizes.insert(disk.bytes().len()) && n > 1 {
            assert_eq!((read(&disk.bytes()).0.len() as u64, writer.unflushed()), (n, 0));
        }
    }
    assert!(sizes.len() > 3, "it writes as it goes: {sizes:?}");
    drop(writer);
    assert_eq!(read(&disk.bytes()).0.len(), 1000, "dropping the writer flushes it");
}

#[test]
fn long_packets_and_comments_are_cut() {
    let disk = Disk::default();
    let mut writer = PcapngWriter::new(disk.clone(), "test", 100).unwrap();
    let comment = "ö".repeat(40_000);
    writer.packet(&record(1, Direction::Inbound, &[7; 1500], &comment)).unwrap();
    writer.flush().unwrap();
    let (packets, _) = read(&disk.bytes());
    let (_, _, seen, data, original) = &packets[0];
    assert_eq!((data.len(), *original, seen.len()), (100, 1500, 65_532));
    assert!(comment.starts_with(seen.as_str()));
}

#[test]
fn an_error_ends_the_writing_once() {
    let disk = Disk::default();
    let mut writer = PcapngWriter::new(disk.clone(), "test", 0).unwrap();
    let size = disk.bytes().len() + 10;
    disk.0.lock().1 = Some(size);
    writer.packet(&record(1, Direction::Inbound, &[7; 1500], "")).unwrap();
    assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(writer.is_broken());
    writer.packet(&record(2, Direction::Inbound, &[7; 1500], "")).unwrap();
    writer.finish(0, 0, 0, 0).unwrap();
    assert_eq!(disk.bytes().len(), size, "nothing follows a half-written block");
}
