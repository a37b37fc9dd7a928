//! Fields of a reply that are read whatever their type is.
//!
//! A value of another type than documented counts as absent, and is passed over without being
//! built: a body is read once, from its bytes into the structs of `wire.rs`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A field that holds a `T`, or something else that counts as nothing.
#[derive(Debug)]
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// What can be read from a JSON value of any type. Types that say nothing about a kind of value
/// take none of it.
pub(super) trait FromAny: Sized {
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_number(_number: Number) -> Option<Self> {
        None
    }

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A number as JSON readers see it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other number.
    Other(f64),
}

impl<'de, T: FromAny> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: FromAny> Visitor<'de> for Reader<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::from_number(Number::Whole(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "negative: no count, whatever its digits")]
        let other = Number::Other(number as f64);
        Ok(T::from_number(u64::try_from(number).map_or(other, Number::Whole)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(T::from_number(Number::Other(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::from_object(object)
    }
}

impl FromAny for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// A number of tokens: a whole number that is not negative, also written as `12.0` or `"12"`.
impl FromAny for u64 {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(number: Number) -> Option<Self> {
        match number {
            Number::Whole(count) => Some(count),
            Number::Other(number) => whole(number),
        }
    }
}

/// A float with a whole, not negative value.
fn whole(number: f64) -> Option<u64> {
    // 2^53: beyond it a float no longer tells neighbouring whole numbers apart.
    let believable = (0.0..=9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    believable.then_some(number as u64)
}

/// The elements of a list.
impl FromAny for Vec<Value> {
    fn from_list<'de, A: SeqAccess<'de>>(elements: A) -> Result<Option<Self>, A::Error> {
        list(elements).map(Some)
    }
}

/// The first object of a list.
#[derive(Debug)]
pub(super) struct First<T>(pub(super) T);

impl<T: FromAny> FromAny for First<T> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut first = None;
        while first.is_none()
            && let Some(Lenient(found)) = list.next_element::<Lenient<T>>()?
        {
            first = found;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.map(Self))
    }
}

/// The fields of an object, for a struct: serde would also read one from a list.
pub(super) fn object<'de, T, A>(object: A) -> Result<Option<T>, A::Error>
where
    T: DeserializeOwned,
    A: MapAccess<'de>,
{
    T::deserialize(MapAccessDeserializer::new(object)).map(Some)
}

/// Structs are read from objects alone.
macro_rules! from_object {
    ($($name:ty),+) => {$(
        impl $crate::provider::lenient::FromAny for $name {
            fn from_object<'de, A: serde::de::MapAccess<'de>>(
                map: A,
            ) -> Result<Option<Self>, A::Error> {
                $crate::provider::lenient::object(map)
            }
        }
    )+};
}
pub(super) use from_object;

/// The elements of a list, whatever they are.
pub(super) fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Vec<Value>, A::Error> {
    Vec::deserialize(SeqAccessDeserializer::new(list))
}
