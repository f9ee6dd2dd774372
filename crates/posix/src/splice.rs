//! `splice`: bytes from a pipe to a socket, from a socket to a pipe, from pipe to pipe.

use bowline_base::Instant;
use bytes::Bytes;

use crate::abi::Errno;
use crate::call::{Call, Fd, Progress, Reply, Waiting};
use crate::descriptors::File;
use crate::host::{Host, Step};

impl Host {
    pub(crate) fn splice(&mut self, now: Instant, waiting: &mut Waiting) -> Step {
        let Call::Splice { from, to, len, flags } = waiting.call else { return Err(Errno::EINVAL) };
        let known = ["SPLICE_F_MOVE", "SPLICE_F_NONBLOCK", "SPLICE_F_MORE"];
        let known = known.into_iter().filter_map(|name| self.abi.constant(name)).fold(0, |all, flag| all | flag as u32);
        if self.abi.constant("SPLICE_F_MOVE").is_none() {
            return Err(Errno::ENOSYS);
        }
        if flags & !known & !8 != 0 {
            return Err(Errno::EINVAL);
        }
        let blocking = flags & 2 == 0;
        let (source, target) = (self.fds.get(from)?, self.fds.get(to)?);
        match (&source.file, &target.file) {
            (File::PipeOut(out), File::Socket(_)) => {
                let (out, blocking) = (*out, blocking && !source.nonblocking);
                self.pipe_to_socket(now, waiting, (out, to), len, blocking)
            }
            (File::Socket(_), File::PipeIn(into)) => {
                let (into, blocking) = (*into, blocking && !source.nonblocking);
                self.socket_to_pipe(now, waiting, (from, into), len, blocking)
            }
            (File::PipeOut(out), File::PipeIn(into)) if out != into => {
                let (out, into) = (*out, *into);
                let n = len.min(self.fds.pipe_of(into)?.room());
                let bytes = &mut self.fds.pipe_of_mut(out)?.bytes;
                let moved: Vec<u8> = bytes.drain(..n.min(bytes.len())).collect();
                let n = moved.len();
                self.fds.pipe_of_mut(into)?.bytes.extend(moved);
                if n == 0 && len > 0 && !self.fds.pipe_of(out)?.write_closed {
                    return self.would_block(now, waiting, blocking, None);
                }
                Ok(Some(Reply::value(n)))
            }
            (File::PipeIn(_), _) | (_, File::PipeOut(_)) => Err(Errno::EBADF),
            _ => Err(Errno::EINVAL),
        }
    }

    fn pipe_to_socket(
        &mut self,
        now: Instant,
        waiting: &mut Waiting,
        (out, to): (u32, Fd),
        len: usize,
        blocking: bool,
    ) -> Step {
        let pipe = self.fds.pipe_of(out)?;
        if pipe.bytes.is_empty() && len > 0 && !pipe.write_closed {
            return self.would_block(now, waiting, blocking, None);
        }
        let data: Vec<u8> = pipe.bytes.iter().take(len).copied().collect();
        if data.is_empty() {
            return Ok(Some(Reply::default()));
        }
        let mut send = Waiting::new(Call::Write { fd: to, data: Bytes::from(data) });
        let step = self.send(now, &mut send);
        // What the socket took is gone from the pipe, whether or not it would wait to take more.
        let sent = send.sent.max(step.as_ref().ok().and_then(Option::as_ref).map_or(0, |reply| reply.value as usize));
        let bytes = &mut self.fds.pipe_of_mut(out)?.bytes;
        bytes.drain(..sent.min(bytes.len()));
        match step {
            Ok(None) if sent == 0 => self.would_block(now, waiting, blocking, None),
            Ok(_) => Ok(Some(Reply::value(sent))),
            Err(errno) => Err(errno),
        }
    }

    fn socket_to_pipe(
        &mut self,
        now: Instant,
        waiting: &mut Waiting,
        (from, into): (Fd, u32),
        len: usize,
        blocking: bool,
    ) -> Step {
        let pipe = self.fds.pipe_of(into)?;
        if pipe.read_closed {
            return Err(Errno::EPIPE);
        }
        let n = len.min(pipe.room());
        if n == 0 && len > 0 {
            return self.would_block(now, waiting, blocking, None);
        }
        match self.call(now, Call::Receive { fd: from, len: n, flags: self.abi.get("MSG_DONTWAIT") }) {
            Progress::Done(Ok(reply)) => {
                self.fds.pipe_of_mut(into)?.bytes.extend(reply.data);
                Ok(Some(Reply { value: reply.value, ..Reply::default() }))
            }
            Progress::Done(Err(Errno::EAGAIN)) | Progress::Waits(_) => self.would_block(now, waiting, blocking, None),
            Progress::Done(Err(errno)) => Err(errno),
        }
    }
}
