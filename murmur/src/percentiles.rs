//! Percentiles of what was measured.

use serde::Serialize;

/// Median and near-worst of a time in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// By the nearest rank; sorts. Of nothing they are no numbers.
pub(crate) fn percentiles(values: &mut [f64]) -> Percentiles {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    Percentiles { p50: rank(0.5), p99: rank(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let Percentiles { p50, p99 } = percentiles(&mut values);
        assert_eq!((p50, p99), (50.0, 99.0));
        assert!(percentiles(&mut []).p50.is_nan());
    }
}
