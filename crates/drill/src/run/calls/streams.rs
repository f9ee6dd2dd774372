//! Calls that move bytes. What `...` writes is filler by its place in the stream, and so is what packets of the script have:
//! whether the right bytes come out is seen on both sides.

use bowline_posix::{self as posix, Errno, Reply};
use bytes::Bytes;

use super::super::values::{Whose, filler};
use super::{Call, Expr, Failure, Judge, Made, Runner};

impl Runner<'_> {
    pub(super) fn read(&mut self, call: &Call, fd: &Expr, buffers: &[(&Expr, &Expr)]) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        if let Some(fault) = Self::fault(buffers, self.values(call))? {
            return Ok(fault);
        }
        let len = self.room(call, buffers)?;
        let judge = Judge::Read(script, buffers.iter().map(|(buffer, _)| (*buffer).clone()).collect());
        Ok(Made::MayWait(posix::Call::Read { fd, len }, judge))
    }

    pub(super) fn read_vector(&mut self, call: &Call, fd: &Expr, list: &Expr) -> Result<Made, Failure> {
        let parts = self.vector(call, list)?;
        let buffers: Vec<_> = parts.iter().map(|(buffer, len)| (buffer, len)).collect();
        self.read(call, fd, &buffers)
    }

    pub(super) fn receive(
        &mut self,
        call: &Call,
        fd: &Expr,
        (buffer, len): (&Expr, &Expr),
        flags: &Expr,
    ) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let values = self.values(call);
        if let Some(fault) = Self::fault(&[(buffer, len)], values)? {
            return Ok(fault);
        }
        let (len, flags) = (values.size(len)?, values.int(flags)?);
        let judge = self.reading(script, flags, buffer.clone());
        Ok(Made::MayWait(posix::Call::Receive { fd, len, flags }, judge))
    }

    /// What bytes are looked at: not those that stay, or come from elsewhere.
    fn reading(&self, script: i64, flags: i32, buffer: Expr) -> Judge {
        let abi = self.sysctls.config.abi;
        let elsewhere = ["MSG_PEEK", "MSG_OOB", "MSG_ERRQUEUE", "MSG_TRUNC"];
        let mask = elsewhere.iter().filter_map(|name| abi.constant(name)).fold(0, |mask, flag| mask | flag as i32);
        Judge::Read(if flags & mask == 0 { script } else { NOWHERE }, vec![buffer])
    }

    /// Whether what was read is what the script says, and what the peer has sent.
    pub(super) fn judge_read(&mut self, call: &Call, fd: i64, data: &[u8], buffers: &[Expr]) -> Result<(), Failure> {
        let mut rest = data;
        for buffer in buffers {
            let text = match buffer {
                Expr::Text(text) | Expr::TextAndMore(text) => text.as_slice(),
                _ => continue,
            };
            let (part, after) = rest.split_at(text.len().min(rest.len()));
            let is_whole = matches!(buffer, Expr::TextAndMore(_)) || buffers.len() > 1 || after.is_empty();
            if part != text || !is_whole {
                let failure = Failure::new(call.place, format!("{}() read something else", call.name));
                return self.differs(failure.expected(words(text)).seen(words(rest)));
            }
            rest = after;
        }
        self.check_stream(call, fd, data)
    }

    fn check_stream(&mut self, call: &Call, fd: i64, data: &[u8]) -> Result<(), Failure> {
        let Some(flow) = self.flows.iter_mut().rev().find(|flow| flow.fd == Some(fd)) else { return Ok(()) };
        let begin = flow.read;
        flow.read += data.len() as u64;
        if !flow.is_stream || flow.has_urgent || data == filler(begin, data.len()) {
            return Ok(());
        }
        let at = filler(begin, data.len()).iter().zip(data).position(|(expected, seen)| expected != seen).unwrap_or(0);
        Err(Failure::new(
            call.place,
            format!(
                "{}() read bytes that the peer did not send there: byte {} of the stream is wrong",
                call.name,
                begin + at as u64
            ),
        ))
    }

    pub(super) fn write(&mut self, call: &Call, fd: &Expr, buffers: &[(&Expr, &Expr)]) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        if let Some(fault) = Self::fault(buffers, self.values(call))? {
            return Ok(fault);
        }
        let (data, judge) = self.written(call, script, buffers)?;
        Ok(Made::MayWait(posix::Call::Write { fd, data }, judge))
    }

    pub(super) fn write_vector(&mut self, call: &Call, fd: &Expr, list: &Expr) -> Result<Made, Failure> {
        let parts = self.vector(call, list)?;
        let buffers: Vec<_> = parts.iter().map(|(buffer, len)| (buffer, len)).collect();
        self.write(call, fd, &buffers)
    }

    pub(super) fn send(
        &mut self,
        call: &Call,
        fd: &Expr,
        buffer: (&Expr, &Expr),
        flags: &Expr,
        address: Option<&Expr>,
    ) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        if let Some(fault) = Self::fault(&[buffer], self.values(call))? {
            return Ok(fault);
        }
        let flags = self.values(call).int(flags)?;
        let to = match address {
            // a connected stream takes no address, and `...` stands for what fits
            Some(Expr::Any) if self.is_connected(script) => None,
            Some(Expr::Word(_, word)) if word == "NULL" => None,
            Some(address) => Some(self.values(call).address(address, Whose::Peers)?),
            None => None,
        };
        if let Some(posix::Address::Inet(peer)) = to {
            self.opens_by_sending(script, peer.port());
        }
        let (data, judge) = self.written(call, script, &[buffer])?;
        Ok(Made::MayWait(posix::Call::Send { fd, data, flags, to, control: Vec::new() }, judge))
    }

    /// What is written, and where in the stream it begins. It counts as written from now on, since packets may leave before the
    /// call returns.
    pub(super) fn written(
        &mut self,
        call: &Call,
        script: i64,
        buffers: &[(&Expr, &Expr)],
    ) -> Result<(Bytes, Judge), Failure> {
        let begin = self.flow_of(script).map_or(0, |flow| flow.written.len());
        let mut data = Vec::new();
        for (buffer, len) in buffers {
            let len = self.values(call).size(len)?;
            match buffer {
                Expr::Text(text) | Expr::TextAndMore(text) => {
                    data.extend(text.iter().copied().chain(std::iter::repeat(0)).take(len));
                }
                Expr::Any => data.extend(filler((begin + data.len()) as u64, len)),
                Expr::Word(_, word) if word == "NULL" => {}
                _ => return self.values(call).error("what is written is `...` or \"text\""),
            }
        }
        if let Some(flow) = self.flow_of(script) {
            flow.written.extend_from_slice(&data);
        }
        Ok((data.into(), Judge::Written(script, begin)))
    }

    /// Only so much of what was written has been taken.
    pub(super) fn accepted(&mut self, script: i64, begin: usize, taken: usize) {
        if let Some(flow) = self.flow_of(script) {
            flow.written.truncate(begin + taken);
        }
    }

    pub(super) fn splice(
        &mut self,
        call: &Call,
        fds: (&Expr, &Expr),
        len: &Expr,
        flags: &Expr,
    ) -> Result<Made, Failure> {
        let ((_, from), (script, to)) = (self.fd(call, fds.0)?, self.fd(call, fds.1)?);
        let values = self.values(call);
        let (len, flags) = (values.size(len)?, values.int(flags)?.cast_unsigned());
        if let Some(flow) = self.flow_of(script) {
            // what a pipe had is not known here
            flow.is_stream = false;
        }
        Ok(Made::MayWait(posix::Call::Splice { from, to, len, flags }, Judge::Plain))
    }

    /// `open("/tmp/file", O_RDONLY) = 5`, of a file that a command of the script has made.
    pub(super) fn open(&mut self, call: &Call, path: &Expr, flags: &Expr) -> Result<Made, Failure> {
        let Expr::Text(path) = path else { return self.values(call).error("open() takes a \"path\"") };
        if self.values(call).int(flags)? & 3 != 0 {
            return self.values(call).error("files are only read here: O_RDONLY");
        }
        let script = self.values(call).number(&call.result)?;
        let path = String::from_utf8_lossy(path).into_owned();
        let opened = self.files.open(script, &path);
        let result = if opened { Ok(Reply { value: script, ..Reply::default() }) } else { Err(Errno::ENOENT) };
        Ok(Made::Returned(result, Judge::Plain))
    }

    /// `sendfile(4, 5, [0], 5) = 5`: from a place in the file, or with `NULL` from where it has been read to.
    pub(super) fn sendfile(
        &mut self,
        call: &Call,
        out: &Expr,
        (file, offset): (&Expr, &Expr),
        len: &Expr,
    ) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, out)?;
        let values = self.values(call);
        let (file, len) = (values.number(file)?, values.size(len)?);
        let from = match offset {
            Expr::Word(_, word) if word == "NULL" => None,
            Expr::List(parts) if parts.len() == 1 => Some(values.size(&parts[0])? as u64),
            _ => return values.error("the offset is written `[0]`, or NULL"),
        };
        if !self.files.is_open(file) {
            return Ok(Made::Returned(Err(Errno::EBADF), Judge::Plain));
        }
        let data = self.files.read(file, from, len);
        let begin = self.flow_of(script).map_or(0, |flow| flow.written.len());
        if let Some(flow) = self.flow_of(script) {
            flow.written.extend_from_slice(&data);
        }
        let judge = if from.is_none() { Judge::SentFile(script, begin, file) } else { Judge::Written(script, begin) };
        Ok(Made::MayWait(posix::Call::Write { fd, data: data.into() }, judge))
    }

    fn room(&self, call: &Call, buffers: &[(&Expr, &Expr)]) -> Result<usize, Failure> {
        let values = self.values(call);
        buffers.iter().try_fold(0, |sum, (_, len)| Ok(sum + values.size(len)?))
    }

    /// `[{..., 10}, {"ab", 2}]`: buffers and lengths.
    pub(super) fn vector(&self, call: &Call, list: &Expr) -> Result<Vec<(Expr, Expr)>, Failure> {
        let wrong = || Failure::new(call.place, "buffers are written `[{..., 10}, {..., 20}]`");
        let Expr::List(parts) = list else { return Err(wrong()) };
        parts
            .iter()
            .map(|part| match part {
                Expr::Struct(_, fields) => match fields.as_slice() {
                    [buffer, len] => Ok((buffer.value.clone(), len.value.clone())),
                    _ => Err(wrong()),
                },
                _ => Err(wrong()),
            })
            .collect()
    }
}

/// A descriptor that no flow has.
const NOWHERE: i64 = i64::MIN;

/// Bytes, as a script would write them; not all of them where they are many.
fn words(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text: String =
        bytes.iter().take(MOST).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    format!("{} bytes \"{text}\"{}", bytes.len(), if bytes.len() > MOST { "..." } else { "" })
}
