use std::time::Duration;

use bowline_device::impairment::Loss;
use bowline_gateway::rules::{Action, Rules};
use clap::Parser;

use super::settings::Ending;
use super::{Args, Settings};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn settings(line: &str) -> Settings {
    Settings::resolve(Line::parse_from(line.split(' ')).args, 7)
}

#[test]
fn without_options_the_network_is_perfect_and_everything_is_open() {
    let settings = settings("run true");
    assert!(settings.network.is_none());
    assert_eq!((settings.sandbox.mtu, settings.network.seed), (1500, 7));
    assert_eq!((settings.host_loopback, settings.ending, settings.verbosity), (true, Ending::Text, 0));
    assert_eq!(settings.rules, Rules::default());
    assert_eq!(settings.sandbox.congestion, None);
}

#[test]
fn one_direction_overrides_both() {
    let network = settings(
        "run --loss 2% --loss-up 1%/25% --delay 40ms --delay-down 10ms --jitter-up 1ms --reorder 1% --duplicate-down 3% \
         --corrupt 0.1% --rate 10mbit --rate-down 1gbit --mtu-down 1400 --seed 42 true",
    )
    .network;
    let (up, down) = (network.ingress, network.egress);
    assert!(matches!(up.loss, Loss::GilbertElliott(_)), "{:?}", up.loss);
    assert_eq!(down.loss, Loss::Random("2%".parse().unwrap()));
    assert_eq!((up.delay, down.delay), (Duration::from_millis(40), Duration::from_millis(10)));
    assert_eq!((up.jitter, down.jitter), (Duration::from_millis(1), Duration::ZERO));
    assert_eq!((up.reorder, down.reorder), ("1%".parse().unwrap(), "1%".parse().unwrap()));
    assert_eq!((up.duplicate, down.duplicate), ("0%".parse().unwrap(), "3%".parse().unwrap()));
    assert_eq!((up.corrupt, down.corrupt), ("0.1%".parse().unwrap(), "0.1%".parse().unwrap()));
    assert_eq!((up.rate, down.rate), ("10mbit".parse().ok(), "1gbit".parse().ok()));
    assert_eq!((up.mtu, down.mtu, network.seed), (None, Some(1400), 42));
}

#[test]
fn every_option_of_a_direction_has_a_counterpart() {
    let command = <Line as clap::CommandFactory>::command();
    let names: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    for name in ["loss", "delay", "jitter", "reorder", "duplicate", "corrupt", "rate", "mtu"] {
        for suffix in ["", "-up", "-down"] {
            assert!(names.contains(&format!("{name}{suffix}").as_str()), "{name}{suffix}");
        }
    }
}

#[test]
fn rules_keep_the_order_of_the_line() {
    let rule = |action, text: &str| (action, text.parse().unwrap());
    let settings = settings("run --deny 10.0.0.1 --allow 10.0.0.0/8 --deny 0.0.0.0/0:25 true");
    let expected =
        [rule(Action::Deny, "10.0.0.1"), rule(Action::Allow, "10.0.0.0/8"), rule(Action::Deny, "0.0.0.0/0:25")];
    assert_eq!(settings.rules, Rules::new(expected.into()));
}

#[test]
fn the_commands_own_options_are_its_own() {
    for line in ["run --json -- curl --loss 2% -v", "run --json curl --loss 2% -v"] {
        let settings = settings(line);
        assert_eq!(settings.sandbox.command, ["curl", "--loss", "2%", "-v"]);
        assert!(settings.network.is_none());
        assert_eq!((settings.ending, settings.verbosity), (Ending::Json, 0));
    }
}

#[test]
fn the_mtu_is_the_interfaces_and_the_congestion_control_both_sides() {
    let settings = settings("run --mtu 65520 --congestion cubic --no-host-loopback -vv -p 8080:80 -p 53:53/udp true");
    assert_eq!(settings.sandbox.mtu, 65_520);
    assert_eq!(settings.sandbox.congestion.as_deref(), Some("cubic"));
    assert_eq!((settings.host_loopback, settings.verbosity, settings.forwards.len()), (false, 2, 2));
}
