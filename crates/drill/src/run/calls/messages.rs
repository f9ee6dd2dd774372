//! `sendmsg` and `recvmsg`: bytes with an address, flags and control messages.

use bowline_posix::{self as posix, ControlMessage, Reply};

use super::super::values::Whose;
use super::{Call, Expr, Failure, Judge, Made, Runner};

/// `struct cmsghdr` of 64 bits with what aligns the data behind it, in bytes.
const CMSG_HEADER: usize = 16;

impl Runner<'_> {
    pub(super) fn send_message(
        &mut self,
        call: &Call,
        fd: &Expr,
        message: &Expr,
        flags: &Expr,
    ) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let flags = self.values(call).int(flags)?;
        let parts = self.vector(call, self.part(call, message, "msg_iov")?)?;
        let to = match message.field("msg_name") {
            // a connected socket takes no address, and `...` stands for what fits
            Some(Expr::Any) if self.is_connected(script) => None,
            Some(name) => Some(self.values(call).address(name, Whose::Peers)?),
            None => None,
        };
        let control = match message.field("msg_control") {
            Some(list) => self.control(call, list)?,
            None => Vec::new(),
        };
        if let Some(posix::Address::Inet(peer)) = to {
            self.opens_by_sending(script, peer.port());
        }
        let buffers: Vec<_> = parts.iter().map(|(buffer, len)| (buffer, len)).collect();
        let (data, judge) = self.written(call, script, &buffers)?;
        Ok(Made::MayWait(posix::Call::Send { fd, data, flags, to, control }, judge))
    }

    pub(super) fn receive_message(
        &mut self,
        call: &Call,
        fd: &Expr,
        message: &Expr,
        flags: &Expr,
    ) -> Result<Made, Failure> {
        let (script, fd) = self.fd(call, fd)?;
        let flags = self.values(call).int(flags)?;
        let parts = self.vector(call, self.part(call, message, "msg_iov")?)?;
        let len = parts.iter().try_fold(0, |sum, (_, len)| Ok::<_, Failure>(sum + self.values(call).size(len)?))?;
        let elsewhere = ["MSG_PEEK", "MSG_OOB", "MSG_ERRQUEUE"];
        let abi = self.sysctls.config.abi;
        let stays = elsewhere.iter().filter_map(|name| abi.constant(name)).any(|flag| flags & flag as i32 != 0);
        let judge = Judge::Message(if stays { i64::MIN } else { script }, message.clone());
        Ok(Made::MayWait(posix::Call::Receive { fd, len, flags }, judge))
    }

    fn part<'e>(&self, call: &Call, message: &'e Expr, name: &str) -> Result<&'e Expr, Failure> {
        message.field(name).ok_or_else(|| Failure::new(call.place, format!("the message has no {name}")))
    }

    /// Whether what was received is what the script says.
    pub(super) fn judge_message(&mut self, call: &Call, fd: i64, reply: Reply, message: &Expr) -> Result<(), Failure> {
        let buffers: Vec<Expr> = match message.field("msg_iov") {
            Some(list) => self.vector(call, list)?.into_iter().map(|(buffer, _)| buffer).collect(),
            None => Vec::new(),
        };
        self.judge_read(call, fd, &reply.data, &buffers)?;
        if let Some(expected @ Expr::Struct(..)) = message.field("msg_name") {
            self.expect_address(call, expected, reply.address)?;
        }
        if let Some(flags) = message.field("msg_flags").filter(|flags| !flags.is_any()) {
            let expected = self.values(call).int(flags)?;
            if expected != reply.flags {
                let failure = Failure::new(call.place, format!("{}() gave other msg_flags", call.name));
                self.differs(failure.expected(format!("{expected:#x}")).seen(format!("{:#x}", reply.flags)))?;
            }
        }
        match message.field("msg_control") {
            Some(Expr::Any) | None => Ok(()),
            Some(list) => {
                let expected = self.control(call, list)?;
                if self.same_control(&expected, &reply.control) && self.same_lengths(call, list, &reply.control)? {
                    return Ok(());
                }
                let failure = Failure::new(call.place, format!("{}() gave other control messages", call.name));
                self.differs(failure.expected(words(&expected)).seen(words(&reply.control)))
            }
        }
    }

    /// Whether messages are as long as the script says, if it does.
    fn same_lengths(&self, call: &Call, list: &Expr, seen: &[ControlMessage]) -> Result<bool, Failure> {
        let Expr::List(messages) = list else { return Ok(true) };
        for (message, seen) in messages.iter().zip(seen) {
            if let Some(len) = message.field("cmsg_len")
                && self.values(call).number(len)? != (CMSG_HEADER + seen.data.len()) as i64
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether messages say the same, as far as a script can write them: no address of who reported an error, and of stamps
    /// one, which may differ by the tolerance.
    fn same_control(&self, expected: &[ControlMessage], seen: &[ControlMessage]) -> bool {
        let abi = self.sysctls.config.abi;
        let is = |message: &ControlMessage, level: i64, name: &str| {
            i64::from(message.level) == level && abi.constant(name) == Some(message.kind.into())
        };
        expected.len() == seen.len()
            && expected.iter().zip(seen).all(|(expected, seen)| {
                if (expected.level, expected.kind) != (seen.level, seen.kind) {
                    return false;
                }
                let is_error = is(seen, 0, "IP_RECVERR") || is(seen, 41, "IPV6_RECVERR");
                if is_error {
                    return seen.data.starts_with(&expected.data);
                }
                match abi.constant("SOL_SOCKET") {
                    Some(level) if is(seen, level, "SCM_TIMESTAMPING") => self.same_time(&expected.data, &seen.data),
                    _ => expected.data == seen.data,
                }
            })
    }

    /// Whether a stamp is of a time in the script, up to the tolerance.
    fn same_time(&self, expected: &[u8], seen: &[u8]) -> bool {
        let micros = |bytes: &[u8]| {
            let (words, _) = bytes.as_chunks::<8>();
            let [seconds, nanos, ..] = words else { return None };
            Some(i64::from_le_bytes(*seconds) * 1_000_000 + i64::from_le_bytes(*nanos) / 1_000)
        };
        let begin = self.world.as_ref().map_or(0, |world| world.began().cast_signed());
        match (micros(expected), micros(seen)) {
            (Some(expected), Some(seen)) => {
                (seen - begin - expected).unsigned_abs() <= self.tolerance(self.now_micros())
            }
            _ => false,
        }
    }

    /// `[{cmsg_level=…, cmsg_type=…, cmsg_data=…}]`
    fn control(&self, call: &Call, list: &Expr) -> Result<Vec<ControlMessage>, Failure> {
        let Expr::List(messages) = list else {
            return self.values(call).error("control messages are written `[{cmsg_level=…}]`");
        };
        let values = self.values(call);
        messages
            .iter()
            .map(|message| {
                Ok(ControlMessage {
                    level: values.int(self.part(call, message, "cmsg_level")?)?,
                    kind: values.int(self.part(call, message, "cmsg_type")?)?,
                    data: self.control_data(call, self.part(call, message, "cmsg_data")?)?,
                })
            })
            .collect()
    }

    fn control_data(&self, call: &Call, data: &Expr) -> Result<Vec<u8>, Failure> {
        let values = self.values(call);
        match data {
            Expr::Text(bytes) => Ok(bytes.clone()),
            Expr::Struct(..) if data.field("ee_errno").is_some() => {
                // struct sock_extended_err
                let field = |name: &str| data.field(name).map_or(Ok(0), |value| values.number(value));
                let mut bytes = (field("ee_errno")? as u32).to_le_bytes().to_vec();
                bytes.extend([field("ee_origin")? as u8, field("ee_type")? as u8, field("ee_code")? as u8, 0]);
                bytes.extend((field("ee_info")? as u32).to_le_bytes());
                bytes.extend((field("ee_data")? as u32).to_le_bytes());
                Ok(bytes)
            }
            Expr::Struct(..) if data.field("scm_sec").is_some() => {
                // struct scm_timestamping: the software's time, since the script began
                let part = |name: &str| data.field(name).map_or(Ok(0), |value| values.number(value));
                let mut bytes = part("scm_sec")?.to_le_bytes().to_vec();
                bytes.extend(part("scm_nsec")?.to_le_bytes());
                Ok(bytes)
            }
            _ => Ok(values.int(data)?.to_le_bytes().to_vec()),
        }
    }
}

fn words(messages: &[ControlMessage]) -> String {
    let words = messages.iter().map(|message| {
        format!("{{cmsg_level={}, cmsg_type={}, cmsg_data={:02x?}}}", message.level, message.kind, message.data)
    });
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}
