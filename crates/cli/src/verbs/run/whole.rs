//! A file in which every write is whole: what one leaves behind that cannot be finished, because the disk is full, is cut off
//! again. So a capture ends with a packet, and its readers have nothing to complain about.

use std::fs::File;
use std::io::{self, Write};

/// The file, which is empty at first.
#[derive(Debug)]
pub(super) struct WholeWrites {
    file: File,
    len: u64,
}

impl WholeWrites {
    pub(super) const fn new(file: File) -> Self {
        Self { file, len: 0 }
    }
}

impl Write for WholeWrites {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write_all(buf);
        match &written {
            Ok(()) => self.len += buf.len() as u64,
            // a device or a pipe has no length, and keeps what it has got
            Err(_) => drop(self.file.set_len(self.len)),
        }
        written.map(|()| buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
