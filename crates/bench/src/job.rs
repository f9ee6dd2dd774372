//! What the benchmark does in processes of its own: the stages inside a namespace, and the small programs there.
//!
//! They are part of the benchmark's own executable, which starts itself with [`crate::process::Program`], so that nothing
//! needs to be installed.

use std::time::Duration;

use crate::{Result, gateway, loss, peer, share, tun};

/// Runs what `args` ask for and returns what is to be printed on standard output.
///
/// # Errors
/// When the arguments are not known, or what they ask for fails.
pub fn main(args: &[String]) -> Result<String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["ping", server, count] => Ok(serde_json::to_string(&peer::ping(server.parse()?, count.parse()?)?)?),
        ["connect", server, seconds] => {
            let limit = Duration::from_secs(seconds.parse()?);
            Ok(serde_json::to_string(&peer::connect(server.parse()?, limit)?)?)
        }
        ["gateway", plan] => gateway::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["loss", plan] => loss::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["share", plan] => share::stage(&serde_json::from_str(plan)?)?.to_json(),
        ["tun", plan] => tun::stage(&serde_json::from_str(plan)?)?.to_json(),
        _ => Err(format!("the benchmark's peer does not know {args:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_says_what_came_of_it() {
        let server = peer::serve_echo(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap().to_string();
        let printed = main(&["ping", &server, "10"].map(str::to_owned)).unwrap();
        let times: peer::Times = serde_json::from_str(&printed).unwrap();
        assert_eq!(times.count, 10);
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(main(&["pong".to_owned()]).is_err());
    }
}
