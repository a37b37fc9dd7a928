//! gzip and Zstandard: read by the first bytes, written by the name of the file.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstandard,
}

impl Compression {
    const ALL: [(&'static str, Self); 2] = [("gz", Self::Gzip), ("zst", Self::Zstandard)];

    /// By the extension: `data.jsonl.gz`.
    fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        let found = Self::ALL.iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
        found.map(|(_, compression)| *compression)
    }

    /// By the first bytes, which no text has.
    pub(super) fn of_content(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }

    pub(super) fn unpack(
        self,
        packed: impl BufRead + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstandard => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }
}

/// The name of a file without the extension of a compression.
pub(super) fn unpacked_name(path: &Path) -> &Path {
    match (Compression::of_name(path), path.file_stem()) {
        (Some(_), Some(stem)) => Path::new(stem),
        _ => path,
    }
}

/// An output that is packed when the name of its file ends in `.gz` or `.zst`.
///
/// Nothing is whole before [`finish`](Self::finish).
pub struct PackedWriter<W: Write> {
    inner: Packer<W>,
}

enum Packer<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstandard(zstd::Encoder<'static, W>),
}

impl<W: Write> std::fmt::Debug for PackedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedWriter").finish_non_exhaustive()
    }
}

impl<W: Write> PackedWriter<W> {
    /// Starts on `out`, packed as the name of `path` says; plain without a path.
    ///
    /// # Errors
    ///
    /// When Zstandard cannot be set up.
    pub fn new(path: Option<&Path>, out: W) -> io::Result<Self> {
        let inner = match path.and_then(Compression::of_name) {
            None => Packer::Plain(out),
            Some(Compression::Gzip) => {
                Packer::Gzip(GzEncoder::new(out, flate2::Compression::default()))
            }
            Some(Compression::Zstandard) => {
                Packer::Zstandard(zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?)
            }
        };
        Ok(Self { inner })
    }

    /// Writes what is held back and gives the output again.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            Packer::Plain(out) => Ok(out),
            Packer::Gzip(packer) => packer.finish(),
            Packer::Zstandard(packer) => packer.finish(),
        }
    }
}

impl<W: Write> Write for PackedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Packer::Plain(out) => out.write(bytes),
            Packer::Gzip(out) => out.write(bytes),
            Packer::Zstandard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Packer::Plain(out) => out.flush(),
            Packer::Gzip(out) => out.flush(),
            Packer::Zstandard(out) => out.flush(),
        }
    }
}
