//! From values to payloads and back, and the canonical form by which inputs are compared.

mod exact;

use exact::Exact;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stent_core::name::{FunctionName, Version};
use stent_core::retry::ErrorClass;
use stent_core::{Failure, Fingerprint, Payload};

/// What is done to the JSON of a value before it is stored, and undone after it is read: nothing by default; encryption or compression
/// where somebody implements it. Every program that works on the same executions needs the same codec.
pub trait Codec: Send + Sync + 'static {
    /// Turns JSON into what is stored.
    ///
    /// # Errors
    /// [`CodecError`] if that is not possible; the call or result is refused.
    fn seal(&self, json: Vec<u8>) -> Result<Vec<u8>, CodecError>;

    /// Turns what is stored back into JSON.
    ///
    /// # Errors
    /// [`CodecError`] if it is not what [`Codec::seal`] made.
    fn open(&self, stored: &[u8]) -> Result<Vec<u8>, CodecError>;
}

/// JSON as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonCodec;

impl Codec for JsonCodec {
    fn seal(&self, json: Vec<u8>) -> Result<Vec<u8>, CodecError> {
        Ok(json)
    }

    fn open(&self, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(stored.to_vec())
    }
}

/// A value that cannot be encoded or decoded. It names what is wrong, and never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value does not serialise.
    #[error("the value does not serialise: {0}")]
    Encode(String),
    /// The stored bytes are no value of this type.
    #[error("the stored value is not a {type_name}: {reason}")]
    Decode {
        /// What was expected.
        type_name: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// The encoded value is larger than allowed.
    #[error(
        "the value has {size} bytes encoded, {limit} are allowed; store it elsewhere and pass a reference, or raise the payload limit"
    )]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The codec failed.
    #[error("the codec failed: {0}")]
    Codec(String),
}

/// Encodes a value of at most `limit` bytes.
pub(crate) fn encode<T: Serialize + ?Sized>(codec: &dyn Codec, limit: usize, value: &T) -> Result<Payload, CodecError> {
    let json = serde_json::to_vec(&Exact::new(value)).map_err(|error| CodecError::Encode(error.to_string()))?;
    let sealed = codec.seal(json)?;
    if sealed.len() > limit {
        return Err(CodecError::TooLarge { size: sealed.len(), limit });
    }
    Ok(sealed.into())
}

/// Decodes a value.
pub(crate) fn decode<T: DeserializeOwned>(codec: &dyn Codec, payload: &Payload) -> Result<T, CodecError> {
    let json = codec.open(payload.as_bytes())?;
    serde_json::from_slice(&json).map_err(|error| CodecError::Decode {
        type_name: std::any::type_name::<T>(),
        // The category and place of the error; serde's own text may quote the value.
        reason: format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column()),
    })
}

/// The failure of a task whose recorded values cannot be read by today's code.
pub(crate) fn corrupt(error: &CodecError) -> Failure {
    Failure::new(ErrorClass::corrupt_row(), error.to_string())
}

/// The fingerprint of a call (C-K1): SHA-256 over name, version and canonical input. `key` replaces the input alone.
pub(crate) fn fingerprint<T: Serialize + ?Sized>(
    function: &FunctionName,
    version: Option<&Version>,
    input: &T,
) -> Result<Fingerprint, CodecError> {
    let value = serde_json::to_value(Exact::new(input)).map_err(|error| CodecError::Encode(error.to_string()))?;
    let mut hash = Sha256::new();
    text(&mut hash, b'f', function);
    text(&mut hash, b'v', version.map_or("", Version::as_str));
    canonical(&mut hash, &value);
    Ok(Fingerprint::from_bytes(hash.finalize().into()))
}

fn text(hash: &mut Sha256, tag: u8, text: &str) {
    hash.update([tag]);
    hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(text);
}

/// Feeds a value in one form whatever the order of its fields and the form of its numbers: every part bears a tag and a length, so that
/// no two values read alike.
fn canonical(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"0"),
        Value::Bool(value) => hash.update([b'b', u8::from(*value)]),
        Value::Number(number) => text(hash, b'n', &canonical_number(number)),
        Value::String(value) => text(hash, b's', value),
        Value::Array(items) => {
            text(hash, b'a', &items.len().to_string());
            items.iter().for_each(|item| canonical(hash, item));
        }
        Value::Object(fields) => {
            text(hash, b'o', &fields.len().to_string());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                text(hash, b'k', name);
                canonical(hash, value);
            }
        }
    }
}

/// Whole numbers print as such, whether they came as `1` or `1.0`; others in their shortest exact form.
fn canonical_number(number: &serde_json::Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            format!("{float:.0}").replace("-0", "0")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn print_of(value: &Value) -> Fingerprint {
        fingerprint(&FunctionName::new("f").unwrap(), None, value).unwrap()
    }

    /// C-K1
    #[test]
    fn field_order_and_float_form_do_not_matter_and_everything_else_does() {
        assert_eq!(print_of(&json!({"a": 1, "b": [2.0]})), print_of(&json!({"b": [2], "a": 1.0})));
        let values = [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!("1"),
            json!(1),
            json!(1.5),
            json!(-1),
            json!([[1], 2]),
            json!([1, [2]]),
        ];
        for (at, one) in values.iter().enumerate() {
            for other in &values[at + 1..] {
                assert_ne!(print_of(one), print_of(other), "{one} {other}");
            }
        }
    }

    /// C-K1 Keys of memos and of recorded calls are stored: they are the same in every release.
    #[test]
    fn a_fingerprint_never_changes() {
        let value = json!({"b": [1, 2.0, -1.5, null, true], "a": {"text": "ü", "empty": []}});
        assert_eq!(format!("{:?}", print_of(&value)), "098bbb05abbb…");
    }

    /// Any JSON of finite numbers.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON has finite numbers alone", |number| number.is_finite())
                .prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_last_bit(value in values()) {
            let stored = encode(&JsonCodec, usize::MAX, &value).unwrap();
            prop_assert_eq!(decode::<Value>(&JsonCodec, &stored).unwrap(), value);
        }

        /// C-K1
        #[test]
        fn a_recorded_input_has_the_fingerprint_of_the_input(value in values()) {
            let stored = encode(&JsonCodec, usize::MAX, &value).unwrap();
            let read: Value = decode(&JsonCodec, &stored).unwrap();
            prop_assert_eq!(print_of(&read), print_of(&value));
        }

        /// C-K1
        #[test]
        fn different_values_have_different_fingerprints(one in values(), other in values()) {
            let alike = canonical_text(&one) == canonical_text(&other);
            prop_assert_eq!(print_of(&one) == print_of(&other), alike);
        }
    }

    /// What the fingerprint goes by, as text.
    fn canonical_text(value: &Value) -> String {
        match value {
            Value::Number(number) => canonical_number(number),
            Value::Array(items) => format!("{:?}", items.iter().map(canonical_text).collect::<Vec<_>>()),
            Value::Object(fields) => {
                let fields: std::collections::BTreeMap<_, _> =
                    fields.iter().map(|(name, value)| (name, canonical_text(value))).collect();
                format!("{fields:?}")
            }
            other => other.to_string(),
        }
    }

    #[test]
    fn a_decoding_error_names_the_place_and_not_the_value() {
        let stored = encode(&JsonCodec, 100, "secret").unwrap();
        let error = decode::<u32>(&JsonCodec, &stored).unwrap_err().to_string();
        assert!(error.contains("u32") && !error.contains("secret"), "{error}");
        assert_eq!(encode(&JsonCodec, 3, "secret").unwrap_err(), CodecError::TooLarge { size: 8, limit: 3 });
    }
}
