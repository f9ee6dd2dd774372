use bowline_device::impairment::{ImpairmentConfig, Impairments, Loss};
use bowline_observe::diagram::text::Style;
use clap::Parser;

use super::http::Pages;
use super::report::{self, Telling};
use super::story::{Plot, Story};
use super::watch::Side;
use crate::verbs::demo::{Args, resolve};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn plot(line: &str) -> Plot {
    resolve(&Line::parse_from(line.split(' ')).args).unwrap()
}

fn story(line: &str) -> Story {
    plot(line).play().unwrap()
}

fn told(story: &Story, view: Side, style: Style) -> String {
    report::text(story, &Telling { view, style })
}

#[test]
fn the_first_thing_a_newcomer_sees() {
    let story = story("demo");
    assert_eq!((story.failure.as_deref(), story.complete, story.received), (None, 2, 24_000));
    insta::assert_snapshot!(told(&story, Side::Server, Style::default()));
}

#[test]
fn the_clients_view_in_ascii_over_ipv6() {
    let story = story("demo -6 --loss 10% --seed 2 --requests 1 --size 6000");
    let text = told(&story, Side::Client, Style { ascii: true, width: 80, ..Style::default() });
    assert!(text.is_ascii(), "{text}");
    // Tables of sockets are as wide as their addresses.
    let is_table = |line: &str| line.contains("Local Address") || line.contains("LISTEN") || line.contains("timer:");
    assert!(text.lines().all(|line| line.len() <= 80 || is_table(line)), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_perfect_network_needs_no_retransmission_and_no_time_but_its_delay() {
    let story = story("demo --loss 0% --requests 3 --seed 9");
    assert_eq!((story.failure.as_deref(), story.complete), (None, 3));
    assert_eq!(story.client.summary.retransmissions + story.server.summary.retransmissions, 0);
    assert_eq!(story.network.ingress.lost + story.network.egress.lost, 0);
    assert_eq!(told(&story, Side::Server, Style::default()).matches("lost on the way").count(), 0);
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_one_another() {
    let line = "demo --loss 10% --reorder 5% --duplicate 5% --corrupt 5% --jitter 5ms --seed";
    let text = |seed: u64| report::json(&story(&format!("{line} {seed}"))).unwrap();
    assert_eq!(text(3), text(3));
    assert_ne!(text(3), text(4));
}

#[test]
fn every_seed_has_a_happy_end_on_a_bad_network() {
    for seed in 0..200 {
        let story =
            story(&format!("demo --loss 8% --reorder 5% --duplicate 3% --corrupt 2% --jitter 5ms --seed {seed}"));
        assert_eq!(story.failure, None, "bowline demo … --seed {seed}");
        assert_eq!((story.complete, story.received), (2, 24_000), "seed {seed}");
        for (view, diagram) in [(&story.client, &story.diagrams.0), (&story.server, &story.diagrams.1)] {
            let drawn = diagram.as_ref().map_or(0, |diagram| diagram.retransmissions);
            let summed = view.summary.retransmissions;
            assert_eq!((drawn, view.reasons.values().sum::<u64>()), (summed, summed), "seed {seed}");
        }
        assert!(story.end.client.is_empty(), "seed {seed}: {:?}", story.end.client);
        assert_eq!(story.end.server.len(), 1, "only the listener is left, seed {seed}");
    }
}

#[test]
fn what_the_network_did_stands_on_the_arrows() {
    let story = story("demo");
    let text = told(&story, Side::Server, Style::default());
    let lost = story.network.ingress.lost + story.network.egress.lost;
    assert_eq!(text.matches("lost on the way: random loss").count() as u64, lost, "{text}");
    let client = told(&story, Side::Client, Style::default());
    assert_eq!(client.matches("lost on the way: random loss").count() as u64, lost, "{client}");
}

#[test]
fn time_wait_is_seen_and_runs_out() {
    let story = story("demo");
    let states = |rows: &[bowline_observe::ss::Row]| rows.iter().map(|row| row.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&story.closed.client), Vec::<String>::new());
    assert_eq!(states(&story.closed.server), ["LISTEN", "TIME-WAIT"]);
    assert_eq!(states(&story.end.server), ["LISTEN"]);
    assert!(story.end.at_us >= story.closed.at_us + 59_000_000);
    assert_eq!(states(&story.half_way.unwrap().client).len(), 1, "half-way, the connection still lives");
}

#[test]
fn a_network_that_loses_everything_ends_as_a_time_out() {
    let story = story("demo --loss-up 100%");
    assert_eq!(story.failure.as_deref(), Some("the client failed: connection timed out"));
    // RFC 9293 3.8.3, MUST-23: a SYN is tried for three minutes at least.
    assert_eq!(story.closed.at_us, 247_000_000);
    assert!(told(&story, Side::Server, Style::default()).contains("✗      │ lost on the way: random loss"));
}

#[test]
fn a_wrong_byte_is_noticed() {
    let pages = Pages { count: 1, size: 5000, seed: 1 };
    let other = Pages { seed: 2, ..pages };
    assert!((0..5000).any(|at| pages.byte(1, at) != other.byte(1, at)));
    assert!((0..5000).any(|at| pages.byte(1, at) != pages.byte(2, at)));
}

#[test]
fn a_narrow_path_and_empty_pages_are_no_trouble() {
    for line in [
        "demo --size 0",
        "demo --mtu 576 --loss 0%",
        "demo --mtu-down 1000 --size 50kB",
        "demo -6 --mtu 1280 --mtu-up 1280",
        "demo --rate 1mbit --size 200kB --requests 1 --loss 0%",
        "demo --delay 0ms --rate 1gbit --size 5MB --requests 1 --loss 0%",
        "demo --requests 40 --size 1",
        "demo --loss 1%/25% --size 100kB",
    ] {
        let story = story(line);
        assert_eq!(story.failure, None, "{line}");
        assert_eq!(story.received, story.plot.pages.size * u64::from(story.plot.pages.count), "{line}");
    }
}

#[test]
fn what_is_not_asked_for_has_a_default_and_what_is_asked_for_wins() {
    let network = plot("demo").network;
    assert_eq!(network.ingress, network.egress);
    assert_eq!(network.ingress.loss, Loss::Random("5%".parse().unwrap()));
    assert_eq!(network.ingress.delay.as_millis(), 20);
    let network = plot("demo --loss 0% --delay 0 --rate-down 1mbit --seed 4").network;
    let plain = Impairments { loss: Loss::Random("0%".parse().unwrap()), ..Impairments::default() };
    let down = Impairments { rate: "1mbit".parse().ok(), ..plain };
    assert_eq!(network, ImpairmentConfig { ingress: plain, egress: down, seed: 4 });
    assert!(resolve(&Line::parse_from(["demo", "-6", "--mtu", "1000"]).args).unwrap_err().contains("1280"));
    for line in ["demo --size big", "demo --size 2GB", "demo --requests 0"] {
        assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn the_json_form_has_the_numbers() {
    let json = report::json(&story("demo")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["received_bytes"], 24_000);
    assert_eq!(json["closed"]["server"][1]["state"], "TIME-WAIT");
    assert_eq!(json["network_down"]["lost"].as_u64().unwrap(), 2);
    assert!(json["server_diagram"]["rows"].as_array().unwrap().len() > 20);
}
