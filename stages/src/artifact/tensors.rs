//! Named tensors in a safetensors file: memory-mapped reading, deterministic writing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A safetensors file, mapped into memory.
pub struct Tensors {
    path: PathBuf,
    map: Mmap,
}

/// The elements of a tensor to write, row-major.
#[derive(Clone, Copy)]
pub enum Data<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// Unsigned integers.
    U32(&'a [u32]),
    /// Floats.
    F32(&'a [f32]),
}

impl Data<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::U8(_) => Dtype::U8,
            Self::U32(_) => Dtype::U32,
            Self::F32(_) => Dtype::F32,
        }
    }

    /// The elements in little-endian order; on a little-endian machine that is the memory they are in.
    fn bytes(&self) -> Cow<'_, [u8]> {
        fn in_memory<T>(elements: &[T]) -> &[u8] {
            // SAFETY: the elements are u32 or f32, which have no padding, and any byte is a valid u8.
            unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
        }
        let little = cfg!(target_endian = "little");
        match self {
            Self::U8(v) => Cow::Borrowed(v),
            Self::U32(v) if little => Cow::Borrowed(in_memory(v)),
            Self::F32(v) if little => Cow::Borrowed(in_memory(v)),
            Self::U32(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Self::F32(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        }
    }
}

impl Tensors {
    /// Maps a file.
    ///
    /// # Errors
    /// If it cannot be read or is not a safetensors file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // SAFETY: sound as long as nobody writes to the file or makes it shorter. The store's files are read-only, so nobody
        // does by accident. A source is read where it lies: what an editor writes meanwhile may be seen in part, and reading
        // behind a new, nearer end kills this process with SIGBUS. It is a worker, so the stage fails and nothing else; and the
        // engine looks at the source afterwards and keeps no result of one that changed.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("cannot map {}", path.display()))?;
        SafeTensors::deserialize(&map).with_context(|| format!("{} is not a safetensors file", path.display()))?;
        Ok(Self { path: path.to_owned(), map })
    }

    fn view(&self, name: &str) -> anyhow::Result<TensorView<'_>> {
        let file = SafeTensors::deserialize(&self.map)?;
        file.tensor(name).with_context(|| format!("{} has no tensor `{name}`", self.path.display()))
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = SafeTensors::deserialize(&self.map)
            .map(|f| f.names().into_iter().map(|n| n.to_string()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    /// The shape of a tensor.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn shape(&self, name: &str) -> anyhow::Result<Vec<usize>> {
        Ok(self.view(name)?.shape().to_vec())
    }

    /// The bytes of a `u8` tensor; `None` if its type is another.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn u8(&self, name: &str) -> anyhow::Result<Option<&[u8]>> {
        if self.view(name)?.dtype() != Dtype::U8 {
            return Ok(None);
        }
        Ok(Some(self.bytes(name)?))
    }

    /// The elements of an `f32` tensor, without a copy where the file is aligned (files that Kiln writes are).
    ///
    /// # Errors
    /// If there is no such tensor or its type is another.
    pub fn f32(&self, name: &str) -> anyhow::Result<Cow<'_, [f32]>> {
        let view = self.view(name)?;
        if view.dtype() != Dtype::F32 {
            bail!("tensor `{name}` of {} is {:?}, not F32", self.path.display(), view.dtype());
        }
        let bytes = self.bytes(name)?;
        // SAFETY: every bit pattern is a valid f32.
        let (head, body, tail) = unsafe { bytes.align_to::<f32>() };
        if cfg!(target_endian = "little") && head.is_empty() && tail.is_empty() {
            return Ok(Cow::Borrowed(body));
        }
        Ok(Cow::Owned(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
    }

    /// The elements of a `u32` tensor.
    ///
    /// # Errors
    /// If there is no such tensor or its type is another.
    pub fn u32(&self, name: &str) -> anyhow::Result<Vec<u32>> {
        let view = self.view(name)?;
        if view.dtype() != Dtype::U32 {
            bail!("tensor `{name}` of {} is {:?}, not U32", self.path.display(), view.dtype());
        }
        Ok(view.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// A value of the file's metadata, as [`write`] keeps it: one JSON object under the key `kiln`.
    pub fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.map).ok()?;
        let text = header.metadata().as_ref()?.get(METADATA_KEY)?;
        serde_json::from_str::<BTreeMap<String, String>>(text).ok()?.remove(key)
    }

    fn bytes(&self, name: &str) -> anyhow::Result<&[u8]> {
        let file = SafeTensors::deserialize(&self.map)?;
        let data = file.tensor(name)?.data();
        let start = data.as_ptr() as usize - self.map.as_ptr() as usize;
        Ok(&self.map[start..start + data.len()])
    }
}

/// Writes a safetensors file. The same arguments give the same bytes.
///
/// # Errors
/// If the file cannot be written or a shape does not fit its data.
pub fn write(
    path: &Path,
    tensors: &[(&str, Vec<usize>, Data<'_>)],
    metadata: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut views = Vec::with_capacity(tensors.len());
    let bytes: Vec<Cow<'_, [u8]>> = tensors.iter().map(|(_, _, data)| data.bytes()).collect();
    for ((name, shape, data), bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(data.dtype(), shape.clone(), bytes)
            .with_context(|| format!("tensor `{name}` of {} does not have shape {shape:?}", path.display()))?;
        views.push((*name, view));
    }
    // The library keeps metadata in a HashMap and would write several keys in random order: one key, one JSON object.
    let metadata = (!metadata.is_empty())
        .then(|| serde_json::to_string(&metadata).map(|text| HashMap::from([(METADATA_KEY.to_owned(), text)])))
        .transpose()?;
    // Not `serialize_to_file`: that renames a temporary file into place, which only its owner may read.
    let file = safetensors::serialize(views, metadata)?;
    std::fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))
}

const METADATA_KEY: &str = "kiln";
