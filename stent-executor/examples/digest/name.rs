//! File names as text: what is stored and shown is always text of one line, whatever bytes a file system allows in a name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A path as text. A backslash is doubled; bytes that are no text, and control characters, stand as `\xNN`.
pub(crate) fn to_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                control if control.is_control() => escape(control.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                plain => text.push(plain),
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    bytes.iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
}

/// The path of a text that [`to_text`] made.
pub(crate) fn to_path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let code = escaped.strip_prefix('x').and_then(|code| code.get(..2));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &escaped[3..];
            }
            None => {
                bytes.push(b'\\');
                rest = escaped.strip_prefix('\\').unwrap_or(escaped);
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    from_bytes(&bytes)
}

#[cfg(unix)]
fn from_bytes(bytes: &[u8]) -> PathBuf {
    <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn from_bytes(bytes: &[u8]) -> PathBuf {
    OsStr::new(&*String::from_utf8_lossy(bytes)).into()
}
