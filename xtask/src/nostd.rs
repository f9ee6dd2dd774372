//! The proof that the core needs no std: `ci/nostd` is a static library with a panic handler and an allocator of its
//! own, so that a crate which brings std in clashes with it, and its symbols may ask for nothing but memory copies.
//!
//! It is built for the host, because no other target can be fetched everywhere.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::step;

/// What compiled Rust without std may leave to whoever links it: four functions on memory, and the names that
/// the prebuilt core and alloc use when a panic unwinds, which this library's `panic = "abort"` never reaches.
const ALLOWED: &[&str] = &[
    "memcpy",
    "memmove",
    "memset",
    "memcmp",
    "bcmp",
    "strlen",
    "rust_eh_personality",
    "_Unwind_Resume",
    "_GLOBAL_OFFSET_TABLE_",
];

/// Builds the library and looks at its symbols.
pub(crate) fn run() -> Result<(), String> {
    let folder = step::root().join("ci/nostd");
    // The same versions as in the workspace: cargo drops what this library does not use.
    std::fs::copy(step::root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .map_err(|error| format!("cannot copy Cargo.lock to ci/nostd: {error}"))?;
    let target = target_folder().join("nostd");
    let mut build = step::command("cargo", &["build", "--release"]);
    build.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
    step::run(&mut build)?;
    let library = target.join("release/libbowline_nostd.a");
    let library = library.to_str().ok_or("the target folder's name is not UTF-8")?;
    let listing = step::output(&mut step::command("readelf", &["--syms", "--wide", library]))?;
    let foreign = foreign_symbols(&listing);
    if foreign.is_empty() {
        println!("links without std; what it leaves to the linker is in {ALLOWED:?}");
        Ok(())
    } else {
        Err(format!("the core crates need symbols from outside: {foreign:?}"))
    }
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| step::root().join("target"), PathBuf::from)
}

/// The symbols in a listing of `readelf --syms --wide` that no member of the archive defines and that are not allowed.
///
/// (`nm` is no use here: it takes the prebuilt crates for bitcode and finds no symbols in them.)
fn foreign_symbols(listing: &str) -> BTreeSet<&str> {
    let symbols = || {
        listing.lines().filter_map(|line| {
            // number: value size type bind visibility section name
            let columns: Vec<_> = line.split_whitespace().collect();
            let [_, _, _, _, bind, _, section, name, ..] = columns.as_slice() else { return None };
            (*bind == "GLOBAL" || *bind == "WEAK").then_some((*name, *bind, *section))
        })
    };
    let mut known: BTreeSet<_> = symbols().filter(|(_, _, section)| *section != "UND").map(|(name, ..)| name).collect();
    known.extend(ALLOWED);
    let needed = symbols().filter(|(_, bind, section)| *section == "UND" && *bind == "GLOBAL");
    needed.map(|(name, ..)| name).filter(|name| !known.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::foreign_symbols;

    #[test]
    fn finds_what_nobody_defines() {
        let listing = "\
File: lib.a(a.o)
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     1: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     2: 0000000000000000    16 FUNC    GLOBAL HIDDEN     5 foo
     3: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND bar
     4: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND memcpy
     5: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
File: lib.a(b.o)
     2: 0000000000000000    16 FUNC    WEAK   DEFAULT    5 bar
     3: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND malloc
";
        assert_eq!(foreign_symbols(listing).into_iter().collect::<Vec<_>>(), ["malloc"]);
    }
}
