//! Enums whose variant is named by a field beside its own: `{"event":"note","message":"…"}`. What serde derives for these
//! keeps the whole of a value as loose parts before it looks for that field; a plan is megabytes, and is read at every
//! resume. Here the field stands first, as we write it, and the rest is read straight into what it is. It must never read or
//! write anything else than what serde derives: the records are there forever.

mod write;

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer as _, MapAccess, VariantAccess,
    Visitor,
};

pub(crate) use write::Writing;

use super::Value;

/// Implements reading and writing for an enum with `#[serde(remote = "Self")]`: by this field, the first where it is
/// written, anywhere where it is read.
macro_rules! tagged {
    ($name:ty, $tag:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$name>::serialize(self, $crate::value::tagged::Writing { tag: $tag, serializer })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl<'de> serde::de::Visitor<'de> for Read {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "a map with `{}`", $tag)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use $crate::value::tagged::{Begun, Once, Reading, begin};
                        match begin(&mut map, $tag)? {
                            Begun::Tag(variant) => {
                                <$name>::deserialize(Reading { variant, rest: Once { tag: $tag, rest: map } })
                            }
                            Begun::Whole(variant, whole) => {
                                let rest = serde::de::value::MapDeserializer::new(whole.into_iter());
                                <$name>::deserialize(Reading { variant, rest }).map_err(serde::de::Error::custom)
                            }
                        }
                    }
                }
                deserializer.deserialize_map(Read)
            }
        }
    };
}

pub(crate) use tagged;

/// How a map begins.
pub(crate) enum Begun {
    /// With the field that names the variant; the rest is still to be read.
    Tag(String),
    /// With something else: then it was all read, without that field.
    Whole(String, serde_json::Map<String, Value>),
}

/// Reads as much of a map as tells its variant.
pub(crate) fn begin<'de, A: MapAccess<'de>>(map: &mut A, tag: &'static str) -> Result<Begun, A::Error> {
    let mut whole = serde_json::Map::new();
    let mut variant = None;
    while let Some(key) = map.next_key_seed(Key { tag })? {
        match key {
            None if variant.is_some() => return Err(de::Error::duplicate_field(tag)),
            None if whole.is_empty() => return Ok(Begun::Tag(map.next_value()?)),
            None => variant = Some(map.next_value()?),
            Some(key) => {
                whole.insert(key, map.next_value()?);
            }
        }
    }
    variant.map(|variant| Begun::Whole(variant, whole)).ok_or_else(|| de::Error::missing_field(tag))
}

/// A key: nothing where it is the one that is looked for.
struct Key {
    tag: &'static str,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok((key != self.tag).then(|| key.to_owned()))
    }
}

/// What is left of a map behind the field that names the variant: that field a second time is refused, as serde does. Whoever
/// reads another variant out of the second one would read another history.
pub(crate) struct Once<A> {
    pub tag: &'static str,
    pub rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Once<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.rest.next_key_seed(Other { tag: self.tag, seed })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.rest.size_hint()
    }
}

/// A key that must be another one than the one that was read.
struct Other<K> {
    tag: &'static str,
    seed: K,
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Other<K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Other<K> {
    type Value = K::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<K::Value, E> {
        if key == self.tag {
            return Err(de::Error::duplicate_field(self.tag));
        }
        self.seed.deserialize(BorrowedStrDeserializer::new(key))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<K::Value, E> {
        if key == self.tag {
            return Err(de::Error::duplicate_field(self.tag));
        }
        self.seed.deserialize(key.into_deserializer())
    }
}

/// What is left of a map once its variant is known, as serde reads an enum.
pub(crate) struct Reading<A> {
    pub variant: String,
    pub rest: A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Reading<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Reading<A> {
    type Error = A::Error;
    type Variant = Rest<A>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Rest<A>), A::Error> {
        let variant = seed.deserialize(StringDeserializer::<A::Error>::new(self.variant))?;
        Ok((variant, Rest(self.rest)))
    }
}

/// The fields of a variant.
pub(crate) struct Rest<A>(A);

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Rest<A> {
    type Error = A::Error;

    fn unit_variant(mut self) -> Result<(), A::Error> {
        while self.0.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        Err(de::Error::invalid_type(de::Unexpected::Map, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// What serde makes of it: the other one must be like it in every way.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "is", rename_all = "snake_case")]
    enum Derived {
        Nothing,
        Something {
            #[serde(alias = "old")]
            name: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            more: Option<f64>,
            any: Value,
        },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self", rename_all = "snake_case")]
    enum Ours {
        Nothing,
        Something {
            #[serde(alias = "old")]
            name: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            more: Option<f64>,
            any: Value,
        },
    }

    tagged!(Ours, "is");

    /// Enough of their parts to tell them apart.
    fn both(text: &str) -> (Result<String, ()>, Result<String, ()>) {
        let derived = serde_json::from_str::<Derived>(text);
        let ours = serde_json::from_str::<Ours>(text);
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let from_value = serde_json::from_value::<Ours>(value);
            // A key twice is one in a value.
            if ours.is_ok() {
                assert_eq!(ours.as_ref().ok(), from_value.as_ref().ok(), "{text}");
            }
        }
        if let (Ok(derived), Ok(ours)) = (&derived, &ours) {
            assert_eq!(format!("{derived:?}"), format!("{ours:?}"), "{text}");
        }
        let written = |text: serde_json::Result<String>| text.map_err(|_| ());
        (
            derived.map_err(|_| ()).and_then(|derived| written(serde_json::to_string(&derived))),
            ours.map_err(|_| ()).and_then(|ours| written(serde_json::to_string(&ours))),
        )
    }

    #[test]
    fn it_reads_and_writes_what_serde_does() {
        let good = [
            r#"{"is":"nothing"}"#,
            r#"{"is":"nothing","other":[1,{"a":null}]}"#,
            r#"{"is":"something","name":"x","any":{"b":1,"a":[1.5,-2,18446744073709551615]}}"#,
            r#"{"is":"something","old":"x","more":3,"any":null,"unknown":{}}"#,
            r#"{"name":"\u00e9\n","any":[],"is":"something","more":0.1}"#,
            r#"{"\u0069s":"something","name":"x","any":1}"#,
        ];
        for text in good {
            let (derived, ours) = both(text);
            assert!(derived.is_ok(), "{text}");
            assert_eq!(derived, ours, "{text}");
        }
        let bad = [
            r#"{}"#,
            r#"{"is":"else"}"#,
            r#"{"is":1}"#,
            r#"{"is":"something","any":1}"#,
            r#"{"is":"something","name":"x","any":1,"name":"y"}"#,
            r#"{"is":"something","name":"x"}"#,
            r#"{"is":"something","name":1,"any":1}"#,
            r#"{"name":"x","any":1}"#,
            r#"{"name":"x","is":"nothing","is":"nothing"}"#,
            r#"{"is":"nothing","is":"nothing"}"#,
            r#"{"is":"nothing","is":"something"}"#,
            r#"{"is":"something","name":"x","any":1,"is":"something"}"#,
            r#"{"is":"something","name":"x","\u0069s":"nothing","any":1}"#,
            r#""nothing""#,
            r#"{"is":"nothing"} x"#,
        ];
        for text in bad {
            assert_eq!(both(text), (Err(()), Err(())), "{text}");
        }
    }
}
