use super::*;

#[test]
fn what_is_printed_can_be_read_again() {
    for (text, printed) in [
        ("8080:80", "127.0.0.1:8080:80"),
        ("0.0.0.0:8080:80/tcp", "0.0.0.0:8080:80"),
        ("5353:53/udp", "127.0.0.1:5353:53/udp"),
        ("[::1]:8080:80", "[::1]:8080:80"),
    ] {
        let forward: Forward = text.parse().unwrap();
        assert_eq!(forward.to_string(), printed);
        assert_eq!(printed.parse(), Ok(forward));
    }
}

#[test]
fn mistakes_are_named() {
    for (text, says) in [
        ("8080", "is no forward"),
        ("", "is no forward"),
        ("8080:80/sctp", "unknown protocol"),
        ("8080:http", "bad port"),
        ("0:80", "bad port"),
        ("8080:65536", "bad port"),
        ("localhost:8080:80", "bad address"),
        ("::1:8080:80", "bad address"),
        ("[127.0.0.1]:8080:80", "bad address"),
    ] {
        let error = text.parse::<Forward>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
