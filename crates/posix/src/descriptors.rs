//! The table of descriptors, and the pipes that some of them are ends of.

use std::collections::{BTreeMap, VecDeque};

use crate::abi::Errno;
use crate::call::Fd;
use crate::epoll::Epoll;
use crate::socket::Socket;

/// The first descriptor: 0, 1 and 2 are taken, as everywhere.
const FIRST: Fd = 3;
/// Bytes that a pipe holds, as on Linux.
pub(crate) const PIPE_CAPACITY: usize = 65_536;

/// What a descriptor stands for.
#[derive(Debug)]
pub(crate) enum File {
    Socket(Box<Socket>),
    /// The reading end of a pipe.
    PipeOut(u32),
    /// The writing end.
    PipeIn(u32),
    Epoll(Epoll),
}

/// A descriptor.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) file: File,
    pub(crate) nonblocking: bool,
    pub(crate) cloexec: bool,
}

/// A pipe.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) bytes: VecDeque<u8>,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}

impl Pipe {
    /// How many bytes still fit.
    pub(crate) fn room(&self) -> usize {
        PIPE_CAPACITY - self.bytes.len().min(PIPE_CAPACITY)
    }
}

/// All descriptors of a host.
#[derive(Debug)]
pub(crate) struct Descriptors {
    open: BTreeMap<Fd, Descriptor>,
    pipes: BTreeMap<u32, Pipe>,
    next_pipe: u32,
    limit: usize,
}

impl Descriptors {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { open: BTreeMap::new(), pipes: BTreeMap::new(), next_pipe: 0, limit }
    }

    /// Takes the lowest free descriptor.
    pub(crate) fn insert(&mut self, file: File, nonblocking: bool, cloexec: bool) -> Result<Fd, Errno> {
        if self.open.len() >= self.limit {
            return Err(Errno::EMFILE);
        }
        let taken = self.open.keys().copied();
        let fd = (FIRST..).zip(taken.map(Some).chain(std::iter::repeat(None))).find(|(fd, taken)| Some(*fd) != *taken);
        let fd = fd.map_or(FIRST, |(fd, _)| fd);
        self.open.insert(fd, Descriptor { file, nonblocking, cloexec });
        Ok(fd)
    }

    pub(crate) fn get(&self, fd: Fd) -> Result<&Descriptor, Errno> {
        self.open.get(&fd).ok_or(Errno::EBADF)
    }

    pub(crate) fn get_mut(&mut self, fd: Fd) -> Result<&mut Descriptor, Errno> {
        self.open.get_mut(&fd).ok_or(Errno::EBADF)
    }

    pub(crate) fn socket(&self, fd: Fd) -> Result<&Socket, Errno> {
        match &self.get(fd)?.file {
            File::Socket(socket) => Ok(socket),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    pub(crate) fn socket_mut(&mut self, fd: Fd) -> Result<&mut Socket, Errno> {
        match &mut self.get_mut(fd)?.file {
            File::Socket(socket) => Ok(socket),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    /// Every socket.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (Fd, &Socket)> {
        self.open.iter().filter_map(|(fd, descriptor)| match &descriptor.file {
            File::Socket(socket) => Some((*fd, &**socket)),
            _ => None,
        })
    }

    pub(crate) fn epoll_mut(&mut self, fd: Fd) -> Result<&mut Epoll, Errno> {
        match &mut self.get_mut(fd)?.file {
            File::Epoll(epoll) => Ok(epoll),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Takes a descriptor out, and out of every epoll.
    pub(crate) fn remove(&mut self, fd: Fd) -> Option<File> {
        let removed = self.open.remove(&fd)?;
        for descriptor in self.open.values_mut() {
            if let File::Epoll(epoll) = &mut descriptor.file {
                epoll.forget(fd);
            }
        }
        Some(removed.file)
    }

    /// Makes a pipe: its reading and its writing end.
    pub(crate) fn pipe(&mut self, nonblocking: bool, cloexec: bool) -> Result<(Fd, Fd), Errno> {
        if self.open.len() + 2 > self.limit {
            return Err(Errno::EMFILE);
        }
        let id = self.next_pipe;
        self.next_pipe = self.next_pipe.wrapping_add(1);
        self.pipes.insert(id, Pipe::default());
        let out = self.insert(File::PipeOut(id), nonblocking, cloexec)?;
        Ok((out, self.insert(File::PipeIn(id), nonblocking, cloexec)?))
    }

    pub(crate) fn pipe_of(&self, id: u32) -> Result<&Pipe, Errno> {
        self.pipes.get(&id).ok_or(Errno::EBADF)
    }

    pub(crate) fn pipe_of_mut(&mut self, id: u32) -> Result<&mut Pipe, Errno> {
        self.pipes.get_mut(&id).ok_or(Errno::EBADF)
    }

    /// An end of a pipe was closed.
    pub(crate) fn end_pipe(&mut self, id: u32, change: impl FnOnce(&mut Pipe)) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        change(pipe);
        if pipe.read_closed && pipe.write_closed {
            self.pipes.remove(&id);
        }
    }
}
