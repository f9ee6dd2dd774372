use super::*;

#[test]
fn percentages() {
    for (text, percent) in [("2%", 2.0), ("0.1%", 0.1), ("2", 2.0), ("0", 0.0), ("100%", 100.0), (" 1.5 % ", 1.5)] {
        let parsed: Percent = text.trim_end().parse().unwrap();
        assert_eq!(parsed.percent(), percent, "{text}");
    }
    assert_eq!("2%".parse::<Percent>().unwrap().probability(), 0.02);
    for text in ["", "%", "-1%", "+1%", "2 percent", "1e1%", "nan%", "inf", "1.2.3%", "2%%"] {
        let error = text.parse::<Percent>().unwrap_err().to_string();
        assert!(error.contains("is no percentage, for example 2%"), "{error}");
    }
    let error = "120%".parse::<Percent>().unwrap_err().to_string();
    assert_eq!(error, "\"120%\" is not between 0% and 100%, for example 2%");
    assert_eq!(Percent::new(0.1).unwrap().to_string(), "0.1%");
    assert!(Percent::new(f64::NAN).is_none());
}

#[test]
fn rates() {
    let table = [
        ("10mbit", 10_000_000),
        ("1.5gbit", 1_500_000_000),
        ("800kbit", 800_000),
        ("9600bit", 9600),
        ("1tbit", 1_000_000_000_000),
        ("10Mbit", 10_000_000),
        ("1kibit", 1024),
        ("1kbps", 8000),
        ("1mibps", 8_388_608),
    ];
    for (text, bits) in table {
        assert_eq!(text.parse::<Rate>().unwrap().bits_per_second(), bits, "{text}");
    }
    for text in ["10", "10mb", "10m", "10 apples"] {
        let error = text.parse::<Rate>().unwrap_err().to_string();
        assert!(error.contains("has no unit of a rate") && error.contains("10mbit"), "{error}");
    }
    for text in ["", "fast", "-1mbit", "mbit"] {
        assert!(text.parse::<Rate>().unwrap_err().to_string().contains("is no rate"), "{text}");
    }
    for text in ["0mbit", "0.1bit", "99999999999tbit"] {
        assert!(text.parse::<Rate>().unwrap_err().to_string().contains("no possible rate"), "{text}");
    }
    for text in ["10mbit", "1.5gbit", "800kbit", "1bit", "2tbit"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}

#[test]
fn a_rate_gives_times_and_bytes() {
    let rate = Rate::from_bits_per_second(10_000_000).unwrap();
    assert_eq!(rate.time_for(1250), Duration::from_millis(1));
    assert_eq!(rate.bytes_in(Duration::from_millis(100)), 125_000);
    assert_eq!(Rate::from_bits_per_second(3).unwrap().time_for(1), Duration::from_nanos(2_666_666_667));
    assert!(Rate::from_bits_per_second(0).is_none());
    let slowest = Rate::from_bits_per_second(1).unwrap();
    assert_eq!(slowest.time_for(usize::MAX), Duration::from_nanos(u64::MAX), "no overflow");
}

#[test]
fn durations() {
    let table = [
        ("40ms", 40_000_000),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        ("500us", 500_000),
        ("500µs", 500_000),
        ("20ns", 20),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("0", 0),
        ("0ms", 0),
        ("40 ms", 40_000_000),
    ];
    for (text, nanos) in table {
        assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
    let message = |text| parse_duration(text).unwrap_err().to_string();
    assert_eq!(message("40"), "\"40\" has no unit: 40ms or 40s");
    assert!(message("40parsec").contains("unknown unit"));
    assert!(message("soon").contains("is no duration"));
    assert!(message("-1s").contains("is no duration"));
    assert!(message("99999999999s").contains("too long"));
}

#[test]
fn sizes() {
    let table = [
        ("64MiB", 64 << 20),
        ("64M", 64 << 20),
        ("64m", 64 << 20),
        ("1K", 1024),
        ("1.5k", 1536),
        ("12kB", 12_000),
        ("1MB", 1_000_000),
        ("2GB", 2_000_000_000),
        ("12000", 12_000),
        ("0B", 0),
        ("1 gib", 1 << 30),
    ];
    for (text, bytes) in table {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    let message = |text| parse_size(text).unwrap_err().to_string();
    for text in ["64mbit", "64apples", "64KiBi", "1e3", "0x10"] {
        assert!(message(text).contains("has no unit of a size"), "{text}");
    }
    for text in ["much", "", "MiB", "-1", "1.2.3"] {
        assert!(message(text).contains("is no size"), "{text}");
    }
    assert!(message("99999999999GiB").contains("too large"));
}
