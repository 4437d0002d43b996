//! Batches as parameters: however many items a statement handles, it is executed once. The items go as one JSON array, read by
//! `json_each`; their payloads as one blob beside it, of which each item names its part.

use std::fmt;

use serde::{Serialize, Serializer};
use stent_core::error::{BackendError, ErrorKind};

/// Bytes in JSON: as hex, read by `unhex(value ->> '$.x')`.
#[derive(Clone, Copy)]
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids and fingerprints have 16 and 32 bytes: one write instead of one a byte.
        let mut text = [0; 128];
        for part in self.0.chunks(text.len() / 2) {
            for (byte, pair) in part.iter().zip(text.chunks_exact_mut(2)) {
                pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
            f.write_str(std::str::from_utf8(&text[..part.len() * 2]).unwrap_or_default())?;
        }
        Ok(())
    }
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// Where an item's payload lies in the blob: read by `substr(?2, offset, length)`, which counts from 1. Of an empty blob that is NULL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Part {
    /// The place of its first byte, from 1.
    pub(crate) offset: usize,
    /// How many bytes.
    pub(crate) length: usize,
}

/// The payloads of a batch, end to end.
#[derive(Default)]
pub(crate) struct Blobs(Vec<u8>);

impl Blobs {
    /// Appends one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Part {
        let offset = self.0.len() + 1;
        self.0.extend_from_slice(bytes);
        Part { offset, length: bytes.len() }
    }

    /// How many bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, to be bound.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes of a blob from which on a batch goes on in another one: far below SQLite's bound for a value, even if the last item is as
/// large as can be.
pub(crate) const PARCEL: usize = 16 << 20;

/// Items from which on a batch goes on in another parcel. Of what a statement is given SQLite makes several copies before it has written the last
/// row: of the 10,000 items of a large chunk they would be most of the memory of a process.
pub(crate) const ITEMS: usize = 1_000;

/// The parameters of one execution of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// The items, as JSON.
    pub(crate) json: String,
    /// Their payloads.
    pub(crate) bytes: Vec<u8>,
    /// How many items.
    pub(crate) items: u64,
}

/// A batch on its way into parcels: one, unless it has very many items or very large payloads.
pub(crate) struct Parcels<T> {
    operation: &'static str,
    items: Vec<T>,
    payloads: Blobs,
    packed: Vec<Parcel>,
}

impl<T: Serialize> Parcels<T> {
    pub(crate) fn new(operation: &'static str) -> Self {
        Self { operation, items: Vec::new(), payloads: Blobs::default(), packed: Vec::new() }
    }

    /// Where the payloads of the next item go.
    pub(crate) fn payloads(&mut self) -> &mut Blobs {
        &mut self.payloads
    }

    /// Adds an item whose payloads are there.
    pub(crate) fn push(&mut self, item: T) -> Result<(), BackendError> {
        self.items.push(item);
        if self.items.len() >= ITEMS || self.payloads.0.len() >= PARCEL { self.pack() } else { Ok(()) }
    }

    /// All of it; nothing if there is no item.
    pub(crate) fn finish(mut self) -> Result<Vec<Parcel>, BackendError> {
        self.pack()?;
        Ok(self.packed)
    }

    fn pack(&mut self) -> Result<(), BackendError> {
        if !self.items.is_empty() {
            let json = to_json(self.operation, &self.items)?;
            let bytes = std::mem::take(&mut self.payloads).into_bytes();
            let items = u64::try_from(self.items.len()).unwrap_or(u64::MAX);
            self.packed.push(Parcel { json, bytes, items });
            self.items.clear();
        }
        Ok(())
    }
}

/// The items as the JSON array that a statement expands.
pub(crate) fn to_json(operation: &'static str, items: &impl Serialize) -> Result<String, BackendError> {
    serde_json::to_string(items).map_err(|error| BackendError::new(ErrorKind::Internal, operation).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hex_in_json() {
        assert_eq!(to_json("test", &[Hex(&[0, 0x1f, 0xa0]), Hex(&[])]).unwrap(), r#"["001fa0",""]"#);
        assert_eq!(Hex(&[0xab; 100]).to_string(), "ab".repeat(100));
    }

    #[test]
    fn a_batch_is_one_parcel_unless_it_is_very_large() {
        let payload = vec![7; PARCEL / 2];
        let mut parcels = Parcels::new("test");
        for number in 0..3 {
            let part = parcels.payloads().push(&payload);
            parcels.push((number, part)).unwrap();
        }
        let parcels = parcels.finish().unwrap();
        assert_eq!(parcels.iter().map(|parcel| parcel.items).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(parcels[1].json, format!(r#"[[2,{{"offset":1,"length":{}}}]]"#, payload.len()));
        assert_eq!(parcels[1].bytes, payload);
        let mut parcels = Parcels::new("test");
        (0..=2 * ITEMS).for_each(|number| parcels.push(number).unwrap());
        let items: Vec<_> = parcels.finish().unwrap().iter().map(|parcel| parcel.items).collect();
        assert_eq!(items, [1_000, 1_000, 1]);
        assert!(Parcels::<u8>::new("test").finish().unwrap().is_empty());
    }

    #[test]
    fn parts_count_from_one() {
        let mut blobs = Blobs::default();
        assert_eq!(blobs.push(b"abc"), Part { offset: 1, length: 3 });
        assert_eq!(blobs.push(b""), Part { offset: 4, length: 0 });
        assert_eq!(blobs.push(b"de"), Part { offset: 4, length: 2 });
        assert_eq!(blobs.into_bytes(), b"abcde");
    }
}
