use super::{Interpreter, Names};

struct State;

impl Names for State {
    fn value(&self, name: &str) -> Option<i128> {
        match name {
            "tcpi_snd_cwnd" => Some(10),
            "tcpi_options" => Some(7),
            "TCPI_OPT_SACK" => Some(2),
            "TCPI_OPT_TIMESTAMPS" => Some(1),
            _ => None,
        }
    }
}

fn run(text: &str) -> Result<Vec<String>, String> {
    Interpreter::default().run(text, &State).map_err(|error| format!("{}: {}", error.line, error.message))
}

#[test]
fn assertions_that_hold() {
    for text in [
        "assert tcpi_snd_cwnd == 10",
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        "assert tcpi_snd_cwnd == 10, 'cwnd=%d' % tcpi_snd_cwnd; assert True",
        "assert (tcpi_options & TCPI_OPT_SACK) != 0, tcpi_options",
        "assert tcpi_options == (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | 4)",
        "assert 9 <= tcpi_snd_cwnd < 11",
        "assert not tcpi_snd_cwnd > 10 and 1",
        "assert 7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2 and 7 / 2 == 3.5 and 2 ** 10 == 1024",
        "assert 1 if tcpi_snd_cwnd else 0",
        "assert abs(-3) == 3 and min(4, 2) == 2 and max(1, 2.5) == 2.5",
        "x = tcpi_snd_cwnd\nx += 1\nassert x == 11 # a remark",
        "assert tcpi_snd_cwnd == 10 and \\\n  1 == 1",
        "assert (tcpi_snd_cwnd ==\n  10)",
        "",
        "pass",
    ] {
        assert_eq!(run(text), Ok(vec![]), "{text}");
    }
}

#[test]
fn what_fails_says_why() {
    for (text, why) in [
        ("assert tcpi_snd_cwnd == 11", "0: the assertion does not hold: tcpi_snd_cwnd is 10"),
        ("pass\nassert 0, 'words'", "1: the assertion does not hold (words)"),
        ("assert unknown == 1", "0: `unknown` has no value here"),
        ("assert 1 / 0", "0: division by zero"),
        ("import sys", "0: `import` is not in the part of Python that is known here"),
        ("if 1: pass", "0: `if` is not in the part of Python that is known here"),
        ("assert (1", "0: `)` is missing"),
        ("assert 1 1", "0: a statement ends before this"),
        ("open('x')", "0: there is no function open here"),
        ("assert 10 ** 100", "0: 10 ** 100 is too large"),
    ] {
        assert_eq!(run(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn names_stay_from_snippet_to_snippet() {
    let mut code = Interpreter::default();
    code.run("first = tcpi_snd_cwnd", &State).unwrap();
    assert_eq!(code.run("print('cwnd', first, \"end\")", &()).unwrap(), ["cwnd 10 end"]);
    assert_eq!(code.run("print first", &()).unwrap(), ["10"]);
    assert_eq!(code.run("print (first + 1) * 2", &()).unwrap(), ["22"]);
}

#[test]
fn nothing_nests_without_end() {
    for open in ["(", "-", "not ", "2**", "1 if 1 else "] {
        let _ = Interpreter::check(&format!("assert {}1", open.repeat(100_000)));
    }
}
