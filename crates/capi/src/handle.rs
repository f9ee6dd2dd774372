//! Handles: how C holds a host, and how a host is found that has a descriptor.
#![allow(unsafe_code, reason = "C passes pointers")]

use core::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bowline_posix::Errno;
use libc::socklen_t;

use crate::calls::bowline_getsockopt;
use crate::engine::Engine;
use crate::{flags, memory};

/// Every host there is, for who knows only a descriptor.
static HOSTS: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

/// The host behind a handle.
///
/// # Safety
/// `handle` is null, or came from [`bowline_new`] and was not given to [`bowline_free`].
pub(crate) unsafe fn engine<'a>(handle: *mut c_void) -> Result<&'a Engine, Errno> {
    // SAFETY: the caller promises that the host is there, and stays as long as calls on it do.
    unsafe { handle.cast::<Engine>().cast_const().as_ref() }.ok_or(Errno::EINVAL)
}

/// A host of what `flags` say (`profile=linux,local=192.168.0.1,mtu=1500`); null, with a line on the standard error, where they
/// say nothing that is known.
///
/// # Safety
/// `flags` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_new(flags: *const c_char) -> *mut c_void {
    // SAFETY: the caller promises a string.
    let flags = unsafe { memory::text(flags) }.unwrap_or_default();
    match flags::parse(&flags) {
        Ok(sysctls) => {
            let engine = Arc::new(Engine::new(sysctls));
            let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.retain(|host| host.strong_count() > 0);
            hosts.push(Arc::downgrade(&engine));
            Arc::into_raw(engine).cast_mut().cast()
        }
        Err(why) => {
            complain(&why);
            memory::set_errno(Errno::EINVAL);
            core::ptr::null_mut()
        }
    }
}

/// The caller has nothing but a null pointer, and a person reads what is wrong with their flags.
#[allow(clippy::print_stderr, reason = "see above")]
fn complain(why: &str) {
    eprintln!("bowline: {why}");
}

/// Gives a host back. No call on it may be under way. Descriptors that were not closed stay open and stand for nothing.
///
/// # Safety
/// `handle` is null, or came from [`bowline_new`] and was not given back before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_free(handle: *mut c_void) {
    if !handle.is_null() {
        // SAFETY: the caller promises that it is an engine whose count this handle holds.
        drop(unsafe { Arc::from_raw(handle.cast::<Engine>().cast_const()) });
    }
}

/// Sets what an administrator sets, as `sysctl NAME=VALUE` does, for sockets made from now on; by Linux's names or FreeBSD's.
/// Fails with `ENOENT` for a name that nothing here knows, `EINVAL` for a value that is none, `EOPNOTSUPP` where the stack
/// behaves otherwise, and `EPERM` for what a host is made of, which [`bowline_new`] takes.
///
/// # Safety
/// `handle` is null or came from [`bowline_new`]; the texts are null or C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_sysctl(handle: *mut c_void, name: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: the caller promises a handle and texts.
    let (engine, name, value) = unsafe { (engine(handle), memory::text(name), memory::text(value)) };
    crate::calls::give_int(engine.and_then(|engine| match (name, value) {
        (Some(name), Some(value)) => engine.set(&name, &value).map(|()| 0),
        _ => Err(Errno::EFAULT),
    }))
}

/// How many connections of the host are in a state, which is named as in RFC 9293 (`TIME-WAIT`) or as either system does; of
/// `AF_INET` or `AF_INET6` only, or with `AF_UNSPEC` of both. In LISTEN: how many listeners there are, of any family.
///
/// # Safety
/// `handle` is null or came from [`bowline_new`]; `state` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_count(handle: *mut c_void, state: *const c_char, family: c_int) -> c_int {
    // SAFETY: the caller promises a handle and a text.
    let (engine, state) = unsafe { (engine(handle), memory::text(state)) };
    let is_v4 = match family {
        libc::AF_UNSPEC => Ok(None),
        libc::AF_INET | libc::AF_INET6 => Ok(Some(family == libc::AF_INET)),
        _ => Err(Errno::EAFNOSUPPORT),
    };
    crate::calls::give_int(engine.and_then(|engine| engine.count_in(&state.ok_or(Errno::EFAULT)?, is_v4?)))
}

/// The C library's `getsockopt`, for programs into which this library is preloaded: it answers for the descriptors of hosts,
/// and asks the kernel about all others.
///
/// # Safety
/// As of the call of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    match owner(fd) {
        Some(engine) => {
            let handle = Arc::as_ptr(&engine).cast_mut().cast();
            // SAFETY: the host is held here, and the rest is the caller's promise.
            unsafe { bowline_getsockopt(handle, fd, level, name, value, len) }
        }
        // SAFETY: the caller's promise.
        None => unsafe { memory::kernel_getsockopt(fd, level, name, value, len) },
    }
}

/// The host that a descriptor belongs to.
fn owner(fd: c_int) -> Option<Arc<Engine>> {
    let hosts: Vec<Arc<Engine>> = {
        let hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter_map(Weak::upgrade).collect()
    };
    let engine = hosts.into_iter().find(|engine| engine.knows(fd))?;
    // The program may have closed it and opened a socket of its own with the same number.
    let names = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    names.to_string_lossy().contains("eventfd").then_some(engine)
}
