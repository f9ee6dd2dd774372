//! How values with units are read from TOML: as text, spelled as on the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bowline_device::units::{Percent, Rate, parse_duration, parse_size};
use serde::de::{self, Deserialize, Deserializer, Visitor};

macro_rules! text {
    ($name:ident, $value:ty, $doc:literal, $read:expr) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub $value);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Result<$value, String> = $read;
                read(&text).map(Self).map_err(de::Error::custom)
            }
        }
    };
}

text!(Time, Duration, "A duration: `\"20ms\"`.", |text| parse_duration(text).map_err(|error| error.to_string()));
text!(Speed, Rate, "A rate: `\"100mbit\"`.", |text| Rate::from_str(text).map_err(|error| error.to_string()));
text!(Share, Percent, "A share of packets: `\"2%\"`.", |text| Percent::from_str(text).map_err(|e| e.to_string()));

impl Share {
    /// Of one.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0.probability()
    }
}

/// A size in bytes: `64000`, or `"64kB"`, `"64KiB"` as [`parse_size`] reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, for example 64000 or \"64kB\"")
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::custom("a size is not negative"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                parse_size(text).map(Size).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
