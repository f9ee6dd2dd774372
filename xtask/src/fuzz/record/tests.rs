use super::{Clock, Progress, Records, Run};

const LINE: &str =
    "#51484: cov: 5200 ft: 24293 corp: 2012 exec/s: 87 oom/timeout/crash: 0/0/0 time: 491s job: 29 dft_time: 0";

#[test]
fn progress_is_read_from_what_libfuzzer_says_while_it_forks() {
    let progress = Progress { runs: 51_484, edges: 5200, features: 24_293, inputs: 2012, speed: 87, seconds: 491 };
    assert_eq!(Progress::parse(LINE), Some(progress));
    let others = ["INFO: exiting: 0 time: 11s", "#12 NEW cov: 3", "", "# Uses: 1", "thread panicked: #1: what"];
    for line in others {
        assert_eq!(Progress::parse(line), None, "{line}");
    }
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let last = Progress::parse(LINE).unwrap();
    let run = Run::new("pair", 60, &Clock::start(), &last, 1).unwrap();
    let run = Run { found: Some("a \"wrong\" expectation".to_owned()), ..run };
    assert_eq!((run.runs, run.findings, run.minutes), (51_484, 1, 0));
    let text = Records { list: vec![run] }.text();
    let read: Records = toml::from_str(&text).unwrap();
    assert_eq!((&*read.list[0].target, read.list[0].edges), ("pair", 5200));
    assert_eq!(read.list[0].found.as_deref(), Some("a \"wrong\" expectation"));
    assert_eq!(read.text(), text);
}
