//! Convolutions as products: forward, and the gradients of weights, biases and images.
//!
//! Framed images are rounded once. Windows are the rows of a left operand. If the channels are whole groups of terms, they are read where they lie. Else the windows
//! of some positions are copied out, so many that they stay in the second-level cache. For the gradient of the weights the rows are the window's elements, and the terms of a sum are positions.

use super::super::convolve::{Parameters, Problem, frame_gradient};
use super::super::frame::Frame;
use super::super::rows::Rows;
use super::pack::Buffers;
use super::round::Element;
use super::unit::{Compute, GROUP, Kernel, dispatch};
use crate::ops::window::Window;

/// Elements of the windows whose sums are computed at a time.
const WINDOWS: usize = 64 * 1024;

/// Positions over which the gradient of the weights is summed at a time: decides the order of its sums.
const POSITIONS: usize = 256;

/// Elements of framed images at a time; decides the order of sums, too.
const IMAGES: usize = 64 * 1024;

/// `[images, rows, columns, outputs]`; without biases `b` is empty.
pub(crate) fn forward(problem: &Problem, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
    dispatch(Forward { problem, x, w, b })
}

/// Adds to the parameters' gradients, if asked for, and returns the images', if needed.
pub(crate) fn backward(
    problem: &Problem,
    operands: [&[f32]; 4],
    needs_x: bool,
    parameters: Option<Parameters>,
) -> Option<Vec<f32>> {
    dispatch(Backward { problem, operands, needs_x, parameters })
}

struct Forward<'a> {
    problem: &'a Problem,
    x: &'a [f32],
    w: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<U: Compute>(self, unit: U) -> Vec<f32> {
        let Self { problem, x, w, b } = self;
        let Problem { images, window, outputs, relu, .. } = *problem;
        let (image, depth) = (problem.image(), problem.depth());
        assert_eq!((x.len(), w.len()), (images * image, depth * outputs), "operands");
        assert!(b.is_empty() || b.len() == outputs, "biases");
        let mut y = Vec::with_capacity(images * window.positions() * outputs);
        let mut buffers = U::Element::BUFFERS.take();
        buffers.right.fill(unit, (depth, outputs), |k, start, to| {
            to.copy_from_slice(&w[k * outputs + start..][..to.len()]);
        });
        let frame = problem.frame();
        let slide = Slide { frame, window, output: (window.rows.output, window.columns.output), outputs };
        for x in x.chunks_exact(image) {
            round_framed(problem, frame, x, &mut buffers);
            slide.run(unit, (window.rows.stride, window.columns.stride), &mut buffers, |sums| {
                let start = y.len();
                y.extend_from_slice(sums);
                let y = &mut y[start..];
                y.iter_mut().zip(b).for_each(|(y, b)| *y += b);
                if relu {
                    y.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            });
        }
        U::Element::BUFFERS.set(buffers);
        y
    }
}

struct Backward<'a> {
    problem: &'a Problem,
    /// Images, weights, results, and the gradient of the results.
    operands: [&'a [f32]; 4],
    needs_x: bool,
    parameters: Option<Parameters<'a>>,
}

impl Kernel for Backward<'_> {
    type Output = Option<Vec<f32>>;

    #[inline(always)]
    fn run<U: Compute>(self, unit: U) -> Option<Vec<f32>> {
        let Self { problem, operands: [x, w, y, gy], needs_x, mut parameters } = self;
        let Problem { images, window, channels, outputs, .. } = *problem;
        let (image, depth, positions) = (problem.image(), problem.depth(), window.positions() * outputs);
        assert_eq!((x.len(), w.len()), (images * image, depth * outputs), "operands");
        assert_eq!((y.len(), gy.len()), (images * positions, images * positions), "results");
        let mut buffers = U::Element::BUFFERS.take();
        if let Some((weight, _)) = &mut parameters
            && images > 0
        {
            weigh(unit, problem, [x, y, gy], weight, &mut buffers);
        }
        // The biases' gradients come with the frames.
        let (frame, place) = problem.gradient_frame(needs_x);
        let flipped = |k: usize, start: usize, to: &mut [f32]| {
            let (tap, output) = (depth / channels - 1 - k / outputs, k % outputs);
            let from = w[(tap * channels + start) * outputs + output..].iter().step_by(outputs);
            to.iter_mut().zip(from).for_each(|(to, w)| *to = *w);
        };
        if needs_x {
            buffers.right.fill(unit, (depth / channels * outputs, channels), flipped);
        }
        let slide = Slide { frame, window, output: (window.rows.input, window.columns.input), outputs: channels };
        let mut dx = Vec::with_capacity(if needs_x { images * image } else { 0 });
        let mut gradients = std::mem::take(&mut buffers.gradients);
        gradients.resize(frame.image(), 0.0);
        for (y, gy) in y.chunks_exact(positions).zip(gy.chunks_exact(positions)) {
            let bias = parameters.as_mut().map_or(&mut [] as &mut [f32], |(_, bias)| bias);
            frame_gradient(problem, frame, place, (y, Rows { values: gy, pitch: outputs }), bias, &mut gradients);
            if needs_x {
                buffers.images.clear();
                buffers.images.extend(gradients.iter().map(|g| U::Element::of(*g)));
                slide.run(unit, (1, 1), &mut buffers, |sums| dx.extend_from_slice(sums));
            }
        }
        buffers.gradients = gradients;
        U::Element::BUFFERS.set(buffers);
        needs_x.then_some(dx)
    }
}

/// Rounds an image and puts it into its frame, in `images`.
#[inline(always)]
fn round_framed<E: Element>(problem: &Problem, frame: Frame, x: &[f32], buffers: &mut Buffers<E>) {
    let Window { rows, columns } = problem.window;
    let Buffers { images, ordered, .. } = buffers;
    ordered.clear();
    ordered.extend(x.iter().map(|x| E::of(*x)));
    if (frame.height, frame.width) == (rows.input, columns.input) {
        return std::mem::swap(images, ordered);
    }
    images.resize(frame.image(), E::default());
    frame.copy(ordered, (rows.before, columns.before), (rows.input, columns.input), images);
}

/// A window slid over one framed image.
struct Slide {
    frame: Frame,
    window: Window,
    /// Rows and columns of the output.
    output: (usize, usize),
    outputs: usize,
}

impl Slide {
    /// Calls `take` with the sums of each position, in order: of the image in `images` and the right operand.
    #[inline(always)]
    fn run<U: Compute>(
        &self,
        unit: U,
        stride: (usize, usize),
        buffers: &mut Buffers<U::Element>,
        mut take: impl FnMut(&[f32]),
    ) {
        let Self { frame, window, output, outputs } = *self;
        let Buffers { left, right, sums, images, .. } = buffers;
        let run = window.columns.window * frame.channels;
        let depth = window.rows.window * run;
        let positions = output.0 * output.1;
        let block = (WINDOWS / depth).clamp(16, 4096).min(positions);
        let start = |position| {
            let (i, j) = (position / output.1, position % output.1);
            i * stride.0 * frame.row() + j * stride.1 * frame.channels
        };
        // Each row of a window starts at a whole group of the image: groups are arranged once, in the image.
        let in_place = frame.channels % GROUP == 0;
        if in_place {
            let groups =
                (0..window.rows.window).flat_map(|i| (0..run).step_by(GROUP).map(move |k| i * frame.row() + k));
            left.slide::<U>(images, (0..positions).map(start), groups);
        }
        for first in (0..positions).step_by(block) {
            let count = block.min(positions - first);
            if !in_place {
                left.fill::<U>(count, depth, |row, to| {
                    for (i, to) in to.chunks_exact_mut(run).enumerate() {
                        to.copy_from_slice(&images[start(first + row) + i * frame.row()..][..run]);
                    }
                });
            }
            sums.begin::<U>(count, outputs);
            sums.add(unit, left, (if in_place { first } else { 0 }, count), right);
            (0..count).for_each(|row| take(&sums.row(row)[..outputs]));
        }
    }
}

/// Adds to the gradient of the weights.
#[inline(always)]
fn weigh<U: Compute>(
    unit: U,
    problem: &Problem,
    [x, y, gy]: [&[f32]; 3],
    weight: &mut [f32],
    buffers: &mut Buffers<U::Element>,
) {
    let Problem { images, window, channels, outputs, .. } = *problem;
    let (image, positions) = (problem.image(), window.positions() * outputs);
    let frame = problem.frame();
    let plane = frame.height * frame.width;
    let chunk = (IMAGES / frame.image()).clamp(1, images.max(1));
    let (rows, columns) = (window.rows, window.columns);
    let depth = problem.depth();
    let mut sums = std::mem::take(&mut buffers.sums);
    sums.begin::<U>(depth, outputs);
    for start in (0..images).step_by(chunk) {
        let count = chunk.min(images - start);
        // The channels of each image apart, so that a window's element at one position after the other is a run.
        let mut planes = Vec::with_capacity(count * frame.image());
        for x in x.chunks_exact(image).skip(start).take(count) {
            round_framed(problem, frame, x, buffers);
            for channel in 0..channels {
                planes.extend(buffers.images[channel..].iter().step_by(channels).take(plane));
            }
        }
        let lines = (POSITIONS / columns.output).max(1);
        let all = count * rows.output;
        for first in (0..all).step_by(lines) {
            let lines = lines.min(all - first);
            // Where the windows of each line begin in their planes.
            let starts: Vec<usize> = (first..first + lines)
                .map(|line| {
                    let (n, i) = (line / rows.output, line % rows.output);
                    (n * channels * frame.height + i * rows.stride) * frame.width
                })
                .collect();
            buffers.left.fill::<U>(depth, lines * columns.output, |element, to| {
                let (tap, channel) = (element / channels, element % channels);
                let (down, right) = (tap / columns.window, tap % columns.window);
                let from = &planes[channel * plane + down * frame.width + right..];
                match (columns.stride, columns.output) {
                    (1, ..=8) => copy_lines::<8, _>(from, &starts, columns.output, to),
                    (1, 9..=16) => copy_lines::<16, _>(from, &starts, columns.output, to),
                    (1, 17..=32) => copy_lines::<32, _>(from, &starts, columns.output, to),
                    (stride, output) => {
                        for (start, to) in starts.iter().zip(to.chunks_exact_mut(output)) {
                            to.iter_mut().zip(from[*start..].iter().step_by(stride)).for_each(|(to, x)| *to = *x);
                        }
                    }
                }
            });
            let at = start * positions + first * columns.output * outputs;
            let range = at..at + lines * columns.output * outputs;
            let gy = if problem.relu {
                buffers.gradients.clear();
                let passed = gy[range.clone()].iter().zip(&y[range]).map(|(g, y)| if *y > 0.0 { *g } else { 0.0 });
                buffers.gradients.extend(passed);
                &buffers.gradients
            } else {
                &gy[range]
            };
            buffers.right.fill(unit, (lines * columns.output, outputs), |k, start, to| {
                to.copy_from_slice(&gy[k * outputs + start..][..to.len()]);
            });
            sums.add(unit, &buffers.left, (0, depth), &buffers.right);
        }
    }
    for (row, to) in weight.chunks_exact_mut(outputs).enumerate() {
        to.iter_mut().zip(sums.row(row)).for_each(|(to, sum)| *to += sum);
    }
    buffers.sums = sums;
}

/// Copies lines of `len` elements, at most `W`, to follow one another. As long as there is room, `W` are copied, of which the next line replaces what
/// is too much: so the compiler knows how many there are.
#[inline(always)]
fn copy_lines<const W: usize, E: Copy>(from: &[E], starts: &[usize], len: usize, to: &mut [E]) {
    for (i, start) in starts.iter().enumerate() {
        let (from, to) = (&from[*start..], &mut to[i * len..]);
        if from.len() >= W && to.len() >= W {
            to[..W].copy_from_slice(&from[..W]);
        } else {
            to[..len].copy_from_slice(&from[..len]);
        }
    }
}
