use super::parse;

#[test]
fn lines_that_were_added_or_changed_are_found() {
    let changed = parse(
        "--- crates/tcp/src/state.rs\n+++ crates/tcp/src/state.rs\n@@ -3 +3,2 @@ fn a() {\n-old\n+new\n+newer\n\
         @@ -20,2 +20,0 @@\n-gone\n-gone\n@@ -31,0 +30 @@\n+more\n",
    );
    let at = |first, last| changed.has("crates/tcp/src/state.rs", first, last);
    assert!(at(3, 3) && at(4, 4) && at(30, 30) && at(1, 9));
    assert!(!at(1, 2) && !at(5, 5) && !at(20, 20) && !at(29, 29) && !at(31, 40));
    assert!(!changed.has("crates/tcp/src/listener.rs", 3, 3));
}
