//! TCP-AO (RFC 5925) between two endpoints: whose segments count, which keys are used, and numbers that begin anew.

use std::time::Duration;

use bowline_base::Randomness;
use bowline_tcp::{
    AoAlgorithm, AoKey, ConnectionKey, Counters, Event, IcmpError, KeyName, Keys, Listen, ListenerKey, Options, Path,
};

use crate::bench::net::Weather;
use crate::bench::pair::{End, Pair};
use crate::bench::stream;

const PORT: u16 = 179;

/// Which counter tells.
type Counter = fn(&Counters) -> u64;

/// A master key for everybody, with the same identifier both ways.
fn key(id: u8, secret: &str, algorithm: AoAlgorithm) -> Vec<AoKey> {
    ["0.0.0.0/0", "::/0"]
        .map(|peers| AoKey::new(peers.parse().unwrap(), (id, id), secret.as_bytes()).unwrap().with_algorithm(algorithm))
        .into()
}

fn sha1(id: u8, secret: &str) -> Vec<AoKey> {
    key(id, secret, AoAlgorithm::HmacSha1)
}

fn keys(all: impl IntoIterator<Item = Vec<AoKey>>) -> Keys {
    let mut keys = Keys::default();
    all.into_iter().flatten().for_each(|key| assert!(keys.add_ao(key)));
    keys
}

/// Two endpoints with these keys, 10 ms apart, and a listener.
struct Ends {
    pair: Pair,
    listener: ListenerKey,
}

impl Ends {
    fn new(seed: u64, keys: [Keys; 2], ipv6: bool) -> Self {
        Self::with_outage(seed, keys, ipv6, None)
    }

    fn with_outage(seed: u64, [client, server]: [Keys; 2], ipv6: bool, outage: Option<(Duration, Duration)>) -> Self {
        let options = [client, server].map(|keys| Options { keys, ..Options::default() });
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let weather = Weather { delay: Duration::from_millis(10), outage, ..Weather::default() };
        let mut pair = Pair::new(&mut Randomness::new(bytes), weather, options, ipv6, 1500);
        let listener = pair.call(End::Server, |end, _| end.listen(Listen::on_port(PORT))).unwrap();
        Self { pair, listener }
    }

    fn pass(&mut self, span: Duration) {
        let until = self.pair.now + span;
        while self.pair.step(until) {}
    }

    /// Opens a connection: both ends' handles, if it comes about within a second.
    fn open(&mut self) -> Option<[ConnectionKey; 2]> {
        let client = self.pair.connect(PORT);
        self.pass(Duration::from_secs(1));
        let listener = self.listener;
        Some([client, self.pair.call(End::Server, |end, now| end.accept(now, listener))?])
    }

    /// Carries so many bytes each way.
    fn talk(&mut self, connection: [ConnectionKey; 2], len: usize) {
        for (from, to) in [(End::Client, End::Server), (End::Server, End::Client)] {
            let (data, mut read) = (stream(0, len), Vec::new());
            let mut written = 0;
            while read.len() < len {
                let (ours, theirs) = (connection[from as usize], connection[to as usize]);
                written += self.pair.call(from, |end, now| end.send(now, ours, &data[written..])).unwrap_or(0);
                let mut out = vec![0; len];
                let got = self.pair.call(to, |end, now| end.receive(now, theirs, &mut out)).unwrap_or(0);
                read.extend_from_slice(&out[..got]);
                let until = self.pair.now + Duration::from_secs(60);
                assert!(got > 0 || self.pair.step(until), "nothing moves after {} of {len}", read.len());
            }
            assert!(read == data, "other bytes");
        }
    }

    fn counters(&self, end: End) -> Counters {
        *self.pair.ends[end as usize].counters()
    }

    /// SendID of the key that signs, RecvID of the one that is asked for.
    fn in_use(&self, end: End, key: ConnectionKey) -> (u8, u8) {
        let keys = self.pair.ends[end as usize].info(self.pair.now, key).unwrap().keys;
        let find = |is_it: fn(&KeyName) -> Option<u8>| keys.iter().find_map(is_it).unwrap();
        let current = |key: &KeyName| match *key {
            KeyName::Ao { send_id, is_current: true, .. } => Some(send_id),
            _ => None,
        };
        let next = |key: &KeyName| match *key {
            KeyName::Ao { recv_id, is_next: true, .. } => Some(recv_id),
            _ => None,
        };
        (find(current), find(next))
    }
}

/// Of both ends together: (good, bad, required, not found).
fn judged(ends: &Ends) -> (u64, u64, u64, u64) {
    let [a, b] = [End::Client, End::Server].map(|end| ends.counters(end));
    let sum = |of: fn(&Counters) -> u64| of(&a) + of(&b);
    (sum(|c| c.ao_good), sum(|c| c.ao_bad), sum(|c| c.ao_required), sum(|c| c.ao_key_not_found))
}

#[test]
fn who_has_the_key_is_heard() {
    for (seed, algorithm) in (0..8).flat_map(|seed| [(seed, AoAlgorithm::HmacSha1), (seed, AoAlgorithm::Aes128Cmac)]) {
        let ipv6 = seed % 2 == 1;
        let mut ends = Ends::new(seed, [(); 2].map(|()| keys([key(7, "secret", algorithm)])), ipv6);
        let connection = ends.open().unwrap();
        ends.talk(connection, 100_000);
        let info = ends.pair.ends[0].info(ends.pair.now, connection[0]).unwrap();
        // Timestamps (12, without a cookie) and the option (16) beside the headers.
        let headers = if ipv6 { 60 } else { 40 } + if info.timestamps { 12 } else { 0 };
        assert_eq!(info.mss, 1500 - headers - 16);
        for (end, key) in [End::Client, End::Server].into_iter().zip(connection) {
            ends.pair.call(end, |end, now| end.close(now, key));
        }
        ends.pass(Duration::from_secs(90));
        let (good, bad, required, unknown) = judged(&ends);
        assert!(good > 100 && (bad, required, unknown) == (0, 0, 0), "{:?}", judged(&ends));
        assert_eq!(ends.pair.ends.each_ref().map(bowline_tcp::Endpoint::population), [(0, 0, 0); 2]);
    }
}

/// The last ACK is lost. The FIN comes again, and what is left of the connection in TIME-WAIT knows it by its signature.
#[test]
fn a_fin_that_is_repeated_in_time_wait_is_acknowledged() {
    let ms = Duration::from_millis;
    for algorithm in [AoAlgorithm::HmacSha1, AoAlgorithm::Aes128Cmac] {
        let both = || keys([key(7, "secret", algorithm)]);
        let mut ends = Ends::with_outage(1, [both(), both()], false, Some((ms(1_105), ms(1_150))));
        let [client, server] = ends.open().unwrap();
        ends.pair.call(End::Client, |end, now| end.close(now, client));
        ends.pass(ms(100));
        ends.pair.call(End::Server, |end, now| end.close(now, server));
        ends.pass(ms(2_000));
        assert_eq!(ends.counters(End::Client).ao_bad, 0);
        assert!(ends.counters(End::Server).retrans_segs > 0, "the FIN came again");
        assert_eq!(ends.pair.ends.each_ref().map(bowline_tcp::Endpoint::population), [(0, 0, 1), (0, 0, 0)]);
    }
}

#[test]
fn who_has_another_key_or_none_is_not() {
    let right = || keys([sha1(7, "secret")]);
    let rows: [(Keys, Keys, Counter); 5] = [
        (keys([sha1(7, "another")]), right(), |server| server.ao_bad),
        (keys([key(7, "secret", AoAlgorithm::Aes128Cmac)]), right(), |server| server.ao_bad),
        (keys([sha1(8, "secret")]), right(), |server| server.ao_key_not_found),
        (Keys::default(), right(), |server| server.ao_required),
        (right(), Keys::default(), |server| server.ao_key_not_found),
    ];
    for (n, (client, server, counted)) in rows.into_iter().enumerate() {
        let mut ends = Ends::new(n as u64, [client, server], false);
        assert_eq!(ends.open(), None, "row {n}");
        let server = ends.counters(End::Server);
        assert!(counted(&server) > 0 && server.ao_good == 0 && server.out_segs == 0, "row {n}");
    }
}

#[test]
fn options_that_are_not_covered_may_differ_in_use_but_not_in_name() {
    let plain = |covers_options| {
        keys([sha1(7, "secret").into_iter().map(|key| key.covering_options(covers_options)).collect::<Vec<_>>()])
    };
    let mut ends = Ends::new(1, [plain(false), plain(false)], false);
    let connection = ends.open().unwrap();
    ends.talk(connection, 1_000);
    let mut ends = Ends::new(1, [plain(true), plain(false)], false);
    assert_eq!(ends.open(), None);
}

#[test]
fn a_server_answers_with_the_key_that_it_is_asked_for() {
    for seed in 0..4 {
        let [a, b] = [sha1(1, "a"), sha1(2, "b")];
        let mut ends = Ends::new(seed, [keys([b.clone(), a.clone()]), keys([a, b])], false);
        let connection = ends.open().unwrap();
        assert_eq!(ends.in_use(End::Client, connection[0]), (2, 2));
        assert_eq!(ends.in_use(End::Server, connection[1]), (2, 2), "cookies: {}", ends.pair.cookies);
    }
}

#[test]
fn keys_roll_over_without_a_segment_lost() {
    let [a, b] = [sha1(1, "old"), key(2, "new", AoAlgorithm::Aes128Cmac)];
    let mut ends = Ends::new(3, [keys([a.clone()]), keys([a.clone()])], false);
    let connection = ends.open().unwrap();
    let [client, server] = connection;
    ends.talk(connection, 5_000);
    // Both get the new key; nothing changes.
    for (end, key) in [(End::Client, client), (End::Server, server)] {
        let both = keys([a.clone(), b.clone()]);
        ends.pair.call(end, |end, now| end.set_options(now, key, |options| options.keys = both)).unwrap();
    }
    ends.talk(connection, 5_000);
    assert_eq!(ends.in_use(End::Client, client), (1, 1));
    // The client asks for it: the server signs with it, and the client does not yet.
    ends.pair.call(End::Client, |end, now| end.choose_keys(now, client, None, Some(2))).unwrap();
    ends.talk(connection, 5_000);
    assert_eq!([ends.in_use(End::Client, client), ends.in_use(End::Server, server)], [(1, 2), (2, 1)]);
    ends.pair.call(End::Server, |end, now| end.choose_keys(now, server, None, Some(2))).unwrap();
    ends.talk(connection, 5_000);
    assert_eq!([ends.in_use(End::Client, client), ends.in_use(End::Server, server)], [(2, 2), (2, 2)]);
    // The old one goes.
    for (end, key) in [(End::Client, client), (End::Server, server)] {
        let new = keys([b.clone()]);
        ends.pair.call(end, |end, now| end.set_options(now, key, |options| options.keys = new)).unwrap();
    }
    ends.talk(connection, 5_000);
    let (_, bad, required, unknown) = judged(&ends);
    assert_eq!((bad, required, unknown), (0, 0, 0));
    let unknown = ends.pair.call(End::Server, |end, now| end.choose_keys(now, server, Some(1), Some(2)));
    assert_eq!(unknown, Err(bowline_tcp::CallError::Invalid));
}

/// Initial numbers grow with time: a moment is chosen in which ours are close to their end.
#[test]
fn numbers_begin_anew_and_macs_hold() {
    for end in [End::Client, End::Server] {
        let mut ends = Ends::new(5, [(); 2].map(|()| keys([sha1(7, "secret")])), false);
        let local = ([10, 0, 0, 1], 40_000).into();
        let remote = ([10, 0, 0, 2], PORT).into();
        let open = |ends: &mut Ends| {
            let connect =
                |client: &mut bowline_tcp::Endpoint, now| client.connect(now, local, remote, Path::new(1500), None);
            let client = ends.pair.call(End::Client, connect).unwrap();
            ends.pass(Duration::from_millis(500));
            let listener = ends.listener;
            [client, ends.pair.call(End::Server, |end, now| end.accept(now, listener)).unwrap()]
        };
        let first = open(&mut ends);
        let (isn, _) = ends.pair.ends[end as usize].initial_numbers(first[end as usize]).unwrap();
        for (end, key) in [End::Client, End::Server].into_iter().zip(first) {
            ends.pair.call(end, |end, now| end.abort(now, key));
        }
        // A number every 4 microseconds (RFC 6528 3), of which half a second has passed; as many as are left but for 50,000.
        let left = u64::from(u32::MAX - isn.0) - 50_000;
        ends.pass(Duration::from_micros(left * 4) - Duration::from_millis(500));
        let connection = open(&mut ends);
        let (isn, _) = ends.pair.ends[end as usize].initial_numbers(connection[end as usize]).unwrap();
        assert!(u32::MAX - isn.0 < 60_000, "{} is not close enough", isn.0);
        ends.talk(connection, 200_000);
        let (good, bad, required, unknown) = judged(&ends);
        assert!(good > 200 && (bad, required, unknown) == (0, 0, 0), "{:?}", judged(&ends));
    }
}

#[test]
fn hard_errors_of_icmp_are_not_believed() {
    let mut ends = Ends::new(6, [(); 2].map(|()| keys([sha1(7, "secret")])), false);
    let connection = ends.open().unwrap();
    let [client, _] = connection;
    let tuple = ends.pair.ends[0].tuple(client).unwrap();
    let before = ends.pair.ends[0].info(ends.pair.now, client).unwrap();
    ends.pair.call(End::Client, |end, now| end.send(now, client, &[1; 100])).unwrap();
    let (isn, _) = ends.pair.ends[0].initial_numbers(client).unwrap();
    for error in [IcmpError::PacketTooBig(600), IcmpError::PortUnreachable, IcmpError::ProtocolUnreachable] {
        ends.pair.call(End::Client, |end, now| end.handle_icmp(now, tuple, isn.0.wrapping_add(1), error));
    }
    let after = ends.pair.ends[0].info(ends.pair.now, client).unwrap();
    assert_eq!((after.path_mtu, after.soft_error), (before.path_mtu, None));
    assert_eq!(ends.counters(End::Client).ao_dropped_icmps, 3);
    // Unless the user wants them to be.
    let believe = |options: &mut Options| options.odd.believe_icmp = true;
    ends.pair.call(End::Client, |end, now| end.set_options(now, client, believe)).unwrap();
    let error = IcmpError::PacketTooBig(600);
    ends.pair.call(End::Client, |end, now| end.handle_icmp(now, tuple, isn.0.wrapping_add(1), error));
    assert_eq!(ends.pair.ends[0].info(ends.pair.now, client).unwrap().path_mtu, 600);
}

#[test]
fn a_reset_is_signed_and_nobodys_too() {
    let mut ends = Ends::new(7, [(); 2].map(|()| keys([sha1(7, "secret")])), false);
    let connection = ends.open().unwrap();
    ends.pair.call(End::Server, |end, now| end.abort(now, connection[1]));
    ends.pass(Duration::from_secs(1));
    let ended = |ends: &Ends, key| ends.pair.ends[0].error(key);
    assert_eq!(ended(&ends, connection[0]), Some(bowline_tcp::ConnectionError::Reset));
    // Where nobody listens.
    let listener = ends.listener;
    ends.pair.call(End::Server, |end, now| end.close_listener(now, listener));
    let client = ends.pair.connect(PORT);
    ends.pass(Duration::from_secs(1));
    assert_eq!(ended(&ends, client), Some(bowline_tcp::ConnectionError::Refused));
    let (_, bad, required, unknown) = judged(&ends);
    assert_eq!((bad, required, unknown), (0, 0, 0));
    ends.pair.events.iter_mut().for_each(|events| events.retain(|event| matches!(event, Event::Listener(_))));
}

#[test]
fn what_matches_no_key_may_be_taken() {
    let mut ends = Ends::new(8, [keys([sha1(7, "secret")]), Keys::default()], false);
    let listener = ends.listener;
    let take = |options: &mut Options| options.odd.take_unknown_ao = true;
    ends.pair.call(End::Server, |end, _| end.set_listener_options(listener, take));
    assert_eq!(ends.open(), None);
    // The server answers; the client, who has a key, does not hear it.
    assert!(ends.counters(End::Server).out_segs > 0 && ends.counters(End::Client).ao_required > 0);
}
