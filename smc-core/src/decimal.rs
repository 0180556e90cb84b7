//! Exact decimal numbers for ranges, resolutions and results, so that no total drifts by a rounding.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most digits of a number that is read.
pub const MAX_DIGITS: usize = 18;
/// The most digits after the point.
pub const MAX_SCALE: u8 = 20;
/// Integers up to here are exact in every JSON reader.
const MAX_SAFE_INTEGER: u128 = 1 << 53;

/// The number `mantissa / 10^scale`, exactly.
///
/// In documents a number or a text is accepted; what is written is a number wherever its shortest
/// floating-point form shows the same digits, else a text.
// Invariant: scale <= MAX_SCALE, and the mantissa does not end in 0 unless scale is 0, so that equal numbers
// have equal fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

/// Why a text or number is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// There are characters other than digits, a leading `-` and one `.` between digits.
    #[error("a decimal number is written as digits, at most one point between them and a leading minus")]
    Malformed,
    /// The number is not finite.
    #[error("a decimal number must be finite")]
    NotFinite,
    /// There are more digits than are kept.
    #[error("a decimal number has at most {MAX_DIGITS} digits")]
    TooLong,
}

impl Decimal {
    /// The number 0.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// `mantissa / 10^scale`; none if `scale` is above [`MAX_SCALE`] even without trailing zeros.
    pub fn new(mantissa: i128, scale: u8) -> Option<Self> {
        let number = Self::stripped(mantissa, scale);
        (number.scale <= MAX_SCALE).then_some(number)
    }

    /// `mantissa / 10^scale`, for a scale that is known to be at most [`MAX_SCALE`].
    pub(crate) fn stripped(mut mantissa: i128, mut scale: u8) -> Self {
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// The number without its point.
    pub const fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// How many digits follow the point; trailing zeros are never kept.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Its mantissa were it written with `scale` digits after the point; none if that loses digits or overflows.
    pub fn mantissa_at(self, scale: u8) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        self.mantissa.checked_mul(10_i128.checked_pow(u32::from(more))?)
    }

    /// The decimal that `value` shows in its shortest form, cut after [`MAX_SCALE`] digits.
    ///
    /// # Errors
    /// [`DecimalError::NotFinite`], or [`DecimalError::TooLong`] from 10^18 on.
    pub fn from_f64(value: f64) -> Result<Self, DecimalError> {
        if !value.is_finite() {
            return Err(DecimalError::NotFinite);
        }
        if value.abs() >= 1e18 {
            return Err(DecimalError::TooLong);
        }
        // Below 10^18 the shortest form has 17 significant digits at most and 20 after the point: 38 digits.
        let mut text = value.to_string();
        if let Some(point) = text.find('.') {
            text.truncate(point + 1 + usize::from(MAX_SCALE));
        }
        parse(&text)
    }

    /// The nearest floating-point number.
    pub fn to_f64(self) -> f64 {
        // Reading the decimal text rounds once; the quotient, which may round twice, is never needed.
        self.to_string().parse().unwrap_or(self.mantissa as f64 / 10_f64.powi(self.scale.into()))
    }
}

/// Reads `-12.5`. The number of digits is not bounded but by what fits.
fn parse(text: &str) -> Result<Decimal, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !number(whole) || !number(fraction) {
        return Err(DecimalError::Malformed);
    }
    let fraction = if digits.contains('.') { fraction } else { "" };
    let mantissa = whole
        .bytes()
        .chain(fraction.bytes())
        .try_fold(0_i128, |mantissa, digit| mantissa.checked_mul(10)?.checked_add(i128::from(digit - b'0')));
    let scale = u8::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
    let mantissa = mantissa.ok_or(DecimalError::TooLong)?;
    Decimal::new(if negative { -mantissa } else { mantissa }, scale).ok_or(DecimalError::TooLong)
}

impl FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if text.bytes().filter(u8::is_ascii_digit).count() > MAX_DIGITS {
            return Err(DecimalError::TooLong);
        }
        parse(text)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { mantissa: value.into(), scale: 0 }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        // Whole parts first; the rests are below 10^20 even at the larger scale, so nothing overflows.
        let scale = self.scale.max(other.scale);
        let parts = |d: &Self| {
            let unit = 10_i128.pow(u32::from(d.scale));
            let rest = d.mantissa.rem_euclid(unit) * 10_i128.pow(u32::from(scale - d.scale));
            (d.mantissa.div_euclid(unit), rest)
        };
        parts(self).cmp(&parts(other))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return f.pad_integral(self.mantissa >= 0, "", &digits.to_string());
        }
        let unit = 10_u128.pow(u32::from(self.scale));
        let text = format!("{}.{:0scale$}", digits / unit, digits % unit);
        f.pad_integral(self.mantissa >= 0, "", &text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scale == 0 && self.mantissa.unsigned_abs() <= MAX_SAFE_INTEGER {
            return serializer.serialize_i64(self.mantissa as i64);
        }
        let (number, text) = (self.to_f64(), self.to_string());
        if number.to_string() == text {
            serializer.serialize_f64(number)
        } else {
            serializer.serialize_str(&text)
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

struct NumberOrText;

impl de::Visitor<'_> for NumberOrText {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number, as a number or a text")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
        let exact = Decimal::from_f64(value).map_err(E::custom)?;
        // A number so small that digits were cut is not the one that was written.
        if exact.to_f64() == value { Ok(exact) } else { Err(E::custom(DecimalError::TooLong)) }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn texts_round_trip_without_trailing_zeros() {
        for (text, shown) in [
            ("-0", "0"),
            ("0.10", "0.1"),
            ("-12.50", "-12.5"),
            ("007", "7"),
            ("-0.01", "-0.01"),
            ("400", "400"),
        ] {
            assert_eq!(decimal(text).to_string(), shown);
        }
        assert_eq!(decimal("1.50"), decimal("1.5"));
        assert_eq!(format!("{:>7}|", decimal("-1.5")), "   -1.5|");
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["", "-", ".", "1.", ".5", "+1", "1e3", " 1", "1.2.3", "--1", "NaN", "٣", "1_000"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Malformed), "{text:?}");
        }
        assert_eq!("1234567890123456789".parse::<Decimal>(), Err(DecimalError::TooLong));
        assert_eq!(Decimal::from_f64(f64::NAN), Err(DecimalError::NotFinite));
        assert_eq!(Decimal::from_f64(-1e300), Err(DecimalError::TooLong));
    }

    #[test]
    fn order_is_numeric() {
        let mut numbers = ["0.5", "-3", "10", "9.99", "-2.999", "0"].map(decimal);
        numbers.sort();
        assert_eq!(numbers, ["-3", "-2.999", "0", "0.5", "9.99", "10"].map(decimal));
        let largest = Decimal::new(i128::MAX, 0).unwrap();
        assert!(largest > decimal("0.00000000000000001"));
    }

    #[test]
    fn floating_point_numbers_are_taken_as_they_print() {
        assert_eq!(Decimal::from_f64(0.1).unwrap(), decimal("0.1"));
        assert_eq!(Decimal::from_f64(-579.27).unwrap(), decimal("-579.27"));
        assert_eq!(Decimal::from_f64(1e-300).unwrap(), Decimal::ZERO);
        assert_eq!(decimal("812.35").to_f64(), 812.35);
    }

    #[test]
    fn documents_hold_numbers_or_texts_and_lose_nothing() {
        let read = |json: &str| serde_json::from_str::<Decimal>(json);
        let write = |text: &str| serde_json::to_string(&decimal(text)).unwrap();
        assert_eq!(read("0.01").unwrap(), decimal("0.01"));
        assert_eq!(read("\"-40\"").unwrap(), decimal("-40"));
        assert_eq!(read("-40").unwrap(), decimal("-40"));
        assert_eq!((write("812.3"), write("-40")), ("812.3".into(), "-40".into()));
        assert_eq!(write("123456789012345.678"), "\"123456789012345.678\"");
        assert_eq!(write("100000000000000001"), "\"100000000000000001\"");
        for refused in ["1e-300", "1e20", "null", "true", "\"1e3\"", "18446744073709551615"] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
