//! C's memory: the only place where pointers are read and written. Each function says what its caller must have promised, and
//! callers pass on only what C passed to them under the contract of the call of the same name.
#![allow(unsafe_code, reason = "C passes pointers")]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::size_of;
use core::ptr;

use bowline_posix::{Abi, Address, ControlMessage, Errno};
use libc::{cmsghdr, iovec, msghdr, sockaddr, socklen_t};

/// The most buffers that one call takes (`IOV_MAX`).
const MAX_BUFFERS: usize = 1024;
/// The most bytes of control messages (Linux `net.core.optmem_max`).
const MAX_CONTROL: usize = 128 << 10;
/// More than any option's struct has bytes: what lies behind is not looked at, as in Linux.
const MAX_OPTION: usize = 4096;

/// Sets `errno`.
pub(crate) fn set_errno(errno: Errno) {
    // SAFETY: the location is this thread's own, and valid as long as the thread is.
    unsafe { *libc::__errno_location() = errno.number(Abi::Linux) };
}

/// A text.
///
/// # Safety
/// `text` is null or ends with a zero byte.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: it is not null, and the caller promises the end.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A value.
///
/// # Safety
/// `at` is null, or points to a `T` that may be read.
pub(crate) unsafe fn read<T: Copy>(at: *const T) -> Option<T> {
    // SAFETY: the caller promises it for what is not null; alignment is not relied on.
    (!at.is_null()).then(|| unsafe { ptr::read_unaligned(at) })
}

/// Writes a value, unless there is no place for it; whether there was.
///
/// # Safety
/// `at` is null, or points to a `T` that may be written.
pub(crate) unsafe fn write<T>(at: *mut T, value: T) -> bool {
    if at.is_null() {
        return false;
    }
    // SAFETY: the caller promises it for what is not null; alignment is not relied on.
    unsafe { ptr::write_unaligned(at, value) };
    true
}

/// A copy of `len` bytes.
///
/// # Safety
/// `at` is null, or `len` bytes from it may be read.
pub(crate) unsafe fn bytes(at: *const c_void, len: usize) -> Result<Vec<u8>, Errno> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if at.is_null() || len > isize::MAX as usize {
        return Err(Errno::EFAULT);
    }
    // SAFETY: not null, not longer than any object, and the caller promises the bytes.
    Ok(unsafe { core::slice::from_raw_parts(at.cast::<u8>(), len) }.to_vec())
}

/// Copies as much as there is room for; how much that was.
///
/// # Safety
/// `at` is null, or `room` bytes from it may be written.
pub(crate) unsafe fn fill(at: *mut c_void, room: usize, from: &[u8]) -> usize {
    let len = room.min(from.len());
    if at.is_null() || len == 0 {
        return 0;
    }
    // SAFETY: `len` bytes are there on both sides; a slice of ours overlaps nothing of C's.
    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), at.cast::<u8>(), len) };
    len
}

/// The buffers of a vector call.
///
/// # Safety
/// `at` is null, or points to `count` structs.
pub(crate) unsafe fn buffers(at: *const iovec, count: usize) -> Result<Vec<iovec>, Errno> {
    if count > MAX_BUFFERS {
        return Err(Errno::EINVAL);
    }
    if count > 0 && at.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the caller promises `count` of them.
    let buffers: Vec<iovec> = (0..count).filter_map(|i| unsafe { read(at.add(i)) }).collect();
    let total = buffers.iter().try_fold(0_usize, |total, buffer| total.checked_add(buffer.iov_len));
    if total.is_none_or(|total| total > isize::MAX as usize) { Err(Errno::EINVAL) } else { Ok(buffers) }
}

/// The buffers of a message.
///
/// # Safety
/// As of [`buffers`].
pub(crate) unsafe fn message_buffers(message: &msghdr) -> Result<Vec<iovec>, Errno> {
    if message.msg_iovlen > MAX_BUFFERS {
        return Err(Errno::EMSGSIZE);
    }
    // SAFETY: the caller promises it.
    unsafe { buffers(message.msg_iov, message.msg_iovlen) }
}

/// The value of an option that is set.
///
/// # Safety
/// `at` is null, or `len` bytes from it may be read.
pub(crate) unsafe fn option(at: *const c_void, len: socklen_t) -> Result<Vec<u8>, Errno> {
    let len = i32::try_from(len).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller promises more than these.
    unsafe { bytes(at, (len as usize).min(MAX_OPTION)) }
}

/// The room of all buffers.
pub(crate) fn room(buffers: &[iovec]) -> usize {
    buffers.iter().map(|buffer| buffer.iov_len).sum()
}

/// What lies in the buffers, one behind the other.
///
/// # Safety
/// Each buffer may be read.
pub(crate) unsafe fn gather(buffers: &[iovec]) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    for buffer in buffers {
        // SAFETY: the caller promises it.
        all.extend(unsafe { bytes(buffer.iov_base, buffer.iov_len) }?);
    }
    Ok(all)
}

/// Spreads bytes over the buffers.
///
/// # Safety
/// Each buffer may be written.
pub(crate) unsafe fn scatter(buffers: &[iovec], mut from: &[u8]) {
    for buffer in buffers {
        // SAFETY: the caller promises it.
        let n = unsafe { fill(buffer.iov_base, buffer.iov_len, from) };
        from = from.get(n..).unwrap_or_default();
    }
}

/// A socket address.
///
/// # Safety
/// `at` is null, or `len` bytes from it may be read.
pub(crate) unsafe fn address(at: *const sockaddr, len: socklen_t) -> Result<Address, Errno> {
    if len as usize > size_of::<libc::sockaddr_storage>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the caller promises it.
    let bytes = unsafe { bytes(at.cast(), len as usize) }?;
    Address::decode(Abi::Linux, &bytes)
}

/// The name of a message, of which no more counts than the largest struct has.
///
/// # Safety
/// As of [`address`].
pub(crate) unsafe fn message_name(message: &msghdr) -> Result<Option<Address>, Errno> {
    if message.msg_name.is_null() {
        return Ok(None);
    }
    let len = i32::try_from(message.msg_namelen).map_err(|_| Errno::EINVAL)?;
    let len = (len as usize).min(size_of::<libc::sockaddr_storage>());
    // SAFETY: the caller promises it.
    unsafe { address(message.msg_name.cast(), len as socklen_t) }.map(Some)
}

/// Where an address is to be given: whether that can be.
///
/// # Safety
/// `len` is null, or may be read.
pub(crate) unsafe fn takes_address(at: *mut sockaddr, len: *mut socklen_t) -> Result<(), Errno> {
    if at.is_null() {
        return Ok(());
    }
    // SAFETY: the caller promises it.
    match unsafe { read(len) } {
        Some(room) => i32::try_from(room).map(drop).map_err(|_| Errno::EINVAL),
        None => Err(Errno::EFAULT),
    }
}

/// Gives an address where one is asked for, cut to the room that there is, and its whole length.
///
/// # Safety
/// `len` is null, or may be read and written; if so, `at` is null, or has the room that it says.
pub(crate) unsafe fn give_address(address: Option<Address>, at: *mut sockaddr, len: *mut socklen_t) {
    // SAFETY: the caller promises it.
    let room = unsafe { read(len) };
    let Some(room) = room.filter(|_| !at.is_null()) else { return };
    let bytes = address.map(|address| address.encode(Abi::Linux)).unwrap_or_default();
    // SAFETY: the caller promises that much room, and the length's place.
    unsafe {
        fill(at.cast(), room as usize, &bytes);
        write(len, bytes.len() as socklen_t);
    }
}

/// The length of a control message with its data, and how far the next one is.
const fn framed(data: usize) -> (usize, usize) {
    let len = size_of::<cmsghdr>() + data;
    (len, len.next_multiple_of(size_of::<usize>()))
}

/// Control messages, as `sendmsg` has them.
///
/// # Safety
/// The struct's control buffer is null, or may be read.
pub(crate) unsafe fn control(message: &msghdr) -> Result<Vec<ControlMessage>, Errno> {
    if message.msg_controllen > MAX_CONTROL {
        return Err(Errno::ENOBUFS);
    }
    // SAFETY: the caller promises it.
    let bytes = unsafe { bytes(message.msg_control, message.msg_controllen) }?;
    let mut rest = &bytes[..];
    let mut messages = Vec::new();
    while let Some((header, _)) = rest.split_first_chunk::<16>() {
        let [a, b, c, d, e, f, g, h, l0, l1, l2, l3, t0, t1, t2, t3] = *header;
        let len = usize::from_ne_bytes([a, b, c, d, e, f, g, h]);
        let data = rest.get(header.len()..len).ok_or(Errno::EINVAL)?;
        let (level, kind) = (i32::from_ne_bytes([l0, l1, l2, l3]), i32::from_ne_bytes([t0, t1, t2, t3]));
        messages.push(ControlMessage { level, kind, data: data.to_vec() });
        rest = rest.get(framed(data.len()).1..).unwrap_or_default();
    }
    Ok(messages)
}

/// Gives control messages, as many as there is room for; whether all found room.
///
/// # Safety
/// The struct's control buffer is null, or may be written.
pub(crate) unsafe fn give_control(message: &mut msghdr, messages: &[ControlMessage]) -> bool {
    let room = message.msg_controllen;
    let mut bytes = Vec::new();
    let mut all = true;
    for one in messages {
        let (len, whole) = framed(one.data.len());
        if message.msg_control.is_null() || bytes.len() + len > room {
            all = false;
            break;
        }
        bytes.extend(len.to_ne_bytes());
        bytes.extend(one.level.to_ne_bytes());
        bytes.extend(one.kind.to_ne_bytes());
        bytes.extend(&one.data);
        bytes.resize((bytes.len() + whole - len).min(room), 0);
    }
    // SAFETY: the caller promises `room` bytes, and there are no more than that.
    message.msg_controllen = unsafe { fill(message.msg_control, room, &bytes) } as _;
    all
}

/// An integer that C passes behind a pointer, or as the pointer itself where the request says so.
///
/// # Safety
/// `at` is null, or points to an integer.
pub(crate) unsafe fn int_at(at: *mut c_void) -> Option<c_int> {
    // SAFETY: the caller promises it.
    unsafe { read(at.cast()) }
}

/// Closes a descriptor of this process.
pub(crate) fn close(real: c_int) {
    // SAFETY: closing takes no memory; the descriptor was made by this library and is named by the caller's `close`.
    unsafe { libc::close(real) };
}

/// The kernel's own `getsockopt`, for descriptors that are not ours.
///
/// # Safety
/// As of the call of that name.
pub(crate) unsafe fn kernel_getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's promise is the kernel's contract, which checks the pointers besides.
    unsafe { libc::syscall(libc::SYS_getsockopt, fd, level, name, value, len) as c_int }
}
