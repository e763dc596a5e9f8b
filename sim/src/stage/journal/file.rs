//! The file of a journal: entries, one after the other, each with its length and a checksum.
//!
//! An entry is added with one write and one sync. After a crash the complete entries at the beginning of the file count.

use std::io;

use redb::StorageBackend;

/// Length and checksum, before the content of each entry.
const HEADER: usize = 16;

/// An open file.
pub(super) struct JournalFile {
    backend: Box<dyn StorageBackend>,
    /// Where the next entry begins.
    end: u64,
    /// Where the next entry began when the file was opened.
    found_end: u64,
    buffer: Vec<u8>,
    /// The last entry was added completely.
    works: bool,
}

impl JournalFile {
    /// Opens the file and passes its entries to `take`, in order.
    ///
    /// Adds an empty entry, so that an open file is durable and its disk can be written, as a database ensures.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn open(backend: Box<dyn StorageBackend>, mut take: impl FnMut(&[u8])) -> io::Result<Self> {
        let length = usize::try_from(backend.len()?).map_err(io::Error::other)?;
        // Fails at once if the disk cannot be written: a server retries often, and reading takes time.
        backend.set_len(length as u64)?;
        let mut content = vec![0; length];
        if length > 0 {
            backend.read(0, &mut content)?;
        }
        let mut rest = content.as_slice();
        while let Some((entry, after)) = first_entry(rest) {
            take(entry);
            rest = after;
        }
        let end = (length - rest.len()) as u64;
        if !rest.is_empty() {
            backend.set_len(end)?;
        }
        let mut file = Self {
            backend,
            end,
            found_end: end,
            buffer: Vec::new(),
            works: true,
        };
        file.append(&[])?;
        Ok(file)
    }

    /// Where the file ends once `entry` is added.
    pub fn end_with(&self, entry: &[u8]) -> u64 {
        self.end + (HEADER + entry.len()) as u64
    }

    /// Whether an entry that ends there was found when the file was opened.
    pub fn was_found(&self, end: u64) -> bool {
        self.found_end >= end
    }

    /// Whether no entry failed. Otherwise the file must be opened again.
    pub fn works(&self) -> bool {
        self.works
    }

    /// Adds an entry. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend((entry.len() as u64).to_le_bytes());
        self.buffer.extend(checksum(entry).to_le_bytes());
        self.buffer.extend(entry);
        self.works = false;
        self.backend.write(self.end, &self.buffer)?;
        self.backend.sync_data()?;
        self.end = self.end_with(entry);
        self.works = true;
        Ok(())
    }
}

/// The first entry and what is after it; `None` if it is not complete.
fn first_entry(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = content.split_at_checked(HEADER)?;
    let (length, sum) = header.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (entry, rest) = rest.split_at_checked(length)?;
    (checksum(entry).to_le_bytes() == *sum).then_some((entry, rest))
}

/// A checksum that is not zero for zeros, which a file that grew without its content has.
fn checksum(entry: &[u8]) -> u64 {
    let (words, rest) = entry.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let words = words.chain(rest.iter().map(|byte| u64::from(*byte)));
    words.fold(0x9e37_79b9_7f4a_7c15, |sum: u64, word| {
        (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}
