use serde::{Deserialize, Serialize};

/// A figure that a lesson shows beside the time: requests in flight, items lost, bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// What was counted, with its unit where it has one.
    pub what: String,
    /// How many.
    pub value: Value,
}

/// The value of a [`Count`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// A name, where the answer is one.
    Text(String),
}

/// For tests: each of these panics when the value is of another kind.
impl Value {
    /// The whole number that it is.
    ///
    /// ```
    /// # use timing::report::Value;
    /// assert_eq!(Value::from(3).whole(), 3);
    /// ```
    #[track_caller]
    pub fn whole(&self) -> i64 {
        match self {
            Self::Whole(number) => *number,
            other => panic!("{other:?} is no whole number"),
        }
    }

    /// The number that it is, whole or not.
    ///
    /// ```
    /// # use timing::report::Value;
    /// assert!(Value::from(3).number() < Value::from(3.5).number());
    /// ```
    #[track_caller]
    pub fn number(&self) -> f64 {
        match self {
            Self::Whole(number) => *number as f64,
            Self::Fraction(number) => *number,
            other @ Self::Text(_) => panic!("{other:?} is no number"),
        }
    }

    /// The name that it is.
    ///
    /// ```
    /// # use timing::report::Value;
    /// assert!(Value::from("tea and toast").text().starts_with("tea"));
    /// ```
    #[track_caller]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?} is no name"),
        }
    }
}

macro_rules! whole {
    ($($int:ty)*) => { $(
        impl From<$int> for Value {
            fn from(number: $int) -> Self {
                Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
        impl PartialEq<$int> for Value {
            fn eq(&self, other: &$int) -> bool {
                matches!(self, Self::Whole(number) if i64::try_from(*other) == Ok(*number))
            }
        }
    )* };
}
whole!(i32 u32 i64 u64 usize);

/// JSON has no infinity and no NaN: they become their names, so that every report reads back as it was written.
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        if number.is_finite() {
            Self::Fraction(number)
        } else {
            Self::Text(number.to_string())
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        matches!(self, Self::Text(text) if text == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "Fraction(3.0) is no whole number")]
    fn a_fraction_is_no_whole_number() {
        Value::from(3.0).whole();
    }

    #[test]
    #[should_panic(expected = "Text(\"tea\") is no number")]
    fn a_name_is_no_number() {
        Value::from("tea").number();
    }

    #[test]
    #[should_panic(expected = "Whole(3) is no name")]
    fn a_number_is_no_name() {
        Value::from(3).text();
    }
}
