//! Durations as whole nanoseconds.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

fn whole(duration: &Duration) -> u64 {
    // 584 years of them fit.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(whole(duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_nanos)
}

pub(crate) mod list {
    use super::{Deserialize, Deserializer, Duration, Serializer, whole};

    pub(crate) fn serialize<S: Serializer>(
        durations: &[Duration],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(durations.iter().map(whole))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Duration>, D::Error> {
        let nanos = Vec::<u64>::deserialize(from)?;
        Ok(nanos.into_iter().map(Duration::from_nanos).collect())
    }
}
