//! The table, driven as the packetdrill tool drives it: the library is loaded by `dlopen`, packets are raw IP and made by
//! hand, the clock is asked for, and blocking calls are made on a second thread.
#![allow(unsafe_code, reason = "the library is C's")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test says so by failing")]

use std::ffi::{CString, c_int, c_void};
use std::fs;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread;

use bowline_capi::PacketdrillInterface;
use bowline_posix::{Abi, Address};
use bowline_wire::ip::{self, IpHeader, Protocol};
use bowline_wire::{SeqNumber, TcpFlags, TcpHeader, TcpOptions, tcp};

/// The tool's side: a loaded library, and one host of it.
struct Tool {
    library: *mut c_void,
    table: PacketdrillInterface,
}

// SAFETY: the table's functions may be called from any thread; that is what is tested.
unsafe impl Send for Tool {}
// SAFETY: as above.
unsafe impl Sync for Tool {}

/// A segment, as a script has it.
#[derive(Clone, Debug)]
struct Seen {
    header: TcpHeader,
    text: Vec<u8>,
    /// The clock, in microseconds.
    at: i64,
}

const TEXT: &[u8] = b"hello";

impl Tool {
    fn new(flags: &str) -> Self {
        let tests = std::env::current_exe().unwrap();
        let path = tests.parent().unwrap().join("libbowline_capi.so");
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let flags = CString::new(flags).unwrap();
        // SAFETY: names end with zero; the symbol has this type; the table has room.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "dlopen");
            let symbol = libc::dlsym(library, c"packetdrill_interface_init".as_ptr());
            assert!(!symbol.is_null(), "dlsym");
            let init: unsafe extern "C" fn(*const i8, *mut PacketdrillInterface) = core::mem::transmute(symbol);
            let mut table = MaybeUninit::<PacketdrillInterface>::zeroed();
            init(flags.as_ptr(), table.as_mut_ptr());
            Self { library, table: table.assume_init() }
        }
    }

    fn socket(&self, v6: bool) -> c_int {
        let domain = if v6 { libc::AF_INET6 } else { libc::AF_INET };
        // SAFETY: no pointers.
        let fd = unsafe { (self.table.socket)(self.table.userdata, domain, libc::SOCK_STREAM, libc::IPPROTO_TCP) };
        assert!(fd >= 0);
        fd
    }

    fn listener(&self, address: SocketAddr) -> c_int {
        let fd = self.socket(address.is_ipv6());
        let bytes = Address::Inet(address).encode(Abi::Linux);
        // SAFETY: the address is as long as it says.
        unsafe {
            let bound = (self.table.bind)(self.table.userdata, fd, bytes.as_ptr().cast(), bytes.len() as u32);
            assert_eq!(bound, 0);
            assert_eq!((self.table.listen)(self.table.userdata, fd, 1), 0);
        }
        fd
    }

    /// What the tool asks of the clock, in microseconds.
    fn time(&self) -> i64 {
        // SAFETY: there is room for a time.
        unsafe {
            let mut time: libc::timeval = zeroed();
            assert_eq!((self.table.gettimeofday)(self.table.userdata, &raw mut time, core::ptr::null_mut()), 0);
            time.tv_sec * 1_000_000 + time.tv_usec
        }
    }

    /// `<`: a packet arrives.
    fn send(&self, from: SocketAddr, to: SocketAddr, header: &TcpHeader, text: &[u8]) {
        let header = TcpHeader { src_port: from.port(), dst_port: to.port(), ..header.clone() };
        let mut segment = vec![0; header.emit_len()];
        header.emit(&mut segment);
        tcp::fill_checksum(from.ip(), to.ip(), &mut segment, &[text]);
        segment.extend(text);
        let mut packet = vec![0; 60];
        let len = ip::emit(&IpHeader::new(from.ip(), to.ip(), Protocol::TCP, segment.len()), &mut packet);
        packet.truncate(len);
        packet.extend(segment);
        // SAFETY: as many bytes as it says.
        let sent = unsafe { (self.table.netdev_send)(self.table.userdata, packet.as_ptr().cast(), packet.len()) };
        assert_eq!(sent, 0);
    }

    /// `>`: the next packet that leaves, in virtual time; `None` where none will.
    fn receive(&self) -> Option<Seen> {
        let mut packet = vec![0; 65_536];
        let (mut count, mut at) = (packet.len(), 0);
        // SAFETY: as much room as it says.
        let result = unsafe {
            (self.table.netdev_receive)(self.table.userdata, packet.as_mut_ptr().cast(), &raw mut count, &raw mut at)
        };
        assert_eq!(result, 0);
        packet.truncate(count);
        if packet.is_empty() {
            return None;
        }
        let header = ip::parse(&packet).expect("an IP packet");
        let segment = header.payload(&packet);
        assert!(bowline_wire::checksum::is_valid(header.src, header.dst, Protocol::TCP, segment));
        let (tcp, len) = TcpHeader::parse(segment).expect("a segment");
        Some(Seen { header: tcp, text: segment[len..].to_vec(), at })
    }

    fn expect(&self, flags: TcpFlags) -> Seen {
        let seen = self.receive().expect("a packet");
        assert_eq!(seen.header.flags, flags, "{seen:?}");
        seen
    }

    fn read(&self, fd: c_int, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: as much room as it says.
        let n = unsafe { (self.table.read)(self.table.userdata, fd, bytes.as_mut_ptr().cast(), len) };
        bytes.truncate(usize::try_from(n).expect("read"));
        bytes
    }

    fn write(&self, fd: c_int, data: &[u8]) {
        // SAFETY: as many bytes as it says.
        let n = unsafe { (self.table.write)(self.table.userdata, fd, data.as_ptr().cast(), data.len()) };
        assert_eq!(n, data.len() as isize);
    }

    fn close(&self, fd: c_int) {
        // SAFETY: no pointers.
        assert_eq!(unsafe { (self.table.close)(self.table.userdata, fd) }, 0);
    }

    fn accept(&self, fd: c_int) -> c_int {
        let (at, len) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: no address is asked for.
        unsafe { (self.table.accept)(self.table.userdata, fd, at, len) }
    }

    /// The handshake of a peer that opens: its next sequence number is 1, ours and the accepted descriptor are returned.
    fn accepted(&self, listener: c_int, peer: SocketAddr, ours: SocketAddr) -> (SeqNumber, c_int) {
        let syn =
            TcpHeader { seq: SeqNumber(0), flags: TcpFlags::SYN, window: 65_535, options: syn_options(), ..none() };
        self.send(peer, ours, &syn, &[]);
        let answer = self.expect(TcpFlags::SYN | TcpFlags::ACK);
        assert_eq!(answer.header.ack, SeqNumber(1));
        let next = answer.header.seq + 1;
        self.send(peer, ours, &ack(SeqNumber(1), next), &[]);
        (next, self.accept(listener))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // SAFETY: nothing uses the host or the library any more.
        unsafe {
            (self.table.free)(self.table.userdata);
            libc::dlclose(self.library);
        }
    }
}

fn none() -> TcpHeader {
    TcpHeader::default()
}

fn syn_options() -> TcpOptions {
    TcpOptions { mss: Some(1000), sack_permitted: true, window_scale: Some(7), ..TcpOptions::default() }
}

fn ack(seq: SeqNumber, ack: SeqNumber) -> TcpHeader {
    TcpHeader { seq, ack, flags: TcpFlags::ACK, window: 257, ..none() }
}

fn addresses(v6: bool) -> (SocketAddr, SocketAddr) {
    let parse = |text: &str| text.parse::<IpAddr>().unwrap();
    let (peer, ours) = if v6 { ("2001:db8::7", "fd00::1") } else { ("192.0.2.1", "192.168.0.1") };
    (SocketAddr::new(parse(peer), 33_333), SocketAddr::new(parse(ours), 8_080))
}

#[test]
fn the_struct_has_thirty_three_words() {
    assert_eq!(size_of::<PacketdrillInterface>(), 33 * size_of::<usize>());
}

#[test]
fn a_peer_connects_sends_and_closes() {
    for v6 in [false, true] {
        let tool = Tool::new("profile=linux,local=192.168.0.1,mtu=1500");
        let (peer, ours) = addresses(v6);
        let listener = tool.listener(ours);
        let (next, fd) = tool.accepted(listener, peer, ours);
        assert!(fd >= 0);
        let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        assert!(link.to_string_lossy().contains("eventfd"), "{link:?}");

        let push = TcpHeader { flags: TcpFlags::PSH | TcpFlags::ACK, ..ack(SeqNumber(1), next) };
        tool.send(peer, ours, &push, TEXT);
        assert_eq!(tool.expect(TcpFlags::ACK).header.ack, SeqNumber(6));
        assert_eq!(tool.read(fd, 100), TEXT);

        tool.write(fd, b"yes");
        let answer = tool.expect(TcpFlags::PSH | TcpFlags::ACK);
        assert_eq!(answer.text, b"yes");
        tool.send(peer, ours, &ack(SeqNumber(6), next + 3), &[]);

        tool.close(fd);
        assert_eq!(tool.expect(TcpFlags::FIN | TcpFlags::ACK).header.seq, next + 3);
        let fin = TcpHeader { flags: TcpFlags::FIN | TcpFlags::ACK, ..ack(SeqNumber(6), next + 4) };
        tool.send(peer, ours, &fin, &[]);
        assert_eq!(tool.expect(TcpFlags::ACK).header.ack, SeqNumber(7));
        // TIME-WAIT ends, and then nothing will happen any more.
        assert!(tool.receive().is_none());
        tool.close(listener);
    }
}

#[test]
fn a_program_connects_and_its_syn_is_repeated_in_virtual_time() {
    for v6 in [false, true] {
        let tool = Tool::new("profile=linux");
        let (peer, _) = addresses(v6);
        let fd = tool.socket(v6);
        let bytes = Address::Inet(peer).encode(Abi::Linux);
        // SAFETY: the address is as long as it says; the argument is an integer.
        let errno = unsafe {
            (tool.table.fcntl)(tool.table.userdata, fd, libc::F_SETFL, i64::from(libc::O_RDWR | libc::O_NONBLOCK));
            let result = (tool.table.connect)(tool.table.userdata, fd, bytes.as_ptr().cast(), bytes.len() as u32);
            assert_eq!(result, -1);
            *libc::__errno_location()
        };
        assert_eq!(errno, libc::EINPROGRESS);
        let began = tool.time();
        let syn = tool.expect(TcpFlags::SYN);
        assert!(syn.at <= began, "it left before the clock was asked");
        assert_eq!(syn.header.window, if v6 { 64_800 } else { 64_240 });
        let again = tool.expect(TcpFlags::SYN);
        let waited = again.at - syn.at;
        assert!((999_000..1_001_000).contains(&waited), "the first time-out is a second: {waited} us");
        let now = tool.time();
        assert!((again.at..again.at + 10).contains(&now), "the clock went along: {} {now}", again.at);
        let (seq, port) = (again.header.seq, again.header.src_port);
        let answer = TcpHeader {
            ack: seq + 1,
            flags: TcpFlags::SYN | TcpFlags::ACK,
            window: 65_535,
            options: syn_options(),
            ..none()
        };
        let local = if v6 { "fd3d:a0b:17d6::1" } else { "192.168.0.1" };
        tool.send(peer, SocketAddr::new(local.parse().unwrap(), port), &answer, &[]);
        assert_eq!(tool.expect(TcpFlags::ACK).header.ack, SeqNumber(1));
    }
}

/// Whether a thread of this process sleeps in the kernel, by which the tool knows that a call is blocked.
fn sleeps(thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().next() == Some("S")
}

#[test]
fn a_blocked_accept_returns_at_the_time_of_the_packet_that_ends_it() {
    for v6 in [false, true] {
        let tool = Tool::new("profile=linux");
        let (peer, ours) = addresses(v6);
        let listener = tool.listener(ours);
        let (tell, told) = mpsc::channel();
        let (ended, began) = (Mutex::new(None), AtomicI64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: it takes nothing and cannot fail.
                tell.send(unsafe { libc::gettid() }).unwrap();
                let fd = tool.accept(listener);
                // What a system's scheduler may do; the clock stands still all the same.
                thread::yield_now();
                *ended.lock().unwrap() = Some((fd, tool.time()));
            });
            let second = told.recv().unwrap();
            while !sleeps(second) {
                thread::yield_now();
            }
            // SAFETY: no pointers.
            unsafe { (tool.table.usleep)(tool.table.userdata, 250_000) };
            let syn = TcpHeader { flags: TcpFlags::SYN, window: 65_535, options: syn_options(), ..none() };
            tool.send(peer, ours, &syn, &[]);
            let answer = tool.expect(TcpFlags::SYN | TcpFlags::ACK);
            let before = tool.time();
            tool.send(peer, ours, &ack(SeqNumber(1), answer.header.seq + 1), &[]);
            // The tool goes on at once; the clock does not, before the other thread has seen it.
            // SAFETY: no pointers.
            unsafe { (tool.table.usleep)(tool.table.userdata, 1_000_000) };
            began.store(before, Ordering::Relaxed);
        });
        let (fd, at) = ended.lock().unwrap().expect("it has returned");
        let before = began.into_inner();
        assert!(fd >= 0);
        assert!((before..before + 3).contains(&at), "{before} {at}");
        tool.close(fd);
    }
}

#[test]
fn getsockopt_is_answered_as_if_preloaded() {
    let tool = Tool::new("profile=linux");
    let (peer, ours) = addresses(false);
    let listener = tool.listener(ours);
    let (_, fd) = tool.accepted(listener, peer, ours);
    type GetSockOpt = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, *mut u32) -> c_int;
    // SAFETY: the symbol has this type, the buffer the room that it says.
    let (info, len) = unsafe {
        let symbol = libc::dlsym(tool.library, c"getsockopt".as_ptr());
        let getsockopt: GetSockOpt = core::mem::transmute(symbol);
        let (mut info, mut len) = ([0_u8; 512], 512_u32);
        assert_eq!(getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len), 0);
        // Another's descriptor is the kernel's business.
        let kernel = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let (mut kind, mut kind_len) = (0_i32, 4_u32);
        assert_eq!(getsockopt(kernel, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut kind_len), 0);
        assert_eq!(kind, libc::SOCK_DGRAM);
        libc::close(kernel);
        assert_eq!(getsockopt(-1, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut kind_len), -1);
        (info, len as usize)
    };
    let field = |name| bowline_posix::Field::read(Abi::Linux.tcp_info(), &info[..len], name);
    assert_eq!(field("tcpi_state"), Some(1), "TCP_ESTABLISHED");
    assert_eq!(field("tcpi_snd_mss"), Some(1000));
    assert_eq!(field("tcpi_snd_cwnd"), Some(10));
    assert_eq!(field("tcpi_rcv_wscale"), Some(8));
}

#[test]
fn poll_overwrites_what_it_is_given_and_splice_takes_zero_for_no_offset() {
    let tool = Tool::new("");
    let (peer, ours) = addresses(false);
    let listener = tool.listener(ours);
    let (next, fd) = tool.accepted(listener, peer, ours);
    tool.send(peer, ours, &ack(SeqNumber(1), next), TEXT);
    let mut asked = libc::pollfd { fd, events: libc::POLLIN | libc::POLLOUT, revents: libc::POLLERR };
    let mut pipe = [0; 2];
    let host = tool.table.userdata;
    // SAFETY: every pointer is to a value of its type.
    unsafe {
        assert_eq!((tool.table.poll)(host, &raw mut asked, 1, -1), 1);
        assert_eq!(asked.revents, libc::POLLIN | libc::POLLOUT);
        assert_eq!((tool.table.pipe)(host, pipe.as_mut_ptr()), 0);
        let (mut zero, mut five) = (0, 5);
        let none = core::ptr::null_mut();
        assert_eq!((tool.table.splice)(host, fd, &raw mut five, pipe[1], none, 100, 0), -1);
        assert_eq!(*libc::__errno_location(), libc::ESPIPE);
        assert_eq!((tool.table.splice)(host, fd, &raw mut zero, pipe[1], none, 100, 0), 5);
    }
    assert_eq!(tool.read(pipe[0], 10), TEXT);
}

#[test]
fn with_wrong_flags_every_call_fails() {
    let tool = Tool::new("profile=plan9");
    assert!(tool.table.userdata.is_null());
    // SAFETY: no pointers but the handle, which is null.
    let made = unsafe { (tool.table.socket)(tool.table.userdata, libc::AF_INET, libc::SOCK_STREAM, 0) };
    assert_eq!(made, -1);
}

/// Scripts through the tool itself, which is no part of the project: `PACKETDRILL` names it.
#[test]
#[allow(clippy::print_stderr, reason = "who reads the results must know what was not tested")]
fn the_tool_runs_a_script() {
    let Some(tool) = std::env::var_os("PACKETDRILL") else {
        eprintln!(
            "skipped: PACKETDRILL does not name the tool: PACKETDRILL=… cargo nextest run -p bowline-capi the_tool"
        );
        return;
    };
    let library = std::env::current_exe().unwrap().parent().unwrap().join("libbowline_capi.so");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/accept.pkt");
    let run = std::process::Command::new(tool)
        .arg(format!("--so_filename={}", library.display()))
        .args(["--so_flags=profile=linux", "--ip_version=ipv4", script])
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
