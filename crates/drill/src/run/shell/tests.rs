use super::{ALTERNATIVE, ENDS, split, uncommented, words};

#[test]
fn lines_and_words() {
    assert_eq!(split("a; b && c 'd;e'\nf", &ENDS), ["a", " b ", " c 'd;e'", "f"]);
    assert_eq!(
        words("sysctl -q a.b=\"1 2 3\" >/dev/null 2>&1").unwrap(),
        ["sysctl", "-q", "a.b=1 2 3", ">/dev/null", "2>&1"]
    );
    assert_eq!(words("x > /dev/null 2> /dev/null").unwrap(), ["x"]);
    assert_eq!(words("a|b | c").unwrap(), ["a", "|", "b", "|", "c"]);
    assert!(words("a || b").is_err());
    assert!(words("a 'b").is_err());
}

#[test]
fn the_second_stands_in_for_the_first() {
    assert_eq!(split("a | b || c '||' d", &ALTERNATIVE), ["a | b ", " c '||' d"]);
    assert_eq!(split("a", &ALTERNATIVE), ["a"]);
}

#[test]
fn comments_begin_where_words_do() {
    assert_eq!(uncommented("# all\na b # c 'd\ne#f '# g' ; # h"), "\na b \ne#f '# g' ; ");
}
