//! Contenders whose work is told while it is done: a line on standard error before each measurement.

use std::any::Any;
use std::time::Duration;

use bowline_bench::Result;
use bowline_bench::memory::{Bulk, Contender, Crowd, Link};

use super::tell;

/// A contender that says what it is about to do.
struct Told(Box<dyn Contender>);

/// Wraps all of `contenders`.
pub(super) fn contenders(contenders: Vec<Box<dyn Contender>>) -> Vec<Box<dyn Contender>> {
    contenders.into_iter().map(|contender| Box::new(Told(contender)) as Box<dyn Contender>).collect()
}

impl Told {
    fn tell(&self, what: &str) {
        tell(&format!("memory: {}: {what}", self.0.name()));
    }
}

impl Contender for Told {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn bulk(&mut self, link: Link, bytes: u64) -> Result<Bulk> {
        let segments = if link.super_segments { ", super-segments" } else { "" };
        let checksums = if link.checksums { ", checksums" } else { "" };
        let copying = if link.copying { ", applications copy" } else { "" };
        self.tell(&format!("{} MiB, MTU {}{segments}{checksums}{copying}", bytes >> 20, link.mtu));
        self.0.bulk(link, bytes)
    }

    fn open_exchange_close(&mut self, count: u64, at_once: u16) -> Result<Duration> {
        self.tell(&format!("{count} short connections, {at_once} at a time"));
        self.0.open_exchange_close(count, at_once)
    }

    fn idle(&mut self, count: usize) -> Result<Box<dyn Any>> {
        self.tell(&format!("{count} idle connections"));
        self.0.idle(count)
    }

    fn crowd(&mut self, count: usize) -> Result<Box<dyn Crowd>> {
        self.tell(&format!("single segments with {count} connection(s) open"));
        self.0.crowd(count)
    }
}
