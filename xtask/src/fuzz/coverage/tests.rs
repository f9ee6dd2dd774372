use std::path::Path;

use super::{Reached, Share, files};

#[test]
fn files_of_the_core_are_taken_and_others_are_not() {
    let file = |name: &str| {
        format!(
            r#"{{"filename":"{name}","summary":{{"branches":{{"count":0,"covered":0}},
            "lines":{{"count":10,"covered":7,"percent":70}},"regions":{{"count":4,"covered":1,"notcovered":3}}}}}}"#
        )
    };
    let names = ["/here/crates/tcp/src/state.rs", "/here/crates/posix/src/lib.rs", "/there/crates/tcp/src/state.rs"];
    let exported = format!(r#"{{"data":[{{"files":[{}]}}]}}"#, names.map(file).join(","));
    let reached = Reached { lines: Share { count: 10, covered: 7 }, regions: Share { count: 4, covered: 1 } };
    let expected = [("tcp/src/state.rs".to_owned(), reached)].into_iter().collect();
    assert_eq!(files(&exported, Path::new("/here")), Ok(expected));
    assert!(files("{}", Path::new("/here")).is_err());
}
