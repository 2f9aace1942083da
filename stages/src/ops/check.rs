//! The shapes that operators accept, and what they say when they are given others.

use candle_core::{DType, Result, Tensor, bail};

use super::window::Window;
use super::{Conv, GradSink, Norm, Padding};

/// `[N,H,W,C]` of floats.
pub(super) fn images(what: &str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    floats(what, x)?;
    match *x.dims() {
        [n, h, w, c] if n * h * w * c > 0 => Ok((n, h, w, c)),
        ref other => bail!("{what}: expected images [N,H,W,C] with at least one element, got {other:?}"),
    }
}

pub(super) fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, conv: &Conv) -> Result<Window> {
    let (_, height, width, channels) = images("conv2d", x)?;
    floats("conv2d", w)?;
    let [kh, kw, c, o] = *w.dims() else { bail!("conv2d: expected a kernel [KH,KW,C,O], got {:?}", w.dims()) };
    if c != channels {
        bail!("conv2d: the kernel {:?} takes {c} channels, the images {:?} have {channels}", w.dims(), x.dims())
    }
    bias("conv2d", b, o)?;
    Window::new("conv2d", conv.padding, (height, width), (kh, kw), conv.stride)
}

pub(super) fn dense(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<(usize, usize, usize)> {
    floats("dense", x)?;
    floats("dense", w)?;
    match (x.dims(), w.dims()) {
        (&[n, i], &[wi, o]) if i == wi && n * i * o > 0 => {
            bias("dense", b, o)?;
            Ok((n, i, o))
        }
        (x, w) => bail!("dense: expected x [N,I] and w [I,O], got {x:?} and {w:?}"),
    }
}

pub(super) fn pool2d(what: &str, x: &Tensor, size: usize, stride: usize, padding: Padding) -> Result<Window> {
    let (_, height, width, _) = images(what, x)?;
    Window::new(what, padding, (height, width), (size, size), stride)
}

/// That a pool behind batch normalisation is behind a ReLU.
pub(super) fn norm(what: &str, norm: &Norm) -> Result<()> {
    if norm.pool.is_some() && !norm.relu {
        bail!("{what}: a pool follows a ReLU")
    }
    Ok(())
}

/// Rows and channels.
pub(super) fn batch_norm(what: &str, x: &Tensor, per_channel: &[&Tensor]) -> Result<(usize, usize)> {
    floats(what, x)?;
    let Some(channels) = x.dims().last().copied().filter(|_| x.rank() >= 2 && x.elem_count() > 0) else {
        bail!("{what}: expected at least [N,C] with at least one element, got {:?}", x.dims())
    };
    self::per_channel(what, channels, per_channel)?;
    Ok((x.elem_count() / channels, channels))
}

/// That there are channels, and a parameter of each kind for each.
pub(super) fn per_channel(what: &str, channels: usize, parameters: &[&Tensor]) -> Result<()> {
    for tensor in parameters {
        floats(what, tensor)?;
        if tensor.dims() != [channels] || channels == 0 {
            bail!("{what}: {channels} channels need parameters [{channels}], got {:?}", tensor.dims())
        }
    }
    Ok(())
}

pub(super) fn dropout(rate: f32) -> Result<()> {
    if (0.0..1.0).contains(&rate) { Ok(()) } else { bail!("dropout: a rate is in [0, 1), got {rate}") }
}

pub(super) fn logits(what: &str, logits: &Tensor) -> Result<(usize, usize)> {
    floats(what, logits)?;
    match *logits.dims() {
        [n, k] if n * k > 0 => Ok((n, k)),
        ref other => bail!("{what}: expected logits [N,K], got {other:?}"),
    }
}

pub(super) fn cross_entropy(x: &Tensor, labels: &[u32], total: usize, smoothing: f32) -> Result<(usize, usize)> {
    let (n, k) = logits("softmax_cross_entropy", x)?;
    if labels.len() != n {
        bail!("softmax_cross_entropy: {n} rows of logits, but {} labels", labels.len())
    }
    if let Some(label) = labels.iter().find(|label| **label as usize >= k) {
        bail!("softmax_cross_entropy: label {label} is none of the {k} classes 0..{k}")
    }
    if total == 0 || !(0.0..=1.0).contains(&smoothing) {
        bail!("softmax_cross_entropy: total {total} must be positive, label smoothing {smoothing} in [0, 1]")
    }
    Ok((n, k))
}

/// That a sink belongs to this pair of parameters.
pub(super) fn sink(what: &str, grads: Option<&GradSink>, w: &Tensor, b: Option<&Tensor>) -> Result<()> {
    let (weights, biases) = (w.elem_count(), b.map_or(0, Tensor::elem_count));
    if grads.is_some_and(|grads| !grads.fits(weights, biases)) {
        bail!("{what}: the gradient sink was made for another layer than one of {weights} weights and {biases} biases")
    }
    Ok(())
}

fn bias(what: &str, b: Option<&Tensor>, o: usize) -> Result<()> {
    let Some(b) = b else { return Ok(()) };
    floats(what, b)?;
    if b.dims() != [o] {
        bail!("{what}: {o} outputs need a bias [{o}], got {:?}", b.dims())
    }
    Ok(())
}

fn floats(what: &str, x: &Tensor) -> Result<()> {
    if x.dtype() == DType::F32 { Ok(()) } else { bail!("{what}: expected f32, got {:?}", x.dtype()) }
}
