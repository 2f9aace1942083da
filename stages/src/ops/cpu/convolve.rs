//! Convolution over slices: forward, and the gradients of its weights, biases and images.
//!
//! Images are copied into frames with zeros around them, a few at a time, so that they stay in the second-level cache;
//! windows then are runs of consecutive elements of the frame. The gradient of the images is again a convolution: of the
//! output's gradient, spread out by the stride, with the flipped kernels.

use std::cell::RefCell;
use std::ops::Range;
use std::slice;

use pulp::{Simd, WithSimd};

use super::column_sums::ColumnSums;
use super::conv_norm::NormGradient;
use super::frame::{Frame, Place};
use super::panels::pack;
use super::rows::Rows;
use super::slide::Sliding;
use super::tile;
use super::weigh::Weighing;
use super::winograd;
use crate::ops::simd::dispatch;
use crate::ops::window::{Axis, Window};

/// What is convolved with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) images: usize,
    pub(super) window: Window,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) relu: bool,
}

/// The gradients of weights and biases, to be added to. Without biases the second is empty.
pub(super) type Parameters<'a> = (&'a mut [f32], &'a mut [f32]);

/// Whether the gradient of the images is to be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted<'a> {
    Nothing,
    Gradient,
    /// Added to these elements, as many as the images have.
    Sum(&'a [f32]),
}

impl<'a> Wanted<'a> {
    /// The gradient if it is needed, with what the images received from elsewhere.
    pub(super) fn new(needed: bool, received: Option<&'a [f32]>) -> Self {
        match received {
            _ if !needed => Self::Nothing,
            Some(received) => Self::Sum(received),
            None => Self::Gradient,
        }
    }

    /// What is added to the gradient of these elements: nothing if it is empty.
    pub(super) fn addend(self, elements: Range<usize>) -> &'a [f32] {
        match self {
            Self::Sum(addend) => &addend[elements],
            Self::Nothing | Self::Gradient => &[],
        }
    }
}

/// The gradient of a convolution's outputs.
#[derive(Clone, Copy)]
pub(super) enum Upstream<'a> {
    /// It is there, with the outputs, of which a ReLU let some pass.
    Values { y: &'a [f32], gy: Rows<'a> },
    /// It comes through the batch normalisation behind the convolution.
    Norm(&'a NormGradient<'a>),
}

impl<'a> Upstream<'a> {
    /// Whether it is that of rows `[count, len]`.
    pub(super) fn has(&self, count: usize, len: usize) -> bool {
        match self {
            Self::Values { y, gy } => y.len() == count * len && gy.has(count, len),
            Self::Norm(norm) => norm.len() == count * len,
        }
    }

    /// The outputs and the gradients of some images, of `[positions, outputs]` each. If they are not there yet, they are written to `room`, and
    /// stand for the outputs too, which no ReLU needs then.
    #[inline(always)]
    pub(super) fn of_images<'b, S: Simd>(
        self,
        simd: S,
        images: Range<usize>,
        (positions, outputs): (usize, usize),
        room: &'b mut Vec<f32>,
    ) -> (&'b [f32], Rows<'b>)
    where
        'a: 'b,
    {
        let elements = positions * outputs;
        match self {
            Self::Values { y, gy } => {
                (&y[images.start * elements..images.end * elements], gy.from(images.start * positions))
            }
            Self::Norm(norm) => {
                let len = images.len() * elements;
                room.resize(len.max(room.len()), 0.0);
                norm.write(simd, images, &mut room[..len]);
                (&room[..len], Rows { values: &room[..len], pitch: outputs })
            }
        }
    }
}

/// `[images, rows, columns, outputs]`; without biases `b` is empty. Where sums are given, the outputs are added to them.
pub(super) fn forward(
    problem: &Problem,
    x: &[f32],
    w: &[f32],
    b: &[f32],
    sums: Option<&mut ColumnSums<1>>,
) -> Vec<f32> {
    if winograd::applies(problem) {
        return winograd::forward(problem, [x, w, b], sums);
    }
    SCRATCH.with_borrow_mut(|scratch| dispatch(Forward { problem, x, w, b, sums, scratch }))
}

/// Adds to the parameters' gradients, if asked for, and returns what is wanted of the images'.
pub(super) fn backward(
    problem: &Problem,
    [x, w]: [&[f32]; 2],
    upstream: Upstream,
    wanted: Wanted,
    parameters: Option<Parameters>,
) -> Option<Vec<f32>> {
    if winograd::applies(problem) {
        return winograd::backward(problem, [x, w], upstream, wanted, parameters);
    }
    SCRATCH.with_borrow_mut(|scratch| dispatch(Backward { problem, x, w, upstream, wanted, parameters, scratch }))
}

/// Elements of framed images at a time: half a second-level cache of 512 KiB.
const CHUNK: usize = 64 * 1024;

/// Buffers that a thread keeps, so that a step allocates nothing but its results.
#[derive(Default)]
struct Scratch {
    images: Vec<f32>,
    upstream: Vec<f32>,
    gradients: Vec<f32>,
    panels: Vec<f32>,
    biases: Vec<f32>,
    starts: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

struct Forward<'a> {
    problem: &'a Problem,
    x: &'a [f32],
    w: &'a [f32],
    b: &'a [f32],
    sums: Option<&'a mut ColumnSums<1>>,
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Vec<f32> {
        let Problem { images, window, outputs, relu, .. } = *self.problem;
        let Scratch { images: framed, panels, biases, starts, .. } = self.scratch;
        let (depth, width) = (self.problem.depth(), tile::columns::<S>());
        assert_eq!((self.x.len(), self.w.len()), (images * self.problem.image(), depth * outputs), "operands");
        assert!(self.b.is_empty() || self.b.len() == outputs, "biases");
        pack(panels, depth, outputs, width, |row, start, to| {
            to.copy_from_slice(&self.w[row * outputs + start..][..to.len()]);
        });
        pack(biases, 1, outputs, width, |_, start, to| {
            if !self.b.is_empty() {
                to.copy_from_slice(&self.b[start..][..to.len()]);
            }
        });
        let frame = self.problem.frame();
        let sliding = Sliding {
            frame,
            window: (window.rows.window, window.columns.window),
            output: (window.rows.output, window.columns.output),
            stride: (window.rows.stride, window.columns.stride),
            outputs,
            relu,
        };
        let positions = window.positions() * outputs;
        let chunk = (CHUNK / frame.image()).clamp(1, images.max(1));
        sliding.starts(chunk, starts);
        let mut y = Vec::with_capacity(images * positions);
        let to: *mut f32 = y.as_mut_ptr();
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let x = self.problem.framed(self.x, start..start + count, framed);
            let starts = &starts[..count * window.positions()];
            // SAFETY: `to` has room for `images * positions` elements, of which these are `count` images'.
            unsafe { sliding.run(simd, x, starts, (panels, biases), &[], to.add(start * positions)) };
            if let Some(sums) = &mut self.sums {
                // SAFETY: they were written just now.
                let y = unsafe { slice::from_raw_parts(to.add(start * positions), count * positions) };
                sums.add_elements(simd, y);
            }
        }
        // SAFETY: the chunks cover all images, and each wrote all of its outputs.
        unsafe { y.set_len(images * positions) };
        y
    }
}

struct Backward<'a> {
    problem: &'a Problem,
    x: &'a [f32],
    w: &'a [f32],
    upstream: Upstream<'a>,
    wanted: Wanted<'a>,
    parameters: Option<Parameters<'a>>,
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = Option<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Option<Vec<f32>> {
        let problem = self.problem;
        let Problem { images, window, channels, outputs, .. } = *problem;
        let Scratch { images: framed, upstream, gradients, panels, biases, starts } = self.scratch;
        let image = problem.image();
        let positions = window.positions() * outputs;
        assert_eq!((self.x.len(), self.w.len()), (images * image, problem.depth() * outputs), "operands");
        assert!(self.upstream.has(images * window.positions(), outputs), "results");

        let needs_x = self.wanted != Wanted::Nothing;
        let (g_frame, place) = problem.gradient_frame(needs_x);
        let sliding = Sliding {
            frame: g_frame,
            window: (window.rows.window, window.columns.window),
            output: (window.rows.input, window.columns.input),
            stride: (1, 1),
            outputs: channels,
            relu: false,
        };
        let frame = problem.frame();
        let weighing = Weighing { images: frame, gradients: g_frame, place, window, outputs };
        let chunk = (CHUNK / frame.image().max(g_frame.image())).clamp(1, images.max(1));
        if needs_x {
            pack_flipped(problem, self.w, tile::columns::<S>(), panels);
            pack(biases, 1, channels, tile::columns::<S>(), |_, _, _| {});
            sliding.starts(chunk, starts);
        }
        let mut dx = Vec::with_capacity(if needs_x { images * image } else { 0 });
        let to: *mut f32 = dx.as_mut_ptr();
        for start in (0..images).step_by(chunk) {
            let count = chunk.min(images - start);
            let size = (window.positions(), outputs);
            let (y, gy) = self.upstream.of_images(simd, start..start + count, size, upstream);
            let bias = self.parameters.as_mut().map_or(&mut [] as &mut [f32], |(_, bias)| bias);
            // A tile may read, and ignore, a few elements past the last pixel's channels.
            gradients.resize((count * g_frame.image() + tile::columns::<S>()).max(gradients.len()), 0.0);
            for (n, framed) in gradients.chunks_exact_mut(g_frame.image()).take(count).enumerate() {
                let of_image = (&y[n * positions..][..positions], gy.from(n * window.positions()));
                frame_gradient(problem, g_frame, place, of_image, bias, framed);
            }
            if let Some((weight, _)) = &mut self.parameters {
                let x = problem.framed(self.x, start..start + count, framed);
                for n in 0..count {
                    weighing.run(simd, &x[n * frame.image()..], &gradients[n * g_frame.image()..], weight);
                }
            }
            if needs_x {
                let starts = &starts[..count * window.pixels()];
                let addend = self.wanted.addend(start * image..(start + count) * image);
                // SAFETY: `to` has room for `images * image` elements, of which these are `count` images'.
                unsafe { sliding.run(simd, gradients, starts, (panels, biases), addend, to.add(start * image)) };
            }
        }
        if !needs_x {
            return None;
        }
        // SAFETY: the chunks cover all images, and each wrote all of its gradient.
        unsafe { dx.set_len(images * image) };
        Some(dx)
    }
}

/// Frames the gradient of one image's output, zero where a ReLU cut it, and adds it to the biases' gradients, if asked for.
#[inline(always)]
pub(super) fn frame_gradient(
    problem: &Problem,
    frame: Frame,
    place: Place,
    (y, gy): (&[f32], Rows),
    bias: &mut [f32],
    to: &mut [f32],
) {
    let Problem { window, outputs, relu, .. } = *problem;
    frame.fill(to, place, (window.rows.output, window.columns.output), |pixel, to| {
        let (y, gy) = (&y[pixel * outputs..][..outputs], gy.row(pixel, outputs));
        if relu {
            to.iter_mut().zip(gy).zip(y).for_each(|((to, g), y)| *to = if *y > 0.0 { *g } else { 0.0 });
        } else {
            to.copy_from_slice(gy);
        }
        bias.iter_mut().zip(to).for_each(|(sum, g)| *sum += *g);
    });
}

impl Problem {
    /// Terms of each output's sum.
    pub(super) fn depth(&self) -> usize {
        self.window.rows.window * self.window.columns.window * self.channels
    }

    /// Elements of an image.
    pub(super) fn image(&self) -> usize {
        self.window.pixels() * self.channels
    }

    /// Whether every window lies inside the images, so that they are their own frames.
    fn inside(&self) -> bool {
        [self.window.rows, self.window.columns].iter().all(|axis| axis.before == 0 && axis.after() == 0)
    }

    pub(super) fn frame(&self) -> Frame {
        let size = |axis: Axis| if self.inside() { axis.input } else { axis.span() };
        Frame { height: size(self.window.rows), width: size(self.window.columns), channels: self.channels }
    }

    /// The frame of the output's gradient. To be convolved with the flipped kernels it needs room on all sides, and
    /// zeros between its pixels where a stride skipped inputs.
    pub(super) fn gradient_frame(&self, needs_x: bool) -> (Frame, Place) {
        let Window { rows, columns } = self.window;
        if !needs_x {
            let frame = Frame { height: rows.output, width: columns.output, channels: self.outputs };
            return (frame, Place { top: 0, left: 0, stride: (1, 1) });
        }
        let size = |axis: Axis| axis.input + axis.window - 1;
        let margin = |axis: Axis| axis.window - 1 - axis.before;
        let frame = Frame { height: size(rows), width: size(columns), channels: self.outputs };
        (frame, Place { top: margin(rows), left: margin(columns), stride: (rows.stride, columns.stride) })
    }

    /// Images number `range` in their frames.
    #[inline(always)]
    fn framed<'a>(&self, x: &'a [f32], range: Range<usize>, to: &'a mut Vec<f32>) -> &'a [f32] {
        let image = self.image();
        let x = &x[range.start * image..range.end * image];
        if self.inside() {
            return x;
        }
        let frame = self.frame();
        let Window { rows, columns } = self.window;
        let len = range.len() * frame.image();
        to.resize(len.max(to.len()), 0.0);
        for (x, to) in x.chunks_exact(image).zip(to.chunks_exact_mut(frame.image())) {
            frame.copy(x, (rows.before, columns.before), (rows.input, columns.input), to);
        }
        &to[..len]
    }
}

/// The kernels turned by half a turn, with inputs and outputs exchanged.
#[inline(always)]
fn pack_flipped(problem: &Problem, w: &[f32], width: usize, to: &mut Vec<f32>) {
    let Problem { window, channels, outputs, .. } = *problem;
    let taps = window.rows.window * window.columns.window;
    pack(to, taps * outputs, channels, width, |row, start, to| {
        let (tap, output) = (row / outputs, row % outputs);
        let first = ((taps - 1 - tap) * channels + start) * outputs + output;
        for (to, w) in to.iter_mut().zip(w[first..].iter().step_by(outputs)) {
            *to = *w;
        }
    });
}
