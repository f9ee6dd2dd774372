//! A SYN flood from inside, as fast as one core can, and honest requests beside it.

use std::time::{Duration, Instant};

use crate::support::{bowline, needs, resident, shell, wait_for};

/// Floods until its input ends, and meanwhile makes requests of one second at most. Prints how many there were and how
/// many were answered.
const FLOOD: &str = "
hping3 -q -S --flood --rand-source -p 80 10.0.2.4 > /dev/null 2>&1 &
flood=$!
echo flooding
n=0 answered=0
while [ $n -lt $REQUESTS ]; do
    n=$((n + 1))
    if curl -4 -sS -m 1 http://bowline.internal/ | grep ^State > /dev/null; then answered=$((answered + 1)); fi
done
echo answered
read line
kill $flood
echo $answered of $n
";

#[test]
fn honest_requests_are_answered_in_a_flood_of_syns() {
    needs!("hping3", "curl");
    let mut run = bowline("--json", &["bash", "-c", FLOOD]).env("REQUESTS", "100").with_input().within(90).start();
    run.read_until("flooding");
    let pid = run.pid();
    let ask = |question: &str| {
        let asked = shell(&format!("exec \"$BOWLINE\" ss --pid {pid} {question}")).run();
        asked.printed()
    };
    wait_for("half-open connections in `bowline ss`", Duration::from_secs(20), || {
        (ask("-H state syn-recv").lines().count() > 100).then_some(())
    });
    wait_for("a thousand cookies in the counters", Duration::from_secs(20), || {
        let counters = ask("-s");
        let sent = counters.lines().find_map(|line| line.strip_prefix("TcpExtSyncookiesSent"))?;
        (sent.trim().parse::<u64>().unwrap() > 1000).then_some(())
    });
    assert!(ask("-l").contains("cookies"), "the listener says that it answers with cookies");
    let memory = resident(pid);
    let started = Instant::now();
    run.read_until("answered");
    let took = started.elapsed();
    let grown = resident(pid).saturating_sub(memory);
    run.say("");
    let ended = run.wait();
    ended.assert_success();
    let last = ended.stdout.lines().last().unwrap().to_owned();
    let answered: u32 = last.split_once(" of ").unwrap().0.parse().unwrap();
    assert!(answered >= 99, "{last} requests answered within a second each, {took:?} in all");
    assert!(grown < 8 << 20, "{grown} bytes more");
}
