//! The table as a door of the runner's: packets, the clock, and calls that block on threads of their own, as the tool has them.
#![allow(unsafe_code, reason = "the library is C's")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::{MaybeUninit, zeroed};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bowline_base::Instant;
use bowline_capi::PacketdrillInterface;
use bowline_drill::door::{BEGIN, Door, Out, Packet, Returned};
use bowline_posix::{Abi, Address, Call, EpollEvent, Errno, Fd, Host, HostConfig, Reply, Sysctls};
use bowline_tcp::State;

use super::calls;

/// How long a call that may not wait is waited for, in real time.
const PATIENCE: Duration = Duration::from_secs(20);

type Poll = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut usize, *mut i64) -> c_int;
type Init = unsafe extern "C" fn(*const c_char, *mut PacketdrillInterface);
type Count = unsafe extern "C" fn(*mut c_void, *const c_char, c_int) -> c_int;
type Set = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int;

/// What the library has.
struct Library {
    init: Init,
    /// What has left already: the tool has no need of it, since it waits for each packet.
    poll: Poll,
    /// What the tool has done by a shell.
    set: Set,
    count: Count,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let path = tests.parent().unwrap().join("libbowline_capi.so");
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: names end with zero; the symbols have these types.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "dlopen");
            let symbol = |name: &core::ffi::CStr| {
                let symbol = libc::dlsym(library, name.as_ptr());
                assert!(!symbol.is_null(), "{name:?}");
                symbol
            };
            Library {
                init: core::mem::transmute::<*mut c_void, Init>(symbol(c"packetdrill_interface_init")),
                poll: core::mem::transmute::<*mut c_void, Poll>(symbol(c"bowline_netdev_poll")),
                count: core::mem::transmute::<*mut c_void, Count>(symbol(c"bowline_count")),
                set: core::mem::transmute::<*mut c_void, Set>(symbol(c"bowline_sysctl")),
            }
        }
    })
}

/// A host behind the table.
#[derive(Debug)]
pub(crate) struct Table {
    table: calls::Shared,
    /// What the clock showed at first, in microseconds.
    began: u64,
    /// What it shows now. It is not asked again: it creeps when it is.
    clock: Instant,
    out: Out,
    blocked: Vec<Blocked>,
    /// Real descriptors, which the tool closes at its end.
    opened: Vec<Fd>,
    /// How many of the script's settings have been made.
    set: usize,
}

/// A call on a thread of its own.
#[derive(Debug)]
struct Blocked {
    id: usize,
    thread: i32,
    result: Receiver<Done>,
    /// Set once it is known to wait: then its thread asks for the time, as the tool's does, for which the clock stands still.
    waits: Arc<AtomicBool>,
}

/// What a call returned, and if it had to wait, what the clock showed then.
type Done = (Result<Reply, Errno>, Option<u64>);

/// The flags that make a host like this, if they can say all that it is made of.
fn flags(sysctls: &Sysctls) -> Result<String, String> {
    let HostConfig { profile, addresses, any_address, mtu, super_segments, .. } = sysctls.config.clone();
    let [anyip, gso] = [any_address, super_segments].map(|on| if on { "on" } else { "off" });
    let mut flags = format!("profile={},mtu={mtu},gso={gso},anyip={anyip}", profile.name());
    addresses.iter().for_each(|address| flags.push_str(&format!(",local={address}")));
    let abi = Abi::Linux;
    let config = HostConfig { abi, addresses, any_address, mtu, super_segments, ..HostConfig::new(profile) };
    let mut said = Sysctls::new(config);
    for (name, value) in sysctls.said() {
        flags.push_str(&format!(",sysctl.{name}={value}"));
        said.set(name, value).map_err(|refused| refused.to_string())?;
    }
    if format!("{said:?}") == format!("{sysctls:?}") {
        Ok(flags)
    } else {
        Err(format!("this door has no flags for {sysctls:?}"))
    }
}

/// Makes a host by flags.
pub(crate) fn behind(sysctls: &Sysctls) -> Result<Box<dyn Door>, String> {
    let flags = CString::new(flags(sysctls)?).unwrap();
    let mut table = MaybeUninit::<PacketdrillInterface>::zeroed();
    // SAFETY: a C string, and room for the table, which `init` fills.
    let table = unsafe {
        (library().init)(flags.as_ptr(), table.as_mut_ptr());
        table.assume_init()
    };
    assert!(!table.userdata.is_null(), "{flags:?}");
    let table = calls::Shared(table);
    Ok(Box::new(Table {
        table,
        began: table.time(),
        clock: BEGIN,
        out: Out::default(),
        blocked: Vec::new(),
        opened: Vec::new(),
        set: sysctls.said().len(),
    }))
}

impl Table {
    fn instant(&self, shown: u64) -> Instant {
        BEGIN + Duration::from_micros(shown.saturating_sub(self.began))
    }

    /// The next packet: one that has left, or with time passing the next that leaves. `None` where there is none.
    fn packet(&mut self, waits: bool) -> Option<Packet> {
        let mut bytes = vec![0; 65_536];
        let (mut count, mut at) = (bytes.len(), 0);
        let receive = if waits { self.table.0.netdev_receive } else { library().poll };
        // SAFETY: the room is what `count` says.
        let result = unsafe { receive(self.table.0.userdata, bytes.as_mut_ptr().cast(), &raw mut count, &raw mut at) };
        assert_eq!(result, 0);
        bytes.truncate(count);
        let at = self.instant(at as u64);
        self.clock = self.clock.max(at);
        (count > 0).then_some(Packet { at, bytes })
    }

    /// Calls that have returned by now. A thread that sleeps in the kernel waits for the host; any other is on its way.
    fn collect(&mut self) {
        let mut blocked = std::mem::take(&mut self.blocked);
        blocked.retain(|call| {
            let Some((result, at)) = wait(call) else { return true };
            let at = at.map_or(self.clock, |shown| self.instant(shown));
            let result = self.note(result);
            self.out.returned.push_back(Returned { id: call.id, at, result });
            false
        });
        self.blocked = blocked;
    }

    /// Remembers a descriptor that came out of a call.
    fn note(&mut self, result: Result<Reply, Errno>) -> Result<Reply, Errno> {
        if let Ok(reply) = &result
            && reply.value >= 3
            && reply.address.is_some()
            && reply.data.is_empty()
        {
            self.opened.push(reply.value as Fd);
        }
        result
    }
}

/// What a call has returned; `None` once its thread sleeps without having done so.
fn wait(call: &Blocked) -> Option<Done> {
    // It may sleep for a moment on its way: asked a few times, it still does only if it waits for the host.
    let mut asleep = 0;
    loop {
        if let Ok(done) = call.result.try_recv() {
            return Some(done);
        }
        let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", call.thread)).unwrap_or_default();
        let sleeps = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next() == Some("S");
        asleep = if sleeps { asleep + 1 } else { 0 };
        if asleep == 10 {
            call.waits.store(true, Ordering::SeqCst);
            return call.result.try_recv().ok();
        }
        std::thread::yield_now();
    }
}

impl Door for Table {
    fn now(&self) -> Instant {
        self.clock
    }

    /// The table has no word for a size: what was joined arrives as one large segment.
    fn arrive(&mut self, packet: &[u8], _segment_size: Option<u16>) {
        // SAFETY: as many bytes as it says.
        let result = unsafe { (self.table.0.netdev_send)(self.table.0.userdata, packet.as_ptr().cast(), packet.len()) };
        assert_eq!(result, 0);
        self.settle();
    }

    fn call(&mut self, id: usize, call: Call, may_wait: bool) -> Option<Result<Reply, Errno>> {
        let closes = if let Call::Close { fd } = &call { Some(*fd) } else { None };
        let (table, (tell, told), (answer, result)) = (self.table, channel(), channel());
        let waits = Arc::new(AtomicBool::new(false));
        let has_waited = waits.clone();
        std::thread::spawn(move || {
            // SAFETY: it takes nothing and cannot fail.
            let _ = tell.send(unsafe { libc::gettid() });
            let done = calls::make(&table, call);
            let at = has_waited.load(Ordering::SeqCst).then(|| table.time());
            let _ = answer.send((done, at));
        });
        let blocked = Blocked { id, thread: told.recv().unwrap(), result, waits };
        // A thread can sleep for other reasons: only a call that may wait is taken to wait by that.
        let done = if may_wait { wait(&blocked) } else { blocked.result.recv_timeout(PATIENCE).ok() };
        let done = done.map(|(result, _)| self.note(result));
        if let (Some(fd), Some(Ok(_))) = (closes, &done) {
            self.opened.retain(|open| *open != fd);
        }
        if done.is_none() {
            self.blocked.push(blocked);
        }
        self.settle();
        done
    }

    fn settle(&mut self) {
        while let Some(packet) = self.packet(false) {
            self.out.sent.push_back(packet);
        }
        self.collect();
    }

    fn pass(&mut self, until: Instant) {
        loop {
            let left = until.since(self.clock).as_micros();
            let micros = u32::try_from(left).unwrap_or(u32::MAX);
            if micros == 0 {
                break;
            }
            // SAFETY: no pointers.
            unsafe { (self.table.0.usleep)(self.table.0.userdata, micros) };
            self.clock += Duration::from_micros(micros.into());
        }
        self.settle();
    }

    /// The table waits for the next packet however long it takes: one that comes too late is told by its time.
    fn step(&mut self, _until: Instant) -> bool {
        self.settle();
        if !self.out.sent.is_empty() {
            return false;
        }
        let packet = self.packet(true);
        let came = packet.is_some();
        self.out.sent.extend(packet);
        self.settle();
        came
    }

    fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    fn socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno> {
        // SAFETY: no pointers.
        let fd = calls::int(|| unsafe { (self.table.0.socket)(self.table.0.userdata, domain, kind, protocol) })?;
        self.opened.push(fd);
        Ok(fd)
    }

    fn bind(&mut self, fd: Fd, address: Address) -> Result<(), Errno> {
        let bytes = address.encode(Abi::Linux);
        // SAFETY: the address is as long as it says.
        let bind =
            || unsafe { (self.table.0.bind)(self.table.0.userdata, fd, bytes.as_ptr().cast(), bytes.len() as u32) };
        calls::int(bind).map(drop)
    }

    fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        calls::int(|| unsafe { (self.table.0.listen)(self.table.0.userdata, fd, backlog) }).map(drop)
    }

    fn shutdown(&mut self, fd: Fd, how: i32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        calls::int(|| unsafe { (self.table.0.shutdown)(self.table.0.userdata, fd, how) }).map(drop)
    }

    fn getsockname(&mut self, _fd: Fd) -> Result<Address, Errno> {
        Err(Errno::ENOSYS)
    }

    fn getpeername(&mut self, _fd: Fd) -> Result<Address, Errno> {
        Err(Errno::ENOSYS)
    }

    fn setsockopt(&mut self, fd: Fd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let (at, len) = (value.as_ptr().cast(), value.len() as u32);
        // SAFETY: the value is as long as it says.
        calls::int(|| unsafe { (self.table.0.setsockopt)(self.table.0.userdata, fd, level, name, at, len) }).map(drop)
    }

    fn getsockopt(&mut self, fd: Fd, level: i32, name: i32, room: usize) -> Result<Vec<u8>, Errno> {
        let (mut value, mut len) = (vec![0_u8; room], room as u32);
        let at = value.as_mut_ptr().cast();
        // SAFETY: there is as much room as it says.
        calls::int(|| unsafe { (self.table.0.getsockopt)(self.table.0.userdata, fd, level, name, at, &raw mut len) })?;
        value.truncate(len as usize);
        Ok(value)
    }

    fn fcntl(&mut self, fd: Fd, command: i32, argument: i64) -> Result<i32, Errno> {
        // SAFETY: the argument is an integer.
        calls::int(|| unsafe { (self.table.0.fcntl)(self.table.0.userdata, fd, command, argument) })
    }

    fn ioctl(&mut self, fd: Fd, request: u64, argument: i32) -> Result<i32, Errno> {
        let mut value = argument;
        let at = (&raw mut value).cast();
        // SAFETY: the argument is a place for an integer.
        calls::int(|| unsafe { (self.table.0.ioctl)(self.table.0.userdata, fd, request, at) })?;
        Ok(value)
    }

    fn pipe(&mut self) -> Result<(Fd, Fd), Errno> {
        let mut fds = [0; 2];
        // SAFETY: there is room for two.
        calls::int(|| unsafe { (self.table.0.pipe)(self.table.0.userdata, fds.as_mut_ptr()) })?;
        self.opened.extend(fds);
        Ok((fds[0], fds[1]))
    }

    fn epoll_create(&mut self, _flags: i32) -> Result<Fd, Errno> {
        // SAFETY: no pointers.
        let fd = calls::int(|| unsafe { (self.table.0.epoll_create)(self.table.0.userdata, 1) })?;
        self.opened.push(fd);
        Ok(fd)
    }

    fn epoll_ctl(&mut self, epoll: Fd, operation: i32, fd: Fd, event: Option<EpollEvent>) -> Result<(), Errno> {
        let mut event = event.map(|event| libc::epoll_event { events: event.events, u64: event.data });
        let at = event.as_mut().map_or(core::ptr::null_mut(), core::ptr::from_mut);
        // SAFETY: the event is null, or one.
        calls::int(|| unsafe { (self.table.0.epoll_ctl)(self.table.0.userdata, epoll, operation, fd, at) }).map(drop)
    }

    fn apply(&mut self, sysctls: &Sysctls) -> Result<(), String> {
        let said = sysctls.said();
        let new = said.get(self.set..).ok_or("this door cannot take settings back")?;
        for (name, value) in new {
            let [name, value] = [name, value].map(|text| CString::new(text.as_str()).unwrap());
            // SAFETY: two C strings.
            calls::int(|| unsafe { (library().set)(self.table.0.userdata, name.as_ptr(), value.as_ptr()) })
                .map_err(|errno| format!("bowline_sysctl({name:?}, {value:?}): {errno}"))?;
        }
        self.set = said.len();
        Ok(())
    }

    fn count_in(&mut self, state: State, is_v4: Option<bool>) -> Result<usize, String> {
        let name = CString::new(state.to_string()).unwrap();
        let family = is_v4.map_or(libc::AF_UNSPEC, |is_v4| if is_v4 { libc::AF_INET } else { libc::AF_INET6 });
        // SAFETY: a C string.
        let count = calls::int(|| unsafe { (library().count)(self.table.0.userdata, name.as_ptr(), family) });
        count.map(|count| count as usize).map_err(|errno| format!("bowline_count({name:?}): {errno}"))
    }

    fn host(&mut self) -> Option<&mut Host> {
        None
    }

    fn began(&self) -> u64 {
        self.began
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.blocked.is_empty() {
            // Their threads are in there for ever.
            return;
        }
        for fd in self.opened.drain(..) {
            // SAFETY: a descriptor that was made for this host, and that nobody has closed.
            unsafe { libc::close(fd) };
        }
        // SAFETY: nothing uses the host any more.
        unsafe { (self.table.0.free)(self.table.0.userdata) };
    }
}

impl calls::Shared {
    /// What the clock shows, in microseconds.
    pub(crate) fn time(&self) -> u64 {
        // SAFETY: there is room for a time.
        unsafe {
            let mut time: libc::timeval = zeroed();
            assert_eq!((self.0.gettimeofday)(self.0.userdata, &raw mut time, core::ptr::null_mut()), 0);
            time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64
        }
    }
}
