//! How a live instance is asked from outside: a socket in the abstract namespace, named after the user and the process,
//! so that nothing of it is left whatever the process dies of.
//!
//! Only the same user is answered, and only the same user's answers are believed: the kernel says who is at the other
//! end. A question is one line, an answer is all that comes until the end. What they say is the caller's matter.

use std::io::{self, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;
use std::{fs, process};

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// The longest question in bytes.
const MAX_QUESTION: u64 = 4096;

/// The longest answer that is read, in bytes: a million connections.
const MAX_ANSWER: u64 = 1 << 30;

/// How long an instance may take to answer before it is passed over: one that is stopped never answers.
const PATIENCE: Duration = Duration::from_secs(5);

fn prefix() -> String {
    format!("bowline/{}/", geteuid().as_raw())
}

fn address(pid: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("{}{pid}", prefix()))
}

fn is_mine(stream: impl std::os::fd::AsFd) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid())
}

/// The door of this process.
#[derive(Debug)]
pub struct Door(tokio::net::UnixListener);

impl Door {
    /// Opens it.
    ///
    /// # Errors
    /// Another network in this process has it already (`AddrInUse`), and those of `socket`.
    pub fn open() -> io::Result<Self> {
        let listener = UnixListener::bind_addr(&address(process::id())?)?;
        listener.set_nonblocking(true)?;
        Ok(Self(tokio::net::UnixListener::from_std(listener)?))
    }

    /// Answers questions for as long as it is polled: one after another, for they are people's questions.
    pub async fn serve(self, mut answer: impl FnMut(&str) -> String) {
        loop {
            let Ok((stream, _)) = self.0.accept().await else {
                // out of descriptors: whoever asks may ask again
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if is_mine(&stream) {
                let _ = tokio::time::timeout(PATIENCE, Self::answer(stream, &mut answer)).await;
            }
        }
    }

    async fn answer(stream: tokio::net::UnixStream, answer: &mut impl FnMut(&str) -> String) -> io::Result<()> {
        let (from, mut to) = stream.into_split();
        let mut question = String::new();
        BufReader::new(from.take(MAX_QUESTION)).read_line(&mut question).await?;
        to.write_all(answer(question.trim_end()).as_bytes()).await
    }
}

/// The processes of this user that have a door, by number.
///
/// # Errors
/// `/proc/net/unix` cannot be read.
pub fn instances() -> io::Result<Vec<u32>> {
    let text = fs::read_to_string("/proc/net/unix")?;
    let mut found = find_instances(&text, &prefix());
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn find_instances(table: &str, prefix: &str) -> Vec<u32> {
    let names = table.lines().filter_map(|line| line.split_whitespace().nth(7)?.strip_prefix('@'));
    names.filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect()
}

/// Asks one instance.
///
/// # Errors
/// There is no such instance (`ConnectionRefused`), it is somebody else's (`PermissionDenied`), or it does not answer.
pub fn ask(pid: u32, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(&address(pid)?)?;
    if !is_mine(&stream) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(question.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_users_doors_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 21 @bowline/1000/77\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03 22 @bowline/1000/77\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 23 @bowline/100/78\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 24 /run/bowline/1000/79\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 25\n";
        assert_eq!(find_instances(table, "bowline/1000/"), [77, 77]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_question_gets_its_answer_and_a_closed_door_none() {
        let door = Door::open().unwrap();
        let me = process::id();
        assert!(instances().unwrap().contains(&me));
        let asking = tokio::task::spawn_blocking(move || ask(me, "how are you?"));
        tokio::select! {
            () = door.serve(|question| format!("you asked: {question}")) => unreachable!("it serves for ever"),
            answer = asking => assert_eq!(answer.unwrap().unwrap(), "you asked: how are you?"),
        }
        // the future that owned the door is gone, and so is its name
        assert!(!instances().unwrap().contains(&me));
        assert_eq!(ask(me, "still there?").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
