use super::*;
use alloc::vec::Vec;

const ALL: [IcmpError; 8] = [
    IcmpError::NetworkUnreachable,
    IcmpError::HostUnreachable,
    IcmpError::ProtocolUnreachable,
    IcmpError::PortUnreachable,
    IcmpError::AdministrativelyProhibited,
    IcmpError::PacketTooBig(1400),
    IcmpError::TimeExceeded,
    IcmpError::ParameterProblem,
];

#[test]
fn what_we_say_is_what_the_other_end_understands() {
    for is_v4 in [true, false] {
        for error in ALL {
            assert_eq!(unified(on_the_wire(error, is_v4), is_v4), Some(error), "{error:?} {is_v4}");
        }
    }
}

#[test]
fn every_code_means_what_linux_takes_it_for() {
    let meaning = |is_v4| {
        let of = |code| unified(icmp::IcmpError::Unreachable { code }, is_v4);
        (0..17).map(of).collect::<Vec<_>>()
    };
    let (net, host) = (Some(IcmpError::NetworkUnreachable), Some(IcmpError::HostUnreachable));
    let (port, protocol) = (Some(IcmpError::PortUnreachable), Some(IcmpError::ProtocolUnreachable));
    let prohibited = Some(IcmpError::AdministrativelyProhibited);
    let four = [
        net, host, protocol, port, host, host, net, host, host, prohibited, prohibited, net, host, prohibited, host,
        host, None,
    ];
    assert_eq!(meaning(true), four);
    let mut six = alloc::vec![net, prohibited, host, host, port, prohibited, prohibited];
    six.resize(17, None);
    assert_eq!(meaning(false), six);
}

#[test]
fn a_quotation_is_a_packet_that_its_sender_recognizes() {
    let (source, destination) = ("10.0.2.100:4000".parse().unwrap(), "9.9.9.9:53".parse().unwrap());
    let packet = Undelivered::Udp { source, destination, len: 65_507 };
    let quotation = packet.quotation();
    let quoted = Quoted::parse(&quotation).unwrap();
    assert_eq!((quoted.header.src, quoted.header.dst), packet.addresses());
    assert_eq!(quoted.ports(), Some((4000, 53)));
}
