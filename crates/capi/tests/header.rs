//! The header, by a program in C that is compiled against it and run.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test says so by failing")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the built library lies: beside the tests.
fn library_dir() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let dir = tests.parent().unwrap();
    assert!(dir.join("libbowline_capi.so").exists(), "no library beside {}", tests.display());
    dir.to_path_buf()
}

fn must(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{said}", output.status);
}

/// Compiles a program against the header, with `more` arguments, if the compiler takes them.
fn compile(source: &str, more: &[&str], room: &Path) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = room.join("program");
    let compile = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-D_GNU_SOURCE"])
        .args(more)
        .arg(here.join("tests").join(source))
        .args([Path::new("-I"), &here.join("include"), Path::new("-o"), &program])
        .args([Path::new("-L"), &library_dir()])
        .args(["-lbowline_capi", "-lpthread"])
        .output()
        .unwrap();
    if compile.status.success() { Ok(program) } else { Err(String::from_utf8_lossy(&compile.stderr).into_owned()) }
}

#[test]
fn a_program_in_c_is_compiled_and_runs() {
    let room = tempfile::tempdir().unwrap();
    let program = compile("program.c", &[], room.path()).unwrap();
    let run = Command::new(&program).env("LD_LIBRARY_PATH", library_dir()).output();
    must(&run.unwrap(), "the program");
}

#[test]
fn no_argument_crashes_a_call() {
    let room = tempfile::tempdir().unwrap();
    let sanitized = compile("hostile.c", &["-g", "-fsanitize=address,undefined"], room.path());
    // Where the sanitizers are not installed, the program sees less.
    let program = sanitized.or_else(|_| compile("hostile.c", &[], room.path())).unwrap();
    let mut run = Command::new(&program);
    // The library's own allocations, of which statics keep some, are not C's.
    run.env("LD_LIBRARY_PATH", library_dir()).env("ASAN_OPTIONS", "detect_leaks=0");
    must(&run.output().unwrap(), "the program");
}

#[test]
fn the_header_is_c_plus_plus_too() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = Command::new("cc")
        .args(["-x", "c++", "-fsyntax-only", "-Wall", "-Werror"])
        .arg(here.join("include/bowline.h"))
        .output()
        .unwrap();
    // Without a C++ compiler there is nothing to see.
    let said = String::from_utf8_lossy(&check.stderr);
    if !said.contains("cc1plus") {
        must(&check, "c++");
    }
}
