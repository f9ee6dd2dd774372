//! Any call with any argument on any socket, and any packet: nothing panics, and no reply is larger than what was asked for.

use bowline_base::Instant;
use bowline_posix::{Abi, Address, Call, ControlMessage, EpollEvent, Host, HostConfig, PollFd, Profile, Progress};
use bytes::Bytes;
use proptest::prelude::*;

/// Something to do with a host.
#[derive(Clone, Debug)]
enum Action {
    Make(u8, i32),
    Name(i32, u8),
    Listen(i32, i32),
    Shutdown(i32, i32),
    Start(Call),
    Resume,
    Set(i32, i32, i32, Vec<u8>),
    Get(i32, i32, i32, usize),
    Control(i32, i32, i64),
    Ioctl(i32, u64, i32),
    Watch(i32, i32, i32, u32),
    Wait(u64),
    /// What has left comes back: to ourselves, as if the peer mirrored it.
    Mirror,
    Packet(Vec<u8>),
}

fn fd() -> impl Strategy<Value = i32> {
    prop_oneof![20 => 3..9_i32, 1 => any::<i32>()]
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| Address::Inet((ip, port).into())),
        (0..3_u8, 1..4_u16).prop_map(|(last, port)| Address::Inet(([192, 168, 0, last], port).into())),
        (any::<[u16; 8]>(), any::<u16>()).prop_map(|(ip, port)| Address::Inet((ip, port).into())),
        Just(Address::Inet(([0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1], 1).into())),
        Just(Address::Unspecified),
        any::<u16>().prop_map(Address::Other),
    ]
}

/// A small number mostly: that is where the names are.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 0..80_i32, 1 => any::<i32>(), 1 => (0..31_u32).prop_map(|bit| 1 << bit), 1 => Just(-1)]
}

fn call() -> impl Strategy<Value = Call> {
    let len = || prop_oneof![0..70_000_usize, any::<usize>()];
    let data = || prop_oneof![0..10_usize, 0..200_000_usize].prop_map(|len| Bytes::from(vec![7; len]));
    let message = (number(), number(), proptest::collection::vec(any::<u8>(), 0..9))
        .prop_map(|(level, kind, data)| ControlMessage { level, kind, data });
    let poll = (fd(), any::<i16>()).prop_map(|(fd, events)| PollFd { fd, events, revents: 0 });
    prop_oneof![
        (fd(), number()).prop_map(|(fd, flags)| Call::Accept { fd, flags }),
        (fd(), address()).prop_map(|(fd, address)| Call::Connect { fd, address }),
        (fd(), len()).prop_map(|(fd, len)| Call::Read { fd, len }),
        (fd(), len(), number()).prop_map(|(fd, len, flags)| Call::Receive { fd, len, flags }),
        (fd(), data()).prop_map(|(fd, data)| Call::Write { fd, data }),
        (fd(), data(), number(), proptest::option::of(address()), proptest::collection::vec(message, 0..2))
            .prop_map(|(fd, data, flags, to, control)| Call::Send { fd, data, flags, to, control }),
        fd().prop_map(|fd| Call::Close { fd }),
        (proptest::collection::vec(poll, 0..4), number()).prop_map(|(fds, timeout)| Call::Poll { fds, timeout }),
        (fd(), len(), number()).prop_map(|(fd, max, timeout)| Call::EpollWait { fd, max, timeout }),
        (fd(), fd(), len(), any::<u8>()).prop_map(|(from, to, len, flags)| Call::Splice {
            from,
            to,
            len,
            flags: u32::from(flags)
        }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let level = || prop_oneof![Just(0), Just(1), Just(6), Just(17), Just(41), Just(0xffff), any::<i32>()];
    let value = || proptest::collection::vec(any::<u8>(), 0..20);
    let request = prop_oneof![Just(0x541b), Just(0x5411), Just(0x5421), Just(0x894b), Just(0x8905), any::<u64>()];
    prop_oneof![
        4 => (any::<u8>(), number()).prop_map(|(what, flags)| Action::Make(what, flags)),
        2 => (fd(), any::<u8>()).prop_map(|(fd, place)| Action::Name(fd, place)),
        2 => (fd(), number()).prop_map(|(fd, backlog)| Action::Listen(fd, backlog)),
        1 => (fd(), -1..4_i32).prop_map(|(fd, how)| Action::Shutdown(fd, how)),
        12 => call().prop_map(Action::Start),
        4 => Just(Action::Resume),
        3 => (fd(), level(), number(), value()).prop_map(|(fd, level, name, value)| Action::Set(fd, level, name, value)),
        3 => (fd(), level(), number(), 0..600_usize).prop_map(|(fd, level, name, len)| Action::Get(fd, level, name, len)),
        1 => (fd(), number(), any::<i64>()).prop_map(|(fd, command, value)| Action::Control(fd, command, value)),
        1 => (fd(), request, number()).prop_map(|(fd, request, value)| Action::Ioctl(fd, request, value)),
        1 => (fd(), 0..5_i32, fd(), any::<u32>()).prop_map(|(epoll, op, fd, events)| Action::Watch(epoll, op, fd, events)),
        3 => (0..100_000_000_u64).prop_map(Action::Wait),
        6 => Just(Action::Mirror),
        1 => proptest::collection::vec(any::<u8>(), 0..100).prop_map(Action::Packet),
    ]
}

struct World {
    host: Host,
    now: Instant,
    waiting: Vec<bowline_posix::Waiting>,
}

impl World {
    fn keep(&mut self, progress: Progress, room: usize) {
        match progress {
            Progress::Done(Ok(reply)) => assert!(reply.data.len() <= room, "{} of {room}", reply.data.len()),
            Progress::Done(Err(_)) => {}
            Progress::Waits(waiting) => self.waiting.push(waiting),
        }
    }

    fn make(&mut self, what: u8, flags: i32) {
        let abi = self.host.abi();
        let number = |name: &str| abi.constant(name).unwrap() as i32;
        let domain = number(if what & 1 == 0 { "AF_INET" } else { "AF_INET6" });
        let kind = if what & 2 == 0 { 1 } else { 2 };
        let nonblocking = if what & 4 == 0 { number("SOCK_NONBLOCK") } else { 0 };
        let _ = match what % 11 {
            0 => self.host.pipe(flags).map(|_| 0),
            1 => self.host.epoll_create(flags),
            2 => self.host.socket(flags, flags, flags),
            _ => self.host.socket(domain, kind | nonblocking, 0),
        };
    }

    /// Swaps addresses and ports of what leaves, and hands it back.
    fn mirror(&mut self) {
        for _ in 0..50 {
            let Some(mut packet) = self.host.poll_packet(self.now) else { return };
            let (addresses, at) = if packet[0] >> 4 == 4 { (12..20, 20) } else { (8..40, 40) };
            let half = addresses.len() / 2;
            packet[addresses].rotate_left(half);
            if packet.len() >= at + 4 {
                packet[at..at + 4].rotate_left(2);
            }
            self.host.packet_in(self.now, &packet);
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Make(what, flags) => self.make(what, flags),
            Action::Name(fd, place) => {
                let ip = [[0; 4], [192, 168, 0, 1], [192, 168, 0, 2], [127, 0, 0, 1]][usize::from(place % 4)];
                let address = match place & 16 {
                    0 => Address::Inet((ip, u16::from(place % 5)).into()),
                    _ => Address::Inet(([0_u16; 8], u16::from(place % 5)).into()),
                };
                let _ = self.host.bind(now, fd, address);
                let _ = (self.host.getsockname(fd), self.host.getpeername(fd));
            }
            Action::Listen(fd, backlog) => drop(self.host.listen(now, fd, backlog)),
            Action::Shutdown(fd, how) => drop(self.host.shutdown(now, fd, how)),
            Action::Start(call) => {
                let room = match &call {
                    Call::Read { len, .. } | Call::Receive { len, .. } => *len,
                    _ => 0,
                };
                let progress = self.host.call(now, call);
                self.keep(progress, room);
            }
            Action::Resume => {
                for waiting in core::mem::take(&mut self.waiting) {
                    let progress = self.host.resume(now, waiting);
                    self.keep(progress, usize::MAX);
                }
            }
            Action::Set(fd, level, name, value) => drop(self.host.setsockopt(now, fd, level, name, &value)),
            Action::Get(fd, level, name, len) => {
                let value = self.host.getsockopt(now, fd, level, name, len);
                assert!(value.is_err() || value.is_ok_and(|value| value.len() <= len));
            }
            Action::Control(fd, command, value) => drop(self.host.fcntl(fd, command, value)),
            Action::Ioctl(fd, request, value) => drop(self.host.ioctl(now, fd, request, value)),
            Action::Watch(epoll, op, fd, events) => {
                let _ = self.host.epoll_ctl(epoll, op, fd, Some(EpollEvent { events, data: 7 }));
            }
            Action::Wait(nanos) => {
                self.now = Instant::from_nanos(now.as_nanos() + nanos);
                self.host.handle_timeout(self.now);
            }
            Action::Mirror => self.mirror(),
            Action::Packet(bytes) => self.host.packet_in(now, &bytes),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        profile in prop_oneof![Just(Profile::Bowline), Just(Profile::Linux), Just(Profile::FreeBsd)],
        swapped in any::<bool>(),
        actions in proptest::collection::vec(action(), 1..120),
    ) {
        let mut config = HostConfig { max_descriptors: 8, ..HostConfig::new(profile) };
        if swapped {
            config.abi = if config.abi == Abi::Linux { Abi::FreeBsd } else { Abi::Linux };
        }
        let now = Instant::from_secs(1);
        let mut world = World { host: Host::new(config, [3; 32], now), now, waiting: Vec::new() };
        for action in actions {
            world.act(action);
        }
        world.act(Action::Mirror);
        world.act(Action::Resume);
    }
}
