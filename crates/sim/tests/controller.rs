//! The example of a controller from outside of the crates works, and does what it says.

#[path = "../examples/controller.rs"]
mod example;

use std::time::Duration;

#[test]
fn a_controller_of_ones_own_keeps_the_queue_short() -> Result<(), Box<dyn std::error::Error>> {
    let [(time, wait, name), (cubic_time, cubic_wait, _)] = example::compare()?;
    assert_eq!(name, "delay");
    assert!(time < cubic_time * 3 / 2, "{time:?} and {cubic_time:?}");
    assert!(wait < Duration::from_millis(100) && cubic_wait > 3 * wait, "{wait:?} and {cubic_wait:?}");
    Ok(())
}
