//! Options and controls: values in brackets go in, or are compared with what comes out.

use std::net::IpAddr;

use bowline_posix::{Abi, Address, Reply};
use bowline_tcp::Md5Key;

use super::{Call, Expr, Failure, Judge, Made, Runner};
use crate::script::IpVersion;

/// `IPPROTO_TCP`.
const TCP: i32 = 6;
/// `struct sockaddr_storage` and `struct tcp_md5sig`, in bytes.
const STORAGE: usize = 128;
const MD5SIG: usize = 216;
/// More than any option has.
const MAX_VALUE: usize = 1 << 16;

impl Runner<'_> {
    pub(super) fn setsockopt(
        &mut self,
        call: &Call,
        fd: &Expr,
        (level, name): (&Expr, &Expr),
        value: &Expr,
    ) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let values = self.values(call);
        let (level, name) = (values.int(level)?, values.int(name)?);
        let is_md5 = (level, Some(name.into())) == (TCP, values.abi.constant("TCP_MD5SIG"));
        let abi = values.abi;
        let mut value = self.option_value(call, value)?;
        if is_md5 && abi == Abi::Linux {
            value = self.md5sig(value);
        } else if is_md5 {
            let secret = self.script.options.md5_secret.as_ref().and_then(|secret| Md5Key::new(secret.as_bytes()));
            self.world().host().into_iter().for_each(|host| host.set_md5_secret(secret.clone()));
        }
        let result = self.world().setsockopt(fd, level, name, &value);
        if result.is_ok() {
            self.without_effect.extend(self.sysctls.config.abi.without_effect(level, name).map(str::to_owned));
        }
        Ok(Made::nothing(result))
    }

    /// A flag for `TCP_MD5SIG`, which it is on FreeBSD, as the struct that Linux has: the script's secret for the peer.
    fn md5sig(&self, value: Vec<u8>) -> Vec<u8> {
        let options = &self.script.options;
        let (Ok(flag), Some(secret)) = (<[u8; 4]>::try_from(value.as_slice()), &options.md5_secret) else {
            return value;
        };
        let key = if flag == [0; 4] { &[][..] } else { secret.as_bytes() };
        let peer = match (options.remote(self.version), self.version) {
            (IpAddr::V4(peer), IpVersion::Mapped) => peer.to_ipv6_mapped().into(),
            (peer, _) => peer,
        };
        let mut out = Address::Inet((peer, 0).into()).encode(Abi::Linux);
        out.resize(STORAGE, 0);
        out.extend([0, 0]);
        out.extend((key.len() as u16).to_le_bytes());
        out.extend([0; 4]);
        out.extend(key);
        out.resize(MD5SIG, 0);
        out
    }

    /// An option's value as bytes.
    fn option_value(&self, call: &Call, value: &Expr) -> Result<Vec<u8>, Failure> {
        let values = self.values(call);
        match value {
            Expr::Text(text) | Expr::TextAndMore(text) => Ok(text.clone()),
            Expr::Struct(_, fields) => {
                let is_time = value.field("tv_sec").is_some();
                let mut bytes = Vec::new();
                for field in fields {
                    let number = values.number(&field.value)?;
                    if is_time {
                        bytes.extend(number.to_le_bytes());
                    } else {
                        bytes.extend((number as i32).to_le_bytes());
                    }
                }
                Ok(bytes)
            }
            Expr::List(parts) => {
                let parts = parts.iter().map(|part| self.option_value(call, part)).collect::<Result<Vec<_>, _>>()?;
                Ok(parts.concat())
            }
            Expr::Word(_, word) if word == "NULL" => Ok(Vec::new()),
            Expr::Any => Ok(vec![0; 4]),
            _ => {
                let number = values.number(value)?;
                Ok(i32::try_from(number)
                    .map_or_else(|_| (number as u32).to_le_bytes().to_vec(), |n| n.to_le_bytes().to_vec()))
            }
        }
    }

    pub(super) fn getsockopt(
        &mut self,
        call: &Call,
        fd: &Expr,
        (level, name): (&Expr, &Expr),
        value: &Expr,
        len: &Expr,
    ) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let values = self.values(call);
        let (level, name) = (values.int(level)?, values.int(name)?);
        let room = if len.is_any() { MAX_VALUE } else { values.size(len)?.min(MAX_VALUE) };
        let expected = match value {
            Expr::Any => None,
            Expr::List(parts) if parts.is_empty() || parts.iter().any(Expr::is_any) => None,
            value => Some(self.option_value(call, value)?),
        };
        let world = self.world();
        let found = match world.getsockopt(fd, level, name, room) {
            Ok(found) => found,
            Err(errno) => return Ok(Made::Returned(Err(errno), Judge::Plain)),
        };
        // a text ends at its zero
        let is_text = matches!(value, Expr::Text(_) | Expr::TextAndMore(_));
        let end = if is_text { found.iter().position(|byte| *byte == 0).unwrap_or(found.len()) } else { found.len() };
        let shown = found.get(..end).unwrap_or_default();
        let is_same = expected.as_deref().is_none_or(|expected| same_value(expected, shown));
        let judge = match expected {
            Some(expected) if !is_same => Judge::Value(Some((words(&expected, is_text), words(shown, is_text)))),
            _ => Judge::Value(None),
        };
        Ok(Made::Returned(Ok(Reply::default()), judge))
    }

    pub(super) fn fcntl(
        &mut self,
        call: &Call,
        fd: &Expr,
        command: &Expr,
        argument: Option<&Expr>,
    ) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let values = self.values(call);
        let command = values.int(command)?;
        let argument = argument.map_or(Ok(0), |argument| values.number(argument))?;
        Ok(Made::plain(self.world().fcntl(fd, command, argument)))
    }

    /// `ioctl(4, SIOCINQ, [1000]) = 0`: the value in brackets is what comes out, but for `FIONBIO`.
    pub(super) fn ioctl(&mut self, call: &Call, fd: &Expr, request: &Expr, value: &Expr) -> Result<Made, Failure> {
        let (_, fd) = self.fd(call, fd)?;
        let values = self.values(call);
        let request = values.number(request)? as u64;
        let is_input = values.abi.constant("FIONBIO") == Some(request as i64);
        let expected = match value {
            Expr::Any => None,
            Expr::List(parts) if parts.iter().any(Expr::is_any) => None,
            value => Some(values.int(value)?),
        };
        let world = self.world();
        let found = match world.ioctl(fd, request, expected.unwrap_or_default()) {
            Ok(found) => found,
            Err(errno) => return Ok(Made::Returned(Err(errno), Judge::Plain)),
        };
        let judge = match expected {
            Some(expected) if !is_input && expected != found => {
                Judge::Value(Some((format!("[{expected}]"), format!("[{found}]"))))
            }
            _ => Judge::Value(None),
        };
        Ok(Made::Returned(Ok(Reply::default()), judge))
    }
}

/// Whether a value is the expected one; where a system gives fewer bytes, those beyond must be zero.
fn same_value(expected: &[u8], found: &[u8]) -> bool {
    let (common, rest) = expected.split_at(expected.len().min(found.len()));
    found.get(..common.len()) == Some(common) && rest.iter().all(|byte| *byte == 0)
}

fn words(value: &[u8], is_text: bool) -> String {
    if is_text {
        return format!("\"{}\"", String::from_utf8_lossy(value));
    }
    let (numbers, rest) = value.as_chunks::<4>();
    let numbers = numbers.iter().map(|word| i32::from_le_bytes(*word).to_string());
    let rest = rest.iter().map(u8::to_string);
    format!("[{}]", numbers.chain(rest).collect::<Vec<_>>().join(", "))
}
