use crate::report::Verdict;
use crate::source::Source;
use crate::suite::{Plan, run_source};

fn outcomes(text: &str) -> Vec<(Verdict, String)> {
    let outcomes = run_source(&Source::new("test.pkt", text), &Plan::default());
    outcomes.into_iter().map(|outcome| (outcome.verdict, outcome.detail.unwrap_or_default())).collect()
}

#[track_caller]
fn passes(text: &str) {
    for (verdict, detail) in outcomes(text) {
        assert_eq!(verdict, Verdict::Passed, "{detail}");
    }
}

const PASSIVE: &str = "
0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0  setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0  bind(3, ..., ...) = 0
+0  listen(3, 1) = 0
+.1 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0  > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0  accept(3, ..., ...) = 4
";

#[test]
fn a_passive_open_in_all_versions() {
    passes(PASSIVE);
    assert_eq!(outcomes(PASSIVE).len(), 3);
}
