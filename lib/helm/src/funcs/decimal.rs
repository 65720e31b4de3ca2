//! Exact decimal arithmetic, as `addf` and its kin do it.

use num_bigint::BigInt;

/// Digits after the point that a division is rounded to.
const DIVISION_PRECISION: i64 = 16;

/// `value * 10^exponent`.
pub(crate) struct Decimal {
    value: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as `float`.
    pub fn from_float(float: f64) -> Result<Decimal, String> {
        if !float.is_finite() {
            let text = crate::template::float::shortest(float);
            return Err(format!("Cannot create a Decimal from {text}"));
        }
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = mantissa.split_once('.').map_or(0, |(_, f)| f.len());
        let value = mantissa.replace('.', "").parse().unwrap_or_default();
        Ok(Decimal {
            value,
            exponent: exponent.parse::<i64>().unwrap_or(0) - fraction as i64,
        })
    }

    pub fn add(&self, other: &Decimal) -> Result<Decimal, String> {
        let (a, b, exponent) = self.aligned(other);
        Ok(Decimal {
            value: a + b,
            exponent,
        })
    }

    pub fn sub(&self, other: &Decimal) -> Result<Decimal, String> {
        let (a, b, exponent) = self.aligned(other);
        Ok(Decimal {
            value: a - b,
            exponent,
        })
    }

    pub fn mul(&self, other: &Decimal) -> Result<Decimal, String> {
        Ok(Decimal {
            value: &self.value * &other.value,
            exponent: self.exponent + other.exponent,
        })
    }

    /// Rounded half away from zero at sixteen digits after the point.
    pub fn div(&self, other: &Decimal) -> Result<Decimal, String> {
        let zero = BigInt::ZERO;
        if other.value == zero {
            return Err("decimal division by 0".to_string());
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let (a, b) = if shift >= 0 {
            (&self.value * power(shift), other.value.clone())
        } else {
            (self.value.clone(), &other.value * power(-shift))
        };
        let mut quotient = &a / &b;
        let rest = &a % &b;
        if (&rest * BigInt::from(2)).magnitude() >= b.magnitude() {
            let negative = (a < zero) != (b < zero);
            quotient += if negative { -1 } else { 1 };
        }
        Ok(Decimal {
            value: quotient,
            exponent: -DIVISION_PRECISION,
        })
    }

    /// Whether it is a whole number of times `other`.
    pub fn is_multiple_of(&self, other: &Decimal) -> bool {
        let (a, b, _) = self.aligned(other);
        b != BigInt::ZERO && a % b == BigInt::ZERO
    }

    /// The nearest float.
    pub fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent).parse().unwrap_or(0.0)
    }

    /// About how many digits it has.
    pub fn digits(&self) -> u64 {
        self.value.bits() / 3
    }

    fn aligned(&self, other: &Decimal) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |d: &Decimal| &d.value * power(d.exponent - exponent);
        (scaled(self), scaled(other), exponent)
    }
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
