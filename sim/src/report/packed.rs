//! Large data of a page in a compact form: JSON, compressed with zlib and written in base64. Every browser can read it back
//! with `DecompressionStream`, and only when it is needed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde::Serialize;

/// The effort of the compression.
const LEVEL: u8 = 9;

/// Plain data as a packed text.
pub(in crate::report) fn packed(data: &(impl Serialize + ?Sized)) -> String {
    let json = serde_json::to_vec(data).expect("all of it is plain data");
    STANDARD.encode(compress_to_vec_zlib(&json, LEVEL))
}
