//! Medians, and how sure they are.

use serde::{Deserialize, Deserializer, Serialize};

/// A median with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// The middle sample, or between the two middle ones.
    #[serde(deserialize_with = "number")]
    pub median: f64,
    /// Where the interval begins.
    #[serde(deserialize_with = "number")]
    pub low: f64,
    /// Where it ends.
    #[serde(deserialize_with = "number")]
    pub high: f64,
    /// How probable it is that the interval covers the true median, in percent: 95 and more, or with fewer than six
    /// samples what all of them together come to.
    pub confidence_percent: f64,
    /// Of how many samples.
    pub samples: usize,
}

/// What intervals are to cover.
const CONFIDENCE: f64 = 0.95;

impl Median {
    /// That of no samples.
    pub const NONE: Self =
        Self { median: f64::NAN, low: f64::NAN, high: f64::NAN, confidence_percent: 0.0, samples: 0 };

    /// The median of `samples`, and the shortest interval between two of them, equally far from both ends, that covers the
    /// true median with a probability of 95 %: a sample lies below it with probability 1/2, so how many do is binomial,
    /// whatever the distribution. With fewer than six samples that is not to be had; the interval is then all of them, and
    /// its confidence lower. None of nothing. Samples that are no numbers count as the greatest.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]);
        // The k-th sample from both ends: the interval misses if fewer than k samples lie on one side.
        let mut best = (first, last, coverage(n, 1));
        for k in 2..=n / 2 {
            let covers = coverage(n, k);
            if covers < CONFIDENCE {
                break;
            }
            best = (sorted[k - 1], sorted[n - k], covers);
        }
        let (low, high, covers) = best;
        Some(Self { median, low, high, confidence_percent: covers * 100.0, samples: n })
    }
}

/// A number, or what is none, which JSON can only say by `null`.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The probability that the median lies between the k-th and the (n - k + 1)-th of n samples:
/// 1 - 2 P(X < k), X binomial with n and 1/2.
fn coverage(n: usize, k: usize) -> f64 {
    // Each term is the one before times (n - i) / (i + 1); in logarithms, since 2^-n is nothing for large n.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    for i in 0..k {
        below += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln();
    }
    (1.0 - 2.0 * below).max(0.0)
}

/// The smallest sample that at least `share` of them do not exceed; none of nothing.
pub fn percentile(samples: &[f64], share: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The straight line that lies nearest to points: how much y grows per x, and y at zero. None if all x are the same.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
    }
    let slope = xy / xx;
    slope.is_finite().then_some((slope, mean_y - slope * mean_x))
}

/// How often [`non_negative`] goes over all coefficients: it converges long before with as few as there are here.
const PASSES: usize = 20_000;

/// The coefficients, none below zero, for which `rows` times them come nearest to `targets` (least squares): costs are not
/// negative, however the samples scatter. A column that is zero everywhere gets zero.
///
/// One coefficient at a time is set to the best for the others, over and over; the sum of squares is convex, so that ends at
/// its least.
pub fn non_negative(rows: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut coefficients = vec![0.0; columns];
    let mut left = targets.to_vec();
    let squares: Vec<f64> =
        (0..columns).map(|column| rows.iter().map(|row| row[column] * row[column]).sum()).collect();
    for _ in 0..PASSES {
        let mut moved = 0.0_f64;
        for column in 0..columns {
            if squares[column] <= 0.0 {
                continue;
            }
            let slope: f64 = rows.iter().zip(&left).map(|(row, left)| row[column] * left).sum();
            let better = (coefficients[column] + slope / squares[column]).max(0.0);
            let step = better - coefficients[column];
            for (row, left) in rows.iter().zip(&mut left) {
                *left -= step * row[column];
            }
            coefficients[column] = better;
            moved = moved.max(step.abs() * squares[column].sqrt());
        }
        if moved < 1e-12 {
            break;
        }
    }
    coefficients
}
