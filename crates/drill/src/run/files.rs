//! Files of a script's own: made by the commands that suites make them with, read by `open` and `sendfile`. They exist in this run
//! only, and nothing of the machine's is read or written.

use std::collections::BTreeMap;

/// The largest file.
const MAX_LEN: u64 = 1 << 26;

/// A file that is open, and how far it has been read.
#[derive(Clone, Debug)]
struct Open {
    path: String,
    at: u64,
}

/// Files by their paths, and those that are open by the script's descriptors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    files: BTreeMap<String, Vec<u8>>,
    open: BTreeMap<i64, Open>,
}

impl Files {
    /// `rm -f PATH …`
    pub(crate) fn remove(&mut self, arguments: &[&str]) -> Result<(), String> {
        let is_forced = arguments.contains(&"-f");
        for path in arguments.iter().filter(|argument| !argument.starts_with('-')) {
            if self.files.remove(*path).is_none() && !is_forced {
                return Err(format!("there is no {path}: a script has files that it made itself, and no others"));
            }
        }
        Ok(())
    }

    /// `dd if=/dev/zero of=PATH bs=N count=N`: zeros.
    pub(crate) fn fill(&mut self, arguments: &[&str]) -> Result<(), String> {
        let (mut path, mut size, mut count) = (None, 512, None);
        for argument in arguments {
            let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
            match argument.split_once('=') {
                Some(("if", "/dev/zero")) | Some(("status", _)) => {}
                Some(("of", to)) => path = Some(to.to_owned()),
                Some(("bs", text)) => size = number(text)?,
                Some(("count", text)) => count = Some(number(text)?),
                _ => return Err(format!("dd has no {argument} here: it writes zeros of /dev/zero to a file")),
            }
        }
        let len = count.and_then(|count| size.checked_mul(count)).filter(|len| *len <= MAX_LEN);
        let (Some(path), Some(len)) = (path, len) else {
            return Err(format!("dd needs of=, bs= and count=, and makes no more than {MAX_LEN} bytes here"));
        };
        self.files.insert(path, vec![0; len as usize]);
        Ok(())
    }

    /// Opens a file as one of the script's descriptors; whether there is one.
    pub(crate) fn open(&mut self, script: i64, path: &str) -> bool {
        let exists = self.files.contains_key(path);
        if exists {
            self.open.insert(script, Open { path: path.to_owned(), at: 0 });
        }
        exists
    }

    /// Whether the descriptor is a file's.
    pub(crate) fn is_open(&self, script: i64) -> bool {
        self.open.contains_key(&script)
    }

    /// Closes a descriptor; whether it was a file's.
    pub(crate) fn close(&mut self, script: i64) -> bool {
        self.open.remove(&script).is_some()
    }

    /// Up to `len` bytes from a place, or from where reading has come to.
    pub(crate) fn read(&self, script: i64, from: Option<u64>, len: usize) -> Vec<u8> {
        let Some(open) = self.open.get(&script) else { return Vec::new() };
        let bytes = self.files.get(&open.path).map_or(&[][..], Vec::as_slice);
        let begin = usize::try_from(from.unwrap_or(open.at)).unwrap_or(usize::MAX).min(bytes.len());
        bytes.get(begin..begin.saturating_add(len).min(bytes.len())).unwrap_or_default().to_vec()
    }

    /// So much has been read where it had come to.
    pub(crate) fn advance(&mut self, script: i64, len: u64) {
        if let Some(open) = self.open.get_mut(&script) {
            open.at += len;
        }
    }
}
