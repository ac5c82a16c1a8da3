//! Bits of evidence: logarithms to the base two, in whole thousandths.
//!
//! Refuses floating point: the same events give the same sums on every machine.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An amount of evidence, in thousandths of a bit. Ten bits say that something is a thousand times
/// as likely as not.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Bits(pub i32);

/// `1000 * log2(1 + i / 64)`, rounded.
const FRACTIONS: [i32; 64] = [
    0, 22, 44, 66, 87, 109, 129, 150, 170, 190, 209, 229, 248, 267, 285, 304, 322, 340, 358, 375,
    392, 409, 426, 443, 459, 476, 492, 508, 524, 539, 555, 570, 585, 600, 615, 629, 644, 658, 672,
    687, 700, 714, 728, 741, 755, 768, 781, 794, 807, 820, 833, 845, 858, 870, 883, 895, 907, 919,
    931, 943, 954, 966, 977, 989,
];

impl Bits {
    pub const ZERO: Bits = Bits(0);

    /// So many whole bits.
    #[must_use]
    pub const fn whole(bits: i32) -> Bits {
        Bits(bits * 1000)
    }

    /// The logarithm of a whole number; zero for 0 and 1. Off by at most 23 thousandths, and never
    /// decreasing.
    #[must_use]
    pub fn log2(n: u64) -> Bits {
        if n <= 1 {
            return Bits::ZERO;
        }
        let whole = 63 - n.leading_zeros();
        // The six bits that follow the highest one.
        let fraction = if whole >= 6 {
            n >> (whole - 6)
        } else {
            n << (6 - whole)
        } & 63;
        Bits(whole.cast_signed() * 1000 + FRACTIONS[fraction as usize])
    }

    /// How surprising something is that happens `hits` times `of` so many; zero where it always
    /// does.
    #[must_use]
    pub fn surprise(hits: u64, of: u64) -> Bits {
        (Bits::log2(of) - Bits::log2(hits.max(1))).max(Bits::ZERO)
    }

    /// This times `numerator / denominator`.
    #[must_use]
    pub fn times(self, numerator: i32, denominator: i32) -> Bits {
        let product = i64::from(self.0) * i64::from(numerator) / i64::from(denominator.max(1));
        Bits(i32::try_from(product).unwrap_or(i32::MAX))
    }
}

impl Add for Bits {
    type Output = Bits;
    fn add(self, other: Bits) -> Bits {
        Bits(self.0.saturating_add(other.0))
    }
}

impl Sub for Bits {
    type Output = Bits;
    fn sub(self, other: Bits) -> Bits {
        Bits(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Bits {
    fn add_assign(&mut self, other: Bits) {
        *self = *self + other;
    }
}

/// With one decimal, for people: `12.4`.
impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 + if self.0 < 0 { -50 } else { 50 }) / 100;
        let sign = if tenths < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_close_and_never_decrease() {
        assert_eq!(Bits::log2(0), Bits::ZERO);
        assert_eq!(Bits::log2(1024), Bits::whole(10));
        assert_eq!(Bits::log2(u64::MAX).0, 63_989);
        let near = |n: u64, expected: i32| (Bits::log2(n).0 - expected).abs() <= 23;
        assert!(near(3, 1585) && near(1000, 9966) && near(123_457, 16_914));
        assert!((1..5000).all(|n| Bits::log2(n) <= Bits::log2(n + 1)));
    }

    #[test]
    fn what_always_happens_is_no_surprise() {
        assert_eq!(Bits::surprise(8, 8), Bits::ZERO);
        assert_eq!(Bits::surprise(9, 8), Bits::ZERO);
        assert_eq!(Bits::surprise(1, 8), Bits::whole(3));
        assert_eq!(
            Bits::surprise(0, 8),
            Bits::whole(3),
            "nothing counts as less than one"
        );
    }

    #[test]
    fn people_read_one_decimal() {
        assert_eq!(Bits(12_449).to_string(), "12.4");
        assert_eq!(Bits(-960).to_string(), "-1.0");
        assert_eq!(Bits(50).to_string(), "0.1");
    }
}
