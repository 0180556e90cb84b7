//! `entropy`: how evenly the readings are spread over their values, in bits.

use std::sync::Arc;

use super::categories::{self, counts};
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Lookup, join, width_of};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::quantity::divide_half_to_even;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "entropy",
    about: "the Shannon entropy of the distribution of readings in bits, with six digits, of a quantity of at most 1024 \
            steps; 0 if all are the same",
    parameters: "",
    reveals: "the entropy, to 30 binary digits; not which readings occur nor how often",
    steps: "how many readings c each step has; c log2 c is looked up for all steps at once, in a table at a masked place; \
            only the sum is opened",
    read: |_, subject| {
        categories::check(subject)?;
        Ok(Arc::new(Entropy { categories: categories::number(subject.quantity) }))
    },
};

/// How many binary digits follow the point of c log2 c.
const FRACTION: u32 = 30;
/// How many decimal digits follow the point of the value.
const DIGITS: u8 = 6;

#[derive(Debug)]
struct Entropy {
    categories: usize,
}

impl Function for Entropy {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape { unit: "bit".to_owned(), ..Shape::plain(3) }
    }

    fn reads(&self) -> Reads {
        Reads::Bits
    }

    fn multiplies(&self) -> bool {
        true
    }

    fn keeps_peers_blind(&self) -> bool {
        true
    }

    fn largest(&self, _: &Subject<'_>, readings: u64) -> u128 {
        // N log2 N < 32 N.
        u128::from(readings) << (5 + FRACTION)
    }

    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64 {
        let width = width_of(readings);
        let per_category = Lookup::products(width) + (1 << width >> 6) + 1;
        categories::products(subject.quantity, readings) + per_category * self.categories as u64 + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let categories = self.categories;
        Box::pin(async move {
            let width = width_of(inputs.readings);
            let counts = counts(&arithmetic, &inputs.columns, categories);
            let (counts, lookup) = join(counts, Lookup::new(&arithmetic, categories, width)).await;
            let table: Vec<Fp> = (0..1 << width).map(|count| Fp::reduce(times_log2(count))).collect();
            Ok(Output::Products(lookup?.of(&arithmetic, &counts, &table).await?.sum()))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[sum] = elements else { return None };
        // H = log2 N - sum c log2 c / N; where all readings are the same, the terms are.
        let spread = times_log2(facts.readings).checked_sub(sum.to_u64())?;
        let numerator = i128::from(spread) * 10_i128.pow(DIGITS.into());
        let mantissa = divide_half_to_even(numerator, i128::from(facts.readings) << FRACTION)?;
        Decimal::new(mantissa, DIGITS).map(Value::from)
    }
}

/// c log2 c with [`FRACTION`] binary digits, rounded to the nearest; 0 for 0. In whole numbers, so that all peers come to
/// the same.
fn times_log2(c: u64) -> u64 {
    const MORE: u32 = 12;
    let Some(whole) = c.checked_ilog2() else { return 0 };
    // x in [1, 2) with 63 binary digits. Its square is below 2 where the next digit of log2 x is 0; else half of it is
    // the next x.
    let mut x = u128::from(c) << (63 - whole);
    let mut log = u128::from(whole);
    for _ in 0..FRACTION + MORE {
        x = (x * x) >> 63;
        let digit = x >> 64;
        log = 2 * log + digit;
        x >>= digit;
    }
    let product = u128::from(c) * log;
    ((product + (1 << (MORE - 1))) >> MORE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_the_last_digit_but_one() {
        assert_eq!([0, 1, 2, 4, 8].map(times_log2), [0, 0, 2 << FRACTION, 8 << FRACTION, 24 << FRACTION]);
        for c in (3..70_000).step_by(97) {
            let exact = c as f64 * (c as f64).log2() * f64::from(1u32 << FRACTION);
            // The table rounds once; a double has 53 digits.
            let slack = 1.0 + c as f64 / 1024.0 + exact * 1e-15;
            assert!((times_log2(c) as f64 - exact).abs() <= slack, "{c}");
        }
    }
}
