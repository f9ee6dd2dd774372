use super::{ENDS, linked, split, uncommented, words};

#[test]
fn lines_and_words() {
    assert_eq!(split("a; b && c 'd;e'\nf", &ENDS), ["a", " b && c 'd;e'", "f"]);
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
fn commands_of_a_list_know_what_links_them() {
    let of = |text| linked(text).into_iter().map(|(link, part)| (link.unwrap_or("-"), part)).collect::<Vec<_>>();
    let part = |link, text: &str| (link, text.to_owned());
    assert_eq!(of("a | b || c '||' d && e"), [part("-", "a | b "), part("||", " c '||' d "), part("&&", " e")]);
    assert_eq!(of("a"), [part("-", "a")]);
}

#[test]
fn comments_begin_where_words_do() {
    assert_eq!(uncommented("# all\na b # c 'd\ne#f '# g' ; # h"), "\na b \ne#f '# g' ; ");
}
