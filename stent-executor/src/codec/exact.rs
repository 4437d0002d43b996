//! JSON that says what the value says: a value that JSON has no form for is an error, and not another value.
//!
//! By itself `serde_json` writes `null` for numbers that are not finite and for `Some(None)`, and `None` comes back; and it writes what is nested deeper
//! than it reads.

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// Lists and objects in one another that `serde_json` reads.
const DEPTH: u8 = 127;

/// A value that serialises as it is or not at all.
pub(super) struct Exact<'a, T: ?Sized> {
    value: &'a T,
    in_some: bool,
    depth: u8,
}

impl<'a, T: ?Sized> Exact<'a, T> {
    pub(super) fn new(value: &'a T) -> Self {
        Self::below(0, value)
    }

    fn below(depth: u8, value: &'a T) -> Self {
        Self { value, in_some: false, depth }
    }
}

impl<T: Serialize + ?Sized> Serialize for Exact<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked { serializer, in_some: self.in_some, depth: self.depth })
    }
}

/// A serialiser that refuses what JSON has no form for, and passes on the rest.
struct Checked<S> {
    serializer: S,
    /// What would be `null` here would come back as `None`.
    in_some: bool,
    /// Of how many lists and objects this is a part.
    depth: u8,
}

/// The parts of a compound value, and of how many they are parts.
struct Parts<S>(S, u8);

impl<S: Serializer> Checked<S> {
    fn finite<T>(self, is_finite: bool, write: impl FnOnce(S) -> Result<T, S::Error>) -> Result<T, S::Error> {
        if is_finite { write(self.serializer) } else { Err(S::Error::custom("JSON has no NaN and no infinity")) }
    }

    fn null<T>(self, write: impl FnOnce(S) -> Result<T, S::Error>) -> Result<T, S::Error> {
        if self.in_some {
            return Err(S::Error::custom("JSON cannot tell Some(None), or Some(()), from None"));
        }
        write(self.serializer)
    }

    /// So many lists and objects further down.
    fn deeper(&self, by: u8) -> Result<u8, S::Error> {
        let depth = self.depth.saturating_add(by);
        if depth > DEPTH {
            return Err(S::Error::custom(format_args!("it is nested more than {DEPTH} levels deep")));
        }
        Ok(depth)
    }
}

macro_rules! passed_on {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.serializer.$method(value)
        }
    )*};
}

impl<S: Serializer> Serializer for Checked<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq>;
    type SerializeTuple = Parts<S::SerializeTuple>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant>;
    type SerializeMap = Parts<S::SerializeMap>;
    type SerializeStruct = Parts<S::SerializeStruct>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant>;

    passed_on! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.finite(value.is_finite(), |serializer| serializer.serialize_f32(value))
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.finite(value.is_finite(), |serializer| serializer.serialize_f64(value))
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.null(S::serialize_none)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.serializer.serialize_some(&Exact { value, in_some: true, depth: self.depth })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.null(S::serialize_unit)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.null(|serializer| serializer.serialize_unit_struct(name))
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.serializer.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.serializer.serialize_newtype_struct(name, &Exact { value, in_some: self.in_some, depth: self.depth })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_newtype_variant(name, index, variant, &Exact::below(depth, value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_seq(length).map(|parts| Parts(parts, depth))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_tuple(length).map(|parts| Parts(parts, depth))
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_tuple_struct(name, length).map(|parts| Parts(parts, depth))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let depth = self.deeper(2)?;
        self.serializer.serialize_tuple_variant(name, index, variant, length).map(|parts| Parts(parts, depth))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_map(length).map(|parts| Parts(parts, depth))
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        let depth = self.deeper(1)?;
        self.serializer.serialize_struct(name, length).map(|parts| Parts(parts, depth))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let depth = self.deeper(2)?;
        self.serializer.serialize_struct_variant(name, index, variant, length).map(|parts| Parts(parts, depth))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.serializer.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.serializer.is_human_readable()
    }
}

macro_rules! parts {
    ($($compound:ident: $method:ident($($key:ident)?)),* $(,)?) => {$(
        impl<S: $compound> $compound for Parts<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), S::Error> {
                self.0.$method($($key,)? &Exact::below(self.1, value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(key),
    SerializeStructVariant: serialize_field(key),
}

impl<S: SerializeMap> SerializeMap for Parts<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Exact::below(self.1, value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn encode<T: Serialize>(value: T) -> Result<Value, String> {
        serde_json::to_value(Exact::new(&value)).map_err(|error| error.to_string())
    }

    #[derive(Serialize)]
    struct Point {
        x: f64,
        label: Option<Label>,
    }

    #[derive(Serialize)]
    struct Label(Option<&'static str>);

    #[derive(Serialize)]
    enum Shape {
        Dot(f64),
        Line(f64, f64),
        Box { side: f64 },
    }

    #[test]
    fn what_has_a_form_is_written_as_serde_json_writes_it() {
        let point = || Point { x: 1.5, label: Some(Label(Some("a"))) };
        assert_eq!(encode(point()).unwrap(), serde_json::to_value(point()).unwrap());
        let shapes = || (Shape::Dot(1.0), Shape::Line(1.0, 2.0), Shape::Box { side: 3.0 });
        assert_eq!(encode(shapes()).unwrap(), serde_json::to_value(shapes()).unwrap());
        let value = json!({"a": [null, 1, 1.5, "b", true], "c": {}});
        assert_eq!(encode(value.clone()).unwrap(), value);
        assert_eq!(encode((None::<u8>, Some(1), ())).unwrap(), json!([null, 1, null]));
        assert_eq!(encode(BTreeMap::from([(7, 'x')])).unwrap(), json!({"7": "x"}));
    }

    /// B54
    #[test]
    fn numbers_that_are_not_finite_are_refused_wherever_they_stand() {
        let nan = f64::NAN;
        let refused = [
            encode(nan),
            encode(f32::INFINITY),
            encode(Some(nan)),
            encode(vec![nan]),
            encode((1, nan)),
            encode(BTreeMap::from([("a", nan)])),
            encode(Point { x: nan, label: None }),
            encode(Shape::Dot(nan)),
            encode(Shape::Line(1.0, nan)),
            encode(Shape::Box { side: nan }),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err(), "JSON has no NaN and no infinity");
        }
    }

    /// B54
    #[test]
    fn what_would_come_back_as_none_is_refused() {
        let label = Some(Label(None));
        let refused =
            [encode(Some(None::<u8>)), encode(Some(())), encode(Some(Value::Null)), encode(Point { x: 1.0, label })];
        for refused in refused {
            assert_eq!(refused.unwrap_err(), "JSON cannot tell Some(None), or Some(()), from None");
        }
        assert_eq!(encode(Some(vec![None::<u8>])).unwrap(), json!([null]));
    }

    #[test]
    fn what_is_nested_too_deep_to_be_read_again_is_refused() {
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let read = |value: &Value| serde_json::from_str::<Value>(&serde_json::to_string(&Exact::new(value)).unwrap());
        assert_eq!(read(&nested(DEPTH)).unwrap(), nested(DEPTH));
        assert_eq!(encode(nested(DEPTH + 1)).unwrap_err(), "it is nested more than 127 levels deep");

        #[derive(Serialize, serde::Deserialize)]
        enum List {
            End,
            One(Box<Self>),
            Both(u8, Box<Self>),
            Named { next: Box<Self> },
        }
        let links: [fn(List) -> List; 3] = [
            |next| List::One(Box::new(next)),
            |next| List::Both(1, Box::new(next)),
            |next| List::Named { next: Box::new(next) },
        ];
        for link in links {
            for depth in 1..=DEPTH + 1 {
                if let Ok(text) = serde_json::to_string(&Exact::new(&(0..depth).fold(List::End, |next, _| link(next))))
                {
                    assert!(serde_json::from_str::<List>(&text).is_ok(), "{depth}");
                }
            }
        }
    }
}
