//! Scenarios are read strictly, run to a report that adds up, and swept in order.

use super::model::Scenario;
use super::report::jain;
use super::sweep::{self, Axis};
use super::*;

const TWO_FLOWS: &str = r#"
seed = 3
[hosts.alice]
[hosts.bob]
congestion = "new-reno"
[[link]]
ends = ["alice", "middle"]
delay = "1ms"
[[link]]
ends = ["middle", "bob"]
rate = "20mbit"
delay = "10ms"
queue = "100kB"
toward.bob = { loss = "0.5%" }
[[flow]]
from = "alice"
to = "bob"
bytes = "2MB"
count = 2
[[flow]]
from = "alice"
to = "bob"
kind = "requests"
requests = 20
response = "2kB"
"#;

fn run(text: &str) -> Report {
    Scenario::parse(text).unwrap().run(&Settings::default()).unwrap()
}

#[test]
fn a_report_adds_up() {
    let report = run(TWO_FLOWS);
    assert_eq!(report.flows.iter().map(|flow| flow.bytes).collect::<Vec<_>>(), [2_000_000, 2_000_000, 40_000]);
    assert!(report.flows.iter().all(|flow| flow.done && flow.error.is_none()), "{report}");
    let answers = report.flows[2].answers.unwrap();
    assert_eq!(answers.count, 20);
    assert!(answers.p50 >= 0.022 && answers.max >= answers.p99 && answers.p99 >= answers.p50, "{answers:?}");
    let bottleneck = report.links.iter().find(|link| link.name == "middle → bob").unwrap();
    assert!(bottleneck.lost > 0 && bottleneck.bytes > 4_040_000, "{bottleneck:?}");
    assert!(bottleneck.utilization.unwrap() <= 1.0);
    assert!(report.flows[0].retransmitted_bytes > 0 && report.retransmitted > 0.0);
    assert!(report.goodput < 20e6 && report.goodput > 5e6, "{report}");
}

#[test]
fn the_same_scenario_gives_the_same_report() {
    assert_eq!(run(TWO_FLOWS), run(TWO_FLOWS));
    assert_ne!(run(TWO_FLOWS), run(&TWO_FLOWS.replace("seed = 3", "seed = 4")));
}

#[test]
fn an_outage_delays_what_it_does_not_lose() {
    let text = TWO_FLOWS.replace("queue = \"100kB\"", "queue = \"100kB\"\noutages = [[\"200ms\", \"1200ms\"]]");
    let (with, without) = (run(&text), run(TWO_FLOWS));
    assert!(with.seconds > without.seconds + 0.9, "{} {}", with.seconds, without.seconds);
    assert!(with.flows.iter().all(|flow| flow.done));
}

#[test]
fn a_flow_that_cannot_connect_ends_with_its_error() {
    let report = run(&TWO_FLOWS.replace("loss = \"0.5%\"", "loss = \"100%\""));
    assert!(report.flows.iter().all(|flow| flow.error.is_some() && !flow.done), "{report}");
    assert!(report.seconds > 180.0 && report.seconds < 300.0, "as long as SYNs are sent again: {report}");
}

#[test]
fn a_scenario_with_a_duration_ends_on_time() {
    let text = r#"
        duration = "3s"
        [hosts.a]
        [hosts.b]
        [[link]]
        ends = ["a", "b"]
        rate = "10mbit"
        delay = "5ms"
        [[flow]]
        from = "a"
        to = "b"
        start = "1s"
        [[flow]]
        from = "b"
        to = "a"
        kind = "on-off"
        on = "100ms"
        off = "400ms"
        [[flow]]
        from = "a"
        to = "b"
        kind = "idle"
        pause = "500ms"
    "#;
    let report = run(text);
    assert!((report.seconds - 3.0).abs() < 1e-6, "{}", report.seconds);
    assert!(report.flows.iter().all(|flow| !flow.done && flow.bytes > 0), "{report}");
    assert_eq!(report.flows[2].bytes, 6);
    // It shares its queue with the acknowledgements of the other direction.
    assert!(report.flows[0].goodput > 3e6 && report.flows[1].goodput > 3e6, "{report}");
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("queue = \"100kB\"", "queu = \"100kB\"", "queu"),
        ("rate = \"20mbit\"", "rate = \"20\"", "no unit of a rate"),
        ("loss = \"0.5%\"", "loss = \"200%\"", "between 0% and 100%"),
        ("toward.bob", "toward.carol", "carol"),
        ("to = \"bob\"", "to = \"carol\"", "[hosts.carol]"),
        ("new-reno", "vegas", "cubic"),
        ("bytes = \"2MB\"", "", "duration"),
        ("bytes = \"2MB\"", "bytes = \"2 pages\"", "no unit of a size"),
        ("bytes = \"2MB\"", "bytes = \"2MB\"\npause = \"1s\"", "bulk, which has no `pause`"),
        ("delay = \"10ms\"", "delay = \"10ms\"\nreorder_gap = 2", "`reorder` says how many"),
        ("loss = \"0.5%\"", "loss = \"0.5%\", burst_loss = { begin = \"1%\", end = \"50%\" }", "two models"),
        ("delay = \"10ms\"", "delay = \"10ms\"\nmtu = 1400\nblack_hole = 1300", "keep one"),
        ("delay = \"10ms\"", "delay = \"10ms\"\nmtu = 50", "less than the 68"),
        ("delay = \"10ms\"", "delay = \"10ms\"\noutages = [[\"5s\", \"3s\"]]", "ends after it begins"),
        ("[hosts.alice]", "[hosts.alice]\nmtu = 10", "less than the 68"),
        ("[hosts.alice]", "[hosts.alice]\nsend_buffer = 0", "nothing fits in a `send_buffer`"),
        ("[hosts.alice]", "[hosts.alice]\necn = \"l4s\"", "\"classic\" or \"accurate\""),
        ("queue = \"100kB\"", "queue = true", "{ kind = \"codel\" }"),
        ("queue = \"100kB\"", "queue = { kind = \"red\" }", "`fq-codel`"),
        ("queue = \"100kB\"", "queue = { kind = \"codel\", limit = 5 }", "limit"),
        ("\"alice\", \"middle\"", "\"alice\", \"alice\"", "with itself"),
        ("\"alice\", \"middle\"", "\"alice\", \"elsewhere\"", "no link leads"),
        ("count = 2", "count = 0", "at least 1"),
    ];
    for (right, wrong, named) in cases {
        assert!(TWO_FLOWS.contains(right), "{right}");
        let error = Scenario::parse(&TWO_FLOWS.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.contains(named), "{wrong}: {error}");
    }
}

#[test]
fn plots_and_captures_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let (plots, record) = (directory.path().join("plots"), directory.path().join("record"));
    let settings = Settings { plots: Some(plots.clone()), record: Some(record.clone()), progress: None };
    let with = Scenario::parse(TWO_FLOWS).unwrap().run(&settings).unwrap();
    assert_eq!(with, run(TWO_FLOWS), "whoever looks changes nothing");
    let names: Vec<String> =
        std::fs::read_dir(plots).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for part in ["-cwnd.svg", "-sequence.svg", "queue-middle-bob.svg"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part} in {names:?}");
    }
    assert!(record.join("alice.pcapng").is_file() && record.join("bob.txt").is_file());
}

#[test]
fn a_sweep_has_a_row_for_each_flow_of_each_point_in_the_order_of_the_grid() {
    let axes: Vec<Axis> = ["link.1.delay=5ms,20ms", "seed=1..3"].iter().map(|axis| axis.parse().unwrap()).collect();
    let table = toml::from_str(TWO_FLOWS).unwrap();
    let points = sweep::sweep(&table, &axes, 2, &|_, _| ()).unwrap();
    assert_eq!(points.len(), 6);
    let alone = sweep::sweep(&table, &axes, 1, &|_, _| ()).unwrap();
    assert!(points.iter().zip(&alone).all(|(a, b)| a.report == b.report), "the order of runs changes nothing");
    let rows = sweep::rows(&axes, &points);
    assert_eq!(rows.len(), 18);
    let mut csv = Vec::new();
    rows.write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("link.1.delay,seed,flow,kind,"), "{}", lines[0]);
    assert!(lines[1].starts_with("5ms,1,alice-bob/1,bulk,1,2000000,"), "{}", lines[1]);
    assert!(lines[18].starts_with("20ms,3,"), "{}", lines[18]);
    let mut parquet = Vec::new();
    rows.write_parquet(&mut parquet).unwrap();
    let file = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(parquet)).unwrap();
    let metadata = parquet::file::reader::FileReader::metadata(&file).file_metadata();
    assert_eq!(metadata.num_rows(), 18);
    let types: Vec<_> = metadata.schema_descr().columns().iter().map(|column| column.physical_type()).take(2).collect();
    assert_eq!(types, [parquet::basic::Type::BYTE_ARRAY, parquet::basic::Type::INT64], "numbers are numbers");
    for axis in ["link.9.delay=1ms", "nothing.here=1"] {
        assert!(sweep::sweep(&table, &[axis.parse().unwrap()], 1, &|_, _| ()).is_err(), "{axis}");
    }
}

#[test]
fn equal_shares_are_fair_and_one_for_all_is_not() {
    assert_eq!(jain(&[2.0, 2.0, 2.0]), Some(1.0));
    assert_eq!(jain(&[3.0, 0.0, 0.0]), Some(1.0 / 3.0));
    assert_eq!(jain(&[]), None);
}
