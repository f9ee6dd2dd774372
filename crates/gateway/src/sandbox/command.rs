//! A command line made ready before the clone, so that executing it allocates nothing: the places where it may be, its
//! arguments and its environment, all as the kernel wants them.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr;

use rustix::io::Errno;

use super::error::Error;
use super::sys;

/// Where commands are looked for when PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Strings that own what the array of pointers points to.
struct Strings {
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        let pointers = owned.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Self { _owned: owned, pointers }
    }
}

/// A command, its arguments and its environment.
pub(super) struct Command {
    name: OsString,
    candidates: Vec<CString>,
    argv: Strings,
    /// `/bin/sh`, then a place for the candidate, then the arguments: for a script without a first line.
    script_argv: Strings,
    envp: Strings,
}

impl Command {
    /// `words` are the command and its arguments. The environment is this process's.
    pub(super) fn new(words: &[OsString]) -> Result<Self, Error> {
        let name = words.first().filter(|name| !name.is_empty()).ok_or(Error::BadCommand)?.clone();
        let argv = words.iter().map(|word| c_string(word)).collect::<Result<Vec<_>, _>>()?;
        let mut script = vec![c"/bin/sh".to_owned(), CString::default()];
        script.extend(argv.iter().skip(1).cloned());
        let environment = std::env::vars_os().map(|(key, value)| {
            let mut line = key;
            line.push("=");
            line.push(value);
            c_string(&line)
        });
        Ok(Self {
            candidates: candidates(&name, std::env::var_os("PATH").as_deref())?,
            name,
            argv: Strings::new(argv),
            script_argv: Strings::new(script),
            envp: Strings::new(environment.collect::<Result<_, _>>()?),
        })
    }

    /// Executes it, as execvp does. Returns why it could not, and for which candidate.
    #[allow(unsafe_code)]
    pub(super) fn execute(&mut self) -> (Errno, u32) {
        let mut denied = None;
        for (index, candidate) in (0..).zip(&self.candidates) {
            // SAFETY: both arrays were built by `Strings`, which owns the strings and ends them with a null pointer.
            let mut errno = unsafe { sys::execve(candidate, &self.argv.pointers, &self.envp.pointers) };
            if errno == Errno::NOEXEC {
                if let Some(place) = self.script_argv.pointers.get_mut(1) {
                    *place = candidate.as_ptr();
                }
                // SAFETY: as above; the candidate outlives the call.
                errno = unsafe { sys::execve(c"/bin/sh", &self.script_argv.pointers, &self.envp.pointers) };
            }
            match errno {
                Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::NODEV | Errno::TIMEDOUT => {}
                Errno::ACCESS => denied = denied.or(Some(index)),
                _ => return (errno, index),
            }
        }
        denied.map_or((Errno::NOENT, 0), |index| (Errno::ACCESS, index))
    }

    /// What to tell the user about an [`Self::execute`] that returned.
    pub(super) fn failure(&self, errno: Errno, candidate: u32) -> Error {
        let path = |candidate: &CString| PathBuf::from(OsStr::from_bytes(candidate.as_bytes()));
        if errno == Errno::NOENT {
            // the file may be there: the kernel says the same when its interpreter is not
            let there = self.candidates.iter().map(path).find(|path| path.is_file());
            return there.map_or_else(|| Error::NotFound(self.name.clone()), Error::NoInterpreter);
        }
        let found = usize::try_from(candidate).ok().and_then(|index| self.candidates.get(index)).map(path);
        Error::NotExecutable(found.unwrap_or_else(|| self.name.clone().into()), errno)
    }
}

fn c_string(word: &OsStr) -> Result<CString, Error> {
    CString::new(word.as_bytes()).map_err(|_| Error::BadCommand)
}

/// Where `name` may be: itself if it has a slash in it, else in each directory of `path`.
fn candidates(name: &OsStr, path: Option<&OsStr>) -> Result<Vec<CString>, Error> {
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(name)?]);
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    std::env::split_paths(path).map(|directory| c_string(&OsString::from_vec(join(directory, name)))).collect()
}

/// An empty directory in PATH is the current one.
fn join(directory: PathBuf, name: &OsStr) -> Vec<u8> {
    let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
    directory.join(name).into_os_string().into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_each_directory_and_a_path_is_not() {
        let found = |name: &str, path| candidates(OsStr::new(name), path).unwrap();
        assert_eq!(found("ls", Some(OsStr::new("/a::/b"))), [c"/a/ls", c"./ls", c"/b/ls"].map(ToOwned::to_owned));
        assert_eq!(found("./ls", Some(OsStr::new("/a"))), [c"./ls".to_owned()]);
        assert!(found("ls", None).contains(&c"/usr/bin/ls".to_owned()));
    }

    #[test]
    fn an_empty_command_and_one_with_a_nul_are_refused() {
        assert!(matches!(Command::new(&[]), Err(Error::BadCommand)));
        assert!(matches!(Command::new(&["".into()]), Err(Error::BadCommand)));
        assert!(matches!(Command::new(&["ls".into(), "a\0b".into()]), Err(Error::BadCommand)));
    }

    #[test]
    fn failures_tell_the_three_cases_apart() {
        let command = |name: &str| Command::new(&[name.into()]).unwrap();
        let missing = command("/nonexistent/x").failure(Errno::NOENT, 0);
        assert_eq!(missing.to_string(), "/nonexistent/x: no such file: check the path");
        assert!(matches!(command("/etc/passwd").failure(Errno::NOENT, 0), Error::NoInterpreter(_)));
        assert!(matches!(command("/etc/passwd").failure(Errno::ACCESS, 0), Error::NotExecutable(_, Errno::ACCESS)));
    }
}
