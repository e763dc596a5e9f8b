//! Large data of a page in a compact form: JSON, compressed with zlib and written in base64. Every browser can read it back
//! with `DecompressionStream`, and only when it is needed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use serde::Serialize;

/// The effort of the compression.
const LEVEL: u8 = 9;
/// How far zlib looks back, in bytes.
const WINDOW: usize = 32 * 1024;

/// Plain data as a packed text.
pub(in crate::report) fn packed(data: &(impl Serialize + ?Sized)) -> String {
    STANDARD.encode(compress_to_vec_zlib(&json(data), LEVEL))
}

fn json(data: &(impl Serialize + ?Sized)) -> Vec<u8> {
    serde_json::to_vec(data).expect("all of it is plain data")
}

/// Packs data that resemble each other, such as those of many plays. All of them are compressed as if the beginning of the
/// first came before them. The compressed beginning is the same for all and is kept once, so each packed text is the rest
/// of a stream of which [`Packer::beginning`] is the start.
#[derive(Debug, Default)]
pub(in crate::report) struct Packer {
    shared: Vec<u8>,
    compressed: Vec<u8>,
}

/// The start of the streams of a [`Packer`].
#[derive(Debug, Serialize)]
pub(in crate::report) struct Beginning {
    /// Compressed, in base64.
    text: String,
    /// The number of bytes that it has when it is unpacked. They are no part of the data.
    length: usize,
}

impl Packer {
    /// The data as a packed text without the shared beginning.
    pub(in crate::report) fn pack(&mut self, data: &impl Serialize) -> String {
        let json = json(data);
        if self.shared.is_empty() {
            self.shared = json[..json.len().min(WINDOW)].to_vec();
        }
        // A positive number of window bits means the format of zlib.
        let flags = create_comp_flags_from_zip_params(LEVEL.into(), 1, 0);
        let mut compressor = CompressorOxide::new(flags);
        self.compressed = compressed(&mut compressor, &self.shared, TDEFLFlush::Sync);
        STANDARD.encode(compressed(&mut compressor, &json, TDEFLFlush::Finish))
    }

    /// What the packed texts share.
    pub(in crate::report) fn beginning(&self) -> Beginning {
        Beginning {
            text: STANDARD.encode(&self.compressed),
            length: self.shared.len(),
        }
    }
}

/// What a compressor makes of further data.
fn compressed(compressor: &mut CompressorOxide, data: &[u8], flush: TDEFLFlush) -> Vec<u8> {
    let mut out = Vec::new();
    compress_to_output(compressor, data, flush, |part| {
        out.extend_from_slice(part);
        true
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packed_text_continues_the_shared_beginning() {
        let long: Vec<String> = (0..5_000).map(|number| format!("line {number}")).collect();
        let data = [long.clone(), long[..40].to_vec(), vec!["ä".repeat(20)]];
        let mut packer = Packer::default();
        let packed: Vec<String> = data.iter().map(|data| packer.pack(data)).collect();
        let Beginning { text, length } = packer.beginning();
        assert_eq!(length, WINDOW);
        for (packed, data) in packed.iter().zip(&data) {
            let parts = [&text, packed].map(|part| STANDARD.decode(part).expect("it is base64"));
            let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(&parts.concat());
            let bytes = bytes.expect("it is one stream");
            assert_eq!(bytes[length..], *json(data));
        }
        assert!(packed[1].len() < super::packed(&data[1]).len());
    }
}
