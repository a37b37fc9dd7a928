//! Data sets: the same records, whatever the file is packed in and however it arrives.

use std::io::{self, Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use instructmill::dataset::{DatasetError, FORMATS, Format, Reader, Selection, Source};
use instructmill::task::Compared;

use super::{choose, split};

/// The first byte chooses the format, the second the size of the pieces in which the file arrives.
pub fn check(bytes: &[u8]) {
    let ([format, size], file) = split(bytes);
    let formats: Vec<&dyn Format> =
        FORMATS.iter().copied().filter(|format| format.name() != "parquet").collect();
    let format = *choose(&formats, format);
    let whole = read(Cursor::new(file.to_vec()), format);
    let pieces = Pieces { bytes: Cursor::new(file.to_vec()), size: usize::from(size % 16) + 1 };
    assert_eq!(read(pieces, format), whole, "it matters how the file arrives");
    let is_packed = matches!(file, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..]);
    if !is_packed {
        assert_eq!(read(Cursor::new(packed(file)), format), whole, "it matters what packs it");
    }
    let Ok((texts, kept)) = whole else { return };
    if format.name() == "json" && !is_packed {
        let marks = file.chunks(3).take_while(|chunk| *chunk == "\u{feff}".as_bytes()).count();
        let unmarked = file[3 * marks..].trim_ascii();
        // White space belongs to the record before or after it, and an empty list has none.
        let is_empty = unmarked.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii() == b"]");
        let expected = if is_empty { b"[]" } else { unmarked };
        assert_eq!(kept.trim_ascii(), expected, "all was kept, not as it was");
    }
    // A zero byte near the beginning, from where quotes were left out, looks like UTF-16; and what separates
    // cells is guessed from a header with quotes in it, where they are written anew.
    // A header of white space alone, over no rows, has no line ends to go by.
    let is_blank = kept.trim_ascii().is_empty();
    let is_doubtful = format.name() == "csv" && (is_blank || file.contains(&b'"'));
    if is_doubtful || kept.iter().take(4).any(|byte| *byte == 0) {
        return;
    }
    let again = read(Cursor::new(kept.clone()), format).expect("it was written here");
    assert_eq!(again, (texts, kept), "what is kept is read otherwise");
}

/// The texts of all records, and the output when each is kept.
fn read(
    file: impl Read + Send + 'static,
    format: &'static dyn Format,
) -> Result<(Vec<String>, Vec<u8>), String> {
    let mut out = Vec::new();
    let mut texts = Vec::new();
    // What can be packed in a few bytes is endless.
    let file = file.take(1 << 20);
    let all = || -> Result<(), DatasetError> {
        let source = Source::stream("input", file)?;
        let mut reader = Reader::new(source, format, Selection::Part(Compared::All), &mut out)?;
        loop {
            let count = reader.advance()?;
            if count == 0 || texts.len() > 10_000 {
                break;
            }
            texts.extend(reader.texts().map(str::to_owned));
            for index in 0..count {
                reader.keep(index)?;
            }
        }
        reader.finish()
    };
    all().map_err(|error| error.to_string())?;
    Ok((texts, out))
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("memory takes all of it")
}

/// A file that arrives in pieces of one size.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}
