//! Where records are read from: a file or a stream, unpacked, its progress counted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compression::{Compression, unpacked_name};
use super::error::{DatasetError, excerpt};

/// How many bytes are read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// How many bytes are looked at to tell a format.
const HEAD_BYTES: u64 = 4096;
/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record file, opened.
pub struct Source {
    name: String,
    extension: Option<String>,
    /// The file itself where it is one: some formats jump in it.
    file: Option<File>,
    is_packed: bool,
    size: Option<u64>,
    meter: Meter,
    head: Vec<u8>,
    rest: Box<dyn Read + Send>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("is_packed", &self.is_packed)
            .finish_non_exhaustive()
    }
}

/// How many bytes of a source have been read, packed as they are. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// The count so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// For a format that jumps in its file: how far it is.
    #[cfg(feature = "parquet")]
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] when it can't be read, is a directory, or is text in UTF-16 or UTF-32.
    pub fn file(path: &Path) -> Result<Self, DatasetError> {
        let name = excerpt(&path.display().to_string(), 4_096);
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok((metadata, _)) if metadata.is_dir() => {
                return Err(DatasetError::IsDirectory { file: name });
            }
            Ok(opened) => opened,
            Err(source) => return Err(DatasetError::NotReadable { file: name, source }),
        };
        let again = file.try_clone();
        let mut source = Self::stream(&name, file)?;
        source.extension = unpacked_name(path)
            .extension()
            .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        if metadata.is_file() {
            source.size = Some(metadata.len());
            source.file = Some(source.readable(again)?);
        }
        Ok(source)
    }

    /// Reads from anything; `name` stands for it in messages.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] when it can't be read or is text in UTF-16 or UTF-32.
    pub fn stream(name: &str, bytes: impl Read + Send + 'static) -> Result<Self, DatasetError> {
        let meter = Meter::default();
        let counted = Counted { bytes, meter: meter.clone() };
        let source = Self {
            name: name.to_owned(),
            extension: None,
            file: None,
            is_packed: false,
            size: None,
            meter,
            head: Vec::new(),
            rest: Box::new(io::empty()),
        };
        source.start(counted)
    }

    fn start(
        mut self,
        mut packed: Counted<impl Read + Send + 'static>,
    ) -> Result<Self, DatasetError> {
        self.head = self.readable(read_head(&mut packed))?;
        self.rest = Box::new(packed);
        if let Some(compression) = Compression::of_content(&self.head) {
            let packed =
                BufReader::with_capacity(BUFFER_BYTES, Cursor::new(self.head).chain(self.rest));
            (self.head, self.rest) = (Vec::new(), Box::new(io::empty()));
            let mut unpacked = self.readable(compression.unpack(packed))?;
            self.head = self.readable(read_head(&mut unpacked))?;
            self.rest = unpacked;
            self.is_packed = true;
        }
        if let Some(found) = foreign_encoding(&self.head) {
            return Err(DatasetError::NotUtf8 { file: self.name, found, line: None });
        }
        // Several, where files were joined: as a part of its name, one would hide the first column.
        let marks = self.head.chunks(BYTE_ORDER_MARK.len());
        let marks = marks.take_while(|chunk| *chunk == BYTE_ORDER_MARK).count();
        self.head.drain(..marks * BYTE_ORDER_MARK.len());
        Ok(self)
    }

    fn readable<T>(&self, result: io::Result<T>) -> Result<T, DatasetError> {
        result.map_err(|source| DatasetError::NotReadable { file: self.name.clone(), source })
    }

    /// Its name for messages, safe to print.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes, packed as it is; `None` for a stream.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Counts what is read of it.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The extension of its name in lower case, that of a compression left out.
    pub(super) fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// Its first bytes, unpacked, without a byte order mark.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// All of its bytes, unpacked, without a byte order mark.
    pub(super) fn into_bytes(self) -> Box<dyn BufRead + Send> {
        let rest = BufReader::with_capacity(BUFFER_BYTES, self.rest);
        Box::new(Cursor::new(self.head).chain(rest))
    }

    /// The same bytes as a file: itself, or a temporary one for what is packed or a stream.
    #[cfg(feature = "parquet")]
    pub(super) fn into_file(self) -> Result<File, DatasetError> {
        use std::io::{Seek as _, SeekFrom};

        let name = self.name.clone();
        let file = match self.file {
            Some(mut file) if !self.is_packed => file.seek(SeekFrom::Start(0)).map(|_start| file),
            _ => tempfile::tempfile().and_then(|mut file| {
                let rest = self.rest;
                io::copy(&mut Cursor::new(self.head).chain(rest), &mut file)?;
                file.seek(SeekFrom::Start(0))?;
                Ok(file)
            }),
        };
        file.map_err(|source| DatasetError::NotReadable { file: name, source })
    }
}

/// As many bytes as tell what follows, or all there are.
fn read_head(bytes: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    bytes.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Recognizes text that is not UTF-8 by its byte order mark, or by the zero bytes that every other
/// character of English text in UTF-16 has.
fn foreign_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            Some("in UTF-32")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => Some("in UTF-16"),
        _ => None,
    }
}

/// Counts the bytes that pass.
struct Counted<R> {
    bytes: R,
    meter: Meter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.meter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
