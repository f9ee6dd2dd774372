use super::{Defines, Kind, lex};

fn kinds(text: &str, defines: &[(&str, &str)]) -> Result<Vec<Kind>, String> {
    let defines: Defines = defines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let tokens = lex(text, &defines).map_err(|error| error.to_string())?;
    Ok(tokens.into_iter().map(|token| token.kind).collect())
}

fn words(text: &str, defines: &[(&str, &str)]) -> Vec<String> {
    let word = |kind| match kind {
        Kind::Word(word) => word,
        other => format!("{other:?}"),
    };
    kinds(text, defines).unwrap().into_iter().map(word).collect()
}

#[test]
fn comments_of_three_kinds() {
    assert_eq!(
        words("a // b\nc /* d\n e */ f\n# g\n  # h\ni /**/ j /* * / ** */ k", &[]),
        ["a", "c", "f", "i", "j", "k"]
    );
    assert_eq!(kinds("a /* b", &[]).unwrap_err(), "1:3: this comment does not end: `*/` is missing");
}

#[test]
fn conditions_choose() {
    let text =
        "#ifdef A\na\n#ifdef B\nab\n#else\na-not-b\n#endif\n#else\nnot\n#endif\nend\n#ifndef A\nwithout\n#endif\n";
    assert_eq!(words(text, &[("A", "1"), ("B", "1")]), ["a", "ab", "end"]);
    assert_eq!(words(text, &[]), ["not", "end", "without"]);
    assert_eq!(words(text, &[("B", "")]), ["not", "end", "without"]);
    for wrong in ["#ifdef A\n", "#else", "#endif", "#ifdef", "#ifdef A\n#ifdef B\n#endif\n"] {
        assert!(kinds(wrong, &[]).is_err(), "{wrong}");
        assert!(kinds(wrong, &[("A", "")]).is_err(), "{wrong}");
    }
}

#[test]
fn definitions_are_replaced() {
    let defines = [("N", "8"), ("CC", "\"reno\""), ("RUN", "`sysctl a=b`"), ("X", "N"), ("LOOP", "LOOP")];
    let expected = [
        Kind::Integer(8),
        Kind::Text(b"reno".to_vec()),
        Kind::Command("sysctl a=b".to_owned()),
        Kind::Integer(8),
        Kind::Word("NN".to_owned()),
    ];
    assert_eq!(kinds("N CC RUN X NN", &defines).unwrap(), expected);
    assert!(kinds("LOOP", &defines).is_err());
}

#[test]
fn numbers_and_their_neighbours() {
    let expected = [
        Kind::Integer(1),
        Kind::Sign(':'),
        Kind::Integer(1001),
        Kind::Sign('('),
        Kind::Integer(1000),
        Kind::Sign(')'),
        Kind::Sign('+'),
        Kind::Decimal(".1".to_owned()),
        Kind::Decimal("0.2".to_owned()),
        Kind::Ellipsis,
        Kind::Decimal("0.3".to_owned()),
        Kind::Hex(255),
        Kind::Integer(-1),
        Kind::Word("0123456789abcdef".to_owned()),
        Kind::Word("99999999999999999999".to_owned()),
    ];
    let text = "1:1001(1000) +.1 0.2...0.3 0xff -1 0123456789abcdef 99999999999999999999";
    assert_eq!(kinds(text, &[]).unwrap(), expected);
}

#[test]
fn strings_and_options_are_whole() {
    let expected = [
        Kind::Option { name: "local_ip".to_owned(), value: Some("fd00::1".to_owned()) },
        Kind::Option { name: "define".to_owned(), value: Some("A=`b c`".to_owned()) },
        Kind::Option { name: "dry_run".to_owned(), value: None },
        Kind::Text(b"a\"\n\x01z".to_vec()),
        Kind::Command("sh -c 'echo \\`'".to_owned()),
        Kind::Code("assert 1 % 2".to_owned()),
    ];
    let text = "--local_ip=fd00::1 --define=A=`b c` --dry_run \"a\\\"\\n\\x01z\" `sh -c 'echo \\`'` %{ assert 1 % 2 }%";
    assert_eq!(kinds(text, &[]).unwrap(), expected);
}
