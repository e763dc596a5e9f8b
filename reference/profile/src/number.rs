//! Deserializes numbers with their limits.

use std::num::NonZeroU32;

use serde::de::{Deserialize as _, Deserializer, Error as _};

use crate::{LARGEST_NUMBER, MOST_ATTEMPTS};

pub fn up_to_largest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = usize::deserialize(deserializer)?;
    if number > LARGEST_NUMBER {
        return Err(D::Error::custom(format_args!(
            "the largest number is {LARGEST_NUMBER}"
        )));
    }
    Ok(number)
}

pub fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    let attempts = NonZeroU32::deserialize(deserializer)?;
    if attempts.get() > MOST_ATTEMPTS {
        return Err(D::Error::custom(format_args!(
            "there are at most {MOST_ATTEMPTS} attempts"
        )));
    }
    Ok(attempts)
}
