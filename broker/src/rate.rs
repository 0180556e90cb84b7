//! How fast one connection may publish.

use std::time::{Duration, Instant};

/// A token bucket that may be overdrawn by one batch; the debt is waited off.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// `rate` tokens per second, at most `burst` at once.
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self { rate: f64::from(rate), burst: f64::from(burst), tokens: f64::from(burst), filled: now }
    }

    /// Takes one token, whether there is one or not.
    pub(crate) fn take(&mut self) {
        self.tokens -= 1.0;
    }

    /// How long to take nothing, if there is a debt.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.burst);
        self.filled = now;
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_a_flood_is_slowed() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100, 50, start);
        (0..50).for_each(|_| bucket.take());
        assert_eq!(bucket.wait(start), None);
        (0..100).for_each(|_| bucket.take());
        assert_eq!(bucket.wait(start), Some(Duration::from_secs(1)));
        assert_eq!(bucket.wait(start + Duration::from_secs(2)), None);
    }
}
